"""Filters that pass what is below a frequency, and the bands of StyleGAN3's layers.

Frequencies, rates and widths are in units of one image side: a rate of 64 is 64 samples a side.
Source: Karras et al. 2021, arXiv:2106.12423, section 3 and appendix C.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


def binomial(taps: tuple[float, ...]) -> Tensor:
    """Give the taps of a filter, float32 [n], divided by their sum."""
    row = torch.tensor(taps, dtype=torch.float64)
    return (row / row.sum()).float()


def kaiser_beta(taps: int, width: float, rate: float) -> float:
    """Choose the shape of a Kaiser window by the width of the transition between the bands.

    taps: of the filter, n. width: of the transition. Attenuation in decibels
    A = 2.285 (n - 1) pi D + 7.95 for D = width / (rate / 2), and beta of it.
    Source: Kaiser 1974; Oppenheim and Schafer, eqs. 7.75 and 7.76.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation >= 21:
        return float(0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21))
    return 0.0


def windowed_sinc(taps: int, *, cutoff: float, width: float, rate: float) -> Tensor:
    """Design a low-pass filter [taps] of sum 1, float64: a sinc under a Kaiser window."""
    window = _window(taps, width, rate)
    sinc = torch.sinc(2 * cutoff * _places(taps, rate))
    return sinc * window / (sinc * window).sum()


def windowed_jinc(taps: int, *, cutoff: float, width: float, rate: float) -> Tensor:
    """Design a low-pass filter [taps, taps] of sum 1, float64, alike in every direction.

    J1(2 pi fc r) / (pi r) under the product of two Kaiser windows; taps: even, so that r > 0.
    """
    places = _places(taps, rate)
    radius = torch.hypot(places[:, None], places[None, :])
    jinc = torch.special.bessel_j1(2 * math.pi * cutoff * radius) / (math.pi * radius)
    window = _window(taps, width, rate)
    filtered: Tensor = jinc * window[:, None] * window[None, :]
    return filtered / filtered.sum()


def _places(taps: int, rate: float) -> Tensor:
    return (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate


def _window(taps: int, width: float, rate: float) -> Tensor:
    beta = kaiser_beta(taps, width, rate)
    return torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)


class Band(NamedTuple):
    """What a layer of StyleGAN3 passes, and at which rate its maps are sampled."""

    cutoff: float  # frequency up to which everything is passed
    half_width: float  # of the transition to where nothing is
    rate: int  # samples a side of the picture, without margins
    size: int  # samples a side, with them


def bands(
    *,
    layers: int,
    critical: int,
    side: int,
    first_cutoff: float,
    first_stopband: float,
    last_stopband: float,
    margin: int,
) -> list[Band]:
    """Give the bands of L0 to the layer that makes colours, layers + 1 of them.

    layers: without that one. critical: of them, the last ones, sampled as sparsely as can be. side:
    of the image, pixels. last_stopband: of half that side. margin: samples around the picture.
    """
    found = []
    for layer in range(layers + 1):
        way = min(layer / (layers - critical), 1)
        cutoff = first_cutoff * (side / 2 / first_cutoff) ** way
        stopband = first_stopband * (side / 2 * last_stopband / first_stopband) ** way
        rate = int(2 ** math.ceil(math.log2(min(2 * stopband, side))))
        size = side if layer >= layers - 1 else rate + 2 * margin
        half_width = max(stopband, rate / 2) - cutoff
        found.append(Band(cutoff, half_width, rate, size))
    return found


class Steps(NamedTuple):
    """How a layer of StyleGAN3 gets from one band to the next, at a higher rate in between."""

    rate: int  # of the non-linearity
    times: int  # how many times that of the maps given
    thinned: int  # and that of the maps made
    up: int  # taps of the filter before it; 1: none
    down: int  # and behind it
    pads: tuple[int, int]  # samples added before and after, at the higher rate; below 0: cut off


def steps(before: Band, after: Band, *, kernel: int, filter_size: int, upsampling: int) -> Steps:
    """Work out a layer whose convolution makes maps larger by kernel - 1 ("full").

    filter_size: taps for each sample of the lower rate. upsampling: of the higher rate of the two.
    """
    rate = max(before.rate, after.rate) * upsampling
    times, thinned = rate // before.rate, rate // after.rate
    up, down = (filter_size * n if n > 1 else 1 for n in (times, thinned))
    total = (after.size - 1) * thinned + 1 + up + down - 2 - (before.size + kernel - 1) * times
    first = (total + times) // 2
    return Steps(rate, times, thinned, up, down, (first, total - first))
