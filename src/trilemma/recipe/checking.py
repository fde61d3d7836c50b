"""Is a recipe possible? Names, ranges and combinations, each refused in one line.

What is checked here needs no data and no machine. Everything a recipe may name is a key of a table;
the tables hold functions, so they are imported late: reading a recipe must not load torch.
"""

import re

from trilemma.errors import RecipeError
from trilemma.recipe.checking_diffusion import check_diffusion
from trilemma.recipe.checking_duel import check_duel
from trilemma.recipe.checking_upscale import METRICS as UPSCALE_METRICS
from trilemma.recipe.checking_upscale import check_low, check_upscale
from trilemma.recipe.files import SCHEMA
from trilemma.recipe.following import follows
from trilemma.recipe.ranges import each, inside, known, not_negative, positive, share
from trilemma.recipe.recipe import (
    DataRecipe,
    DiffusionRecipe,
    DuelRecipe,
    OptimizerRecipe,
    Recipe,
    SpeedRecipe,
    TrainRecipe,
    UpscaleRecipe,
    WatchRecipe,
    parse_size,
)

# The tables of these stand in layers above this one; a test holds them against each other.
METRICS = ("fd", "kid")  # scores that may be watched, of all but upscalers
EXTRACTORS = ("auto", "dinov2", "domain", "inception", "lite0", "pixels", "points", "stacked")
POINTS = ("grid", "ring")  # data sets of points of the plane, no images
DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
SEEDS = 2**32  # the CPU's generator keeps 32 bits of a seed
WATCH_EVALUATIONS = 50  # of the network, that a watched image may cost
SIDE_MAX = 4096  # pixels

AnyFamily = DuelRecipe | DiffusionRecipe | UpscaleRecipe


def check(recipe: Recipe) -> None:
    """Refuse what cannot be trained; RecipeError names the field, its value and what is allowed."""
    if recipe.schema != SCHEMA:
        raise RecipeError(f"schema is {recipe.schema}; allowed: {SCHEMA}")
    inside("seed", recipe.seed, 0, SEEDS - 1)
    _data(recipe.data)
    family = recipe.family
    if isinstance(family, UpscaleRecipe):
        check_upscale(family, recipe.data)
    else:
        check_low(recipe)
    if isinstance(family, DuelRecipe):
        check_duel(family, parse_size(recipe.data.size))
    elif isinstance(family, DiffusionRecipe):
        check_diffusion(family, parse_size(recipe.data.size))
    if recipe.data.attributes and getattr(family, "condition", "") == "none":
        raise RecipeError(
            "data.attributes is given, and family.condition = 'none' tells no network of it; set "
            "family.condition = 'projection' (a GAN) or 'labels' (a diffusion model)"
        )
    for name in ("generator_optimizer", "critic_optimizer", "optimizer"):
        if hasattr(family, name):
            _optimizer(f"family.{name}", getattr(family, name))
    _start(recipe)
    _train(recipe.train)
    _watch(recipe.watch, family)
    _speed(recipe.speed, family)
    if recipe.speed.shard:
        _shard(family)


def _data(data: DataRecipe) -> None:
    try:
        height, width = parse_size(data.size)
    except ValueError:
        raise RecipeError(
            f"data.size is '{data.size}'; allowed: width x height such as 96x64, or one number"
        ) from None
    inside("data.size (height)", height, 1, SIDE_MAX)
    inside("data.size (width)", width, 1, SIDE_MAX)
    if data.source in POINTS:
        if (height, width, data.channels) != (1, 1, 2):
            raise RecipeError(
                f"data.source '{data.source}' holds points; allowed: data.size 1x1, data.channels 2"
            )
    elif data.channels not in (1, 3):
        raise RecipeError(f"data.channels is {data.channels}; allowed: 1 (grey), 3 (colour)")
    share("data.held_out", data.held_out)
    positive("data.memory", data.memory)
    if len(set(data.classes)) < len(data.classes):
        raise RecipeError(f"data.classes names one twice: {', '.join(data.classes)}")


def _optimizer(prefix: str, optimizer: OptimizerRecipe) -> None:
    each(optimizer, prefix, positive, "lr eps")
    each(optimizer, prefix, share, "beta1 beta2 muon_momentum")
    each(optimizer, prefix, not_negative, "muon_lr weight_decay clip warmup lr_end")
    if optimizer.rule == "rmsprop" and optimizer.weight_decay:
        raise RecipeError(
            f"{prefix}.weight_decay is {optimizer.weight_decay:g}; with rule = 'rmsprop' it is 0"
        )


