"""The chance with which images are augmented, moved by how much a critic knows by heart (ADA)."""

import torch
from torch import Tensor, nn

from trilemma.maths.augmentation import next_chance
from trilemma.recipe.recipe import Recipe

SIGNAL = "ada_signal"  # the scalar that moves the chance


class Adaptive(nn.Module):
    """A chance as a buffer, so that checkpoints hold it; it begins at 0."""

    chance: Tensor

    def __init__(self, *, target: float, ramp: int) -> None:
        """target: of the signal. ramp: images in which the chance can go from 0 to 1."""
        super().__init__()
        self.target, self.ramp = target, ramp
        self.register_buffer("chance", torch.zeros(()))

    @torch.no_grad()
    def move(self, signal: Tensor, *, images: int) -> None:
        """Take a step after so many images; signal: mean over the batch, on the device."""
        moved = next_chance(
            self.chance, signal=signal, target=self.target, images=images, ramp=self.ramp
        )
        self.chance.copy_(moved)


def adaptive(recipe: Recipe) -> Adaptive | None:
    """Make what a recipe's augmentations adapt with; None: they are made of every image."""
    family = recipe.family
    if not getattr(family, "ada_target", 0):
        return None
    return Adaptive(target=family.ada_target, ramp=family.ada_images)  # type: ignore[union-attr]
