"""Small images of large ones: what an upscaler is to undo.

Images are float32 [C, H, W] in [0, 1]. `real` is the second-order chain of Real-ESRGAN: blur,
resize, noise and JPEG, twice, with ringing at the end; its ranges are those of the paper's training
(Wang et al. 2021, arXiv:2107.10833, sections 3.1, 3.2 and 4.1). Every number is drawn from the
generator of the image's own place, so that a resumed training sees the same small images.
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from trilemma.maths.blur import distance_squared, filtered, gaussian, plateau, sinc
from trilemma.maths.resize import imresize, rounded

Size = tuple[int, int]  # height, width
SIDES = (7, 21)  # of kernels, odd pixels
SHAPES = {"gaussian": 0.7, "generalised": 0.15, "plateau": 0.15}  # of kernels, and how likely
ISOTROPIC = 0.65  # share of kernels that are round: our choice, the paper gives no number
POISSON, GREY = 0.5, 0.4  # shares of noise: that grows with light; that is the same in all channels
SINC_INSTEAD, SINC_LAST = 0.1, 0.8  # chances of a sinc kernel for a blur, and at the end
SECOND_BLUR = 0.8  # chance
RESIZERS = ("area", "bilinear", "bicubic")
QUALITY = (30.0, 95.0)  # of JPEG


class Stage(NamedTuple):
    """The ranges of one of the two rounds."""

    sigma: tuple[float, float]  # std of a blur, pixels
    grow: tuple[float, float, float]  # chances to enlarge, to shrink, to keep
    factor: tuple[float, float]  # of a resize
    noise: tuple[float, float]  # std of Gaussian noise, levels of 255
    light: tuple[float, float]  # scale of Poisson noise


FIRST = Stage((0.2, 3.0), (0.2, 0.7, 0.1), (0.15, 1.5), (1.0, 30.0), (0.05, 3.0))
SECOND = Stage((0.2, 1.5), (0.3, 0.4, 0.3), (0.3, 1.2), (1.0, 25.0), (0.05, 2.5))


@dataclass(frozen=True, kw_only=True)
class Matched:
    """What a generator's samples have that clean small images lack, values in [0, 1]."""

    blur: float = 0.0  # sigma, small pixels
    noise: float = 0.0  # std of white noise
    gain: tuple[float, ...] = ()  # of each channel; (): 1
    offset: tuple[float, ...] = ()  # added to each channel


def eight_bits(images: Tensor) -> Tensor:
    """Round to the levels that a file of 8 bits holds."""
    return rounded(images * 255) / 255


def bicubic(images: Tensor, size: Size) -> Tensor:
    """Shrink images [..., H, W] as MATLAB's imresize does, to 8 bits."""
    return eight_bits(imresize(images, size))


def as_generated(image: Tensor, size: Size, rng: Generator, matched: Matched) -> Tensor:
    """Shrink an image, and give it a generator's blur, colours and noise."""
    small = imresize(image, size)
    if matched.blur:
        side = 2 * math.ceil(3 * matched.blur) + 1
        small = filtered(small, round_kernel(side, matched.blur))
    if matched.gain:
        gain, offset = (torch.tensor(x).reshape(-1, 1, 1) for x in (matched.gain, matched.offset))
        small = small * gain + offset
    return eight_bits(small + matched.noise * torch.randn(small.shape, generator=rng))


def round_kernel(side: int, sigma: float) -> Tensor:
    """Make an isotropic Gaussian kernel."""
    return gaussian(distance_squared(side, wide=sigma, narrow=sigma, turned=0.0))


def second_order(image: Tensor, size: Size, rng: Generator) -> Tensor:
    """Degrade an image twice, as a photo that was sent on: Real-ESRGAN's chain."""
    image = filtered(image, any_kernel(rng, FIRST))
    image = resized_somehow(image, rng, FIRST)
    image = noisy(image, rng, FIRST)
    image = jpeg(image, uniform(rng, *QUALITY))
    if chance(rng, SECOND_BLUR):
        image = filtered(image, any_kernel(rng, SECOND))
    height, width = (round(side * drawn_factor(rng, SECOND)) for side in size)
    image = resize(image, (height, width), rng)
    image = noisy(image, rng, SECOND)
    last = sinc(odd(rng), cutoff=uniform(rng, math.pi / 3, math.pi))
    rings, before = chance(rng, SINC_LAST), chance(rng, 0.5)
    if before:
        image = resize(image, size, rng)
        image = filtered(image, last) if rings else image
        image = jpeg(image, uniform(rng, *QUALITY))
    else:
        image = jpeg(image, uniform(rng, *QUALITY))
        image = resize(image, size, rng)
        image = filtered(image, last) if rings else image
    return eight_bits(image)


