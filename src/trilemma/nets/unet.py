"""A U-Net that looks at noisy images and is told how much noise there is.

Source: Ho et al. 2020, arXiv:2006.11239, appendix B; scale and shift by the noise level: Nichol and
Dhariwal 2021, arXiv:2102.09672, section 3. Smaller than theirs: the way up has as many blocks as
the way down, and attention stands only where it is asked for.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trilemma.errors import RecipeError
from trilemma.nets.conditioned import KNOWN


class UNet(nn.Module):
    """Noisy images [N, channels, height, width] and levels [N] -> as many numbers, unbounded."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        heads: int,
        dropout: float,
        unshuffle: int,
        conditions: int = 0,
        changes: int = 0,
    ) -> None:
        """size: (height, width), any that unshuffle divides; the rest as in the recipe.

        conditions: numbers that say what an image shows; 0: none is told. changes: the same of how
        it was changed.

        Attention stands where the shorter side is one of `attention`. The last convolution of
        every block and of the whole begins at 0: at first blocks pass on, and the output is 0.
        RecipeError: unshuffle does not divide a side, or heads the features that get attention.
        """
        super().__init__()
        check_sides(size, unshuffle)
        widths = [width * multiplier for multiplier in multipliers]
        sides = halved(min(size) // unshuffle, len(widths))
        block = partial(Block, told=4 * width, dropout=dropout)
        heads_at = [heads if side in attention else 0 for side in sides]
        self.unshuffle = unshuffle
        self.level = Level(width, 4 * width)
        self.asked = told_of(conditions, 4 * width) if conditions else None
        self.changed = nn.Linear(changes, 4 * width, bias=False) if changes else None
        self.first = nn.Conv2d(channels * unshuffle**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList(block(here, here, heads=h) for _ in range(blocks))
            for here, h in zip(widths, heads_at, strict=True)
        )
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in pairwise(widths)
        )
        self.across = block(widths[-1], widths[-1], heads=heads_at[-1])
        self.grow = nn.ModuleList(
            nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ModuleList(block(2 * here, here, heads=h) for _ in range(blocks))
            for here, h in zip(widths, heads_at, strict=True)
        )
        self.norm = group_norm(widths[0])
        self.last = zero(nn.Conv2d(widths[0], channels * unshuffle**2, 3, padding=1))

    def forward(
        self,
        images: Tensor,
        level: Tensor,
        condition: Tensor | None = None,
        changed: Tensor | None = None,
    ) -> Tensor:
        """Answer images [N, C, H, W] at level [N] (about -3 to 3, such as ln(sigma) / 4).

        condition, changed: [N, A]; zeros, or None: nothing is told, nothing was changed.
        """
        told = self.level(level)
        if self.asked is not None and condition is not None:
            told = told + self.asked(condition.to(told.dtype))
        if self.changed is not None and changed is not None:
            told = told + self.changed(changed.to(told.dtype))
        x, skipped = self.encoded(images, told)
        for depth in reversed(range(len(self.up))):
            for block in self.up[depth]:  # type: ignore[attr-defined]
                x = block(torch.cat([x, skipped.pop()], 1), told)
            if depth:
                # to the skipped side, not to twice this one: a side of 7 was halved to 4
                x = F.interpolate(x, size=skipped[-1].shape[-2:], mode="nearest")
                x = self.grow[depth - 1](x)
        return F.pixel_shuffle(self.last(F.silu(self.norm(x))), self.unshuffle)

    def encoded(self, images: Tensor, told: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Go down to the smallest maps; give them, and those on the way for the way up."""
        x = self.first(F.pixel_unshuffle(images, self.unshuffle))
        skipped: list[Tensor] = []
        for depth, down in enumerate(self.down):
            if depth:
                x = self.shrink[depth - 1](x)
            for block in down:  # type: ignore[attr-defined]
                x = block(x, told)
                skipped.append(x)
        return self.across(x, told), skipped


def told_of(conditions: int, told: int) -> nn.Linear:
    """Make what turns conditions into features; zeros become zeros, and known ones are kept."""
    layer = nn.Linear(conditions, told, bias=False)
    nn.init.normal_(layer.weight, std=0.5)  # about as loud as a level after its SiLU
    layer.register_buffer("known", torch.zeros(KNOWN, conditions))
    return layer


class Level(nn.Module):
    """Noise levels [N] -> features [N, told]: sines and cosines, then two dense layers."""

    frequencies: Tensor

    def __init__(self, width: int, told: int) -> None:
        """width: sines and cosines; their periods go from 6.3 down to 0.1 levels."""
        super().__init__()
        frequencies = torch.linspace(0, math.log(64), max(width // 2, 1)).exp()
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.layers = nn.Sequential(
            nn.Linear(2 * len(frequencies), told), nn.SiLU(), nn.Linear(told, told), nn.SiLU()
        )

    def forward(self, level: Tensor) -> Tensor:
        """Embed levels."""
        angles = level[:, None] * self.frequencies
        told: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], 1))
        return told


class Block(nn.Module):
    """A residual block [N, inputs, H, W] -> [N, outputs, H, W], with attention if heads > 0."""

    def __init__(self, inputs: int, outputs: int, *, told: int, dropout: float, heads: int) -> None:
        """told: features of the noise level, which scale and shift the second norm."""
        super().__init__()
        self.norm1 = group_norm(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(told, 2 * outputs)
        self.norm2 = group_norm(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.passed = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.attention = Attention(outputs, heads) if heads else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Add what the block has learnt."""
        scale, shift = self.modulation(told)[:, :, None, None].chunk(2, 1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = torch.addcmul(shift, self.norm2(h), 1 + scale)
        h = self.conv2(self.dropout(F.silu(h)))
        answer: Tensor = self.attention(self.passed(x) + h)
        return answer


class Attention(nn.Module):
    """Every place looks at every other: [N, C, H, W] -> the same shape, residual."""

    def __init__(self, features: int, heads: int) -> None:
        """RecipeError: heads do not divide the features."""
        super().__init__()
        if features % heads:
            raise RecipeError(
                f"{heads} attention heads do not divide {features} features; "
                "set family.generator.heads to a divisor"
            )
        self.heads = heads
        self.norm = group_norm(features)
        self.asked = nn.Conv2d(features, 3 * features, 1)
        self.answer = zero(nn.Conv2d(features, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Add what the places have told each other."""
        n, c, h, w = x.shape
        asked = self.asked(self.norm(x)).reshape(n, 3, self.heads, c // self.heads, h * w)
        query, key, value = asked.transpose(3, 4).unbind(1)
        told = F.scaled_dot_product_attention(query, key, value)
        answer: Tensor = self.answer(told.transpose(2, 3).reshape(n, c, h, w))
        return x + answer


def halved(side: int, count: int) -> list[int]:
    """Give the sides at `count` resolutions; a stride of 2 rounds up."""
    sides = [side]
    while len(sides) < count:
        sides.append((sides[-1] + 1) // 2)
    return sides


def check_sides(size: tuple[int, int], unshuffle: int) -> None:
    """Refuse sides that cannot be cut into blocks of pixels."""
    height, width = size
    if height % unshuffle or width % unshuffle:
        raise RecipeError(
            f"a size of {width}x{height} cannot be unshuffled by {unshuffle}; "
            "set family.generator.unshuffle = 1 or choose sides that it divides"
        )


def group_norm(features: int) -> nn.GroupNorm:
    """Normalise over groups of at least 4 features, at most 32 of them."""
    return nn.GroupNorm(math.gcd(32, max(features // 4, 1), features), features)


def zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Let a layer begin at 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
