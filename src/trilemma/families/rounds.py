"""The phases of a round of generator against critic, and which of them rest in most rounds."""

from collections.abc import Callable, Mapping
from functools import partial

from trilemma.families.duel import Duel
from trilemma.families.family import Clock, Draw, Phase
from trilemma.recipe.recipe import DuelRecipe


def rounds(duel: Duel, family: DuelRecipe, noise: Mapping[str, Draw]) -> tuple[Phase, ...]:
    """Give the critic's phase, that of its slope where that is looked at rarely, the generator's.

    The slope's has steps of the critic's optimizer to itself: lazy regularization, Karras et al.
    2020, arXiv:1912.04958, appendix B.
    """
    critic = Phase(
        name="critic",
        trains="critic",
        noise=noise,
        loss=duel.critic_loss,
        repeats=lambda at: family.critic_updates,
        after=duel.after_critic,
    )
    slope = Phase(
        name="slope",
        trains="critic",
        noise=noise,
        loss=duel.slope_loss,
        repeats=once_in(family.r1_every, images=duel.images_a_round),
        after=lambda at, scalars: duel.clip(),
    )
    generator = Phase(name="generator", trains="generator", noise=noise, loss=duel.generator_loss)
    return (critic, slope, generator) if duel.lazy else (critic, generator)


def once_in(count: int, *, images: int) -> Callable[[Clock], int]:
    """Run a phase in the first of `count` rounds, and so on; images: of one round."""
    return partial(_due, count * images, images)


def _due(period: int, images: int, at: Clock) -> int:
    return int(at.images_seen % period < images)
