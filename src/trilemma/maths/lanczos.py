"""Lanczos resizing of tensors by a ratio of whole numbers: Pillow's rule, in float."""

import math

import torch
from torch import Tensor

LOBES = 3


def lanczos(images: Tensor, *, up: int, down: int) -> Tensor:
    """Resize images [N, C, H, W] to up / down of their sides, antialiased; both must come out even.

    The kernel is sinc(x) sinc(x / 3), as wide as the coarser of the two grids asks for, with
    weights that sum to 1 at the borders, too: Pillow's LANCZOS without its rounding.
    Source: Duchon 1979, Journal of Applied Meteorology 18, eq. 14 (the window), and Pillow's rule.
    """
    return along(along(images, 2, up, down), 3, up, down)


def along(images: Tensor, axis: int, up: int, down: int) -> Tensor:
    """Resize one axis."""
    n = images.shape[axis]
    assert n * up % down == 0, f"{n} * {up} / {down} is no whole number"
    weights, first = kernel(n, n * up // down)
    shape = [1] * images.ndim
    shape[axis] = -1
    taps = [
        images.index_select(axis, (first + tap).clamp(0, n - 1).to(images.device))
        * weights[:, tap].to(images).reshape(shape)
        for tap in range(weights.shape[1])
    ]
    return torch.stack(taps).sum(0) if len(taps) == 1 else sum(taps[1:], taps[0])


def kernel(n: int, out: int) -> tuple[Tensor, Tensor]:
    """Give weights float64 [out, taps], and the first place of each row of them, [out]."""
    stretch = max(n / out, 1.0)
    reach = LOBES * stretch
    centres = (torch.arange(out, dtype=torch.float64) + 0.5) * (n / out)
    first = torch.floor(centres - reach).long()
    places = first[:, None] + torch.arange(math.ceil(2 * reach) + 1)
    x = (places + 0.5 - centres[:, None]) / stretch
    weights = torch.where(x.abs() < LOBES, torch.sinc(x) * torch.sinc(x / LOBES), 0.0)
    weights = torch.where((places >= 0) & (places < n), weights, 0.0)
    return weights / weights.sum(1, keepdim=True), first
