"""A generator against a critic: networks x a loss x penalties -> Family."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.families import conditions
from trilemma.families.adaptive import adaptive
from trilemma.families.draws import draws, latents
from trilemma.families.duel import Duel, Generate, group, leaves_marks
from trilemma.families.family import Batch, Draw, DrawOptions, Family, Noise, Phase, Shared
from trilemma.families.growing import Growth
from trilemma.families.own import NONE, Rows
from trilemma.families.rounds import rounds
from trilemma.families.spaces import space_of
from trilemma.families.styled import MeanLength, Paths, Styled
from trilemma.maths.gan_losses import GAN_LOSSES, GanLoss
from trilemma.maths.samplers import randn_each
from trilemma.nets.blocks import whole
from trilemma.nets.conditioned import (
    AuxiliaryCritic,
    ConcatCritic,
    ConditionalGenerator,
    ProjectionCritic,
)
from trilemma.nets.dcgan import DCGANCritic, DCGANGenerator
from trilemma.nets.perceptron import PerceptronCritic, PerceptronGenerator
from trilemma.nets.progressive import ProgressiveCritic, ProgressiveGenerator
from trilemma.nets.r3 import R3Critic, R3Generator
from trilemma.nets.resnet import ResidualCritic, ResidualGenerator
from trilemma.nets.stylebased import StyleBased
from trilemma.nets.stylegan2 import StyleGAN2Generator
from trilemma.nets.stylegan2_critic import StyleGAN2Critic
from trilemma.nets.stylegan3 import StyleGAN3Generator
from trilemma.recipe import style
from trilemma.recipe.recipe import AdversarialRecipe, DuelRecipe, Recipe, parse_size

GENERATORS: Mapping[str, Callable[..., nn.Module]] = {
    "dcgan": DCGANGenerator,
    "perceptron": PerceptronGenerator,
    "progressive": ProgressiveGenerator,
    "r3": R3Generator,
    "residual": ResidualGenerator,
    "stylegan2": StyleGAN2Generator,
    "stylegan3": StyleGAN3Generator,
}
CRITICS: Mapping[str, Callable[..., nn.Module]] = {
    "dcgan": DCGANCritic,
    "perceptron": PerceptronCritic,
    "progressive": ProgressiveCritic,
    "r3": R3Critic,
    "residual": ResidualCritic,
    "stylegan2": StyleGAN2Critic,
}
STYLED = (style.StyleGAN2Generator, style.StyleGAN3Generator)
TOLD = (style.StyleGAN2Critic, style.StyleGAN2Generator, style.StyleGAN3Generator)  # by themselves


def build(recipe: Recipe, own: Rows = NONE) -> Family:
    """Make the networks, drawn from the recipe's seed, and the phases that train them.

    own: rows that stand in no table.
    RecipeError: they are to be told labels, and the recipe knows none.
    """
    family = recipe.family
    assert isinstance(family, AdversarialRecipe), "the recipe's family is another one"
    generator, critic = networks(recipe, family, own)
    nets = nn.ModuleDict({"generator": generator, "critic": critic})
    controller = adaptive(recipe)
    if controller is not None:
        nets["adaptive"] = controller
    loss: GanLoss = {**GAN_LOSSES, **own}[family.loss]
    styled = Styled(generator, family) if isinstance(generator, StyleGAN2Generator) else None
    fakes: Generate = styled.generate if styled else partial(generate, generator)
    duel = Duel(fakes, critic, loss, recipe, controller)
    noise: dict[str, Draw] = {"latents": latents(family.generator.latent)}
    noise |= (styled.draws() if styled else {}) | draws(recipe, family, loss)
    more: tuple[Phase, ...] = ()
    if family.path_length:
        assert styled is not None, "checked with the recipe"
        nets["path"] = length = MeanLength()
        more = (Paths(styled, duel, length).phase(noise),)
    made = Family(
        nets=nets,
        optimizers={
            "generator": family.generator_optimizer,
            "critic": family.critic_optimizer,
        },
        phases=(*rounds(duel, family, noise), *more),
        averaged=("generator",),
        shared=Shared("fakes", "generator", duel.fakes),
        group=group(critic),
        splits=not (leaves_marks(generator) or duel.apart),
        latents=partial(randn_each, (family.generator.latent,)),
        render=render,
        evaluations=lambda options: 1,
        how=lambda options: in_words(family, options),
        space=space_of,
        judge=untold if family.condition == "none" else None,  # else it takes labels, too
    )
    return grown(made, duel) if family.grow_images else made


def grown(family: Family, duel: Duel) -> Family:
    """Put phases for each side in the place of those of the full side."""
    generator, critic = family.nets["generator"], duel.critic
    assert isinstance(generator, ProgressiveGenerator) and isinstance(critic, ProgressiveCritic)
    growth = Growth(generator, critic, duel)
    return replace(
        family,
        phases=tuple(growth.phases(lambda net: partial(generate, net))),
        shared=None,  # it knows no side
        full_from=growth.full_from,
        measured_at=growth.costly,
    )


def generate(net: nn.Module, batch: Batch, noise: Noise, told: Tensor | None) -> Tensor:
    """Make an image of each latent vector."""
    images: Tensor = net(noise["latents"]) if told is None else net(noise["latents"], told)
    return images


def networks(recipe: Recipe, family: AdversarialRecipe, own: Rows) -> tuple[nn.Module, nn.Module]:
    """Make generator and critic and, where labels are told, what tells them."""
    size, channels = parse_size(recipe.data.size), recipe.data.channels
    count = conditions.count(recipe.data) if family.condition != "none" else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = _generator(family, own, size, channels, count)
        critic = make_critic(recipe, family, own)
    return generator, critic


def _generator(
    family: AdversarialRecipe, own: Rows, size: tuple[int, int], channels: int, count: int
) -> nn.Module:
    table, net = {**GENERATORS, **own}, family.generator
    if not count:
        return make(table, net, size=size, channels=channels)
    if isinstance(net, TOLD):
        return make(table, net, size=size, channels=channels, conditions=count)
    longer = replace(net, latent=net.latent + family.condition_width)
    generator = make(table, longer, size=size, channels=channels)
    return ConditionalGenerator(generator, conditions=count, width=family.condition_width)


def make_critic(recipe: Recipe, family: DuelRecipe, own: Rows) -> nn.Module:
    """Make the critic and, where labels are told, what tells it; `concat` gives it one map more."""
    size, channels = parse_size(recipe.data.size), recipe.data.channels
    count = conditions.count(recipe.data) if family.condition != "none" else 0
    table, net = {**CRITICS, **own}, family.critic
    if count and isinstance(net, TOLD) and family.condition == "projection":
        return make(table, net, size=size, channels=channels, conditions=count)
    maps = int(family.condition == "concat" and count > 0)
    critic = make(table, net, size=size, channels=channels + maps)
    if not count:
        return critic
    halves(critic, family)
    return JUDGES[family.condition](critic, count, size)


JUDGES: Mapping[str, Callable[[Any, int, tuple[int, int]], nn.Module]] = {
    "auxiliary": lambda critic, count, size: AuxiliaryCritic(critic, conditions=count),
    "concat": lambda critic, count, size: ConcatCritic(critic, conditions=count, size=size),
    "projection": lambda critic, count, size: ProjectionCritic(critic, conditions=count),
}


def halves(critic: nn.Module, family: DuelRecipe) -> None:
    """Refuse a critic in one piece where what is told joins in the middle: RecipeError."""
    lacking = [n for n in ("features", "score", "width_of_features") if not hasattr(critic, n)]
    if lacking and family.condition != "concat":
        raise RecipeError(
            f"family.condition = '{family.condition}' needs a critic with features(images) [N, F], "
            f"score(features) [N] and width_of_features; '{family.critic.name}' lacks "
            f"{', '.join(lacking)}; add them, or set family.condition = 'concat'"
        )


def make(
    table: Mapping[str, Callable[..., nn.Module]],
    net: object,
    *,
    size: tuple[int, int],
    channels: int,
    conditions: int = 0,
) -> nn.Module:
    """Build the network that a recipe's dataclass describes; its fields are the arguments.

    conditions: numbers that a network of TOLD is told.
    """
    fields = asdict(net)  # type: ignore[call-overload]
    told = {"conditions": conditions} if conditions else {}
    return table[fields.pop("name")](size=size, channels=channels, **fields, **told)


def untold(nets: nn.ModuleDict, images: Tensor) -> Tensor:
    """Score images by the critic of a pair that is told nothing: [N]."""
    return whole(nets["critic"](images))


def in_words(family: AdversarialRecipe, options: DrawOptions) -> str:
    """Say how images are drawn, for people."""
    psi = psi_of(family, options)
    return "" if psi == 1 else f"truncation {psi:g}"


def psi_of(family: AdversarialRecipe, options: DrawOptions) -> float:
    """Say how far drawn styles are from their mean; 1: as they are.

    RecipeError: a truncation is asked for where there are no styles, or no mean of them is known.
    """
    net, asked = family.generator, options.truncation
    own = net.truncation if isinstance(net, STYLED) else 1.0
    if asked is None or asked == own:
        return own
    if not isinstance(net, STYLED):
        raise RecipeError(
            f"truncation {asked:g}: a '{net.name}' has no styles; it is for stylegan2 and stylegan3"
        )
    if not math.isfinite(asked):
        raise RecipeError(f"truncation {asked:g}; allowed: a number, such as 0.7; 1 is none")
    if not net.average_decay:
        raise RecipeError(f"truncation {asked:g}: this network keeps no mean style; allowed: 1")
    return asked


def render(
    nets: nn.ModuleDict,
    z: Tensor,
    rngs: Sequence[Generator],
    asked: Tensor | None,
    options: DrawOptions,
) -> Tensor:
    """Make the image of each z [N, latent].

    asked: conditions [N, A]; None: some that training images have, if the generator is told any.
    """
    net = nets["generator"]
    z = z.to(next(net.parameters()).device)
    told = conditions.told(net, rngs, asked)
    if options.truncation is not None and isinstance(net, StyleBased):
        moved: Tensor = net.synthesis(net.styles(z, told, psi=options.truncation))
        return moved.float()
    images: Tensor = net(z) if told is None else net(z, told)
    return images.float()
