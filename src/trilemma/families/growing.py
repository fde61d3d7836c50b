"""A pair that grows while it is trained: phases for each level, so that none changes its shapes.

Source: Karras et al. 2018, arXiv:1710.10196, section 2 and appendix A.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from trilemma.families.draws import draws, latents
from trilemma.families.duel import Duel, Generate
from trilemma.families.family import At, Batch, Clock, Draw, Losses, Noise, Phase, TensorClock
from trilemma.families.rounds import rounds
from trilemma.maths.growth import begins, fade_in, level_at
from trilemma.maths.pyramid import LEAST
from trilemma.nets.progressive import (
    AtLevel,
    ProgressiveCritic,
    ProgressiveGenerator,
    shown_at,
)
from trilemma.recipe.recipe import AdversarialRecipe, Recipe

Loss = Callable[[Batch, Noise, TensorClock], Losses]


@dataclass(frozen=True)
class Growth:
    """Networks that grow, and what they are trained with at every level."""

    generator: ProgressiveGenerator
    critic: ProgressiveCritic
    duel: Duel  # at the full side

    @property
    def recipe(self) -> Recipe:
        """The whole recipe."""
        return self.duel.whole_recipe

    @property
    def family(self) -> AdversarialRecipe:
        """The family's part of the recipe."""
        assert isinstance(self.recipe.family, AdversarialRecipe)
        return self.recipe.family

    @property
    def last(self) -> int:
        """The level of the full side."""
        return self.generator.last

    @property
    def full_from(self) -> int:
        """Images after which the networks have their full side."""
        return begins(self.last, images=self.family.grow_images)

    @property
    def costly(self) -> Clock:
        """A moment at which every phase of the full side runs."""
        period = self.duel.images_a_round * self.family.r1_every
        return At(-(-self.last * self.family.grow_images // period) * period, 0.0)

    def phases(self, generate: Callable[[AtLevel], Generate]) -> Iterator[Phase]:
        """Give the phases of all levels; those of one name are the same to whoever reads logs.

        generate: what makes fakes of a network.
        """
        for level in range(self.last + 1):
            data = replace(self.recipe.data, size=str(LEAST << level))
            duel = replace(
                self.duel,
                generate=generate(AtLevel(self.generator, level)),
                critic=AtLevel(self.critic, level),
                whole_recipe=replace(self.recipe, data=data),
            )
            noise: Mapping[str, Draw] = {
                "latents": latents(self.family.generator.latent),
                **draws(duel.whole_recipe, self.family, self.duel.loss),
            }
            for phase in rounds(duel, self.family, noise):
                yield replace(
                    phase,
                    loss=partial(self.lost, phase.loss, level),
                    repeats=partial(self.due, phase.repeats, level),
                )

    def due(self, repeats: Callable[[Clock], int], level: int, at: Clock) -> int:
        """Run a phase at its level, as often as it wants to."""
        now = level_at(at.images_seen, images=self.family.grow_images, last=self.last)
        return repeats(at) if now == level else 0

    def lost(self, loss: Loss, level: int, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Bring both networks to where the clock says, and give a loss on images of that side."""
        alpha = fade_in(at.images_seen, images=self.family.grow_images, level=level)
        for net in (self.generator, self.critic):
            net.grow(level, alpha)
        images = shown_at(batch.images, level, self.critic.alpha)
        return loss(batch._replace(images=images), noise, at)
