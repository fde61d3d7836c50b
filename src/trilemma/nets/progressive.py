"""The pair that grows while it is trained (Karras et al. 2018, arXiv:1710.10196).

Of each level, 4 x 4 pixels and every side twice as large, it has layers; those of a new level come
in beside the old ones: figure 2. Written from the paper alone.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from trilemma.maths.pyramid import LEAST, pyramid
from trilemma.nets.blocks import whole
from trilemma.nets.mapping import Dense, normalised
from trilemma.nets.stylegan2_critic import Convolution, End


class Growing(nn.Module):
    """What both have: where they are in growing, as buffers, so that checkpoints hold it."""

    level: Tensor
    alpha: Tensor

    def __init__(self, last: int) -> None:
        """last: the largest level; there it is until `grow` says otherwise."""
        super().__init__()
        self.last = last
        self.register_buffer("level", torch.tensor(last))
        self.register_buffer("alpha", torch.ones(()))

    @torch.no_grad()
    def grow(self, level: int, alpha: Tensor) -> None:
        """Be at a level, of whose own layers a share alpha is seen."""
        self.level.fill_(level)
        self.alpha.copy_(alpha)

    def faded(self, low: Tensor, high: Tensor) -> Tensor:
        """Mix what comes by the old layers with what comes by the new ones."""
        return torch.lerp(low, high.to(low.dtype), self.alpha.to(low.dtype))


class ProgressiveGenerator(Growing):
    """Latent [N, latent] -> images [N, channels, side, side], about [-1, 1]."""

    def __init__(
        self, *, size: tuple[int, int], channels: int, latent: int, width: int, width_max: int
    ) -> None:
        """size: (height, width), both 4 x 2^k. width: channels at the full side."""
        widths = pyramid(size[0], width, width_max)
        super().__init__(len(widths) - 1)
        self.dense = Dense(latent, widths[0] * LEAST**2, activation="lrelu")
        self.first = convolution(widths[0], widths[0])
        self.blocks = nn.ModuleList(Doubling(before, after) for before, after in pairwise(widths))
        self.colours = nn.ModuleList(
            Convolution(features, channels, 1, activation="linear", clamp=0.0)
            for features in widths
        )

    def forward(self, z: Tensor) -> Tensor:
        """Draw images where the network is in growing, enlarged to the full side."""
        level = int(self.level)
        images = self.at_level(z, level)
        times = 1 << (self.last - level)
        return images.repeat_interleave(times, 2).repeat_interleave(times, 3)

    def at_level(self, z: Tensor, level: int) -> Tensor:
        """Draw images of a level's side."""
        maps = self.dense(normalised(z)).unflatten(1, (-1, LEAST, LEAST))
        maps = before = normalised(self.first(normalised(maps)))
        for block in self.blocks[:level]:
            before, maps = maps, block(maps)
        images: Tensor = self.colours[level](maps)
        return self.faded(doubled(self.colours[level - 1](before)), images) if level else images


class ProgressiveCritic(Growing):
    """Images [N, channels, side, side] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        width_max: int,
        group: int,
        group_maps: int,
        spectral_norm: bool = False,
    ) -> None:
        """size: (height, width), both 4 x 2^k. The others: see the recipe's fields."""
        assert not spectral_norm, "its weights are scaled when they are used"
        widths = pyramid(size[0], width, width_max)
        super().__init__(len(widths) - 1)
        self.colours = nn.ModuleList(
            Convolution(channels, features, 1, activation="lrelu", clamp=0.0) for features in widths
        )
        self.blocks = nn.ModuleList(Halving(after, before) for before, after in pairwise(widths))
        self.end = End(
            widths[0],
            outputs=1,
            colours=0,
            activation="lrelu",
            clamp=0.0,
            group=group,
            group_maps=group_maps,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Score images of the full side where the network is in growing."""
        level = int(self.level)
        return self.at_level(pooled(images, LEAST << level), level)

    def at_level(self, images: Tensor, level: int) -> Tensor:
        """Score images of a level's side."""
        maps = self.colours[level](images)
        if level:
            beside = self.colours[level - 1](halved(images))
            maps = self.faded(beside, self.blocks[level - 1](maps))
        for block in reversed(self.blocks[: max(0, level - 1)]):
            maps = block(maps)
        return whole(self.end(maps, images)).flatten()


class AtLevel(nn.Module):
    """A growing network at one of its levels: what it is given has that level's side."""

    def __init__(self, net: ProgressiveGenerator | ProgressiveCritic, level: int) -> None:
        super().__init__()
        self.net, self.number = net, level

    def forward(self, given: Tensor) -> Tensor:
        """Draw, or score."""
        return self.net.at_level(given, self.number)


def convolution(before: int, after: int) -> Convolution:
    """Make a convolution of 3 x 3 of equalized learning rate, and its leaky activation."""
    return Convolution(before, after, 3, activation="lrelu", clamp=0.0)


class Doubling(nn.Module):
    """Maps to those of twice the side; each vector of features is normalised: section 4.2."""

    def __init__(self, before: int, after: int) -> None:
        """before, after: channels."""
        super().__init__()
        self.conv0, self.conv1 = convolution(before, after), convolution(after, after)

    def forward(self, maps: Tensor) -> Tensor:
        """Double."""
        return normalised(self.conv1(normalised(self.conv0(doubled(maps)))))


class Halving(nn.Module):
    """Maps to those of half the side."""

    def __init__(self, before: int, after: int) -> None:
        """before, after: channels."""
        super().__init__()
        self.conv0, self.conv1 = convolution(before, before), convolution(before, after)

    def forward(self, maps: Tensor) -> Tensor:
        """Halve."""
        return halved(self.conv1(self.conv0(maps)))


def doubled(maps: Tensor) -> Tensor:
    """Double the sides, each value four times."""
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")


def halved(maps: Tensor) -> Tensor:
    """Halve the sides, the mean of four values each."""
    return functional.avg_pool2d(maps, 2)


def pooled(images: Tensor, side: int) -> Tensor:
    """Make images smaller, each value the mean of a square."""
    times = images.shape[2] // side
    return functional.avg_pool2d(images, times) if times > 1 else images


def shown_at(images: Tensor, level: int, alpha: Tensor) -> Tensor:
    """Show real images of the full side as a level's: as blurred as what it draws while it grows.

    alpha: the share of the level's own layers; without them it sees what the level below sees.
    """
    images = pooled(images, LEAST << level)
    if not level:
        return images
    return torch.lerp(doubled(halved(images)), images, alpha.to(images.dtype))
