"""Residual-in-residual dense blocks (ESRGAN: Wang et al. 2018, arXiv:1809.00219, section 3.1).

Weights are named as in Real-ESRGAN's files, so that programs that read those read ours.
"""

from math import log2

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu, pad, pixel_unshuffle

from trilemma.nets.blocks import HE, HE_LEAKY, drawn

SLOPE = 0.2  # of the leaky ReLUs
RESIDUAL = 0.2  # factor of what a block adds
SMALL = 0.1 * HE  # gain in a dense block: "smaller initialization", the paper's section 3.1
CONVS = 15  # one behind the other in an RRDB
# Share of the blocks that may be bf16 where a result must not depend on how it is cut into tiles.
# Rounding is chaotic: whatever changes at a border, however little, comes out as another noise
# everywhere within the receptive field. Late blocks make most of it (lab notes, 2026-11-28).
ROUGH = 10 / 23
DETAIL = 2  # pixels that the layers behind the upsampling see to each side, in coarse pixels


def conv3(before: int, after: int, *, gain: float = HE_LEAKY) -> nn.Conv2d:
    """Make a 3x3 convolution that keeps the size."""
    return drawn(nn.Conv2d(before, after, 3, 1, 1), gain=gain)


def leaky(x: Tensor) -> Tensor:
    """Bend in place: a convolution does not need its output in the backward pass."""
    return leaky_relu(x, SLOPE, inplace=True)


def as_weights(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Give values to a layer in its own precision; autocast does that itself."""
    return x if torch.is_autocast_enabled(x.device.type) else x.to(layer.weight.dtype)


class DenseBlock(nn.Module):
    """Five convolutions, each of which sees all before it."""

    def __init__(self, *, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = conv3(features, growth, gain=SMALL)
        self.conv2 = conv3(features + growth, growth, gain=SMALL)
        self.conv3 = conv3(features + 2 * growth, growth, gain=SMALL)
        self.conv4 = conv3(features + 3 * growth, growth, gain=SMALL)
        self.conv5 = conv3(features + 4 * growth, features, gain=SMALL)

    def forward(self, x: Tensor) -> Tensor:
        """Give [N, features, h, w]."""
        seen = [as_weights(x, self.conv1)]
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen.append(leaky(layer(torch.cat(seen, 1))))
        return torch.add(x, self.conv5(torch.cat(seen, 1)).to(x.dtype), alpha=RESIDUAL)


class RRDB(nn.Module):
    """Three dense blocks and a way round them."""

    def __init__(self, *, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = DenseBlock(features=features, growth=growth)
        self.rdb2 = DenseBlock(features=features, growth=growth)
        self.rdb3 = DenseBlock(features=features, growth=growth)

    def forward(self, x: Tensor) -> Tensor:
        """Give [N, features, h, w]."""
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL)


class RRDBNet(nn.Module):
    """Images [N, channels, h, w] in [0, 1] -> [N, channels, scale h, scale w], not clamped."""

    def __init__(
        self,
        *,
        channels: int = 3,
        features: int = 64,
        blocks: int = 23,
        growth: int = 32,
        scale: int = 4,
        unshuffle: int = 0,
    ) -> None:
        """scale: 1, 2, 4, 8, ...

        growth: channels that a layer of a dense block adds; spandrel knows 32 alone.
        unshuffle: side of the squares that become channels before the first layer; 0: as in
        Real-ESRGAN, 4 at scale 1, 2 at scale 2 and none above; 1: none, as in ESRGAN at any scale.
        """
        super().__init__()
        self.channels, self.scale = channels, scale
        self.unshuffle = unshuffle or max(1, 4 // scale)
        self.doublings = round(log2(scale * self.unshuffle))
        assert 2**self.doublings == scale * self.unshuffle, f"scale {scale} is no power of 2"
        self.conv_first = conv3(channels * self.unshuffle**2, features)
        self.body = nn.Sequential(
            *(RRDB(features=features, growth=growth) for _ in range(blocks)),
        )
        self.conv_body = conv3(features, features)
        for number in range(1, self.doublings + 1):
            self.add_module(f"conv_up{number}", conv3(features, features))
        self.conv_hr = conv3(features, features)
        self.conv_last = conv3(features, channels, gain=1.0)

    @property
    def radius(self) -> int:
        """Say how many pixels of the input to each side an output pixel depends on."""
        coarse = 1 + CONVS * len(self.body) + 1 + DETAIL
        return coarse * self.unshuffle + self.unshuffle - 1

    def steady(self) -> None:
        """Keep in float32, where the rest is bf16, what rounds most of a result's values."""
        exact = self.body[round(ROUGH * len(self.body)) :]
        for part in (self.conv_first, exact, self.conv_body, self.conv_last):
            part.float()

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge; sides that are no multiple of `unshuffle` are mirrored and cut off again."""
        height, width = images.shape[2:]
        folded = pixel_unshuffle(filled(images, self.unshuffle), self.unshuffle)
        first = self.conv_first(as_weights(folded, self.conv_first))
        if self.conv_hr.weight.dtype == torch.bfloat16:  # sums lose most by rounding: 1 dB
            first = first.float()
        deep = self.conv_body(as_weights(self.body(first), self.conv_body))
        x = as_weights(first + deep, self.conv_hr)
        for number in range(1, self.doublings + 1):
            x = interpolate(x, scale_factor=2.0, mode="nearest")
            x = leaky(self.get_submodule(f"conv_up{number}")(x))
        large: Tensor = self.conv_last(as_weights(leaky(self.conv_hr(x)), self.conv_last))
        return large[:, :, : height * self.scale, : width * self.scale]


def filled(images: Tensor, multiple: int) -> Tensor:
    """Extend images at the right and below until their sides are multiples: mirrored if possible.

    An image that is too narrow for its mirror image repeats its last column or row.
    """
    below, right = (-side % multiple for side in images.shape[2:])
    if not below and not right:
        return images
    mirrored = below < images.shape[2] and right < images.shape[3]
    return pad(images, (0, right, 0, below), mode="reflect" if mirrored else "replicate")
