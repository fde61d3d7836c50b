"""The words in a setting's name, whatever its spelling: nCritic, n-critic, critic_iters, lrG.

A name is cut at capitals, digits, hyphens, underscores and dots, and each piece becomes a word of
the table below. A piece that is none is cut further, into as few words as there are (`batchsize`);
what cannot be cut stays as it is, and no meaning will know it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
CUTS = 3  # words that a piece without marks between them may hold
GROWING = """
    adam base batch beta channel checkpoint ckpt clip crit critic crop cuda d data dataset decay
    dim dir disc discriminator early ema epoch every feature file folder flip freq g gen generator
    gp gpu grad gradient grey gray scale height hidden im image img interval iter iteration
    lambda latent learning load log lr manual max model n name no noise norm num optim out path
    penalty random rate root sample save seed size step stopping stop train update use value
    weight width worker z
    """  # spellings that are written as one with others: batchsize, lrD, nCritic
WORDS: Mapping[str, str] = {  # a word: how it is written
    "accumulation": "accumulation accumulate accum",
    "activation": "activation nonlinearity relu leaky slope negative tanh",
    "adam": "adam",
    "alpha": "alpha α",
    "amp": "amp half",
    "architecture": "architecture arch backbone",
    "attention": "attention attn",
    "augment": "augment augmentation aug transform transformation preprocess preprocessing",
    "base": "base basic",
    "batch": "batch minibatch",
    "batchnorm": "batchnorm bn batchnormalization batchnormalisation",
    "benchmark": "benchmark cudnn deterministic determinism",
    "best": "best",
    "beta": "beta b β",
    "bias": "bias",
    "center": "center centre centered",
    "channel": "channel chan",
    "checkpoint": "checkpoint ckpt snapshot",
    "class": "class category",
    "clip": "clip clipping cliping clamp clamping",
    "color": "color colour",
    "condition": "condition conditional cond conditioned",
    "count": "count n num number nb amount total",
    "cpu": "cpu",
    "critic": "critic crit discriminator discrim disc dis d c",
    "crop": "crop cropped",
    "data": "data dataset",
    "decay": "decay",
    "device": "device accelerator hardware",
    "diffusion": "diffusion",
    "dim": "dim dimension dimensionality length len",
    "distributed": "distributed world rank parallel ddp local node strategy backend",
    "download": "download",
    "dragan": "dragan",
    "drop": "drop",
    "dropout": "dropout",
    "early": "early",
    "ema": "ema",
    "end": "end",
    "epoch": "epoch",
    "eps": "eps epsilon",
    "evaluation": "evaluation eval evaluate validation validate val valid test testing holdout",
    "experiment": "experiment exp run project task entity",
    "extra": "extra",
    "feature": "feature feat filter fmap conv convolution",
    "fid": "fid kid metric score inception",
    "fixed": "fixed",
    "flip": "flip hflip mirror",
    "format": "format extension ext",
    "gain": "gain",
    "gamma": "gamma",
    "gif": "gif plot show figure fps",
    "generator": "generator gen g",
    "gp": "gp gradpen",
    "gpu": "gpu cuda",
    "gradient": "gradient grad",
    "grey": "grey gray grayscale greyscale monochrome",
    "grid": "grid row nrow column",
    "height": "height h",
    "hidden": "hidden unit",
    "horizontal": "horizontal",
    "image": "image img im pic picture photo",
    "index": "index id ids",
    "init": "init initial initialization initialisation initializer",
    "input": "input in real",
    "instance": "instance",
    "interval": "interval freq frequency every each period",
    "iteration": "iteration iter step update repeat",
    "keep": "keep",
    "kernel": "kernel stride padding pad",
    "label": "label",
    "lambda": "lambda lambd lmbda lam λ",
    "last": "last latest",
    "latent": "latent z code",
    "layer": "layer depth block",
    "level": "level",
    "learning": "learning",
    "loader": "loader dataloader",
    "load": "load",
    "log": "log logging logger print printing display verbose verbosity report history tqdm "
    "progress",
    "loss": "loss adversarial adv criterion objective",
    "lower": "lower low",
    "lr": "lr lrate",
    "manual": "manual",
    "map": "map",
    "max": "max maximum maximal limit bound",
    "mean": "mean",
    "memory": "memory pin pinned prefetch persistent buffer cache",
    "min": "min minimum minimal",
    "mini": "mini",
    "mixed": "mixed",
    "model": "model",
    "momentum": "momentum",
    "moving": "moving average averaging exponential",
    "multi": "multi multiple mult",
    "name": "name",
    "net": "net network",
    "noise": "noise",
    "norm": "norm normalization normalisation",
    "normalize": "normalize normalise normalized normalised",
    "optimizer": "optimizer optimiser optim opt",
    "output": "output out result outf",
    "path": "path dir directory folder root location file filename filepath dest destination",
    "patience": "patience",
    "penalty": "penalty pen regularization regularisation regularizer reg",
    "per": "per",
    "point": "point",
    "precision": "precision dtype",
    "random": "random",
    "range": "range",
    "rate": "rate prob probability",
    "ratio": "ratio fraction share portion percent",
    "r": "r",
    "remark": "author version date description desc comment note remark title tag readme copyright",
    "resize": "resize rescale",
    "resume": "resume continue restore pretrained reload finetune",
    "rgb": "rgb",
    "sample": "sample preview generate generated fake example viz visual visualize",
    "sampler": "sampler",
    "sampling": "sampling ddim",
    "save": "save saving saved store dump export",
    "schedule": "schedule scheduler policy milestone",
    "seed": "seed",
    "set": "set",
    "shape": "shape",
    "shuffle": "shuffle",
    "size": "size sz side resolution res",
    "smoothing": "smoothing smooth smoothed",
    "source": "source",
    "spectral": "spectral",
    "spectralnorm": "spectralnorm sn",
    "split": "split",
    "start": "start begin first",
    "state": "state",
    "std": "std stddev",
    "stop": "stop stopping",
    "tensorboard": "tensorboard tb tensorboardx",
    "term": "term",
    "time": "time",
    "timestep": "timestep t",
    "type": "type kind mode variant method phase",
    "upper": "upper up",
    "w": "w",
    "wandb": "wandb mlflow comet neptune",
    "warmup": "warmup",
    "weight": "weight coefficient coeff coef factor scale strength multiplier",
    "width": "width",
    "without": "no not without disable disabled",
    "worker": "worker thread process",
}
FILLERS: Mapping[str, str] = {  # words that change no meaning, though a meaning may ask for them
    "gan": "gan wgan dcgan wasserstein vanilla",
    "of": "of for from the to my our and by on at as with only self value arg args vector space fn "
    "function",
    "settings": "setting config configuration cfg conf param parameter hparam hyper hyperparameter "
    "hyperparam option general global main default common section system runtime environment env "
    "io misc",
    "train": "train training trainer trained",
    "use": "use using enable enabled is do apply active flag",
}
SHORT: Mapping[str, str] = {  # short forms that stand for several words
    "bf": "precision",
    "bs": "batch size",
    "df": "critic feature",
    "fp": "precision",
    "gf": "generator feature",
    "nc": "image channel",
    "ndf": "critic feature",
    "netd": "critic net",
    "netg": "generator net",
    "nf": "feature",
    "ngf": "generator feature",
    "niter": "count epoch",
    "niters": "count iteration",
    "nz": "latent size",
    "wd": "weightdecay",
}
PHRASES: Mapping[str, str] = {  # words that mean something else together
    "batch norm": "batchnorm",
    "check point": "checkpoint",
    "clip gradient": "gradclip",
    "data loader": "loader",
    "data set": "data",
    "drop last": "loader",
    "early stop": "earlystop",
    "gradient clip": "gradclip",
    "gradient penalty": "gp",
    "grey weight": "grey",
    "instance norm": "norm",
    "instance noise": "instancenoise",
    "layer norm": "norm",
    "learning rate": "lr",
    "mini batch": "batch",
    "mixed precision": "amp",
    "moving moving": "ema",
    "multi gpu": "distributed",
    "spectral norm": "spectralnorm",
    "random state": "seed",
    "time iteration": "timestep",
    "weight decay": "weightdecay",
}


def words(name: str) -> tuple[str, ...]:
    """Give the words of a name, in order; a piece that is no word stays as it is, in lower case."""
    found = [word for piece in PIECE.findall(name) for word in _word(piece.lower())]
    return tuple(_joined(found))


def is_word(word: str) -> bool:
    """Is this a word that meanings may ask for? Numbers are: beta_1."""
    return word in _vocabulary() or word.isdigit()


@cache
def _vocabulary() -> frozenset[str]:
    shorts = {word for several in SHORT.values() for word in several.split()}
    return frozenset({*WORDS, *FILLERS, *PHRASES.values(), *shorts})


@cache
def _spellings() -> Mapping[str, tuple[str, ...]]:
    """Give every spelling, of one word or more, and what it stands for."""
    table = {
        spelled: (word,)
        for word, several in {**FILLERS, **WORDS}.items()
        for spelled in several.split()
    }
    return {**table, **{short: tuple(long.split()) for short, long in SHORT.items()}}


def _word(piece: str) -> tuple[str, ...]:
    """Read one piece: a spelling, its plural, spellings grown together, or nothing known."""
    known = _spellings()
    for spelled in (piece, piece.removesuffix("s"), piece.removesuffix("es")):
        if spelled in known:
            return known[spelled]
    for count in range(2, CUTS + 1):
        for cut in _cut(piece, count):
            return tuple(word for spelled in cut for word in known[spelled])
    return (piece,)


def _cut(piece: str, count: int) -> Iterator[Sequence[str]]:
    """Yield the ways to cut a piece into `count` spellings that grow together, longest first."""
    for end in range(len(piece), 0, -1) if count > 1 else (len(piece),):
        head = piece[:end]
        spelled = head if head in _growing() else head.removesuffix("s")
        if spelled in _growing():
            for rest in _cut(piece[end:], count - 1) if count > 1 else ((),):
                if _plausible(cut := (spelled, *rest)):
                    yield cut


def _plausible(cut: Sequence[str]) -> bool:
    """Could somebody have meant this? One letter at most, n in front, and no word twice."""
    known = {_spellings()[spelled] for spelled in cut}
    letters = sum(len(spelled) == 1 for spelled in cut)
    return letters <= 1 and "n" not in cut[1:] and len(known) == len(cut)


@cache
def _growing() -> frozenset[str]:
    return frozenset(GROWING.split())


def _joined(found: Sequence[str]) -> Iterator[str]:
    """Put words together that mean something else side by side."""
    place = 0
    while place < len(found):
        pair = " ".join(found[place : place + 2])
        if pair in PHRASES:
            yield PHRASES[pair]
            place += 2
        else:
            yield found[place]
            place += 1
