"""Perceptrons, of points above all."""

import pytest
import torch
from torch import nn

from trilemma.nets.perceptron import PerceptronCritic, PerceptronGenerator

POINT = (1, 1)


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def critic(width: int, depth: int) -> PerceptronCritic:
    return PerceptronCritic(size=POINT, channels=2, width=width, depth=depth, spectral_norm=False)


def test_weights_counted_by_hand() -> None:
    net = PerceptronGenerator(size=POINT, channels=2, latent=3, width=5, depth=2)
    assert count(net) == (3 * 5 + 5) + (5 * 5 + 5) + (5 * 2 + 2)
    assert count(critic(5, 3)) == (2 * 5 + 5) + 2 * (5 * 5 + 5) + (5 + 1)


def test_points_are_images_of_one_pixel() -> None:
    net = PerceptronGenerator(size=POINT, channels=2, latent=3, width=5, depth=2)
    points = net(torch.randn(7, 3))
    assert points.shape == (7, 2, 1, 1)
    judge = critic(5, 2)
    assert judge(points).shape == (7,)
    assert judge.features(points).shape == (7, 5)


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_untrained_points_lie_in_the_range_of_the_data(depth: int) -> None:
    """He's gains keep the mean square at 1; the last layer makes it a half of it."""
    torch.manual_seed(0)
    spreads = []
    for _ in range(8):
        net = PerceptronGenerator(size=POINT, channels=2, latent=16, width=256, depth=depth)
        spreads.append(net(torch.randn(500, 16)).square().mean().item())
    assert 0.3 < (sum(spreads) / 8) ** 0.5 < 0.7
