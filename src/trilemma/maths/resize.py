"""Resizing as MATLAB's imresize does it: the rule by which super-resolution is measured.

Cubic kernel with a = -0.5 (Keys 1981, eq. 4), widened where an image shrinks (antialiasing), and a
border that mirrors the image with its edge pixels repeated. Pillow's and torch's bicubic differ by
up to 15 levels within 3 pixels of the border.
"""

import math

import torch
from torch import Tensor

WIDTH = 4.0  # of the cubic kernel, pixels


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = -0.5: 1 at 0, 0 at the other integers and from 2 on.

    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", eq. 4.
    """
    x = x.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


def taps(inside: int, outside: int) -> tuple[Tensor, Tensor]:
    """Say which of `inside` pixels each of `outside` ones is made of, and with which weights.

    Returns rows int64 and weights float64, both [outside, taps]; each row of weights sums to 1.
    Where outside < inside, the kernel is as much wider. Pixels are centred at k + 1/2.
    """
    scale = outside / inside
    shrunk = min(scale, 1.0)
    width = WIDTH / shrunk
    places = (torch.arange(outside, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(places - width / 2).long()
    rows = first[:, None] + torch.arange(math.ceil(width) + 2)
    weights = cubic(shrunk * (places[:, None] - rows))
    weights = weights / weights.sum(1, keepdim=True)
    mirrored = rows % (2 * inside)
    rows = torch.where(mirrored < inside, mirrored, 2 * inside - 1 - mirrored)
    used = weights.ne(0).any(0)
    return rows[:, used], weights[:, used]


def imresize(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Give images [..., H, W] the size (height, width) in their own precision; nothing is clipped.

    The axis that shrinks most goes first, as there; of two alike, the height.
    """
    axes = sorted((-2, -1), key=lambda axis: size[axis] / images.shape[axis])
    for axis in axes:
        images = _along(images, axis, size[axis])
    return images


def _along(images: Tensor, axis: int, outside: int) -> Tensor:
    inside = images.shape[axis]
    if inside == outside:
        return images
    rows, weights = taps(inside, outside)
    rows, weights = rows.to(images.device), weights.to(images)
    shape = (-1, 1) if axis == -2 else (-1,)
    out = images.index_select(axis, rows[:, 0]) * weights[:, 0].reshape(shape)
    for tap in range(1, rows.shape[1]):
        out = out + images.index_select(axis, rows[:, tap]) * weights[:, tap].reshape(shape)
    return out


def rounded(levels: Tensor) -> Tensor:
    """Round levels to whole ones in 0..255, halves up, as MATLAB's uint8 does; dtype kept."""
    return (levels + 0.5).floor().clamp(0, 255)
