"""The recipe: everything that decides what a training does. Frozen, nested, typed, torch-free.

The comment beside a field is its `--help`; it says the unit, or what 0 means.
"""

from dataclasses import dataclass, field
from typing import Literal

from trilemma.recipe.networks import (
    Compact,
    Critic,
    DCGANCritic,
    DCGANGenerator,
    Denoiser,
    Enlarger,
    Generator,
    UNet,
    UNetCritic,
    UpscaleCritic,
)


@dataclass(frozen=True, kw_only=True)
class DataRecipe:
    """Which images."""

    source: str = "folder"  # a data set's name, or folder: whatever lies at root
    root: str = ""  # folder, zip, .npz, .npy or shards; of a named set: its files; empty: cache
    size: str = "64x64"  # width x height, pixels; one number means a square
    channels: int = 3  # 1 grey, 3 colour; 2: points of the plane (grid, ring), of size 1x1
    classes: tuple[str, ...] = ()  # keep only these; empty: all
    attributes: str = ""  # CSV: a file name, then numbers, in each row; labels in place of classes
    labels: tuple[str, ...] = ()  # names of classes or attributes; filled in from the data
    label_low: tuple[float, ...] = ()  # least value of each attribute; filled in from the data
    label_high: tuple[float, ...] = ()  # greatest value of each; filled in from the data
    held_out: float = 0.1  # share kept for scores where the set brings no split of its own
    on_error: Literal["skip", "stop"] = "skip"  # what to do about a file that cannot be read
    flip: bool = False  # mirror every other image left to right
    memory: float = 16.0  # gigabytes of pixels; a larger set is streamed
    low: str = "bicubic"  # of kind upscale, the small images: bicubic, real, generator=RUN or a DIR


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """Adam (Kingma and Ba 2015), or Muon beside it, and the course of their learning rates."""

    rule: Literal["adam", "rmsprop"] = "adam"  # rmsprop: beta2 is its decay, beta1 its momentum
    lr: float = 2e-4  # learning rate
    muon_lr: float = 0.0  # of layers between features, under Muon; 0: Adam for all
    muon_momentum: float = 0.95  # decay of the mean of the gradient, per step; 0: none
    muon_layers: Literal["convolutions", "all"] = "convolutions"  # all: dense, transposed ones, too
    beta1: float = 0.9  # decay of the mean of the gradient, per step
    beta2: float = 0.999  # decay of the mean of its square, per step
    eps: float = 1e-8  # added to the root of the mean square
    weight_decay: float = 0.0  # decoupled (AdamW), per step and learning rate
    clip: float = 0.0  # largest norm of the gradient; 0: no limit
    warmup: int = 0  # images over which the learning rate rises from 0
    schedule: Literal["constant", "linear", "cosine"] = "constant"  # from lr to lr_end
    lr_end: float = 0.0  # learning rate at the end, Muon's falls alike; unused when constant


Condition = Literal["none", "concat", "projection", "auxiliary"]


@dataclass(frozen=True, kw_only=True)
class DuelRecipe:
    """What every generator against a critic has."""

    kind: str
    loss: str = "bce"  # bce, hinge, relativistic, ...; a wrong name lists all; or module:name
    loss_digest: str = ""  # sha256 of the file of a loss of your own; filled in
    label_real: float = 1.0  # target for real images under bce; 0.9: one-sided label smoothing
    instance_noise: float = 0.0  # std, image units, added to what the critic sees
    instance_noise_images: int = 0  # images until that noise is gone; 0: at the end
    r1: float = 0.0  # weight gamma of the R1 penalty (slope at real images); 0: off
    r1_every: int = 1  # rounds between looks at that slope; its weight is so many times larger
    r2: float = 0.0  # weight gamma of the R2 penalty (slope at fake images); 0: off
    gp: float = 0.0  # weight lambda of (slope - 1)^2 between real and fake (WGAN-GP); 0: off
    dragan: float = 0.0  # weight lambda of (slope - 1)^2 near real images (DRAGAN); 0: off
    dragan_std: float = 0.25  # std of the way from them, image units
    drift: float = 0.0  # weight of score^2 at real images (ProGAN: 0.001, beside gp); 0: off
    clip_weights: float = 0.0  # largest weight of the critic after a step (WGAN: 0.01); 0: off
    slopes: Literal["exact", "differences"] = "exact"  # of r1, r2: by gradient, or by score steps
    slope_step: float = 0.1  # std of that step, image units
    penalty_end: float = 1.0  # factor on all penalties' weights at the end; falls on a cosine
    augment: tuple[str, ...] = ()  # color translation cutout; with ada_target: flip turn geometry
    ada_target: float = 0.0  # of how surely the critic knows real images: 0.6; 0: augment always
    ada_images: int = 20_000  # in which the chance of augmentations can rise from 0 to 1
    condition: Condition = "none"  # how the critic is told the labels
    condition_width: int = 32  # numbers that an image's labels become, beside z
    auxiliary: float = 1.0  # weight of naming the labels, under condition = auxiliary
    critic_updates: int = 1  # per generator update
    critic: Critic = field(default_factory=DCGANCritic)
    generator_optimizer: OptimizerRecipe = field(default_factory=lambda: OptimizerRecipe(beta1=0.5))
    critic_optimizer: OptimizerRecipe = field(default_factory=lambda: OptimizerRecipe(beta1=0.5))


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe(DuelRecipe):
    """A generator and a critic."""

    kind: Literal["adversarial"] = "adversarial"
    grow_images: int = 0  # of progressive networks, images at each side; 0: full side at once
    mixing: float = 0.0  # of stylegan2, share of fakes whose last layers have another style; 0: off
    path_length: float = 0.0  # of stylegan2, factor on its paper's weight of path lengths; 0: off
    path_every: int = 8  # rounds between looks at those lengths; the weight is so many times larger
    generator: Generator = field(default_factory=DCGANGenerator)


