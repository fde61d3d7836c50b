"""Filters against SciPy's design, and the bands of StyleGAN3 against the paper's table."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import signal, special

from trilemma.maths.lowpass import (
    bands,
    binomial,
    kaiser_beta,
    steps,
    windowed_jinc,
    windowed_sinc,
)

DESIGNS = [(12, 2.0, 12.0, 32.0), (24, 3.4, 9.3, 64.0), (13, 15.0, 3.7, 64.0), (6, 1.0, 0.3, 16.0)]


@pytest.mark.parametrize(("taps", "cutoff", "width", "rate"), DESIGNS)
def test_sinc_against_scipy(taps: int, cutoff: float, width: float, rate: float) -> None:
    wanted = signal.firwin(numtaps=taps, cutoff=cutoff, width=width, fs=rate)
    found = windowed_sinc(taps, cutoff=cutoff, width=width, rate=rate)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-9)


@pytest.mark.parametrize(("taps", "cutoff", "width", "rate"), DESIGNS)
def test_beta_against_scipy(taps: int, cutoff: float, width: float, rate: float) -> None:
    attenuation = signal.kaiser_atten(taps, width / (rate / 2))
    assert kaiser_beta(taps, width, rate) == pytest.approx(signal.kaiser_beta(attenuation))


def test_jinc_point_by_point() -> None:
    taps, cutoff, width, rate = 8, 3.0, 8.0, 32.0
    found = windowed_jinc(taps, cutoff=cutoff, width=width, rate=rate)
    window = signal.windows.kaiser(taps, kaiser_beta(taps, width, rate))
    wanted = np.empty((taps, taps))
    for y in range(taps):
        for x in range(taps):
            r = math.hypot((x - 3.5) / rate, (y - 3.5) / rate)
            wanted[y, x] = (
                special.j1(2 * math.pi * cutoff * r) / (math.pi * r) * window[x] * window[y]
            )
    np.testing.assert_allclose(found.numpy(), wanted / wanted.sum(), atol=1e-9)


def test_jinc_is_alike_along_axes_and_diagonals() -> None:
    """Its response at one frequency in many directions; the sinc's differs."""
    plane = windowed_jinc(32, cutoff=4.0, width=4.0, rate=32.0)
    row = windowed_sinc(32, cutoff=4.0, width=4.0, rate=32.0)
    spread = []
    for filtered in (plane, torch.outer(row, row)):
        places = (torch.arange(32, dtype=torch.float64) - 15.5) / 32
        found = []
        for angle in np.linspace(0, math.pi / 4, 7):
            fx, fy = 5 * math.cos(angle), 5 * math.sin(angle)
            turns = fx * places[None, :] + fy * places[:, None]
            found.append(float((filtered * torch.cos(2 * math.pi * turns)).sum()))
        spread.append(max(found) - min(found))
    assert spread[0] < 0.05 < spread[1]


def test_taps_have_the_sum_one() -> None:
    assert binomial((1.0, 3.0, 3.0, 1.0)).tolist() == [0.125, 0.375, 0.375, 0.125]


PAPER = {
    "first_cutoff": 2.0,
    "first_stopband": 2**2.1,
    "last_stopband": 2**0.3,
    "margin": 10,
}


def test_bands_against_files_of_the_official_format() -> None:
    """Sizes as the names of layers have them, of two networks with settings of their own."""
    found = bands(layers=10, critical=2, side=32, **PAPER)
    assert [band.size for band in found] == [36] * 4 + [52] * 5 + [32] * 2
    assert found[1].cutoff == pytest.approx(2.5936791093020193)
    assert found[6].half_width == pytest.approx(6.486343079978232)
    assert found[10].half_width == pytest.approx(3.698310613518661)
    other = {"first_cutoff": 1.5, "first_stopband": 5.0, "last_stopband": 1.5, "margin": 6}
    found = bands(layers=7, critical=0, side=32, **other)
    assert [band.size for band in found] == [28] * 3 + [44] * 3 + [32] * 2


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("upsampling", [1, 2, 4])
def test_steps_make_maps_of_the_size_that_follows(kernel: int, upsampling: int) -> None:
    """Section 3.2: "full" convolution, zeros between, pads, a filter, another, every n-th kept.

    What is cut off is cut off evenly: the middle of the maps stays where it is, to half a sample.
    """
    found = bands(layers=14, critical=2, side=64, **PAPER)
    for before, after in pairwise([found[0], *found]):
        way = steps(before, after, kernel=kernel, filter_size=6, upsampling=upsampling)
        assert (way.rate, way.rate) == (before.rate * way.times, after.rate * way.thinned)
        assert way.rate == upsampling * max(before.rate, after.rate)
        wide = (before.size + kernel - 1) * way.times + sum(way.pads)
        wide -= (way.up - 1) + (way.down - 1)
        assert len(range(0, wide, way.thinned)) == after.size
        middle = way.pads[0] + ((before.size + kernel - 1) - 1) / 2 * way.times
        middle -= (way.up - 1) / 2 + (way.down - 1) / 2
        assert abs(middle - (after.size - 1) / 2 * way.thinned) <= 0.5


def test_bands_grow_evenly_up_to_the_critical_ones() -> None:
    """Section 3.2, at 256 x 256: from 2 to half the side, by one factor from layer to layer."""
    found = bands(layers=14, critical=2, side=256, **PAPER)
    ratios = [b.cutoff / a.cutoff for a, b in pairwise(found)]
    assert ratios == pytest.approx([64 ** (1 / 12)] * 12 + [1, 1])
    assert [band.rate for band in found[-3:]] == [256] * 3
    for band in found:
        assert band.cutoff + band.half_width >= band.rate / 2 - 1e-9
