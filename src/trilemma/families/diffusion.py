"""A network that removes noise: a U-Net x a noise process x a sampler -> Family."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.families import conditions
from trilemma.families.draws import gaussian, share, uniform
from trilemma.families.duel import leaves_marks
from trilemma.families.family import (
    Batch,
    Draw,
    DrawOptions,
    Family,
    Guide,
    Losses,
    Noise,
    Phase,
    TensorClock,
)
from trilemma.families.own import NONE, Rows
from trilemma.families.process import PROCESSES, Process
from trilemma.maths import augmentation
from trilemma.maths.noise import PREDICTIONS, SCHEDULES, per_image
from trilemma.maths.samplers import SAMPLERS, Denoise, randn_each
from trilemma.nets.unet import UNet
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import DiffusionRecipe, Recipe, parse_size

GENERATORS: Mapping[str, Callable[..., nn.Module]] = {"unet": UNet}


def build(recipe: Recipe, own: Rows = NONE) -> Family:
    """Make the network, drawn from the recipe's seed, and the phase that trains it.

    own: rows that stand in no table.
    RecipeError: an unknown schedule, prediction or sampler, or sizes that do not fit.
    """
    family = recipe.family
    assert isinstance(family, DiffusionRecipe), "the recipe's family is another one"
    choose("schedule", family.schedule, SCHEDULES)
    choose("prediction", family.prediction, PREDICTIONS)
    choose("sampler", family.sampler, SAMPLERS)
    shape = (recipe.data.channels, *parse_size(recipe.data.size))
    net = make_generator(recipe, shape, own)
    process = PROCESSES[family.process](family)
    process.prepare(net)

    return Family(
        nets=nn.ModuleDict({"generator": net}),
        optimizers={"generator": family.optimizer},
        phases=(denoising(recipe, net, process),),
        averaged=("generator",),
        guides={"guide": Guide("generator", family.guide_at)} if has_guide(family) else {},
        splits=not leaves_marks(net),
        compiles=("generator",),
        latents=partial(randn_each, shape),
        render=lambda nets, noise, rngs, asked, options: render(
            process, nets, noise, rngs, asked, chosen(family, options)
        ),
        evaluations=lambda options: evaluations(process, chosen(family, options)),
        drawn_with=lambda options: (
            ("generator",) if chosen(family, options).guidance == 1 else ("generator", "guide")
        ),
        how=lambda options: in_words(chosen(family, options)),
    )


def denoising(recipe: Recipe, net: nn.Module, process: Process, name: str = "denoise") -> Phase:
    """Give the phase in which a network learns to remove noise."""
    family, shape = recipe.family, (recipe.data.channels, *parse_size(recipe.data.size))
    assert isinstance(family, DiffusionRecipe), "the recipe's family is another one"

    def loss(batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        level, images = noise["level"], batch.images
        condition = changed = None
        if "untold" in noise:
            assert batch.labels is not None, "the source has no labels"
            told = (noise["untold"] >= family.label_dropout).to(images.dtype)
            condition = conditions.encoded(recipe.data, batch.labels) * told[:, None]
        if "change" in noise:
            chance = images.new_full((), family.augment_chance)
            images = augmentation.augment(images, noise["change"], family.augment, chance)
            changed = augmentation.told(noise["change"], family.augment, chance)
        asked = Asked(net, condition, changed)
        losses = process.losses(asked, images=images, eps=noise["noise"], level=level)
        return losses, by_third(losses.detach(), process.rank(level))

    noise: dict[str, Draw] = {"noise": gaussian(shape), "level": process.level}
    if family.condition != "none":
        noise["untold"] = share
    if family.augment:
        noise["change"] = uniform(augmentation.count(family.augment, chosen=True))
    return Phase(name=name, trains="generator", noise=noise, loss=loss)


def make_generator(recipe: Recipe, shape: tuple[int, int, int], own: Rows) -> nn.Module:
    """Build the network of images [C, H, W]; the fields of its dataclass are the arguments."""
    family = recipe.family
    assert isinstance(family, DiffusionRecipe), "the recipe's family is another one"
    fields = asdict(family.generator)
    if family.condition != "none":
        fields["conditions"] = conditions.count(recipe.data)
    if family.augment:
        fields["changes"] = augmentation.told_count(family.augment)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        table: Mapping[str, Callable[..., nn.Module]] = {**GENERATORS, **own}
        return table[fields.pop("name")](size=shape[1:], channels=shape[0], **fields)


def has_guide(family: DiffusionRecipe) -> bool:
    """Is an earlier self kept? A network that is told labels has its untold self for a guide."""
    return family.guidance != 1 and family.condition == "none"


class Asked(nn.Module):
    """A network that is told the same conditions and changes [N, A] whatever else it is asked."""

    def __init__(
        self, net: nn.Module, condition: Tensor | None, changed: Tensor | None = None
    ) -> None:
        super().__init__()
        self.net = net
        told = {"condition": condition, "changed": changed}  # a network may know of neither
        self.told = {name: tensor for name, tensor in told.items() if tensor is not None}

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Ask it."""
        answer: Tensor = self.net(x, level, **self.told)
        return answer

    def get_buffer(self, target: str) -> Tensor:
        """Find the network's own buffer."""
        return self.net.get_buffer(target)


