"""How StyleGAN2's generator is trained: its noise, two styles in an image, even paths in w.

Source: Karras et al. 2020, arXiv:1912.04958, section 3 and appendix B.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trilemma import processes
from trilemma.families.draws import gaussian, latents, uniform
from trilemma.families.duel import Duel
from trilemma.families.family import Batch, Clock, Draw, Losses, Noise, Phase, TensorClock
from trilemma.families.rounds import once_in
from trilemma.maths.penalties import path_lengths, path_weight
from trilemma.nets.blocks import whole
from trilemma.nets.mapping import mixed
from trilemma.nets.stylegan2 import StyleGAN2Generator
from trilemma.recipe.recipe import AdversarialRecipe, parse_size

LENGTH = "path_length"  # the scalar that moves the mean length
DECAY = 0.99  # of the mean length, a step: appendix B


class MeanLength(nn.Module):
    """The mean of path lengths so far, as a buffer, so that checkpoints hold it; 0: none yet."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    @torch.no_grad()
    def move(self, at: Clock, scalars: Mapping[str, Tensor]) -> None:
        """Follow the mean over a batch; the first one is taken as it is."""
        length = scalars[LENGTH].to(self.mean.dtype)
        self.mean.copy_(torch.where(self.mean > 0, torch.lerp(length, self.mean, DECAY), length))


@dataclass(frozen=True)
class Styled:
    """A generator of styles, and how it draws while it is trained."""

    net: StyleGAN2Generator
    recipe: AdversarialRecipe

    @property
    def sides(self) -> list[int]:
        """Sides of the maps to which noise is added, in their order."""
        buffers = self.net.synthesis.named_buffers()
        return [buffer.shape[0] for name, buffer in buffers if name.endswith("constant")]

    def draws(self) -> dict[str, Draw]:
        """Name the random tensors of a batch of fakes, but for the latents."""
        noise: dict[str, Draw] = {}
        if self.sides:
            noise["maps"] = gaussian((sum(side**2 for side in self.sides),))
        if self.recipe.mixing:
            noise |= {"others": latents(self.recipe.generator.latent), "mixing": uniform(2)}
        return noise

    def generate(self, batch: Batch, noise: Noise, told: Tensor | None) -> Tensor:
        """Draw an image of each latent vector; in some the last layers follow another one."""
        return self.drawn(self.styles(noise, told), noise)

    def styles(self, noise: Noise, told: Tensor | None) -> Tensor:
        """Give the styles of every layer, [N, rows, style]."""
        if "others" not in noise:
            return self.net.styles(noise["latents"], told)
        both = torch.cat([noise["latents"], noise["others"]])
        w, other = self.net.mapping(both, None if told is None else told.repeat(2, 1)).chunk(2)
        rows = self.net.synthesis.rows
        return mixed(w, other, noise["mixing"], share=self.recipe.mixing, rows=rows)

    def drawn(self, styles: Tensor, noise: Noise) -> Tensor:
        """Draw images of styles."""
        images: Tensor = self.net.synthesis(styles, iter(self.maps(noise)))
        return images

    def maps(self, noise: Noise) -> Iterator[Tensor]:
        """Lay numbers out as the noise of each layer, [N, 1, side, side]."""
        if "maps" in noise:
            parts = torch.split(noise["maps"], [side**2 for side in self.sides], 1)
            for part, side in zip(parts, self.sides, strict=True):
                yield part.reshape(-1, 1, side, side)


@dataclass(frozen=True)
class Paths:
    """The term that has equally long steps in w change images equally much: equation 4."""

    styled: Styled
    duel: Duel
    length: MeanLength

    def phase(self, noise: Mapping[str, Draw]) -> Phase:
        """Give its phase, which rests in most rounds; noise: that of the fakes."""
        data = self.duel.whole_recipe.data
        shape = (data.channels, *parse_size(data.size))
        return Phase(
            name="path",
            trains="generator",
            noise={**noise, "path_pixels": gaussian(shape)},
            loss=self.loss,
            repeats=once_in(self.styled.recipe.path_every, images=self.duel.images_a_round),
            after=self.length.move,
        )

    def loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Hold lengths to their mean, for all the rounds since they were looked at last."""
        net, recipe = self.styled.net, self.styled.recipe
        w = whole(net.mapping(noise["latents"], self.duel.condition(batch)))
        styles = w[:, None].expand(-1, net.synthesis.rows, -1)
        images = whole(self.styled.drawn(styles, noise))
        lengths = path_lengths(images, w, noise["path_pixels"])
        mean = torch.where(self.length.mean > 0, self.length.mean, processes.mean(lengths.detach()))
        weight = recipe.path_length * recipe.path_every * path_weight(images.shape[3])
        return weight * (lengths - mean).square(), {LENGTH: lengths.detach()}
