"""Counting modes: which of the known clusters of a set do samples reach, and how evenly?

Source: Metz et al. 2017, arXiv:1611.02163, sec. 3.3.1 (digits); Lin et al. 2018, arXiv:1712.04086,
sec. 4.1 (points): modes that are met, samples near a centre, divergence from the true shares,
which are equal here.
"""

import math

import torch
from torch import Tensor

from trilemma.maths.statistics import Z95, Estimate, normal, wilson

NONE = -1  # the mode of a sample that lies at none


def nearest(points: Tensor, centres: Tensor, *, radius: float) -> Tensor:
    """Give the number of the centre nearest to each point, or NONE beyond the radius: int64 [N].

    points [N, D]; centres [K, D].
    """
    distances = torch.cdist(
        points.double(), centres.double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    found = distances.min(dim=1)
    return torch.where(found.values <= radius, found.indices, NONE)


def counted(found: Tensor, modes: int) -> Tensor:
    """Count the samples of each mode, int64 [modes]; found [N]: a mode each, or NONE."""
    return torch.bincount(found[found != NONE], minlength=modes)


def met(counts: Tensor) -> Estimate:
    """Give the number of modes that some sample lies at.

    Its error is the jackknife's, one sample left out at a time: only a mode with a single sample
    can be lost, so with f such modes it is sqrt(f (1 - f/n) (n - 1)/n). On average it is no smaller
    than the true one (Efron and Stein 1981, Ann. Stat. 9, 586). 0 where every mode has two samples.
    counts [K], of n samples that lie at modes.
    """
    n, single = int(counts.sum()), int((counts == 1).sum())
    error = math.sqrt(single * (1 - single / n) * (n - 1) / n) if n else math.nan
    return normal(float((counts > 0).sum()), error)


def divergence(counts: Tensor) -> Estimate:
    """Give the Kullback-Leibler divergence of the modes' shares from equal ones, in nats.

    sum p log(K p), from 0 (equal) to log K (one mode); nan without samples. Chance alone makes it
    about (K - 1) / 2n. Error: jackknife, one sample left out at a time, in closed form.
    counts [K], of n samples that lie at modes.
    """
    n, kept = int(counts.sum()), counts[counts > 0].double()
    if not n:
        return normal(math.nan, math.nan)
    entropies = torch.special.xlogy(kept, kept)
    value = math.log(len(counts)) + float(entropies.sum()) / n - math.log(n)
    if n < 2:
        return normal(value, math.nan)
    fewer = torch.special.xlogy(kept - 1, kept - 1)
    left_out = (entropies.sum() - entropies + fewer) / (n - 1)  # less what is the same for all
    middle = (kept * left_out).sum() / n
    spread = (kept * (left_out - middle).square()).sum() * (n - 1) / n
    return normal(max(0.0, value), math.sqrt(float(spread)))


def near_share(counts: Tensor, samples: int) -> Estimate:
    """Give the share of all samples that lie at a mode, with Wilson's interval.

    Its error is half the width of the interval, over 1.96, so that a share of 0 or 1 has one, too.
    """
    near = int(counts.sum())
    low, high = wilson(near, samples)
    return Estimate(near / samples, (high - low) / (2 * Z95), low, high)
