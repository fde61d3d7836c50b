"""Precision, recall, density and coverage: how two sets of features overlap, by nearest neighbours.

A set's manifold is the union of balls, one around each sample, as wide as the distance to its k-th
nearest neighbour (itself left out by its index, so duplicates count as neighbours).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from trilemma.maths.statistics import GROUPS, Z95, Estimate, jackknife_two, normal, wilson

NEIGHBOURS = 5  # Naeem et al. 2020, sec. 5.1
BLOCK = 2**22  # distances held at once: 32 MB
SLACK = 1e-12  # of the largest squared norm: rounding of a distance computed by inner products


@dataclass(frozen=True)
class Manifold:
    """The four scores, each with its error over new samples of both sides."""

    precision: Estimate  # share of fakes in the manifold of the real
    recall: Estimate  # share of reals in the manifold of the fake; noise inflates it
    density: Estimate  # mean number of real balls around a fake, over k; may exceed 1
    coverage: Estimate  # share of reals with a fake in their ball


@dataclass(frozen=True)
class _Overlap:
    """Which points lie in which balls: row 0 as it is, row 1 + g without group g of the centres."""

    counts: Tensor  # [1 + G, points] balls around each point
    hit: Tensor  # [1 + G, centres] does the ball hold a point?
    by_group: Tensor  # [G, centres] does it hold a point of group g?


def manifold(*, fake: Tensor, real: Tensor, k: int = NEIGHBOURS) -> Manifold:
    """Compare features [N, D] of generated and [N, D] of real images.

    Rows in random order, equal counts (unequal ones shift every score); all nan for N < k + 2.
    Errors: jackknife over 20 consecutive groups of each side, so that they hold the chance in the
    manifold itself, and are on average not too small (Efron and Stein 1981, Ann. Stat. 9, 586): 1.1
    to 2.3 times the spread of new samples in simulations, where the binomial error was 0.4 to 1.
    Source: Kynkaanniemi et al. 2019, arXiv:1904.06991, eq. 1-2 (precision, recall); Naeem et al.
    2020, arXiv:2002.09797, eq. 3-4 (density, coverage). The surface of a ball belongs to it in the
    former (eq. 1 says <=), not in the latter (as its authors' package counts).
    """
    assert len(fake) == len(real), "equal counts on both sides"
    if len(real) < k + 2:
        return Manifold(*[normal(math.nan, math.nan)] * 4)
    real = real.to("cpu", torch.float64)
    fake = fake.to("cpu", torch.float64)
    centre = real.mean(dim=0)
    fake, real = fake - centre, real - centre
    slack = SLACK * torch.cat([fake, real]).square().sum(dim=1).max().item()
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    closed = _overlap(real, fake, radii=real_radii + slack)
    around = _overlap(real, fake, radii=real_radii - slack)  # without their surface
    turned = _overlap(fake, real, radii=fake_radii + slack)
    return Manifold(
        precision=_over_points((closed.counts > 0).double()),
        recall=_over_points((turned.counts > 0).double()),
        density=_over_points(around.counts.double() / k),
        coverage=_over_centres(around),
    )


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Give squared distances [N, M], off by rounding."""
    lengths = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return lengths.addmm_(first, second.T, alpha=-2)


def _radii(samples: Tensor, k: int) -> Tensor:
    """Give squared radii [1 + G, N]: row 1 + g without the neighbours, and the balls, of group g.

    Only the 4 k nearest are looked at: that a twentieth, drawn at random, holds more than 3 k of
    them does not happen.
    """
    n, listed = len(samples), min(4 * k, len(samples) - 1)
    values, indices = [], []
    for rows in torch.split(torch.arange(n), max(1, BLOCK // n)):
        squared = _squared(samples[rows], samples)
        squared[torch.arange(len(rows)), rows] = torch.inf
        near = squared.topk(listed, dim=1, largest=False)
        values.append(near.values)
        indices.append(near.indices)
    distances, group = torch.cat(values), _groups(n)
    group_of_near = group[torch.cat(indices)]
    radii = [distances[:, k - 1]]
    for g in range(_groups_of(n)):
        kept = torch.where(group_of_near == g, torch.inf, distances)
        radii.append(kept.kthvalue(k, dim=1).values.where(group != g, -torch.inf))
    return torch.stack(radii)


def _groups(n: int) -> Tensor:
    """Give the group of each of n samples: 20 consecutive ones of nearly equal size."""
    parts = torch.arange(n).tensor_split(_groups_of(n))
    return torch.cat([torch.full_like(part, g) for g, part in enumerate(parts)])


def _groups_of(n: int) -> int:
    return min(GROUPS, n)


def _overlap(centres: Tensor, points: Tensor, *, radii: Tensor) -> _Overlap:
    counts = torch.zeros(len(radii), len(points), dtype=torch.int64)
    hit = torch.zeros(len(radii), len(centres), dtype=torch.bool)
    by_group = torch.zeros(_groups_of(len(points)), len(centres), dtype=torch.bool)
    start = 0
    for g, group in enumerate(points.tensor_split(_groups_of(len(points)))):
        for part in torch.split(group, max(1, BLOCK // len(centres))):
            squared = _squared(part, centres)
            for row, radius in enumerate(radii):
                inside = squared <= radius
                counts[row, start : start + len(part)] = inside.sum(dim=1)
                hit[row] |= inside.any(dim=0)
                if row == 0:
                    by_group[g] |= inside.any(dim=0)
            start += len(part)
    return _Overlap(counts, hit, by_group)


def _over_points(values: Tensor) -> Estimate:
    """Average row 0 of [1 + G, points] over the points."""
    whole = values[0].mean().item()
    group = _groups(values.shape[1])
    sums = torch.bincount(group, weights=values[0])
    without_points = (values[0].sum() - sums) / (len(group) - group.bincount())
    return _estimate(whole, without_points, values[1:].mean(dim=1), n=values.shape[1])


def _over_centres(overlap: _Overlap) -> Estimate:
    """Average the balls that hold a point."""
    whole = overlap.hit[0].double().mean().item()
    group = _groups(overlap.hit.shape[1])
    without_centres = [
        row[group != g].double().mean() for g, row in enumerate(overlap.hit[1:].unbind())
    ]
    elsewhere = overlap.by_group.sum(dim=0) - overlap.by_group.long() > 0
    left_out = elsewhere.double().mean(dim=1), torch.stack(without_centres)
    return _estimate(whole, *left_out, n=overlap.hit.shape[1])


def _estimate(whole: float, without_points: Tensor, without_centres: Tensor, *, n: int) -> Estimate:
    """Give the jackknife's error; at 0 and 1, where it is blind, that of Wilson's interval."""
    known = jackknife_two(whole=whole, first=without_points, second=without_centres)
    if known.error > 0 or whole not in (0.0, 1.0):
        return normal(whole, known.error)
    low, high = wilson(int(whole * n), n)
    return normal(whole, (high - low) / (2 * Z95))
