"""Numbers beside numbers: errors that hold under load, memory of one run, verdicts over seeds."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from trilemma import speed
from trilemma.maths.statistics import Z95, median_error, paired, t_quantile, unpaired
from trilemma.report import metrics

TIMES = [1.02, 0.98, 1.0, 1.05, 0.97, 1.01, 80.0]  # ms, the last while another program worked


def test_one_wild_time_does_not_make_an_error() -> None:
    """By SciPy: the scaled median absolute deviation, times sqrt(pi / 2 n)."""
    scaled = stats.median_abs_deviation(TIMES, scale="normal")
    expected = scaled * math.sqrt(math.pi / 2 / len(TIMES))
    assert median_error(TIMES) == pytest.approx(expected, rel=1e-9)
    assert median_error(TIMES) < 0.03 < 10 < np.std(TIMES) / math.sqrt(len(TIMES))


def test_the_error_is_that_of_the_median_of_normal_times() -> None:
    """Simulated: medians of 21 values scatter as their mean error says, within 10 %."""
    samples = np.random.default_rng(0).normal(3.0, 0.7, size=(4000, 21))
    told = float(np.mean([median_error(row.tolist()) for row in samples]))
    assert told == pytest.approx(np.median(samples, axis=1).std(), rel=0.1)


@pytest.mark.parametrize("freedom", [1.0, 1.37, 2.5, 7.9, 63.2, 900.5])
@pytest.mark.parametrize("inside", [0.5, 0.95, 0.999])
def test_t_of_broken_degrees_is_scipys(freedom: float, inside: float) -> None:
    expected = stats.t.ppf((1 + inside) / 2, freedom)
    assert t_quantile(freedom, inside=inside) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 2.5, 4.0], [2.0, 2.2, 1.9, 2.6, 2.4]),
        ([0.1, 0.3], [0.5, 0.2]),
        ([1.0, 2.0, 9.0], [4.0, 4.5]),
    ],
)
def test_groups_of_other_seeds_are_compared_as_welch_does(
    first: list[float], second: list[float]
) -> None:
    found = unpaired(first=first, second=second)
    oracle = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(first) - np.mean(second))
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), rel=1e-7)


def test_pairs_of_one_seed_see_what_groups_do_not() -> None:
    first, second = [1.0, 5.0, 9.0], [0.9, 4.8, 8.7]
    assert paired(first=first, second=second).low > -0.06
    assert unpaired(first=first, second=second).low < -5


def test_one_number_for_the_width_of_an_interval() -> None:
    """The report must not load torch, so it has a copy."""
    assert math.isclose(metrics.Z95, Z95, rel_tol=1e-15)


def holding(megabytes: int) -> float:
    """Give what the watch for memory sees while so much is held and let go."""
    before = speed.forget_peak(torch.device("cpu"))
    kept = torch.ones(megabytes * 250_000)
    del kept
    return speed.peak(torch.device("cpu")) - before


@pytest.mark.skipif(
    math.isnan(speed.forget_peak(torch.device("cpu"))), reason="no /proc/self/clear_refs, no glibc"
)
def test_memory_of_a_run_is_its_own() -> None:
    """A small run after a large one is small, and the order does not matter."""
    small, large, again = holding(20), holding(200), holding(20)
    assert 15e6 < small < 40e6
    assert 190e6 < large < 230e6
    assert 15e6 < again < 40e6


def test_weights_are_counted_by_hand() -> None:
    """3 x 5 weights and 5 biases, float32; running mean and variance of 5, and a 64-bit count."""
    nets = nn.ModuleDict({"generator": nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))})

    drawer = SimpleNamespace(nets=nets)
    assert speed.weights_bytes(drawer) == 4 * (15 + 5 + 5 + 5 + 5 + 5) + 8  # type: ignore[arg-type]


def test_a_device_that_does_not_tell_has_no_number() -> None:
    assert math.isnan(speed.forget_peak(torch.device("mps")))
    assert math.isnan(speed.peak(torch.device("mps")))