@dataclass(frozen=True, kw_only=True)
class DiffusionRecipe:
    """A network that removes noise, and how much noise there is."""

    kind: Literal["diffusion"] = "diffusion"
    process: Literal["ddpm", "edm", "flow"] = "ddpm"  # ddpm: timesteps; else a continuous level
    schedule: str = "linear"  # linear, cosine; of the ddpm process
    timesteps: int = 1000  # of the ddpm process
    prediction: str = "eps"  # eps, x0, v; of the ddpm process
    sigma_data: float = 0.5  # std of the images, of the edm process
    sigma_mean: float = -1.2  # mean of ln(sigma) in training, of edm; 0 with std 1 suits flow
    sigma_std: float = 1.2  # std of ln(sigma) in training, of edm and flow
    sigma_min: float = 0.002  # smallest noise when sampling, image units, of edm and flow
    sigma_max: float = 80.0  # largest noise when sampling, image units, of edm and flow
    sampler: str = "ddim"  # ancestral, ddim, dpm++2m, heun
    steps: int = 50  # of the sampler
    condition: Literal["none", "labels"] = "none"  # is the network told the labels?
    label_dropout: float = 0.1  # share of images whose labels it is not told, for guidance
    augment: tuple[str, ...] = ()  # flip turn geometry ...; it is told which
    augment_chance: float = 0.12  # share of images that each of them is made of
    guidance: float = 1.0  # factor on the way from the guide's image to the network's; 1: no guide
    guide_below: float = 0.0  # noise level under which the guide is asked, image units; 0: always
    guide_at: float = 0.2  # share of the training at which the averaged weights become the guide
    generator: Denoiser = field(default_factory=UNet)
    optimizer: OptimizerRecipe = field(default_factory=lambda: OptimizerRecipe(clip=1.0))


@dataclass(frozen=True, kw_only=True)
class OneStepRecipe(DuelRecipe):
    """A denoiser that is trained on, against a critic, to draw in one evaluation."""

    kind: Literal["onestep"] = "onestep"
    sigma: float = 2.5  # noise from which it draws in one step, image units
    levels: tuple[float, ...] = ()  # lower ones, falling, for two steps and more; empty: one step
    steps: int = 1  # network evaluations of an image; more than 1 + levels: the denoiser as it was
    rehearse: int = 0  # rounds between steps of its old task; 0: never
    distill: Literal["none", "consistency"] = "none"  # what else ties it to the denoiser
    distill_weight: float = 0.0  # of that, beside the critic's verdict
    denoiser: DiffusionRecipe = field(default_factory=DiffusionRecipe)  # that of --from RUN


