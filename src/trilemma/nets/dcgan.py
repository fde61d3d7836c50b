"""The deep convolutional pair (Radford et al. 2015, arXiv:1511.06434)."""

import math
from itertools import pairwise

from torch import Tensor, nn

from trilemma.nets.blocks import BatchNorm2d, divide_by_largest_singular_values

BASE_MIN, BASE_MAX = 4, 15  # pixels of the smallest map's shorter side


def halvings(height: int, width: int) -> int:
    """How often both sides can be halved before the shorter one would fall under 4 pixels."""
    count = 0
    while height % 2 == 0 and width % 2 == 0 and min(height, width) // 2 >= BASE_MIN:
        height, width, count = height // 2, width // 2, count + 1
    return count


def fits(height: int, width: int) -> bool:
    """Are the sides k x 2^m with k small enough for the first layer (28, 32, 64, 96, 128, ...)?"""
    times = halvings(height, width)
    return (
        times > 0
        and max(height, width) >> times <= 2 * BASE_MAX
        and (BASE_MIN <= min(height, width) >> times <= BASE_MAX)
    )


class DCGANGenerator(nn.Module):
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
        refine: bool,
    ) -> None:
        """size: (height, width). width: channels before the last layer, doubled a halving.

        refine: one more 3x3 convolution before the last layer, which is none of the paper's.
        """
        super().__init__()
        times = halvings(*size)
        widths = [min(width_max, width << level) for level in reversed(range(times))]
        first = (size[0] >> times, size[1] >> times)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(latent, widths[0], first, bias=not batchnorm),
            *([BatchNorm2d(widths[0])] if batchnorm else []),
            nn.ReLU(),
        ]
        for before, after in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=not batchnorm),
                *([BatchNorm2d(after)] if batchnorm else []),
                nn.ReLU(),
            ]
        if refine:
            layers += [
                nn.Conv2d(widths[-1], widths[-1], 3, 1, 1, bias=not batchnorm),
                *([BatchNorm2d(widths[-1])] if batchnorm else []),
                nn.ReLU(),
            ]
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, 2, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        initialise(self, small=batchnorm)

    def forward(self, z: Tensor) -> Tensor:
        """Turn latent vectors [N, latent] into images."""
        images: Tensor = self.layers(z[:, :, None, None])
        return images


class DCGANCritic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        width_max: int,
        hidden: int,
        batchnorm: bool,
        spectral_norm: bool,
    ) -> None:
        """size: (height, width). width: channels after the first layer, doubled a halving.

        hidden: units of a layer between the last map and the score; 0: none, as in the paper.
        """
        super().__init__()
        times = halvings(*size)
        widths = [min(width_max, width << level) for level in range(times)]
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=not batchnorm),
                *([BatchNorm2d(after)] if batchnorm else []),
                nn.LeakyReLU(0.2),
            ]
        last = (size[0] >> times, size[1] >> times)
        self.before_score = (hidden,) if hidden else (widths[-1], *last)
        self.width_of_features = math.prod(self.before_score)
        if hidden:
            layers += [
                nn.Flatten(),
                nn.Linear(widths[-1] * last[0] * last[1], hidden),
                nn.LeakyReLU(0.2),
                nn.Linear(hidden, 1),
                nn.Flatten(0),
            ]
        else:
            layers += [nn.Conv2d(widths[-1], 1, last), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)
        initialise(self, small=batchnorm)
        if spectral_norm:
            divide_by_largest_singular_values(self)

    def forward(self, images: Tensor) -> Tensor:
        """Score images; in one go, so that a map laid out channels-last is not laid out anew."""
        scores: Tensor = self.layers(images)
        return scores

    def features(self, images: Tensor) -> Tensor:
        """Give what the last layer sees: [N, width_of_features]."""
        found: Tensor = self.layers[:-2](images)
        return found.flatten(1)

    def score(self, features: Tensor) -> Tensor:
        """Score features [N, width_of_features] by the last layer, which may be a convolution."""
        scores: Tensor = self.layers[-2:](features.reshape(-1, *self.before_score))
        return scores


def initialise(net: nn.Module, *, small: bool) -> None:
    """Draw the weights: N(0, 0.02) as the paper says where BatchNorm rescales, else He's.

    Without BatchNorm a std of 0.02 makes every layer shrink its input about tenfold.
    """
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            if small:
                nn.init.normal_(layer.weight, 0.0, 0.02)
            else:
                spread(layer)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def spread(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> None:
    """Give the weights a std of sqrt(2 / inputs per output), so that maps keep their size.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10.
    """
    inputs = layer.weight[0].numel()  # of a linear layer or a convolution
    if isinstance(layer, nn.ConvTranspose2d):
        taps = layer.kernel_size[0] * layer.kernel_size[1]
        strides = layer.stride[0] * layer.stride[1]
        # The first layer has stride 1 and one input pixel: each output pixel sees it once.
        inputs = layer.in_channels * (1 if strides == 1 else max(1, taps // strides))
    nn.init.normal_(layer.weight, 0.0, (2.0 / inputs) ** 0.5)
