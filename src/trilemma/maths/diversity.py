"""How varied samples are beside real images, by features: spread, twins and overlap.

Cheap numbers without errors, to watch a training by; `manifold` is what scores are made with.
"""

from typing import NamedTuple

import torch
from torch import Tensor

NEIGHBOURS = 5  # Naeem et al. 2020, sec. 5.1
NEAR = 0.1  # of the usual distance to the nearest other real image: nearer ones are twins


def spread(*, fake: Tensor, real: Tensor) -> float:
    """Give the root mean squared distance of two fakes over that of two reals; 1: as varied.

    Features [N, D], [M, D]. The mean over all pairs is twice the trace of the covariance, so that
    no pair is looked at. nan where all reals are one point.
    """
    ours, theirs = (rows.double().var(dim=0).sum() for rows in (fake, real))
    return float((ours / theirs).sqrt())


def twins(*, fake: Tensor, real: Tensor) -> float:
    """Give the share of fakes with another fake nearer than a tenth of what is usual among reals.

    Features [N, D], [N, D], equal counts: the nearest of more is nearer.
    """
    assert len(fake) == len(real), "equal counts on both sides"
    usual = nearest_other(real).median()
    return float((nearest_other(fake) < NEAR * usual).double().mean())


class Overlap(NamedTuple):
    """How two sets lie over each other, as shares."""

    precision: float  # of fakes in a real's ball
    recall: float  # of reals in a fake's ball
    coverage: float  # of reals whose ball holds a fake


def overlap(*, fake: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Overlap:
    """Compare features [N, D] and [N, D], N > k; a ball reaches to the k-th nearest neighbour.

    Source: Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1-2; Naeem et al. 2020,
    arXiv:2002.09797, eq. 4.
    """
    assert len(fake) == len(real), "equal counts on both sides"
    between = torch.cdist(real.double(), fake.double())  # [reals, fakes]
    fake_radii, real_radii = radii(fake, k), radii(real, k)[:, None]
    inside = {
        "precision": (between <= real_radii).any(dim=0),
        "recall": (between <= fake_radii).any(dim=1),
        "coverage": (between < real_radii).any(dim=1),
    }
    return Overlap(**{name: float(hit.double().mean()) for name, hit in inside.items()})


def nearest_other(rows: Tensor) -> Tensor:
    """Give the distance of each of [N, D] to the nearest of the others, float64 [N]."""
    return radii(rows, 1)


def radii(rows: Tensor, k: int) -> Tensor:
    """Give the distance of each of [N, D] to its k-th nearest neighbour, float64 [N]; N > k.

    Taken from differences where it matters: equal rows lie at 0.
    """
    rows = rows.double()
    distances = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")
    distances.fill_diagonal_(torch.inf)
    return distances.kthvalue(k, dim=1).values