@dataclass(frozen=True, kw_only=True)
class UpscaleRecipe:
    """A network that enlarges small images, and what its large ones are judged by.

    Stage one lowers the pixel loss alone; stage two adds perceptual, adversarial and smoothness.
    """

    kind: Literal["upscale"] = "upscale"
    scale: int = 4  # how many times larger both sides become, 2 to 4; data.size is the large side
    crop: int = 32  # side of the small crops that are trained on, pixels; 0: whole images
    pixel_loss: str = "charbonnier"  # charbonnier, l1, mse; of values in [-1, 1]
    pixel: float = 1.0  # weight of the pixel loss, in both stages
    perceptual: float = 0.0  # weight of the distance of a network's features, in stage two; 0: off
    features: Literal["lite0", "vgg19"] = "lite0"  # that network; vgg19 is a download of 548 MB
    features_file: str = ""  # its weights, a file or folder; empty: package, cache or download
    variation: float = 0.0  # weight of the total variation, in stage two; 0: off
    adversarial: float = 0.0  # weight of the critic's verdict, in stage two; 0: no critic
    loss: str = "bce"  # of the critic: bce, hinge, relativistic, ...; a wrong name lists all
    stage_two: float = 1.0  # share of the training after which it begins; 1: never, 0: at once
    critic_first: int = 0  # images at its beginning that the critic alone is trained on
    matched_blur: float = 0.0  # sigma, small pixels, of generator=RUN; filled in from its samples
    matched_noise: float = 0.0  # std, values in [-1, 1], of generator=RUN; filled in
    matched_gain: tuple[float, ...] = ()  # of each channel, of generator=RUN; filled in
    matched_offset: tuple[float, ...] = ()  # of each channel, values in [-1, 1]; filled in
    condition: Literal["none"] = "none"  # no labels are told
    generator: Enlarger = field(default_factory=Compact)
    critic: UpscaleCritic = field(default_factory=UNetCritic)
    generator_optimizer: OptimizerRecipe = field(
        default_factory=lambda: OptimizerRecipe(beta2=0.99)
    )
    critic_optimizer: OptimizerRecipe = field(
        default_factory=lambda: OptimizerRecipe(lr=1e-4, beta2=0.99)
    )


@dataclass(frozen=True, kw_only=True)
class StartRecipe:
    """Weights that a training begins with, in place of drawn ones."""

    run: str = ""  # run, bundle or upscaler, whose tensors of equal name and shape are taken
    freeze: int = 0  # first layers of its critic that stay as they are (FreezeD); 0: none


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """How long, how large, and what is kept."""

    batch_size: int = 128  # images per step, over all processes
    epochs: float = 100.0  # passes over the data; 0: see images
    images: int = 0  # images to see, in place of epochs; 0: see epochs
    minutes: float = 0.0  # of training; how many images fit is measured on the way; 0: no limit
    ema_images: int = 88_700  # half-life of the averaged weights, images; 0: no averaging
    ema_ramp: float = 0.05  # the half-life is at most this share of the images seen
    early_stop: bool = False  # stop when the watched score no longer improves
    patience: int = 10  # scorings without improvement before stopping
    plateau: float = 1.0  # factor on the learning rate after plateau_patience scorings; 1: off
    plateau_patience: int = 5  # scorings without improvement before the rate falls
    checkpoint_images: int = 0  # images between checkpoints; 0: as scores; at least one a minute
    keep: int = 2  # checkpoints kept beside the best


@dataclass(frozen=True, kw_only=True)
class WatchRecipe:
    """Scores during training: cheap, on a split of their own."""

    every: int = 0  # images between scores; 0: twenty over it, but 20 steps at least lie between
    metric: str = "fd"  # fd, kid; of upscalers psnr_y, perceptual, too; the better one is kept
    extractor: str = "auto"  # auto, domain, lite0, inception, dinov2, pixels, points, stacked
    n: int = 1000  # images drawn for a score, at most 1000
    best: Literal["score", "generator_loss", "last"] = "score"  # kept: the best, or the last
    sampler: str = ""  # empty: the recipe's own
    steps: int = 0  # of that sampler; 0: the recipe's own, at most 20
    grid: int = 64  # images in the grid of fixed seeds
    grid_epochs: float = 0.0  # passes over the data between grids; 0: one with each checkpoint
    tensorboard: bool = False  # write the log as TensorBoard events, too (extra: tensorboard)


@dataclass(frozen=True, kw_only=True)
class SpeedRecipe:
    """Where and how it is computed; not part of the digest but for the precision."""

    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    precision: Literal["auto", "reference", "float32", "bf16"] = "auto"  # auto: measured
    compile: Literal["auto", "on", "off"] = "auto"  # PyTorch's compiler; auto: where it pays
    threads: int = 0  # CPU threads; 0: as many as cores
    shard: bool = False  # split weights, gradients and optimizers over the processes (FSDP2)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A training, whole."""

    schema: int = 1  # of this file
    preset: str = ""  # where it came from
    seed: int = 0  # of initialisation, data order and noise
    data: DataRecipe = field(default_factory=DataRecipe)
    family: AdversarialRecipe | DiffusionRecipe | OneStepRecipe | UpscaleRecipe = field(
        default_factory=AdversarialRecipe
    )
    start: StartRecipe = field(default_factory=StartRecipe)
    train: TrainRecipe = field(default_factory=TrainRecipe)
    watch: WatchRecipe = field(default_factory=WatchRecipe)
    speed: SpeedRecipe = field(default_factory=SpeedRecipe)


def parse_size(size: str) -> tuple[int, int]:
    """Give (height, width) in pixels of "96x64" (width x height) or "64"; ValueError if neither."""
    width, _, height = size.lower().partition("x")
    return int(height or width), int(width)