def any_kernel(rng: Generator, stage: Stage) -> Tensor:
    """Draw a kernel: round or long, Gaussian, generalised or flat-topped, now and then a sinc."""
    side = odd(rng)
    if chance(rng, SINC_INSTEAD):
        lowest = math.pi / 3 if side < 13 else math.pi / 5
        return sinc(side, cutoff=uniform(rng, lowest, math.pi))
    wide = uniform(rng, *stage.sigma)
    narrow = wide if chance(rng, ISOTROPIC) else uniform(rng, *stage.sigma)
    turned = uniform(rng, -math.pi, math.pi)
    distance = distance_squared(side, wide=wide, narrow=narrow, turned=turned)
    kind = pick(rng, SHAPES)
    if kind == "gaussian":
        return gaussian(distance)
    if kind == "generalised":
        return gaussian(distance, shape=uniform(rng, 0.5, 4.0))
    return plateau(distance, shape=uniform(rng, 1.0, 2.0))


def resized_somehow(image: Tensor, rng: Generator, stage: Stage) -> Tensor:
    """Enlarge, shrink or keep an image, by a rule that is drawn as well."""
    factor = drawn_factor(rng, stage)
    height, width = (max(1, round(side * factor)) for side in image.shape[1:])
    return resize(image, (height, width), rng)


def drawn_factor(rng: Generator, stage: Stage) -> float:
    """Draw a factor above, below, or of 1."""
    which = pick(rng, dict(zip(("grow", "shrink", "keep"), stage.grow, strict=True)))
    if which == "keep":
        return 1.0
    return (
        uniform(rng, 1.0, stage.factor[1])
        if which == "grow"
        else uniform(rng, stage.factor[0], 1.0)
    )


def resize(image: Tensor, size: Size, rng: Generator) -> Tensor:
    """Resize an image by area, bilinearly or bicubically, without antialiasing."""
    mode = RESIZERS[int(torch.randint(len(RESIZERS), (), generator=rng))]
    size = (max(1, size[0]), max(1, size[1]))
    if mode == "area":
        return interpolate(image[None], size, mode=mode)[0]
    return interpolate(image[None], size, mode=mode, align_corners=False)[0]


def noisy(image: Tensor, rng: Generator, stage: Stage) -> Tensor:
    """Add Gaussian noise, or such that grows with the light; in each channel or the same in all."""
    shape = (1, *image.shape[1:]) if chance(rng, GREY) else image.shape
    image = image.clamp(0, 1)
    if chance(rng, POISSON):
        scale = uniform(rng, *stage.light)
        light = (image.mean(0, keepdim=True) if shape[0] == 1 else image) * 255
        return image + (torch.poisson(light, generator=rng) - light) / 255 * scale
    std = uniform(rng, *stage.noise) / 255
    return image + std * torch.randn(shape, generator=rng)


def jpeg(image: Tensor, quality: float) -> Tensor:
    """Write an image as JPEG and read it again. Quality: 1 to 95, Pillow's scale."""
    pixels = rounded(image * 255).to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    flat = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(np.ascontiguousarray(flat)).save(file, "JPEG", quality=round(quality))
    again = np.array(Image.open(file)).reshape(pixels.shape)
    return torch.from_numpy(again).permute(2, 0, 1).float() / 255


def uniform(rng: Generator, low: float, high: float) -> float:
    """Draw a number between two."""
    return low + (high - low) * float(torch.rand((), generator=rng))


def chance(rng: Generator, share: float) -> bool:
    """Say yes in this share of all draws."""
    return float(torch.rand((), generator=rng)) < share


def odd(rng: Generator) -> int:
    """Draw a kernel's side."""
    low, high = SIDES
    return low + 2 * int(torch.randint((high - low) // 2 + 1, (), generator=rng))


def pick(rng: Generator, chances: Mapping[str, float]) -> str:
    """Draw a name by its chance."""
    names: Sequence[str] = tuple(chances)
    return names[int(torch.multinomial(torch.tensor(list(chances.values())), 1, generator=rng))]