def by_third(losses: Tensor, rank: Tensor) -> dict[str, Tensor]:
    """Split the loss by how noisy its image was: three scalars [N].

    Each counts a third of the levels, three times: its mean over a batch is the mean loss there.
    """
    third = (rank * 3).long().clamp(max=2)
    names = ("loss_little_noise", "loss_some_noise", "loss_much_noise")
    return {name: 3 * losses * (third == index) for index, name in enumerate(names)}


class How(NamedTuple):
    """How images are drawn, all settled."""

    sampler: str
    steps: int
    guidance: float
    below: float  # the noise level under which the guide is asked; 0: always

    def guided(self, sigma: float) -> bool:
        """Is the guide asked at this level of noise?"""
        return self.guidance != 1 and (self.below == 0 or sigma <= self.below)


@torch.no_grad()
def render(
    process: Process,
    nets: nn.ModuleDict,
    noise: Tensor,
    rngs: Sequence[Generator],
    asked: Tensor | None,
    how: How,
) -> Tensor:
    """Make the image of each noise [N, C, H, W], in [-1, 1].

    rngs: one an image, for samplers that draw noise on the way. asked: conditions [N, A]; None:
    some that training images have, if the network is told any.
    """
    sigmas = process.sigmas(how.steps)
    noise = noise.to(next(nets.parameters()))
    told = conditions.told(nets["generator"], rngs, asked)
    images = SAMPLERS[how.sampler].sample(
        denoiser(process, nets, how, told), process.start(noise, sigmas[0]), sigmas, rngs
    )
    return images.float().clamp(-1, 1)


def denoiser(
    process: Process, nets: nn.ModuleDict, how: How, condition: Tensor | None = None
) -> Denoise:
    """Give what finds the image behind noise: as the network says or, with a guide, further.

    The guide is worse at the same, so that the way from its answer to the network's leads on to a
    better one. Source: Karras et al. 2024, arXiv:2406.02507, section 3. To ask it under a level of
    noise alone is an idea of Kynkaanniemi et al. 2024, arXiv:2404.07724, for guidance by classes.
    Under a condition [N, A] the guide is the same network, told nothing: classifier-free guidance
    (Ho and Salimans 2022, arXiv:2207.12598, eq. 6, for images in place of scores).
    """
    net = nets["generator"]
    alone = partial(process.denoised, net if condition is None else Asked(net, condition))
    guide = nets["guide" if "guide" in nets else "generator"]
    if how.guidance == 1:
        return alone

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        x0 = alone(x, sigma)
        near = sigma <= how.below
        if how.below and not bool(near.any()):  # reading sigma waits for a GPU
            return x0
        worse = process.denoised(guide, x, sigma)
        better = worse + how.guidance * (x0 - worse)
        return torch.where(per_image(near, x0), better, x0) if how.below else better

    return denoise


def evaluations(process: Process, how: How) -> int:
    """Count the network evaluations that one image takes, those of the guide among them.

    RecipeError: more steps than the process has.
    """
    sigmas = process.sigmas(how.steps)
    alone = SAMPLERS[how.sampler].evaluations(how.steps)
    if how.guidance == 1 or how.below == 0:
        return alone * (1 if how.guidance == 1 else 2)
    asked: list[float] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        asked.append(float(sigma[0]))
        return x

    SAMPLERS[how.sampler].sample(denoise, torch.zeros(1, 1), sigmas, [Generator()])
    return alone + sum(map(how.guided, asked))


def in_words(how: How) -> str:
    """Say how images are drawn, for people."""
    guided = "" if how.guidance == 1 else f", guidance {how.guidance:g}"
    guided += f" below sigma {how.below:g}" if guided and how.below else ""
    return f"{how.sampler}, {how.steps} steps{guided}"


def chosen(family: DiffusionRecipe, options: DrawOptions) -> How:
    """Settle how images are drawn.

    RecipeError: no such sampler, fewer than one step, or guidance where training keeps no guide.
    """
    name, steps = options.sampler or family.sampler, options.steps or family.steps
    guidance = options.guidance or family.guidance
    choose("sampler", name, SAMPLERS)
    if steps < 1:
        raise RecipeError(f"{steps} sampling steps; ask for at least 1")
    if not 0 < guidance < math.inf:
        raise RecipeError(f"--guidance is {guidance:g}; allowed: more than 0, such as 2; 1 is none")
    if guidance != 1 and family.guidance == 1 and family.condition == "none":
        raise RecipeError(
            f"guidance {guidance:g}, but this training kept no guide; "
            "train with --family.guidance 2 to have one"
        )
    return How(name, steps, guidance, family.guide_below)


def choose(what: str, name: str, table: Mapping[str, object]) -> None:
    """Refuse a name that is not in the table."""
    if name not in table:
        raise RecipeError(unknown(what, name, table))
