"""The residual pair of WGAN-GP and SNGAN: two 3x3 convolutions beside a shortcut.

Sources: Gulrajani et al. 2017, arXiv:1704.00028, appendix; Miyato et al. 2018, arXiv:1802.05957,
tables 3 and 4. Theirs start as any layer does. Here the last layer of a branch starts smaller by
the root of the number of blocks, so that their sum keeps its size, however deep the network.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import relu

from trilemma.nets.blocks import HE, BatchNorm2d, divide_by_largest_singular_values, drawn
from trilemma.nets.dcgan import halvings

NORMS: Mapping[str, Callable[[int], nn.Module]] = {  # by features
    "batch": BatchNorm2d,
    "layer": lambda features: nn.GroupNorm(1, features),  # over [C, H, W] of each image alone
    "none": lambda features: nn.Identity(),
}


class ResidualGenerator(nn.Module):
    """Latent [N, latent] -> images [N, channels, height, width] in [-1, 1]."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        latent: int,
        width: int,
        width_max: int,
        batchnorm: bool,
    ) -> None:
        """size: (height, width). width: channels at the full side, doubled a halving."""
        super().__init__()
        times, norm = halvings(*size), "batch" if batchnorm else "none"
        widths = [min(width_max, width << level) for level in reversed(range(times + 1))]
        self.base = (widths[0], size[0] >> times, size[1] >> times)
        self.lift = drawn(nn.Linear(latent, math.prod(self.base)), gain=1.0)
        self.blocks = nn.Sequential(
            *(up(before, after, norm=norm, share=1 / times) for before, after in pairwise(widths))
        )
        self.last = nn.Sequential(
            NORMS[norm](widths[-1]),
            nn.ReLU(),
            drawn(nn.Conv2d(widths[-1], channels, 3, 1, 1), gain=1.0),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """Turn latent vectors [N, latent] into images."""
        maps = self.lift(z).reshape(-1, *self.base)
        images: Tensor = self.last(self.blocks(maps))
        return images


class ResidualCritic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        width_max: int,
        norm: str,
        spectral_norm: bool,
    ) -> None:
        """size: (height, width). width: channels after the first block, doubled a halving."""
        super().__init__()
        times = halvings(*size)
        widths = [min(width_max, width << level) for level in range(times)]
        share = 1 / (times + 1)
        self.blocks = nn.Sequential(
            first(channels, widths[0], norm=norm, share=share),
            *(down(b, a, norm=norm, share=share) for b, a in pairwise(widths)),
            same(widths[-1], norm=norm, share=share),
        )
        self.width_of_features = widths[-1]
        self.last = drawn(nn.Linear(widths[-1], 1), gain=1.0)
        if spectral_norm:
            divide_by_largest_singular_values(self)

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        return self.score(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Give what the last layer sees, the mean over the last map: [N, width_of_features]."""
        maps: Tensor = relu(self.blocks(images))
        return maps.mean((2, 3))

    def score(self, features: Tensor) -> Tensor:
        """Score features [N, width_of_features]."""
        scores: Tensor = self.last(features)
        return scores.flatten()


class Residual(nn.Module):
    """A shortcut and a branch, added."""

    def __init__(self, shortcut: nn.Module, branch: nn.Module) -> None:
        super().__init__()
        self.shortcut, self.branch = shortcut, branch

    def forward(self, maps: Tensor) -> Tensor:
        """Add what both make of maps [N, C, H, W]."""
        added: Tensor = self.shortcut(maps) + self.branch(maps)
        return added


def up(before: int, after: int, *, norm: str, share: float) -> Residual:
    """Make a block that doubles the side by repeating pixels.

    share: of the shortcut's variance, that the branch begins with; for all blocks here.
    """
    bias = norm != "batch"  # every later BatchNorm would take it out again
    branch = nn.Sequential(
        NORMS[norm](before),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        drawn(nn.Conv2d(before, after, 3, 1, 1, bias=bias), gain=HE),
        NORMS[norm](after),
        nn.ReLU(),
        drawn(nn.Conv2d(after, after, 3, 1, 1, bias=bias), gain=HE * share**0.5),
    )
    shortcut = drawn(nn.Conv2d(before, after, 1, bias=bias), gain=1.0)
    # A 1x1 convolution gives the same before and after pixels are repeated.
    return Residual(nn.Sequential(shortcut, nn.Upsample(scale_factor=2)), branch)


def first(channels: int, after: int, *, norm: str, share: float) -> Residual:
    """Make a block as `down`, but for pixels, which are neither normalised nor cut at 0."""
    branch = nn.Sequential(
        drawn(nn.Conv2d(channels, after, 3, 1, 1), gain=1.0),
        NORMS[norm](after),
        nn.ReLU(),
        drawn(nn.Conv2d(after, after, 3, 1, 1), gain=HE * share**0.5),
        nn.AvgPool2d(2),
    )
    shortcut = drawn(nn.Conv2d(channels, after, 1), gain=1.0)
    return Residual(nn.Sequential(nn.AvgPool2d(2), shortcut), branch)


def down(before: int, after: int, *, norm: str, share: float) -> Residual:
    """Make a block that halves the side by the mean of 2x2 pixels."""
    branch = nn.Sequential(*inner(before, after, norm=norm, share=share), nn.AvgPool2d(2))
    shortcut = drawn(nn.Conv2d(before, after, 1), gain=1.0)
    return Residual(nn.Sequential(nn.AvgPool2d(2), shortcut), branch)


def same(features: int, *, norm: str, share: float) -> Residual:
    """Make a block that keeps side and features."""
    branch = nn.Sequential(*inner(features, features, norm=norm, share=share))
    return Residual(nn.Identity(), branch)


def inner(before: int, after: int, *, norm: str, share: float) -> list[nn.Module]:
    """Make the layers of a critic's branch."""
    return [
        NORMS[norm](before),
        nn.ReLU(),
        drawn(nn.Conv2d(before, before, 3, 1, 1), gain=HE),
        NORMS[norm](before),
        nn.ReLU(),
        drawn(nn.Conv2d(before, after, 3, 1, 1), gain=HE * share**0.5),
    ]
