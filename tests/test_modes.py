"""Modes counted: by hand, in closed form, and against slow literal versions."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from trilemma.maths import modes
from trilemma.maths.statistics import jackknife

COUNTS = st.lists(st.integers(0, 6), min_size=2, max_size=7).filter(lambda c: sum(c) > 2)


def samples(counts: list[int]) -> list[int]:
    return [mode for mode, count in enumerate(counts) for _ in range(count)]


def left_out(counts: list[int], statistic: object) -> torch.Tensor:
    """Compute a statistic of counts with each sample left out in turn."""
    values = []
    for mode in samples(counts):
        fewer = list(counts)
        fewer[mode] -= 1
        values.append(statistic(fewer))  # type: ignore[operator]
    return torch.tensor(values, dtype=torch.float64)


def hit(counts: list[int]) -> float:
    return float(len(set(samples(counts))))


def kl(counts: list[int]) -> float:
    """By SciPy."""
    return float(entropy(counts, np.ones(len(counts))))


def test_a_point_belongs_to_the_nearest_centre_within_the_radius() -> None:
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    points = torch.tensor([[0.28, 0.4], [0.6, 0.0], [0.5, 3.0], [1.0, 0.51], [0.0, -0.5]])
    found = modes.nearest(points, centres, radius=0.5)
    assert found.tolist() == [0, 1, -1, -1, 0], "just in, nearer to the right, far, just out, on it"
    assert modes.counted(found, 3).tolist() == [2, 1, 0]


def test_three_deviations_hold_what_the_plane_s_gaussian_has_there() -> None:
    """P(r < 3 sigma) = 1 - exp(-9/2) in two dimensions; 40,000 samples give it to 0.0016."""
    points = 0.02 * torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0))
    found = modes.nearest(points, torch.zeros(1, 2), radius=0.06)
    share = modes.near_share(modes.counted(found, 1), len(points))
    assert share.value == pytest.approx(1 - math.exp(-4.5), abs=0.0016)
    assert share.low < 1 - math.exp(-4.5) < share.high


def test_by_hand() -> None:
    counts = torch.tensor([2, 1, 1, 0])
    assert modes.met(counts).value == 3
    # Four samples give 3, 3, 2, 2 with one left out: spread 1/4, times 3.
    assert modes.met(counts).error == pytest.approx(math.sqrt(0.75))
    # sum p log 4p = 1/2 log 2 + 2 (1/4 log 1)
    assert modes.divergence(counts).value == pytest.approx(0.5 * math.log(2))
    assert modes.near_share(counts, 5).value == 0.8


def test_ends() -> None:
    equal, one = torch.tensor([3, 3, 3]), torch.tensor([0, 9, 0])
    assert modes.divergence(equal).value == pytest.approx(0, abs=1e-12)
    assert modes.divergence(one).value == pytest.approx(math.log(3))
    assert (modes.met(equal).value, modes.met(equal).error) == (3, 0)
    none = torch.zeros(3, dtype=torch.int64)
    assert modes.met(none).value == 0
    assert math.isnan(modes.met(none).error)
    assert math.isnan(modes.divergence(none).value)
    assert modes.near_share(none, 50).value == 0
    assert modes.near_share(none, 50).error > 0
    assert math.isnan(modes.divergence(torch.tensor([1, 0])).error)


@given(COUNTS)
def test_values_and_errors_are_those_of_a_literal_jackknife(counts: list[int]) -> None:
    for made, literal in ((modes.met, hit), (modes.divergence, kl)):
        estimate = made(torch.tensor(counts))
        wanted = jackknife(whole=literal(counts), left_out=left_out(counts, literal))
        assert estimate.value == pytest.approx(literal(counts), abs=1e-9)
        assert estimate.error == pytest.approx(wanted.error, abs=1e-9)


@given(COUNTS)
def test_the_divergence_lies_between_equal_shares_and_one_mode(counts: list[int]) -> None:
    value = modes.divergence(torch.tensor(counts)).value
    assert 0 <= value <= math.log(len(counts)) + 1e-12


def test_the_error_of_the_count_is_no_smaller_than_the_true_one() -> None:
    """Of 1,000 equal modes and 1,000 samples 632 are met, give or take 9.8 (balls in boxes)."""
    rng = np.random.default_rng(0)
    drawn = [np.bincount(rng.integers(0, 1000, 1000), minlength=1000) for _ in range(300)]
    made = [modes.met(torch.from_numpy(counts)) for counts in drawn]
    values = np.array([one.value for one in made])
    assert values.mean() == pytest.approx(1000 * (1 - (1 - 1 / 1000) ** 1000), abs=2)
    true = math.sqrt(1000 * (math.exp(-1) - 2 * math.exp(-2)))
    assert values.std() == pytest.approx(true, rel=0.15)
    assert true < np.mean([one.error for one in made]) < 2 * true


def test_chance_alone_makes_a_divergence() -> None:
    """(K - 1) / 2n for equal modes, to first order; its spread sqrt((K - 1) / 2) / n."""
    rng = np.random.default_rng(1)
    n, k = 20_000, 100
    values = [
        modes.divergence(torch.from_numpy(np.bincount(rng.integers(0, k, n), minlength=k))).value
        for _ in range(50)
    ]
    assert np.mean(values) == pytest.approx((k - 1) / (2 * n), rel=0.1)
