"""The residual pair: counts by hand, equal forms, norms."""

import torch
from torch import nn

from trilemma.nets.resnet import NORMS, ResidualCritic, ResidualGenerator, up


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def generator(*, batchnorm: bool) -> ResidualGenerator:
    return ResidualGenerator(
        size=(8, 8), channels=1, latent=3, width=2, width_max=8, batchnorm=batchnorm
    )


def critic(*, norm: str = "none", channels: int = 1, width: int = 2) -> ResidualCritic:
    return ResidualCritic(
        size=(16, 16), channels=channels, width=width, width_max=8, norm=norm, spectral_norm=False
    )


def test_weights_of_a_generator_counted_by_hand() -> None:
    """8 x 8 from a 4 x 4 base: 4 channels, then 2."""
    lift = 3 * 64 + 64
    block = (9 * 4 * 2 + 2) + (9 * 2 * 2 + 2) + (4 * 2 + 2)
    last = 9 * 2 * 1 + 1
    assert count(generator(batchnorm=False)) == lift + block + last
    biases, norms = 3 * 2, 2 * (4 + 2 + 2)
    assert count(generator(batchnorm=True)) == lift + block + last - biases + norms


def test_weights_of_a_critic_counted_by_hand() -> None:
    """16 x 16 to 4 x 4: 2 channels, then 4, and a block that keeps them."""
    first = (9 * 1 * 2 + 2) + (9 * 2 * 2 + 2) + (1 * 2 + 2)
    down = (9 * 2 * 2 + 2) + (9 * 2 * 4 + 4) + (2 * 4 + 4)
    same = 2 * (9 * 4 * 4 + 4)
    assert count(critic()) == first + down + same + (4 + 1)
    assert count(critic(norm="layer")) == count(critic()) + 2 * (2 + 2 + 2 + 4 + 4)


def test_the_generator_of_the_paper_s_table() -> None:
    """SNGAN's table for 32 x 32: three blocks of 256 from 4 x 4, without the redundant biases."""
    net = ResidualGenerator(
        size=(32, 32), channels=3, latent=128, width=256, width_max=256, batchnorm=True
    )
    dense = 128 * 4 * 4 * 256 + 4 * 4 * 256
    block = 2 * 9 * 256 * 256 + 256 * 256 + 2 * 2 * 256
    assert count(net) == dense + 3 * block + 2 * 256 + 9 * 256 * 3 + 3


def test_the_shortcut_may_come_before_the_pixels_are_repeated() -> None:
    torch.manual_seed(0)
    block = up(3, 2, norm="none", share=1.0)
    maps = torch.randn(2, 3, 5, 4)
    convolution, repeat = block.shortcut
    torch.testing.assert_close(block.shortcut(maps), convolution(repeat(maps)))


def test_layer_norm_is_over_each_image_alone() -> None:
    maps = torch.randn(3, 4, 5, 6) * 3 + 1
    mean = maps.mean((1, 2, 3), keepdim=True)
    variance = (maps - mean).square().mean((1, 2, 3), keepdim=True)
    expected = (maps - mean) / (variance + 1e-5).sqrt()
    torch.testing.assert_close(NORMS["layer"](4)(maps), expected)


def test_no_norm_stands_before_the_first_convolution() -> None:
    """The mean of an image must not be lost: a critic sees brightness."""
    torch.manual_seed(0)
    net = critic(norm="layer", width=8)
    flat = torch.ones(1, 1, 16, 16)
    assert (net(flat) - net(-flat)).abs() > 1e-3
    assert isinstance(net.blocks[0].branch[0], nn.Conv2d)
