import math

import pytest
import torch
from scipy import stats

from trilemma.maths.statistics import (
    Z95,
    jackknife,
    jackknife_two,
    over_seeds,
    paired,
    pareto,
    t_quantile,
    wilson,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (1, 30), (13, 40), (999, 2000)])
def test_wilson_is_scipys(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_without_trials_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 9, 30, 101])
@pytest.mark.parametrize("inside", [0.5, 0.95, 0.999])
def test_t_quantile_is_scipys(freedom: int, inside: float) -> None:
    expected = stats.t.ppf((1 + inside) / 2, freedom)
    assert t_quantile(freedom, inside=inside) == pytest.approx(expected, rel=1e-9)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    """Closed form: s / sqrt(n), no bias."""
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.5], dtype=torch.float64)
    left_out = (values.sum() - values) / 4
    found = jackknife(whole=values.mean().item(), left_out=left_out)
    assert found.error == pytest.approx(values.std().item() / math.sqrt(5))
    assert found.bias == pytest.approx(0.0, abs=1e-12)


def test_jackknife_finds_the_bias_of_a_variance() -> None:
    """Closed form: the variance over n is too small by the variance over n - 1, divided by n."""
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.5], dtype=torch.float64)
    left_out = torch.stack(
        [torch.cat([values[:i], values[i + 1 :]]).var(correction=0) for i in range(5)]
    )
    found = jackknife(whole=values.var(correction=0).item(), left_out=left_out)
    assert found.bias == pytest.approx(-values.var().item() / 5)


def test_jackknife_of_two_samples_adds_variances_and_biases() -> None:
    first, second = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.5, 3.5])
    one, other = jackknife(whole=2.0, left_out=first), jackknife(whole=2.0, left_out=second)
    both = jackknife_two(whole=2.0, first=first, second=second)
    assert both.error**2 == pytest.approx(one.error**2 + other.error**2)
    assert both.bias == pytest.approx(one.bias + other.bias)


def test_seeds_give_scipys_interval() -> None:
    values = [33.1, 35.4, 31.9, 36.0]
    found = over_seeds(values)
    error = stats.sem(values)
    assert found.error == pytest.approx(error)
    expected = stats.t.interval(0.95, 3, loc=sum(values) / 4, scale=error)
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-9)


def test_one_seed_has_no_error() -> None:
    found = over_seeds([3.0])
    assert found.value == 3.0
    assert all(map(math.isnan, found[1:]))


def test_pairs_share_their_chance() -> None:
    """A constant difference under a large common spread is seen; scipy's paired test agrees."""
    first, second = [10.1, 50.0, 90.2, 20.0], [9.0, 49.1, 89.0, 19.2]
    found = paired(first=first, second=second)
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.low > 0
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        paired(first=first, second=second[:2])


def test_front_by_hand() -> None:
    costs = torch.tensor(
        [
            [1.0, 9.0],  # fastest
            [2.0, 5.0],
            [2.0, 6.0],  # beaten by the row above: equal in one, worse in the other
            [3.0, 5.0],  # beaten by the second row
            [8.0, 1.0],
            [8.0, 1.0],  # equal rows do not beat each other
            [float("nan"), 0.0],
        ]
    )
    assert pareto(costs).tolist() == [True, True, False, False, True, True, False]


def test_normal_quantile_is_scipys() -> None:
    assert pytest.approx(stats.norm.ppf(0.975)) == Z95
