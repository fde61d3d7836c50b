"""How one set of images differs from another: in colour, in blur, in noise."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

STEP, WIDEST = 0.02, 3.0  # pixels, of the blurs that are tried
LOW, HIGH = 0.25, 0.7  # of the largest frequency along an axis: below, no noise; beyond, mostly
TURNS = 3
CHANCE = 0.03  # share of a power by which two sets differ for no reason


class Difference(NamedTuple):
    """What turns images of the second set into such as the first."""

    blur: float  # sigma of a Gaussian, pixels
    noise: float  # std of white noise, in the values of the images
    gain: tuple[float, ...]  # of each channel
    offset: tuple[float, ...]  # added to each channel


def difference(made: Tensor, real: Tensor) -> Difference:
    """Estimate what a generator's images [N, C, H, W] have that real ones [M, C, H, W] have not.

    With P the power of a channel of the real images, that of the made ones is taken for
    g^2 exp(-(sigma w)^2) P + n, w the angular frequency: a gain, a Gaussian blur, white noise.
    The gain is what fits the logs below LOW of the band. For each of many sigmas, n is what is left
    beyond HIGH (0 if that is less); the smallest sigma whose sum is as near as any, but for CHANCE,
    in the log of the power, mean over channels and frequencies, is the answer: noise can hide a
    blur and is not to do so for nothing. Gain and sigma are found in turns. The offset
    then gives real channels the mean of made ones. Made images that are sharper than real ones give
    sigma 0, and their sharpness counts as noise. Both sets must show the same kind of thing: what
    is different in them counts as artefact.
    """
    made, real = made.double(), real.double()
    squared = frequencies(real.shape[-2], real.shape[-1])
    wanted, known = power(made), power(real)
    low = (squared > 0) & (squared < (LOW * math.pi) ** 2)
    blur, noise = 0.0, wanted.new_zeros(())
    for _ in range(TURNS):
        kept = torch.exp(-squared * blur**2) * known
        parts = (logs(wanted - noise) - logs(kept))[:, low].mean(1).exp()
        blur, noise = blurred(wanted, parts[:, None, None] * known, squared)
    gain = parts.sqrt()
    offset = mean(made) - gain * mean(real)
    return Difference(blur, float(noise.sqrt()), tuple(gain.tolist()), tuple(offset.tolist()))


def blurred(wanted: Tensor, known: Tensor, squared: Tensor) -> tuple[float, Tensor]:
    """Find the blur and the variance of the noise that turn one power [C, H, W] into another."""
    high = squared > (HIGH * math.pi) ** 2
    tried = []
    for number in range(round(WIDEST / STEP) + 1):
        kept = torch.exp(-squared * (number * STEP) ** 2) * known
        noise = (wanted - (1 + CHANCE) * kept)[:, high].mean().clamp(min=0)
        miss = float((logs(kept + noise) - logs(wanted))[:, squared > 0].square().mean())
        tried.append((miss, number * STEP, noise))
    least = min(miss for miss, _, _ in tried)
    return next((sigma, noise) for miss, sigma, noise in tried if miss <= least + CHANCE**2)


def logs(powers: Tensor) -> Tensor:
    """Give the log of each power; 0 becomes a very small one."""
    return powers.clamp(min=1e-12).log()


def mean(images: Tensor) -> Tensor:
    """Mean of each channel, [C]."""
    return images.mean((0, 2, 3))


def power(images: Tensor) -> Tensor:
    """Mean power of each channel at every frequency, [C, H, W].

    White noise of variance n has the power n everywhere. Each image loses its mean; a window (Hann)
    keeps its border from counting as an edge.
    """
    height, width = images.shape[-2:]
    window = hann(height)[:, None] * hann(width)
    centred = (images - images.mean((2, 3), keepdim=True)) * window
    found: Tensor = torch.fft.fft2(centred).abs().square().mean(0)
    return found / window.square().sum()


def hann(n: int) -> Tensor:
    """Hann's window of n places, float64."""
    places = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.sin(math.pi * places).square()


def frequencies(height: int, width: int) -> Tensor:
    """Squared angular frequency of every place of a transform, [H, W], radians per pixel."""
    down, across = (
        2 * math.pi * torch.fft.fftfreq(n, dtype=torch.float64) for n in (height, width)
    )
    squared: Tensor = down[:, None].square() + across.square()
    return squared
