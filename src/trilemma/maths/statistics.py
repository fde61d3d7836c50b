"""Errors, intervals and comparisons of measured numbers."""

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, median, stdev
from typing import NamedTuple

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

GROUPS = 20  # of a grouped jackknife: enough for a 16 % error of the error, cheap enough to repeat
Z95 = NormalDist().inv_cdf(0.975)  # half width of a 95 % interval, standard errors
MAD_TO_DEVIATION = 1 / NormalDist().inv_cdf(0.75)  # 1.4826: of a normal distribution
MEAN_TO_MEDIAN = math.sqrt(math.pi / 2)  # 1.2533: standard error of a median in those of a mean


class Estimate(NamedTuple):
    """A number with its standard error and 95 % interval; nan where there is none."""

    value: float
    error: float
    low: float
    high: float


class Jackknife(NamedTuple):
    """What leaving parts out says about a statistic."""

    error: float  # standard error
    bias: float  # to be taken off the statistic


def normal(value: float, error: float) -> Estimate:
    """Put the 95 % interval of a normal distribution around a value."""
    return Estimate(value, error, value - Z95 * error, value + Z95 * error)


def wilson(successes: int, trials: int, *, z: float = Z95) -> tuple[float, float]:
    """Give the interval (low, high) of a share, in [0, 1]; (0, 1) without trials.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22, 209; holds for shares near 0 and 1, too.
    """
    assert 0 <= successes <= trials, "successes out of trials"
    if trials == 0:
        return 0.0, 1.0
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    low = 0.0 if successes == 0 else centre - half
    return low, (1.0 if successes == trials else centre + half)


def jackknife(*, whole: float, left_out: Tensor) -> Jackknife:
    """Give the error and the bias of a statistic from its values with one group left out at a time.

    whole: the statistic of all samples. left_out [G]: without group g; groups of (nearly) equal
    size, drawn at random. With two independent samples, add variances and biases of both.
    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, eq. 11.5 and 10.10.
    """
    left_out = left_out.double()
    factor = len(left_out) - 1
    spread = (left_out - left_out.mean()).square().mean()
    return Jackknife(
        error=math.sqrt(factor * spread.item()),
        bias=factor * (left_out.mean().item() - whole),
    )


def jackknife_two(*, whole: float, first: Tensor, second: Tensor) -> Jackknife:
    """Give the error and the bias of a statistic of two independent samples.

    first, second [G]: the statistic without group g of the one, then of the other sample.
    """
    one, other = jackknife(whole=whole, left_out=first), jackknife(whole=whole, left_out=second)
    return Jackknife(math.hypot(one.error, other.error), one.bias + other.bias)


def median_error(values: Sequence[float]) -> float:
    """Give the standard error of the median of some values, from their median absolute deviation.

    A few wild values (another program took the processor) leave it alone. Right for normal values;
    of fewer than ten it is some 10 to 30 % too small.
    Source: Rousseeuw and Croux 1993, J. Am. Stat. Assoc. 88, 1273, sec. 1.
    """
    assert values, "no values"
    middle = median(values)
    deviation = MAD_TO_DEVIATION * median([abs(value - middle) for value in values])
    return MEAN_TO_MEDIAN * deviation / math.sqrt(len(values))


def t_quantile(freedom: float, *, inside: float = 0.95) -> float:
    """Give the t with P(|T| < t) = inside for Student's distribution of `freedom` degrees.

    Source: density of Abramowitz and Stegun 1964, eq. 26.7.1, with t = sqrt(freedom) tan(angle),
    integrated by Gauss's rule and solved by bisection.
    """
    assert freedom >= 1, "degrees of freedom"
    assert 0 < inside < 1, "a probability"
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_inside(middle, freedom) < inside else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def _t_inside(angle: float, freedom: float) -> float:
    """Give P(|T| < sqrt(freedom) tan(angle))."""
    places, weights = leggauss(64)
    density = np.cos(angle * (places + 1) / 2) ** (freedom - 1)
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2))
    return float(scale * angle / math.sqrt(math.pi) * (weights @ density))


def over_seeds(values: Sequence[float]) -> Estimate:
    """Give the mean of one score over runs that differ in their seed only, with a t interval.

    One run has no spread: its error and interval are nan. A nan among the values is the mean.
    """
    assert values, "no values"
    if any(map(math.isnan, values)):
        return Estimate(math.nan, math.nan, math.nan, math.nan)
    if len(values) == 1:
        return Estimate(values[0], math.nan, math.nan, math.nan)
    mean, error = fmean(values), stdev(values) / math.sqrt(len(values))
    half = t_quantile(len(values) - 1) * error
    return Estimate(mean, error, mean - half, mean + half)


def paired(*, first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Give the mean of first - second, pair by pair, with a t interval: seeds they share, say."""
    return over_seeds([a - b for a, b in zip(first, second, strict=True)])


def unpaired(*, first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Give the difference of the means of two groups of runs, with a t interval.

    At least two values each; the groups may be of unlike sizes and spreads.
    Source: Welch 1947, Biometrika 34, 28.
    """
    assert len(first) > 1 and len(second) > 1, "one value has no spread"
    value = fmean(first) - fmean(second)
    parts = [stdev(values) ** 2 / len(values) for values in (first, second)]
    error = math.sqrt(sum(parts))
    if not error > 0:
        return Estimate(value, error, value, value)
    shares = [
        (part / error**2) ** 2 / (len(values) - 1)
        for part, values in zip(parts, (first, second), strict=True)
    ]
    half = t_quantile(max(1.0, 1 / sum(shares))) * error
    return Estimate(value, error, value - half, value + half)


def pareto(costs: Tensor) -> Tensor:
    """Say which rows no other row beats: bool [N].

    costs [N, M]: smaller is better in every column (negate what is better large). A row is beaten
    by one that is nowhere worse and somewhere better; equal rows do not beat each other. A row with
    a nan is never on the front and beats none.
    """
    whole = ~torch.isnan(costs).any(dim=1)
    worse_nowhere = (costs[:, None] <= costs[None]).all(dim=2)  # [i, j]: i against j
    better_somewhere = (costs[:, None] < costs[None]).any(dim=2)
    beaten = (worse_nowhere & better_somewhere & whole[:, None]).any(dim=0)
    return whole & ~beaten
