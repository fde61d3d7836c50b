"""SRGAN's generator and critic (Ledig et al. 2017, arXiv:1609.04802, figure 4)."""

from itertools import pairwise
from math import ceil, log2

from torch import Tensor, nn

from trilemma.nets.blocks import (
    HE_LEAKY,
    BatchNorm2d,
    divide_by_largest_singular_values,
    drawn,
)

SIDE = 9  # pixels of the first and the last kernel
DEPTH = 8  # convolutions of the critic, every second one of stride 2


def normal(width: int, *, batchnorm: bool) -> list[nn.Module]:
    """Give the normalisation behind a convolution, or nothing."""
    return [BatchNorm2d(width)] if batchnorm else []


class Residual(nn.Module):
    """Two convolutions and a way round them."""

    def __init__(self, *, width: int, batchnorm: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=not batchnorm),
            *normal(width, batchnorm=batchnorm),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=not batchnorm),
            *normal(width, batchnorm=batchnorm),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give [N, width, h, w]."""
        added: Tensor = self.layers(x)
        return x + added


class SRGANGenerator(nn.Module):
    """Images [N, channels, h, w] in [0, 1] -> [N, channels, scale h, scale w], not clamped.

    The paper's large images are in [-1, 1]; here both are in [0, 1].
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        features: int = 64,
        blocks: int = 16,
        scale: int = 4,
        batchnorm: bool = True,
    ) -> None:
        """scale: 3 or a power of 2."""
        super().__init__()
        factors = [3] if scale == 3 else [2] * round(log2(scale))
        assert scale in (3, 2 ** len(factors)), f"scale {scale} is neither 3 nor a power of 2"
        self.channels, self.scale = channels, scale
        self.conv_first = nn.Sequential(
            nn.Conv2d(channels, features, SIDE, 1, SIDE // 2), nn.PReLU()
        )
        self.body = nn.Sequential(
            *(Residual(width=features, batchnorm=batchnorm) for _ in range(blocks)),
        )
        self.conv_body = nn.Sequential(
            nn.Conv2d(features, features, 3, 1, 1, bias=not batchnorm),
            *normal(features, batchnorm=batchnorm),
        )
        self.ups = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(features, features * factor**2, 3, 1, 1),
                    nn.PixelShuffle(factor),
                    nn.PReLU(),
                )
                for factor in factors
            ),
        )
        self.conv_last = nn.Conv2d(features, channels, SIDE, 1, SIDE // 2)

    @property
    def radius(self) -> int:
        """Say how many pixels of the input to each side an output pixel depends on."""
        fine = SIDE // 2
        for _ in self.ups:
            fine = ceil(fine / (3 if self.scale == 3 else 2)) + 1
        return SIDE // 2 + 2 * len(self.body) + 1 + fine

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge."""
        first = self.conv_first(images)
        large: Tensor = self.conv_last(self.ups(first + self.conv_body(self.body(first))))
        return large


class SRGANCritic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int = 3,
        width: int = 64,
        hidden: int = 1024,
        batchnorm: bool = True,
        spectral_norm: bool = False,
    ) -> None:
        """size: (height, width), multiples of 16; the first dense layer grows with their product.

        width: channels of the first two layers, doubled every two. hidden: units before the score.
        """
        super().__init__()
        assert all(side % 16 == 0 for side in size), f"{size} are no multiples of 16"
        widths = [width << level // 2 for level in range(DEPTH)]
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise([channels, *widths])):
            normalised = batchnorm and level > 0
            layers += [
                drawn(
                    nn.Conv2d(before, after, 3, 1 + level % 2, 1, bias=not normalised),
                    gain=HE_LEAKY,
                ),
                *normal(after, batchnorm=normalised),
                nn.LeakyReLU(0.2),
            ]
        last = widths[-1] * (size[0] // 16) * (size[1] // 16)
        layers += [
            nn.Flatten(),
            drawn(nn.Linear(last, hidden), gain=HE_LEAKY),
            nn.LeakyReLU(0.2),
            drawn(nn.Linear(hidden, 1), gain=1.0),
            nn.Flatten(0),
        ]
        self.layers = nn.Sequential(*layers)
        if spectral_norm:
            divide_by_largest_singular_values(self)

    def forward(self, images: Tensor) -> Tensor:
        """Score images; the sigmoid of figure 4 is the loss's."""
        scores: Tensor = self.layers(images)
        return scores
