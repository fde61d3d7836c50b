"""Kernels that blur, drawn by their parameters, and the filter that applies them.

A kernel is float32 [side, side] with an odd side and a sum of 1.
Source: Wang et al. 2021 (Real-ESRGAN), arXiv:2107.10833, section 3.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def distance_squared(side: int, *, wide: float, narrow: float, turned: float) -> Tensor:
    """Give C^T S^-1 C of each place of a kernel: its squared distance in standard deviations.

    wide, narrow: the deviations along both axes, pixels; turned: the first axis's angle, radians.
    Source: eq. 2.
    """
    offsets = torch.arange(side, dtype=torch.float32) - side // 2
    y, x = torch.meshgrid(offsets, offsets, indexing="ij")
    along = x * math.cos(turned) + y * math.sin(turned)
    across = y * math.cos(turned) - x * math.sin(turned)
    return (along / wide) ** 2 + (across / narrow) ** 2


def gaussian(distance: Tensor, *, shape: float = 1.0) -> Tensor:
    """Give a generalised Gaussian: exp(-(d^2 / 2)^shape); shape 1 is the Gaussian itself.

    Source: section 3.1, "generalized Gaussian"; Liu et al. 2020, "Estimating generalized Gaussian
    blur kernels for out-of-focus image deblurring", eq. 2.
    """
    return normalised(torch.exp(-0.5 * distance**shape))


def plateau(distance: Tensor, *, shape: float) -> Tensor:
    """Give a kernel with a flat top: 1 / (1 + (d^2)^shape). Source: section 3.1, "plateau"."""
    return normalised(1 / (1 + distance**shape))


def sinc(side: int, *, cutoff: float) -> Tensor:
    """Give the ideal circular low-pass filter, which rings: cutoff J1(cutoff r) / (2 pi r).

    cutoff: in radians per pixel, in (0, pi]. Source: section 3.2, eq. 5.
    """
    radius = distance_squared(side, wide=1.0, narrow=1.0, turned=0.0).sqrt()
    middle = cutoff**2 / (4 * math.pi)  # J1(x) / x is 1/2 at 0
    ring = cutoff * torch.special.bessel_j1(cutoff * radius) / (2 * math.pi * radius.clamp(min=1))
    return normalised(torch.where(radius == 0, torch.full_like(ring, middle), ring))


def normalised(kernel: Tensor) -> Tensor:
    """Give a kernel the sum 1."""
    return kernel / kernel.sum()


def filtered(image: Tensor, kernel: Tensor) -> Tensor:
    """Convolve each channel of an image [C, H, W], mirrored at its border; size kept.

    A kernel that is too wide for the image is cut to what its mirror image holds.
    """
    reach = min(kernel.shape[0] // 2, image.shape[-2] - 1, image.shape[-1] - 1)
    cut = kernel.shape[0] // 2 - reach
    kernel = normalised(kernel[cut : kernel.shape[0] - cut, cut : kernel.shape[1] - cut])
    wide = pad(image[:, None], (reach, reach, reach, reach), mode="reflect")
    return conv2d(wide, kernel.to(image)[None, None])[:, 0]
