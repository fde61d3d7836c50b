"""What an upscaler and its critic lower."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trilemma.families.family import Batch, Losses, Noise, TensorClock
from trilemma.families.perceptive import Perceptive
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.maths.image_losses import IMAGE_LOSSES, total_variation
from trilemma.nets.blocks import whole
from trilemma.recipe.recipe import UpscaleRecipe


@dataclass(frozen=True)
class Enlarging:
    """The losses of both stages; they share networks and settings, and nothing else."""

    recipe: UpscaleRecipe
    generator: nn.Module  # values in [0, 1]
    critic: nn.Module | None  # -> scores [N], or [N, H, W], one a pixel
    looks: Perceptive | None

    def enlarged(self, batch: Batch) -> Tensor:
        """Enlarge the batch's small images; values in [-1, 1], not clamped."""
        assert batch.low is not None, "the batch has no small images"
        made: Tensor = self.generator((batch.low + 1) / 2) * 2 - 1
        return whole(made)

    def pixel_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Come near each pixel."""
        losses = self.pixels(self.enlarged(batch), batch.images)
        return self.recipe.pixel * losses, {"pixel": losses.detach()}

    def pixels(self, made: Tensor, real: Tensor) -> Tensor:
        """Give the recipe's pixel loss, [N]."""
        return IMAGE_LOSSES[self.recipe.pixel_loss](made=made, real=real)

    def whole_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Come near each pixel, look alike, be smooth, and be taken for real.

        Source: Ledig et al. 2017, arXiv:1609.04802, eq. 3, with total variation beside it.
        """
        recipe, made = self.recipe, self.enlarged(batch)
        terms = {"pixel": (recipe.pixel, self.pixels(made, batch.images))}
        if self.looks is not None:
            terms["perceptual"] = (recipe.perceptual, self.looks(made, batch.images))
        if recipe.variation:
            terms["variation"] = (recipe.variation, total_variation(made))
        if self.critic is not None:
            terms["adversarial"] = (recipe.adversarial, self.verdict(made, batch.images))
        losses = torch.zeros_like(terms["pixel"][1])
        for weight, values in terms.values():
            losses = losses + weight * values
        return losses, {name: values.detach() for name, (_, values) in terms.items()}

    def verdict(self, made: Tensor, real: Tensor) -> Tensor:
        """Give the generator's side of the critic's loss, [N]."""
        assert self.critic is not None
        loss = GAN_LOSSES[self.recipe.loss]
        fake = whole(self.critic(made))
        known = torch.zeros_like(fake)
        if loss.paired:
            with torch.no_grad():
                known = whole(self.critic(real))
        return an_image(loss.generator(real=known, fake=fake))

    def critic_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Tell real large images from made ones."""
        assert self.critic is not None
        with torch.no_grad():
            made = self.enlarged(batch)
        real, fake = whole(self.critic(batch.images)), whole(self.critic(made))
        losses = an_image(GAN_LOSSES[self.recipe.loss].critic(real=real, fake=fake))
        told = {"score_real": an_image(real.detach()), "score_fake": an_image(fake.detach())}
        return losses, told


def an_image(values: Tensor) -> Tensor:
    """Average what is said of each pixel: [N] or [N, H, W] -> [N]."""
    return values.flatten(1).mean(1) if values.ndim > 1 else values
