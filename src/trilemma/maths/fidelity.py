"""How near an enlarged image is to the one it was shrunk from: PSNR and SSIM.

Levels are floats in 0..255, images [N, C, H, W]. The field's tables measure luma, without as many
pixels at each border as the enlargement; both are said here with each function, for either moves
the second digit.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from trilemma.maths.resize import rounded

PEAK = 255.0  # the largest level
WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian, pixels
K1, K2 = 0.01, 0.03  # of SSIM's constants, shares of the peak


def luma(levels: Tensor, *, whole: bool = False) -> Tensor:
    """Give Y of RGB levels, [N, 3, H, W] -> [N, 1, H, W], in 16..235; of grey, Y of equal channels.

    whole: round it, halves up, as MATLAB's rgb2ycbcr does with bytes.
    Source: ITU-R BT.601, section 2.5.3, limited range, as MATLAB's rgb2ycbcr has it.
    """
    if levels.shape[1] == 1:
        levels = levels.expand(-1, 3, -1, -1)
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=levels.dtype, device=levels.device)
    y = 16 + (levels * weights.reshape(3, 1, 1) / PEAK).sum(1, keepdim=True)
    return rounded(y) if whole else y


def cropped(levels: Tensor, border: int) -> Tensor:
    """Cut `border` pixels off at every side."""
    return levels[..., border : levels.shape[-2] - border, border : levels.shape[-1] - border]


def psnr(made: Tensor, real: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of levels [N, C, H, W], one value an image, in dB.

    10 log10(255^2 / mean squared difference); inf where both are equal. The mean runs over all
    channels and pixels of an image.
    """
    error = (made - real).square().flatten(1).mean(1)
    return 10 * torch.log10(PEAK**2 / error)


def ssim(made: Tensor, real: Tensor) -> Tensor:
    """Structural similarity of levels [N, C, H, W], one value an image; 1 where both are equal.

    Gaussian windows of 11 pixels, sigma 1.5, that lie inside the image; the mean over all places
    and channels. Sides are at least 11. Source: Wang et al. 2004, "Image quality assessment: from
    error visibility to structural similarity", eq. 13 to 16.
    """
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    mean_made, mean_real = blurred(made), blurred(real)
    var_made = blurred(made * made) - mean_made**2
    var_real = blurred(real * real) - mean_real**2
    shared = blurred(made * real) - mean_made * mean_real
    alike = (2 * mean_made * mean_real + c1) * (2 * shared + c2)
    alike = alike / ((mean_made**2 + mean_real**2 + c1) * (var_made + var_real + c2))
    return alike.flatten(1).mean(1)


def blurred(levels: Tensor) -> Tensor:
    """Give SSIM's Gaussian mean around each pixel whose window lies inside, per channel."""
    offsets = torch.arange(WINDOW, dtype=levels.dtype, device=levels.device) - WINDOW // 2
    line = torch.exp(-0.5 * (offsets / SIGMA) ** 2)
    line = line / line.sum()
    flat = levels.reshape(-1, 1, *levels.shape[-2:])
    flat = conv2d(conv2d(flat, line.reshape(1, 1, -1, 1)), line.reshape(1, 1, 1, -1))
    return flat.reshape(*levels.shape[:-2], *flat.shape[-2:])


def fidelity(made: Tensor, real: Tensor, *, border: int) -> dict[str, Tensor]:
    """Measure levels [N, C, H, W] against the real ones: psnr_y, ssim_y, psnr_rgb, ssim_rgb, [N].

    border: pixels cut off at every side, by custom the enlargement. Y is not rounded. Computed in
    float64. nan for SSIM where a side is below 11.
    """
    made, real = cropped(made.double(), border), cropped(real.double(), border)
    y = luma(made), luma(real)
    if min(made.shape[-2:]) < WINDOW:
        none = torch.full((len(made),), math.nan, dtype=torch.float64)
        alike = {"ssim_y": none, "ssim_rgb": none}
    else:
        alike = {"ssim_y": ssim(*y), "ssim_rgb": ssim(made, real)}
    return {"psnr_y": psnr(*y), "psnr_rgb": psnr(made, real), **alike}
