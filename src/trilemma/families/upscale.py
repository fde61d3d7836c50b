"""A network that enlarges: a pixel loss, then what looks alike and what a critic takes for real."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RunError
from trilemma.families.duel import leaves_marks
from trilemma.families.enlarging import Enlarging
from trilemma.families.family import At, Clock, DrawOptions, Family, Phase
from trilemma.families.own import NONE, Rows
from trilemma.families.perceptive import Perceptive
from trilemma.nets.rrdb import RRDBNet
from trilemma.nets.srgan import SRGANCritic, SRGANGenerator
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.nets.unet_critic import UNetCritic
from trilemma.recipe.recipe import Recipe, UpscaleRecipe, parse_size

LATE = 10**7  # images, for the round that is measured: the critic's first ones are over


def _compact(*, channels: int, scale: int, width: int, convs: int) -> nn.Module:
    return SRVGGNetCompact(channels=channels, features=width, convs=convs, scale=scale)


def _rrdb(*, channels: int, scale: int, width: int, blocks: int, growth: int) -> nn.Module:
    return RRDBNet(channels=channels, features=width, blocks=blocks, growth=growth, scale=scale)


def _srgan(*, channels: int, scale: int, width: int, blocks: int, batchnorm: bool) -> nn.Module:
    return SRGANGenerator(
        channels=channels, features=width, blocks=blocks, scale=scale, batchnorm=batchnorm
    )


GENERATORS: Mapping[str, Callable[..., nn.Module]] = {
    "compact": _compact,
    "rrdb": _rrdb,
    "srgan": _srgan,
}
CRITICS: Mapping[str, Callable[..., nn.Module]] = {
    "srgan": SRGANCritic,
    "unet": lambda *, size, channels, width: UNetCritic(channels=channels, width=width),
}


def build(recipe: Recipe, own: Rows = NONE) -> Family:
    """Make the networks, drawn from the recipe's seed, and the phases of both stages.

    own: not used; an upscaler's networks and losses are rows of tables.
    """
    family = recipe.family
    assert isinstance(family, UpscaleRecipe), "the recipe's family is another one"
    nets = networks(recipe, family)
    looks = Perceptive(family.features, path=family.features_file) if family.perceptual else None
    losses = Enlarging(family, nets["generator"], nets.get("critic"), looks)
    return Family(
        nets=nn.ModuleDict(nets),
        frozen=nn.ModuleDict({"perceptive": looks} if looks else {}),
        optimizers={
            name: getattr(family, f"{name}_optimizer")
            for name in ("generator", "critic")
            if name in nets
        },
        phases=phases(family, losses),
        averaged=("generator",),
        splits=not any(map(leaves_marks, nets.values())),
        latents=lambda rngs: torch.empty(len(rngs), 0),  # an upscaler draws nothing
        render=render,
        evaluations=lambda options: 1,
        patient_until=family.stage_two if family.stage_two < 1 else 0.0,
        measured_at=At(LATE, 1.0),
    )


def networks(recipe: Recipe, family: UpscaleRecipe) -> dict[str, nn.Module]:
    """Make the generator and, where there is an adversarial stage, the critic."""
    channels, size = recipe.data.channels, parse_size(recipe.data.size)
    if family.crop:
        size = (family.crop * family.scale,) * 2
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        fields = asdict(family.generator)
        make = GENERATORS[fields.pop("name")]
        nets = {"generator": make(channels=channels, scale=family.scale, **fields)}
        if family.adversarial:
            fields = asdict(family.critic)
            make = CRITICS[fields.pop("name")]
            nets["critic"] = make(size=size, channels=channels, **fields)
    return nets


def phases(family: UpscaleRecipe, losses: Enlarging) -> tuple[Phase, ...]:
    """List what is trained when: pixels, then the critic, then all that is said of an image."""

    def second(at: Clock) -> bool:
        return at.fraction >= family.stage_two and family.stage_two < 1

    def judged(at: Clock) -> int:
        return int(second(at) and family.adversarial > 0)

    def alone(at: Clock) -> bool:
        """Is the critic still alone?"""
        began = family.stage_two / at.fraction if at.fraction else 0.0
        return bool(judged(at)) and at.images_seen * (1 - began) < family.critic_first

    return (
        Phase(name="critic", trains="critic", loss=losses.critic_loss, repeats=judged),
        Phase(
            name="pixels",
            trains="generator",
            loss=losses.pixel_loss,
            repeats=lambda at: int(not second(at)),
        ),
        Phase(
            name="generator",
            trains="generator",
            loss=losses.whole_loss,
            repeats=lambda at: int(second(at) and not alone(at)),
        ),
    )[0 if family.adversarial else 1 :]


def render(
    nets: nn.ModuleDict,
    latents: Tensor,
    rngs: Sequence[Generator],
    low: Tensor | None,
    options: DrawOptions,
) -> Tensor:
    """Enlarge small images [N, C, h, w] in [-1, 1].

    RunError: none are given, for an upscaler makes none of its own.
    """
    if low is None:
        raise RunError(
            "an upscaler makes images of small ones, not of seeds; trilemma upscale IMAGES "
            "--model RUN"
        )
    net = nets["generator"]
    low = low.to(next(net.parameters()).device)
    images: Tensor = net((low + 1) / 2) * 2 - 1
    return images.float().clamp(-1, 1)
