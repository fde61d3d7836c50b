"""The U-Net: shapes, layers against slow literal versions, and what its output may depend on."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trilemma.errors import RecipeError
from trilemma.nets.unet import Attention, Block, Level, UNet


def unet(size: tuple[int, int] = (12, 12), **changes: Any) -> UNet:
    """Give a small net with no layer at 0, so that everything can be seen at its output."""
    sizes: dict[str, Any] = {
        "channels": 1,
        "width": 8,
        "multipliers": (1, 2),
        "blocks": 1,
        "attention": (6,),
        "heads": 2,
        "dropout": 0.0,
        "unshuffle": 1,
    }
    torch.manual_seed(0)
    return spread(UNet(size=size, **{**sizes, **changes}))


def spread(net: UNet) -> UNet:
    for parameter in net.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0, 0.2)
    return net


def numbers(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("size", "channels", "changes"),
    [
        ((28, 28), 1, {"multipliers": (1, 2, 2), "attention": (7,)}),
        ((28, 28), 1, {"multipliers": (1, 2, 2, 3), "unshuffle": 2}),  # 14, 7, 4, 2
        ((32, 32), 3, {"blocks": 2}),
        ((64, 96), 3, {"unshuffle": 2, "attention": (16,)}),
        ((13, 7), 2, {"multipliers": (2, 1, 1, 1, 1)}),  # down to 1 x 1
        ((1, 1), 2, {"multipliers": (1,)}),
    ],
)
def test_any_size_comes_back(size: tuple[int, int], channels: int, changes: dict[str, Any]) -> None:
    net = unet(size, channels=channels, **changes)
    images = numbers(2, channels, *size)
    output = net(images, torch.tensor([-1.0, 0.5]))
    assert output.shape == images.shape
    assert output.isfinite().all()
    output.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), f"{name} learns nothing"


def test_output_begins_at_zero() -> None:
    net = UNet(
        size=(8, 8),
        channels=1,
        width=8,
        multipliers=(1, 2),
        blocks=1,
        attention=(4,),
        heads=2,
        dropout=0.0,
        unshuffle=1,
    )
    assert not net(numbers(2, 1, 8, 8), torch.zeros(2)).any()


@pytest.mark.parametrize("side", [6, 7])
def test_attention_stands_where_the_shorter_side_is_named(side: int) -> None:
    net = unet((12, 20), attention=(side,))
    found = [name for name, layer in net.named_modules() if isinstance(layer, Attention)]
    expected = ["down.1.0.attention", "across.attention", "up.1.0.attention"]
    assert found == (expected if side == 6 else [])


def test_every_pixel_reaches_every_other() -> None:
    """With attention the whole image matters; the level does, and no batch mate."""
    net = unet((12, 12)).eval()
    images, level = numbers(3, 1, 12, 12), torch.tensor([-1.0, 0.3, 0.9])
    output = net(images, level)
    changed = images.clone()
    changed[1, 0, 0, 0] += 1
    other = net(changed, level)
    assert (other[1] != output[1]).all()
    torch.testing.assert_close(other[[0, 2]], output[[0, 2]], rtol=0, atol=0)
    louder = net(images, torch.tensor([-1.0, 0.3, 0.8]))
    assert not torch.allclose(louder[2], output[2])
    torch.testing.assert_close(net(images[1:2], level[1:2])[0], output[1], rtol=1e-4, atol=1e-4)


def test_unshuffled_pixels_stay_in_their_place() -> None:
    """Without blocks' mixing (all 3 x 3 weights but the centre gone) a pixel moves its 2 x 2."""
    net = unet((8, 8), multipliers=(1,), attention=(), unshuffle=2).eval()
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3):
            layer.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0
        if isinstance(layer, nn.GroupNorm):
            layer.forward = lambda x: x  # type: ignore[method-assign]
    images, level = numbers(1, 1, 8, 8), torch.tensor([0.2])
    changed = images.clone()
    changed[0, 0, 2, 5] += 1
    moved = (net(changed, level) - net(images, level))[0, 0] != 0
    assert moved.nonzero().tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]


def test_memory_format_changes_no_number() -> None:
    net = unet((12, 12)).eval()
    images, level = numbers(2, 1, 12, 12), torch.tensor([0.1, 0.2])
    plain = net(images, level)
    net.to(memory_format=torch.channels_last)
    last = net(images.contiguous(memory_format=torch.channels_last), level)
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)


def test_half_precision_is_near() -> None:
    net = unet((12, 12)).eval()
    images, level = numbers(2, 1, 12, 12), torch.tensor([0.1, 0.2])
    plain = net(images, level)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(images, level)
    assert (half.float() - plain).std() < 0.05 * plain.std()


def test_attention_against_loops() -> None:
    torch.manual_seed(2)
    layer = Attention(6, 2).double().requires_grad_(False)
    nn.init.normal_(layer.answer.weight)
    x = numbers(1, 6, 2, 3).double()
    normed = layer.norm(x).flatten(2)[0]
    asked = layer.asked.weight.flatten(1) @ normed + layer.asked.bias[:, None]
    told = torch.zeros(6, 6, dtype=torch.float64)
    for head in range(2):
        mine = slice(3 * head, 3 * head + 3)
        query, key, value = asked[:6][mine], asked[6:12][mine], asked[12:][mine]
        for place in range(6):
            weights = [math.exp(float(query[:, place] @ key[:, o]) / 3**0.5) for o in range(6)]
            for other in range(6):
                told[mine, place] += weights[other] / sum(weights) * value[:, other]
    answer = layer.answer.weight.flatten(1) @ told + layer.answer.bias[:, None]
    torch.testing.assert_close(layer(x), x + answer.reshape(1, 6, 2, 3))


def test_block_scales_and_shifts_by_the_level() -> None:
    """With conv2 the identity and conv1 nothing: x + silu(shift), as the norm of 0 is 0."""
    block = Block(4, 4, told=3, dropout=0.0, heads=0)
    nn.init.zeros_(block.conv1.weight)
    nn.init.zeros_(block.conv1.bias)  # type: ignore[arg-type]
    nn.init.dirac_(block.conv2.weight)
    x, told = numbers(2, 4, 5, 5), numbers(2, 3, seed=2)
    shift = (told @ block.modulation.weight.T + block.modulation.bias)[:, 4:]
    expected = x + (shift * shift.sigmoid())[:, :, None, None]
    torch.testing.assert_close(block(x, told), expected)


def test_level_is_sines_and_cosines() -> None:
    level = Level(6, 5)
    assert level.frequencies.tolist() == pytest.approx([1, 8, 64])  # per level: ln(sigma) / 4
    level.layers = nn.Identity()  # type: ignore[assignment]
    expected = [math.sin(0.3), math.sin(2.4), math.sin(19.2)]
    expected += [math.cos(0.3), math.cos(2.4), math.cos(19.2)]
    assert level(torch.tensor([0.3]))[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"15x14 cannot be unshuffled by 2; .*unshuffle = 1"):
        unet((14, 15), unshuffle=2)
    with pytest.raises(RecipeError, match=r"3 attention heads do not divide 16 features"):
        unet((12, 12), heads=3)
