"""R3GAN's pair: residual bottlenecks without normalization.

Source: Huang et al. 2025, arXiv:2501.05441, section 4; the start of the weights: fix-up (Zhang et
al. 2019, arXiv:1901.09321, section 3). Written from the papers alone.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn

from trilemma.nets.blocks import HE_LEAKY, divide_by_largest_singular_values, drawn
from trilemma.nets.dcgan import halvings

LAYERS = 3  # of a branch, fix-up's m


class R3Generator(nn.Module):
    """Latent [N, latent] -> images [N, channels, height, width], about [-1, 1], not cut there."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        latent: int,
        width: int,
        width_max: int,
        blocks: int,
        group: int,
        expansion: int,
    ) -> None:
        """size: (height, width). width: channels at the full side, doubled a halving.

        blocks: bottlenecks at each side. group, expansion: of `Bottleneck`.
        """
        super().__init__()
        times = halvings(*size)
        widths = [min(width_max, width << level) for level in reversed(range(times + 1))]
        block = partial(
            Bottleneck,
            expansion=expansion,
            group=group,
            shrink=shrink(blocks * len(widths)),
            zero=True,
        )
        self.base = nn.Parameter(torch.randn(widths[0], size[0] >> times, size[1] >> times))
        self.modulation = drawn(nn.Linear(latent, widths[0]), gain=1.0)
        layers = several(block, widths[0], blocks)
        for before, after in pairwise(widths):
            layers += [*changed(before, after), nn.Upsample(scale_factor=2, mode="bilinear")]
            layers += several(block, after, blocks)
        layers += [drawn(nn.Conv2d(widths[-1], channels, 1), gain=1.0)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Turn latent vectors [N, latent] into images."""
        images: Tensor = self.layers(self.base * self.modulation(z)[:, :, None, None])
        return images


class R3Critic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        width_max: int,
        blocks: int,
        group: int,
        expansion: int,
        spectral_norm: bool,
    ) -> None:
        """size: (height, width). width: channels at the full side, doubled a halving.

        blocks: bottlenecks at each side. group, expansion: of `Bottleneck`. spectral_norm: none of
        the paper's; a layer of zeros has no singular value to divide by, so none starts as that.
        """
        super().__init__()
        times = halvings(*size)
        widths = [min(width_max, width << level) for level in range(times + 1)]
        block = partial(
            Bottleneck,
            expansion=expansion,
            group=group,
            shrink=shrink(blocks * len(widths)),
            zero=not spectral_norm,
        )
        layers: list[nn.Module] = [drawn(nn.Conv2d(channels, widths[0], 1), gain=1.0)]
        layers += several(block, widths[0], blocks)
        for before, after in pairwise(widths):  # the mean of 2x2 pixels: bilinear at half the side
            layers += [nn.AvgPool2d(2), *changed(before, after)]
            layers += several(block, after, blocks)
        last = (size[0] >> times, size[1] >> times)
        self.width_of_features = widths[-1]
        layers += [
            drawn(nn.Conv2d(widths[-1], widths[-1], last, groups=widths[-1]), gain=1.0),
            nn.Flatten(),
        ]
        self.layers = nn.Sequential(*layers)
        self.last = drawn(nn.Linear(widths[-1], 1), gain=1.0)
        if spectral_norm:
            divide_by_largest_singular_values(self)

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        return self.score(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Give what the last layer sees: [N, width_of_features]."""
        found: Tensor = self.layers(images)
        return found

    def score(self, features: Tensor) -> Tensor:
        """Score features [N, width_of_features]."""
        scores: Tensor = self.last(features)
        return scores.flatten()


class Bottleneck(nn.Module):
    """A map and a branch beside it: 1x1 to more features, 3x3 within groups of them, 1x1 back."""

    def __init__(
        self, features: int, *, expansion: int, group: int, shrink: float, zero: bool
    ) -> None:
        """expansion: features within, for each outside. group: features that a 3x3 sees together.

        shrink: factor on the first weights of all layers but the last. zero: the last starts at 0,
        so that the block starts as the identity.
        """
        super().__init__()
        inner = features * expansion
        self.branch = nn.Sequential(
            drawn(nn.Conv2d(features, inner, 1), gain=HE_LEAKY * shrink),
            nn.LeakyReLU(0.2),
            drawn(nn.Conv2d(inner, inner, 3, 1, 1, groups=inner // group), gain=HE_LEAKY * shrink),
            nn.LeakyReLU(0.2),
            drawn(nn.Conv2d(inner, features, 1, bias=False), gain=0.0 if zero else HE_LEAKY),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Give maps [N, features, H, W] with the branch added."""
        added: Tensor = maps + self.branch(maps)
        return added


def shrink(blocks: int) -> float:
    """Give fix-up's factor on first weights, L^(-1 / (2 m - 2)): L blocks of m layers each."""
    return float(blocks ** (-1 / (2 * LAYERS - 2)))


def several(block: Callable[[int], nn.Module], features: int, count: int) -> list[nn.Module]:
    """Make blocks of so many features, one after the other."""
    return [block(features) for _ in range(count)]


def changed(before: int, after: int) -> list[nn.Module]:
    """Make the layer between numbers of features; none where they are equal."""
    return [drawn(nn.Conv2d(before, after, 1, bias=False), gain=1.0)] if before != after else []