def _start(recipe: Recipe) -> None:
    start = recipe.start
    if follows(recipe) and not start.run:
        raise RecipeError(
            f"family.kind = '{recipe.family.kind}' goes on from a trained denoiser; name a run of "
            "kind 'diffusion': --from RUN"
        )
    not_negative("start.freeze", start.freeze)
    if start.freeze and not start.run:
        raise RecipeError(
            f"start.freeze is {start.freeze}, and drawn layers would stay as they are; "
            "name the run they come from with --from RUN, or set start.freeze = 0"
        )
    if start.freeze and not isinstance(recipe.family, DuelRecipe):
        raise RecipeError(
            f"start.freeze is {start.freeze} and family.kind = '{recipe.family.kind}', which "
            "has no critic that could keep layers; "
            "set start.freeze = 0"
        )


def _train(train: TrainRecipe) -> None:
    each(train, "train", positive, "batch_size patience plateau_patience plateau keep")
    each(
        train, "train", not_negative, "epochs images minutes ema_images checkpoint_images ema_ramp"
    )
    inside("train.plateau", train.plateau, 0, 1)
    inside("train.ema_ramp", train.ema_ramp, 0, 1)
    if not (train.epochs or train.images or train.minutes):
        raise RecipeError("train.epochs, images and minutes are all 0; set one: it is the length")


def _watch(watch: WatchRecipe, family: AnyFamily) -> None:
    upscales = isinstance(family, UpscaleRecipe)
    known("watch.metric", watch.metric, UPSCALE_METRICS if upscales else METRICS)
    if not re.search(r"[/\\.]", watch.extractor):  # a path is looked for where it is opened
        known("watch.extractor", watch.extractor, EXTRACTORS)
    not_negative("watch.every", watch.every)
    not_negative("watch.grid_epochs", watch.grid_epochs)
    positive("watch.grid", watch.grid)
    inside("watch.n", watch.n, 3, 1000)  # a kernel distance takes three
    inside("watch.steps", watch.steps, 0, WATCH_EVALUATIONS)
    if isinstance(family, DiffusionRecipe):
        _watched_sampler(watch, family)


def _watched_sampler(watch: WatchRecipe, family: DiffusionRecipe) -> None:
    from trilemma.maths.samplers import SAMPLERS

    name = watch.sampler or family.sampler
    known("watch.sampler", name, SAMPLERS)
    evaluations = SAMPLERS[name].evaluations
    if watch.steps and evaluations(watch.steps) > WATCH_EVALUATIONS:
        most = sum(evaluations(s) <= WATCH_EVALUATIONS for s in range(1, watch.steps))
        raise RecipeError(
            f"watch.steps is {watch.steps}, {evaluations(watch.steps)} network evaluations with "
            f"{name}; allowed: 0 to {most}, which take at most {WATCH_EVALUATIONS}"
        )
    if family.process == "ddpm" and watch.steps > family.timesteps:
        raise RecipeError(
            f"watch.steps is {watch.steps}, more than family.timesteps; "
            f"allowed: 0 to {family.timesteps}"
        )


def _speed(speed: SpeedRecipe, family: AnyFamily) -> None:
    not_negative("speed.threads", speed.threads)
    if not DEVICE.fullmatch(speed.device):
        raise RecipeError(
            f"speed.device is '{speed.device}'; allowed: auto, cpu, cuda, cuda:0, cuda:1, ..., mps"
        )
    if speed.compile == "on" and not isinstance(family, DiffusionRecipe):
        raise RecipeError(
            f"speed.compile = 'on' is for family.kind = 'diffusion', not '{family.kind}'; set "
            "speed.compile = 'auto'"
        )
    if speed.compile == "on" and speed.precision == "reference":
        raise RecipeError(
            "speed.compile = 'on' does not go with speed.precision = 'reference', which is "
            "computed as it is written; set speed.precision = 'float32', or speed.compile = 'off'"
        )


def _shard(family: AnyFamily) -> None:
    if not isinstance(family, DiffusionRecipe):
        raise RecipeError(
            f"speed.shard = true is for family.kind = 'diffusion', not '{family.kind}', whose "
            "statistics and penalties need the networks whole; set speed.shard = false"
        )
    if family.optimizer.muon_lr:
        raise RecipeError(
            "speed.shard = true does not go with family.optimizer.muon_lr, whose steps need every "
            "matrix whole; set family.optimizer.muon_lr = 0.0 or speed.shard = false"
        )
