"""What the settings of other projects mean: a row's words, and what reads the value.

A row such as "batch size|image?" asks for the word `batch`; the words behind it are alternatives,
and those with a question mark may be missing. A row knows a key that has what it asks for and no
word besides; of several rows the one with the most words of the key wins.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from trilemma.recipe import foreign_readers as special
from trilemma.recipe.foreign_devices import gpu, precision, without_gpu
from trilemma.recipe.foreign_notes import NOTES
from trilemma.recipe.foreign_values import (
    Reader,
    Reading,
    betas,
    channels,
    colours,
    flag,
    label_real,
    number,
    one_of,
    size,
    switched,
    text,
    whole,
)
from trilemma.recipe.foreign_vocabulary import FILLERS
from trilemma.recipe.foreign_words import words

# Sections whose name need not matter: {"data": {"batch_size": 64}}.
ROOMS = """
    adam architecture augment base critic data device experiment generator gp gpu image input latent
    loader log loss model net optimizer output penalty save source
    """
LOOSE = {*FILLERS, *ROOMS.split()}
SIDE = "generator|critic?"
OF_ADAM = "generator|critic|adam|optimizer?"
NETWORKS = {
    "dcgan": "dcgan",
    "conv": "dcgan",
    "cnn": "dcgan",
    "resnet": "residual",
    "residual": "residual",
    "r3": "r3",
    "r3gan": "r3",
    "mlp": "perceptron",
    "perceptron": "perceptron",
}
MEANINGS: Sequence[tuple[str, Reader]] = (
    # images
    ("data|source name|type?", text("@data")),
    ("path data|source|image|input|train|class?", text("@path")),
    ("image|input data|source|train?", text("@path")),
    ("evaluation split|size|ratio data?", number("data.held_out", below=1)),
    ("size image|data|input|output|target|train?", size),
    ("image|data|input dim|shape", size),
    ("crop|resize|load image|data|size|center|augment|random?", special.crop),
    ("height|width image|data|input", special.one_side),
    ("w image|data|input", special.one_side),
    ("height|width", special.one_side),
    ("channel image|data|input|output|count|color?", channels),
    ("grey image|color|input?", colours(grey=True)),
    ("color count", channels),
    ("color|rgb type|image|input?", colours(grey=False)),
    ("flip horizontal|random|augment|image|rate?", flag("data.flip")),
    ("flip without horizontal|random|augment?", flag("data.flip", swapped=True)),
    ("class name|data|count?", special.classes),
    # networks
    (
        "latent dim|size|count|channel|layer|input|noise|shape|feature?",
        whole("family.generator.latent"),
    ),
    ("noise dim|size|count|shape|channel|input", whole("family.generator.latent")),
    ("random dim|size", whole("family.generator.latent")),
    ("generator input dim|size", whole("family.generator.latent")),
    (f"feature base|hidden|map|count|channel|dim|size|init? {SIDE}", whole("*net.width")),
    (f"base|hidden channel|dim|size|width {SIDE}", whole("*net.width")),
    ("width generator|critic|net|model", whole("*net.width")),
    ("dim|channel generator|critic|model", special.features),
    ("dim", whole("*net.width")),
    (f"max feature|channel|width {SIDE}", whole("*net.width_max")),
    ("dim|channel|feature multi|weight", special.multipliers),
    (f"batchnorm use? {SIDE}", special.batchnorm),
    (f"norm type|name|layer? {SIDE}", special.norm),
    (f"batchnorm without {SIDE}", special.without_batchnorm),
    ("spectralnorm critic|use?", flag("family.critic.spectral_norm")),
    (f"architecture model|net|name|type? {SIDE}", one_of("*net.name", NETWORKS)),
    ("generator|critic name|type model?", one_of("*net.name", NETWORKS)),
    ("condition class|label?", special.conditional),
    # which model
    ("model name|type|gan?", special.model("@model")),
    ("gan", special.model("@model")),
    ("loss name|type|gan|generator|critic?", special.model("@loss")),
    ("gan type|name", special.model("@loss")),
    ("type train?", special.mode),
    ("train gan?", special.is_train),
    # the critic
    (
        "critic iteration|count|ratio|per|interval generator|extra|per?",
        whole("family.critic_updates"),
    ),
    ("ratio train", whole("family.critic_updates")),
    ("generator interval iteration|batch|train?", whole("family.critic_updates")),
    (
        "gp|penalty weight|w|term|critic|loss|gradient?",
        switched(
            number("family.gp"),
            true=Reading(fields={"@gp": True}),
            false=Reading(fields={"family.gp": 0.0}),
        ),
    ),
    ("lambda gp|penalty|gradient|term|weight|critic|loss|evaluation?", number("family.gp")),
    ("r 1 gamma|weight|lambda|penalty?", number("family.r1")),
    ("r 2 gamma|weight|lambda|penalty?", number("family.r2")),
    ("dragan lambda|weight|penalty|gp?", number("family.dragan")),
    ("clip weight|critic|max|upper|min|lower?", special.clip),
    ("label smoothing|input", label_real),
    ("smoothing label|input?", label_real),
    (
        "instancenoise std?",
        number("family.instance_noise"),
    ),
    # optimizers
    (f"lr base|init|start|max|rate? {OF_ADAM}", number("*optimizer.lr", above=0)),
    ("alpha adam|optimizer?", number("*optimizer.lr", above=0, below=0.05)),
    (f"beta 1 {OF_ADAM}", number("*optimizer.beta1", below=1)),
    (f"beta 2 {OF_ADAM}", number("*optimizer.beta2", below=1)),
    (f"beta {OF_ADAM}", betas),
    (f"eps {OF_ADAM}", number("*optimizer.eps", above=0)),
    (f"weightdecay rate? {OF_ADAM}", number("*optimizer.weight_decay")),
    (f"gradclip norm|max|evaluation? {OF_ADAM}", number("*optimizer.clip")),
    (f"max gradient norm? {OF_ADAM}", number("*optimizer.clip")),
    (
        "optimizer name|type|generator|critic?",
        one_of("*optimizer.rule", {"adam": "adam", "adamw": "adam", "rmsprop": "rmsprop"}),
    ),
    ("adam", special.adam),
    ("schedule lr|optimizer|name|type?", special.schedule),
    ("decay lr|optimizer|use?", special.schedule),
    # diffusion
    ("timestep count|diffusion|noise|max?", whole("family.timesteps", least=2)),
    ("diffusion iteration count?", whole("family.timesteps", least=2)),
    (
        "schedule beta|noise|diffusion type|name?",
        one_of("family.schedule", {"linear": "linear", "cosine": "cosine"}),
    ),
    ("sampling iteration|timestep count?", whole("family.steps")),
    ("sampler name|type?", text("family.sampler")),
    # how long
    ("batch size|dim|image|per?", whole("train.batch_size")),
    ("epoch count|max?", number("train.epochs", above=0)),
    ("iteration count|max?", whole("@iterations")),
    ("iteration generator count|max?", special.generator_iterations),
    ("earlystop", flag("train.early_stop")),
    ("patience earlystop|epoch|max?", whole("train.patience")),
    (
        "ema decay|rate|weight|beta|momentum|generator|model?",
        switched(
            number("@ema", below=1),
            true=Reading(said="as in the preset"),
            false=Reading(fields={"@ema": 0.0}),
        ),
    ),
    ("checkpoint|last|best|model keep|count|max", special.keep),
    # what is seen
    (
        "sample|sampling count|size|per image|batch|save|per|epoch|latent|noise|fixed?",
        whole("watch.grid"),
    ),
    ("sample|image grid per count?", whole("watch.grid")),
    ("fixed noise size|count", whole("watch.grid")),
    ("image count save|log", whole("watch.grid")),
    (
        "sample interval|iteration|epoch|batch image|save|log|generator|count|output?",
        special.sample_interval,
    ),
    ("sampling interval|epoch image|save|log|batch?", special.sample_interval),
    ("image interval|iteration|epoch save|log|batch|count|output?", special.sample_interval),
    ("tensorboard path|log|output?", special.tensorboard),
    # the machine
    ("seed random|manual|state|count?", whole("seed", least=0)),
    ("device type|name|count|index?", gpu),
    ("gpu count|index|device?", gpu),
    ("gpu without", without_gpu),
    ("cpu device?", without_gpu),
    ("precision 16|32|mixed?", precision),
    ("amp precision?", precision),
    *NOTES,
)
USUAL = """
    adam amp b1 b2 batch_size batch_norm beta1 beta2 betas betas_d betas_g channels
    checkpoint_dir checkpoint_interval classes clip_value critic_iterations crop_size d_lr data_dir
    data_path dataset dataset_path device download drop_last early_stopping ema_decay epochs
    experiment_name features_critic features_gen fid_interval fp16 g_lr gan_mode generator_lr
    gp_weight gpu gpu_ids grad_clip gradient_penalty gradient_penalty_weight grayscale hidden_dim
    horizontal_flip image_height image_size image_width img_size iterations label_smoothing lambda
    lambda_gp latent_dim latent_size learning_rate learning_rate_d learning_rate_g log_dir log_file
    log_interval loss lr lr_d lr_decay lr_g lr_scheduler model n_critic n_epochs nc ndf ngf
    noise_dim num_channels num_classes num_epochs num_samples num_workers nz optimizer output_dir
    patience pin_memory precision r1_gamma resume sample_dir sample_interval save_dir save_interval
    seed shuffle spectral_norm timesteps use_cuda weight_clip weight_decay workers z_dim
    """  # names that an unknown one is held against


class _Row(NamedTuple):
    needed: tuple[frozenset[str], ...]
    allowed: frozenset[str]
    read: Reader


@cache
def _rows() -> tuple[_Row, ...]:
    return tuple(_row(pattern, read) for pattern, read in MEANINGS)


def _row(pattern: str, read: Reader) -> _Row:
    terms = [(term.removesuffix("?"), term.endswith("?")) for term in pattern.split()]
    groups = [(frozenset(names.split("|")), optional) for names, optional in terms]
    return _Row(
        needed=tuple(names for names, optional in groups if not optional),
        allowed=frozenset().union(*(names for names, _ in groups)),
        read=read,
    )


def readers(path: Sequence[str]) -> tuple[Reader, ...]:
    """Find what reads a setting, by its name and those of the sections around it.

    None: nobody knows it. Several: it may mean different things.
    """
    *around, name = path
    own = frozenset(words(name))
    section = frozenset(word for part in around for word in words(part))
    found: dict[Reader, int] = {}
    for row in _rows():
        used = row.allowed & (own | section)
        told = own - FILLERS.keys() <= used and section - LOOSE <= used
        if told and all(names & used for names in row.needed) and used:
            found[row.read] = max(len(used), found.get(row.read, 0))
    best = max(found.values(), default=0)
    return tuple(read for read, count in found.items() if count == best)


def vocabulary() -> Mapping[str, frozenset[str]]:
    """Give the words that each row may ask for."""
    return {pattern: _row(pattern, read).allowed for pattern, read in MEANINGS}
