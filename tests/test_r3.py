"""R3GAN's pair: counts by hand, and what fix-up promises."""

import pytest
import torch
from torch import nn

from trilemma.nets.r3 import Bottleneck, R3Critic, R3Generator, shrink

SIZES = {"width": 4, "width_max": 8, "group": 2, "expansion": 2}


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def generator(size: tuple[int, int] = (8, 8), *, blocks: int = 1) -> R3Generator:
    torch.manual_seed(0)
    return R3Generator(size=size, channels=1, latent=3, blocks=blocks, **SIZES)


def critic(
    size: tuple[int, int] = (8, 8), *, blocks: int = 1, spectral_norm: bool = False
) -> R3Critic:
    torch.manual_seed(0)
    return R3Critic(size=size, channels=1, blocks=blocks, spectral_norm=spectral_norm, **SIZES)


def bottleneck(features: int) -> int:
    """1 x 1 to twice the features, 3 x 3 within pairs of them, 1 x 1 back without a bias."""
    inner = 2 * features
    return (features * inner + inner) + (9 * inner * 2 + inner) + inner * features


def test_weights_counted_by_hand() -> None:
    """8 x 8 and 4 x 4, of 4 and 8 channels."""
    base, modulation, narrower, pixels = 8 * 4 * 4, 3 * 8 + 8, 8 * 4, 4 + 1
    blocks = bottleneck(8) + bottleneck(4)
    assert count(generator()) == base + modulation + narrower + blocks + pixels
    head = (16 * 8 + 8) + (8 + 1)
    assert count(critic()) == (1 * 4 + 4) + 4 * 8 + blocks + head
    assert count(generator(blocks=3)) == count(generator()) + 2 * blocks
    assert count(critic(blocks=3)) == count(critic()) + 2 * blocks


def test_groups_do_not_see_each_other() -> None:
    """A change of one feature inside a bottleneck stays within its group of the 3 x 3."""
    block = Bottleneck(4, expansion=2, group=2, shrink=1.0, zero=False)
    inner = torch.randn(1, 8, 5, 5)
    other = inner.clone()
    other[:, 3] += 1
    change = (block.branch[2](other) - block.branch[2](inner)).abs().amax((0, 2, 3))
    assert (change > 1e-4).tolist() == [False, False, True, True, False, False, False, False]


@pytest.mark.parametrize("net", [generator((16, 16), blocks=2), critic((16, 16), blocks=2)])
def test_every_block_starts_as_the_identity(net: nn.Module) -> None:
    blocks = [m for m in net.modules() if isinstance(m, Bottleneck)]
    assert len(blocks) == 2 * 3
    for block in blocks:
        maps = torch.randn(2, block.branch[0].in_channels, 5, 4)
        assert torch.equal(block(maps), maps)


def test_the_factor_of_fix_up() -> None:
    """L^(-1 / (2 m - 2)) with m = 3: 16 blocks halve two layers' weights, 1 leaves them."""
    assert (shrink(1), shrink(16), shrink(81)) == pytest.approx((1.0, 1 / 2, 1 / 3))
    layer = Bottleneck(64, expansion=2, group=64, shrink=0.5, zero=True).branch[2]
    expected = 0.5 * (2 / (1.04 * 9 * 64)) ** 0.5
    assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)


def test_a_step_moves_the_scores_as_far_whatever_the_depth() -> None:
    """What fix-up is for (Zhang et al., section 3): without the factor it would grow as the depth.

    One step along the gradient of the mean score, by the last layers of all branches; 2 to 32.
    """
    far, sizes = [], {"width": 16, "width_max": 32, "group": 8, "expansion": 2}
    for blocks in (1, 4, 16):
        torch.manual_seed(0)
        net = R3Critic(size=(8, 8), channels=1, blocks=blocks, spectral_norm=False, **sizes)
        images = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(1))
        lasts = [m.branch[4].weight for m in net.modules() if isinstance(m, Bottleneck)]
        before = net(images)
        gradients = torch.autograd.grad(before.mean(), lasts)
        with torch.no_grad():
            for weight, gradient in zip(lasts, gradients, strict=True):
                weight -= 1e-3 * gradient
            far.append((before - net(images)).mean().item())
    assert min(far) > 0
    assert max(far) / min(far) < 3, far


def test_zeros_have_no_singular_value_to_divide_by() -> None:
    net = critic((16, 16), spectral_norm=True)
    assert all(torch.isfinite(p).all() for p in net(torch.randn(2, 1, 16, 16)))
    lasts = [m.branch[4].weight for m in net.modules() if isinstance(m, Bottleneck)]
    assert all(weight.abs().max() > 0 for weight in lasts)


def test_z_modulates_the_learnt_base() -> None:
    """At the start all is linear in z but for the bias, which is 0: twice z, twice the image."""
    net = generator((8, 12))
    assert net.base.shape == (8, 4, 6)
    z = torch.randn(2, 3)
    torch.testing.assert_close(net(2 * z), 2 * net(z))
    assert (net(torch.zeros(1, 3)) == 0).all()
