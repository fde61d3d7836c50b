"""Settings that have no counterpart here, and what there is in their place."""

from collections.abc import Sequence

from trilemma.recipe.foreign_readers import only, resume, sampled
from trilemma.recipe.foreign_values import Reader, note, off

RUN = "RUN is the folder of the run (--out)"
ALL_IMAGES = note("all images of the folder are used; a tenth is held out for scores")
CHECKPOINTS = note(f"checkpoints lie in RUN/checkpoints, the best in RUN/best; {RUN}")
FOLDER = note("a run has a folder: --out, or below ./runs")
LOADING = note("not needed: decoded images are cached, shuffled and never in a queue")
LOG = note(f"the log is RUN/train.log, and log.jsonl and log.csv beside it; {RUN}")
LOGGED = note("about 500 lines of losses over the training, in RUN/log.csv")
NETS = note("not there: a network is given by its sizes, --family.generator.* and .critic.*")
PROCESSES = note("not needed: torchrun starts a process for each GPU")
RANGE = note("not needed: images are always in [-1, 1]")
RATES = note("not there: the rate is as in the preset; --family.generator-optimizer.schedule")
SAVED = note("a checkpoint at every scoring and at least once a minute; the last two stay")
SCORES = note("not needed: scored twenty times over a training; --watch.every, --watch.n")
NOTES: Sequence[tuple[str, Reader]] = (
    # samples, logs, checkpoints
    ("sample|sampling path|image|output|save|generator|fixed|noise|log|class|name?", sampled),
    ("image path save|output|generator|log", sampled),
    ("image save|output path?", sampled),
    ("grid count|size|image|sample|dim|save|path?", note("a grid is as square as can be")),
    ("gif save|sample|interval|path|image|log|loss?", note("RUN/progress.gif shows all grids")),
    ("output|save path|experiment|name|data?", FOLDER),
    ("output|save model path|name?", CHECKPOINTS),
    ("experiment path|name|index|output|save|log?", FOLDER),
    ("name|index", note("no part of a training; a run is named by --out")),
    ("log path|output|save|name|format|level|max|min?", LOG),
    ("log interval|iteration|epoch|batch|loss|lr|count|gradient per?", LOGGED),
    ("wandb name|experiment|log|output|type|index|save|path?", note("nothing is sent anywhere")),
    ("checkpoint path|save|name|output|format|best|last|model|generator|critic?", CHECKPOINTS),
    ("model|net|weight path save|output|name|best|last|generator|critic?", CHECKPOINTS),
    ("generator|critic path save|checkpoint|model|weight|name?", CHECKPOINTS),
    ("save model|checkpoint|weight|best|last|optimizer|net|loss", CHECKPOINTS),
    (
        "checkpoint|save interval|iteration|epoch model|weight|count|net|best|last|batch|per?",
        SAVED,
    ),
    ("model interval|iteration save|epoch?", SAVED),
    ("resume checkpoint|path|model|net|weight|generator|critic|save?", resume),
    ("load model|checkpoint|net|weight|generator|critic|path|epoch|resume", resume),
    ("epoch|iteration start|init|resume", off("a run goes on by itself", "leave it out")),
    ("generator|critic net", off("networks are made anew", "leave it out")),
    # images on their way
    ("worker count|data|loader|max|cpu|load|memory?", LOADING),
    ("cpu count", LOADING),
    ("memory weight|size|data|image|count|worker|loader|load?", LOADING),
    ("shuffle data|loader|memory|size|image?", LOADING),
    ("loader type|count|data?", LOADING),
    ("download data|image?", note("a named set is fetched where it lies nowhere")),
    ("data|image count|max size?", ALL_IMAGES),
    ("subset size|count|data?", ALL_IMAGES),
    ("split ratio|data|random?", ALL_IMAGES),
    ("format image|data|path|save?", note("images are known by their content")),
    ("crop|resize type", note("images are cropped at the centre and scaled by Lanczos")),
    ("weight generator|critic", resume),
    ("augment data|image|random|type?", note("see --data.flip and --family.augment")),
    ("normalize image|data|input|mean|std|range|augment?", RANGE),
    ("mean|std norm|image|data|augment|normalize?", RANGE),
    ("range image|data|input|size?", RANGE),
    # networks
    ("activation generator|critic|alpha|layer|type|name|use|output|target?", NETS),
    ("kernel size|generator|critic|feature|type?", NETS),
    ("layer count|extra|generator|critic|size|max?", NETS),
    ("dropout generator|critic|rate|use|layer?", NETS),
    ("dropout without", NETS),
    ("bias generator|critic|use|layer|feature?", NETS),
    ("attention generator|critic|use|layer|size|count?", NETS),
    ("init type|weight|std|gain|mean|net|generator|critic?", NETS),
    ("momentum batchnorm|norm", NETS),
    ("eps batchnorm|norm", NETS),
    (
        "latent|noise type|name",
        only("normal", "gaussian", "randn", said="z is always drawn from a normal distribution"),
    ),
    ("label sample", off("the target of fakes is 0", "leave it out")),
    ("label use|data|class?", off("no labels are given", "see --family.condition")),
    # the course of a training
    ("momentum optimizer|generator|critic?", note("Adam's beta1 stands in its place")),
    (
        "schedule gamma|iteration|size|interval|epoch|decay|rate|start|min|max|count|weight|end",
        RATES,
    ),
    ("schedule patience|warmup|ratio", RATES),
    (
        "decay epoch|iteration|rate|start|interval|weight|gamma|ratio|count|end lr|schedule?",
        RATES,
    ),
    ("lr min|end|interval iteration|epoch|decay?", RATES),
    ("warmup iteration|epoch|lr|count|ratio|schedule?", RATES),
    ("ema start|interval|iteration|epoch|warmup", note("--train.ema-images and .ema-ramp")),
    ("accumulation gradient|iteration|batch|count?", note("not needed: see --batch-size")),
    ("beta start|end|min|max schedule|noise?", note("0.0001 to 0.02, as in DDPM")),
    (
        "evaluation|fid interval|iteration|epoch|count|sample|batch|path|data|best|log|save?",
        SCORES,
    ),
    ("evaluation batch size|count", SCORES),
    ("fid evaluation|image|sample|count|interval|epoch|type|name?", SCORES),
    # the machine
    ("distributed size|gpu|index|count|data|train|type?", PROCESSES),
    ("debug use?", off("nothing is left out", "see --dry-run")),
    ("benchmark", note("not needed: what is fastest is measured")),
    ("remark", note("a remark")),
)
