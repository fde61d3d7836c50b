"""Perceptrons: for points, which are images of one pixel [N, 2, 1, 1], and for tiny images."""

import math
from itertools import pairwise

from torch import Tensor, nn

from trilemma.nets.blocks import HE_LEAKY, divide_by_largest_singular_values, drawn

START = 0.5  # std of untrained outputs: within the range of the data


class PerceptronGenerator(nn.Module):
    """Latent [N, latent] -> images [N, channels, height, width], not cut to [-1, 1]."""

    def __init__(
        self, *, size: tuple[int, int], channels: int, latent: int, width: int, depth: int
    ) -> None:
        """size: (height, width). width: units of a hidden layer. depth: hidden layers."""
        super().__init__()
        self.shape = (channels, *size)
        last = drawn(nn.Linear(width, math.prod(self.shape)), gain=HE_LEAKY * START)
        self.layers = nn.Sequential(*hidden(latent, width, depth), last)

    def forward(self, z: Tensor) -> Tensor:
        """Turn latent vectors [N, latent] into images."""
        images: Tensor = self.layers(z)
        return images.reshape(-1, *self.shape)


class PerceptronCritic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        depth: int,
        spectral_norm: bool,
    ) -> None:
        """size: (height, width). width: units of a hidden layer. depth: hidden layers."""
        super().__init__()
        inputs = channels * size[0] * size[1]
        self.layers = nn.Sequential(nn.Flatten(), *hidden(inputs, width, depth))
        self.width_of_features = width
        self.last = drawn(nn.Linear(width, 1), gain=1.0)
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


def hidden(inputs: int, width: int, depth: int) -> list[nn.Module]:
    """Make the hidden layers; the first sees inputs of mean square 1, the others a leaky ReLU's."""
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise([inputs, *[width] * depth])):
        gain = HE_LEAKY if number else 1.0
        layers += [drawn(nn.Linear(before, after), gain=gain), nn.LeakyReLU(0.2)]
    return layers
