"""Samplers: from noise to images through a denoiser, all in the variance-exploding frame.

A state is x = x0 + sigma n. `denoise(x, sigma [N])` gives the x0 that is expected; `start` is the
state at sigmas[0]; `sigmas` fall and usually end in 0, where the images are. The flow of images is
dx / dsigma = (x - denoise(x, sigma)) / sigma (Karras et al. 2022, arXiv:2206.00364, eq. 1 and 3).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Generator, Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]
Sample = Callable[[Denoise, Tensor, Sequence[float], Sequence[Generator]], Tensor]


class Sampler(NamedTuple):
    """How images are drawn, and what it costs."""

    sample: Sample  # (denoise, start [N, ...], sigmas, rngs) -> images [N, ...]
    evaluations: Callable[[int], int]  # steps -> network evaluations, for sigmas that end in 0
    random: bool = False  # does it draw noise on the way?


def randn_each(shape: Sequence[int], rngs: Sequence[Generator]) -> Tensor:
    """Draw normal numbers [N, *shape], image i from rngs[i] alone, on that generator's device."""
    return torch.stack([torch.randn(*shape, generator=rng, device=rng.device) for rng in rngs])


def ancestral(
    denoise: Denoise, start: Tensor, sigmas: Sequence[float], rngs: Sequence[Generator]
) -> Tensor:
    """Draw each state from its posterior given the one before and the expected image.

    Fresh noise for image i comes from rngs[i]. With all timesteps of a vp process this is DDPM
    sampling with the small fixed variance.
    Source: Ho et al. 2020, arXiv:2006.11239, eq. 6 and 7, in the ve frame.
    """
    assert len(rngs) == len(start), f"{len(rngs)} generators for {len(start)} images"
    x = start
    for sigma, after in pairwise(sigmas):
        share = (after / sigma) ** 2
        x0 = denoise(x, at(sigma, x))
        x = x0 + share * (x - x0)
        if after > 0:
            fresh = randn_each(x.shape[1:], rngs).to(x)
            x = x + after * math.sqrt(1 - share) * fresh
    return x


def ddim(
    denoise: Denoise, start: Tensor, sigmas: Sequence[float], _rngs: Sequence[Generator] = ()
) -> Tensor:
    """Keep the expected image and shrink the expected noise (eta 0); Euler's method. Order 1.

    Source: Song et al. 2021, arXiv:2010.02502, eq. 12 and 13.
    """
    x = start
    for sigma, after in pairwise(sigmas):
        x0 = denoise(x, at(sigma, x))
        x = x0 + (after / sigma) * (x - x0)
    return x


def heun(
    denoise: Denoise, start: Tensor, sigmas: Sequence[float], _rngs: Sequence[Generator] = ()
) -> Tensor:
    """Take the mean of the slopes at both ends of a step; a step to 0 has one end. Order 2.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 1.
    """
    x = start
    for sigma, after in pairwise(sigmas):
        slope = (x - denoise(x, at(sigma, x))) / sigma
        end = x + (after - sigma) * slope
        if after > 0:
            slope_end = (end - denoise(end, at(after, end))) / after
            end = x + (after - sigma) * (slope + slope_end) / 2
        x = end
    return x


def dpm_plus_plus_2m(
    denoise: Denoise, start: Tensor, sigmas: Sequence[float], _rngs: Sequence[Generator] = ()
) -> Tensor:
    """Extend the expected image along the last two steps, in ln sigma. Order 2.

    The first step, and a step to 0, are ddim's.
    Source: Lu et al. 2022, arXiv:2211.01095, algorithm 2, in the ve frame.
    """
    x, x0_before, width_before = start, start, 0.0
    for sigma, after in pairwise(sigmas):
        x0 = denoise(x, at(sigma, x))
        ahead, width = x0, 0.0
        if after > 0:
            width = math.log(sigma / after)
            if width_before > 0:
                ahead = x0 + width / (2 * width_before) * (x0 - x0_before)
        x = ahead + (after / sigma) * (x - ahead)
        x0_before, width_before = x0, width
    return x


def at(sigma: float, x: Tensor) -> Tensor:
    """Give every image of x [N, ...] the noise level sigma: [N]."""
    return x.new_full((len(x),), sigma)


def once(steps: int) -> int:
    """Count one evaluation a step."""
    return steps


def twice(steps: int) -> int:
    """Count two evaluations a step, but one in the last."""
    return 2 * steps - 1


SAMPLERS: Mapping[str, Sampler] = {
    "ancestral": Sampler(ancestral, once, random=True),
    "ddim": Sampler(ddim, once),
    "dpm++2m": Sampler(dpm_plus_plus_2m, once),
    "heun": Sampler(heun, twice),
}
