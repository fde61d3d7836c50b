"""The Frechet distance between two sets of features, each seen as a Gaussian."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from trilemma.maths.statistics import GROUPS, jackknife_two

ENOUGH = 8  # images per feature dimension from which error and bias correction can be trusted


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a set of features, float64 on the CPU."""

    mean: Tensor  # [D]
    covariance: Tensor  # [D, D], divided by n - 1
    n: int
    rows: Tensor | None = None  # [n, D] with covariance = rows' rows; kept where n < D


@dataclass(frozen=True)
class Reference:
    """Moments prepared for many distances: a root of the covariance, taken once."""

    moments: Moments
    root: Tensor  # [D, r] with covariance = root root', r its rank


class Distance(NamedTuple):
    """A Frechet distance; error and corrected are nan where it is biased."""

    value: float  # as it is
    error: float  # standard error, over new samples of both sides
    corrected: float  # value without its bias; may be negative
    biased: bool  # fewer than 8 images per dimension on one side


def moments(features: Tensor) -> Moments:
    """Give mean and covariance of features [N, D], N >= 2."""
    features = features.to("cpu", torch.float64)
    n, dimensions = features.shape
    assert n >= 2, "a covariance takes two samples"
    mean = features.mean(dim=0)
    rows = (features - mean) / math.sqrt(n - 1)
    return Moments(mean, rows.T @ rows, n, rows if n < dimensions else None)


def reference(of: Moments) -> Reference:
    """Prepare moments as the side that many distances share: one eigendecomposition, or none."""
    if of.rows is not None:
        return Reference(of, of.rows.T)
    values, vectors = torch.linalg.eigh(of.covariance)
    kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
    return Reference(of, vectors[:, kept] * values[kept].sqrt())


def distance(fake: Moments, real: Reference) -> float:
    """Give |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2), >= 0 but for rounding; symmetric.

    The last trace is the sum of the roots of the eigenvalues of root' S2 root, or of the n x n
    Gram matrix with the same eigenvalues where a side has fewer images than dimensions.
    Source: Dowson and Landau 1982, J. Multivar. Anal. 12, 450; Heusel et al. 2017,
    arXiv:1706.08500, eq. 6.
    """
    mean, trace = real.moments.mean, real.moments.covariance.trace()
    if fake.rows is None:
        product = real.root.T @ fake.covariance @ real.root
    else:
        half = fake.rows @ real.root
        product = half @ half.T if half.shape[0] < half.shape[1] else half.T @ half
    shared = torch.linalg.eigvalsh(product).clamp(min=0).sqrt().sum()
    apart = (fake.mean - mean).square().sum()
    return float(apart + trace + fake.covariance.trace() - 2 * shared)


def jackknife(*, fake: Tensor, real: Tensor, groups: int = GROUPS) -> Distance:
    """Give the distance between features [N, D] and [M, D] with its error and bias correction.

    Rows in random order: groups are consecutive. Both samples are left out by groups: the error is
    that of the distance between the two distributions. With fewer than 8 images per dimension
    the distance is biased beyond repair (it falls with N), and has neither error nor correction.
    """
    whole_fake, whole_real = moments(fake), moments(real)
    prepared = reference(whole_real)
    value = distance(whole_fake, prepared)
    if min(len(fake), len(real)) < ENOUGH * fake.shape[1]:
        return Distance(value, math.nan, math.nan, biased=True)
    turned = reference(whole_fake)
    without_fake = [distance(part, prepared) for part in _left_out(fake, groups)]
    without_real = [distance(part, turned) for part in _left_out(real, groups)]
    known = jackknife_two(
        whole=value, first=torch.tensor(without_fake), second=torch.tensor(without_real)
    )
    return Distance(value, known.error, value - known.bias, biased=False)


def _left_out(features: Tensor, groups: int) -> Iterator[Moments]:
    """Give the moments without one group at a time, from sums of x and x x' alone."""
    features = features.to("cpu", torch.float64)
    mean = features.mean(dim=0)
    features = features - mean
    products = features.T @ features
    for part in features.tensor_split(min(groups, len(features))):
        n = len(features) - len(part)
        shift = -part.sum(dim=0) / n
        covariance = (products - part.T @ part - n * shift.outer(shift)) / (n - 1)
        yield Moments(mean + shift, covariance, n)
