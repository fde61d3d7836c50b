"""Directions among points: along which they spread most, a layer answers most, or labels part."""

from typing import NamedTuple

import torch
from torch import Tensor

EMPTY = 1e-7  # of the widest standard deviation: below it an axis is rounding


class Principal(NamedTuple):
    """The axes of a cloud of points, the widest first, float64."""

    mean: Tensor  # [D]
    axes: Tensor  # [K, D], of length 1, at right angles
    spread: Tensor  # [K], standard deviations along them


def principal(points: Tensor, count: int) -> Principal:
    """Give the first `count` axes of points [N, D], N >= 2; fewer where no more have any spread.

    From the smaller of the D x D and N x N products. The sign is `upright`'s.
    Source: Harkonen et al. 2020, arXiv:2004.02546, section 2 (principal components of w).
    """
    points = points.double()
    mean = points.mean(0)
    rest = points - mean
    tall = len(rest) >= rest.shape[1]
    product = rest.T @ rest if tall else rest @ rest.T
    squares, vectors = torch.linalg.eigh(product)
    squares, vectors = squares.flip(0)[:count].clamp(min=0), vectors.flip(1)[:, :count]
    spread = (squares / (len(rest) - 1)).sqrt()
    there = spread > EMPTY * spread[0]
    axes = (vectors if tall else rest.T @ vectors / squares.sqrt()).T
    return Principal(mean, upright(axes[there]), spread[there])


def carried(coordinates: Tensor, latents: Tensor) -> Tensor:
    """Give the rows u_k [K, D] with which latents [N, D] are best told: sum_k x_k u_k.

    coordinates: x [N, K] of activations along their axes. Least squares, float64.
    Source: Harkonen et al. 2020, arXiv:2004.02546, section 2: U = argmin sum_j |U x_j - z_j|^2.
    """
    ways: Tensor = torch.linalg.lstsq(coordinates.double(), latents.double()).solution
    return ways


def factorised(matrix: Tensor, count: int) -> Tensor:
    """Give the directions [count, D] of length 1 that a layer y = A x answers most, float64.

    matrix: A [R, D]. The eigenvectors of A^T A, the largest first; the sign is `upright`'s.
    Source: Shen and Zhou 2021, arXiv:2007.06600, section 3 (closed-form factorization).
    """
    matrix = matrix.double()
    _, vectors = torch.linalg.eigh(matrix.T @ matrix)
    return upright(vectors.flip(1)[:, :count].T)


def upright(axes: Tensor) -> Tensor:
    """Turn axes [K, D] so that the largest number of each is above 0: a sign that stays."""
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return axes * largest.sign()


def parting(points: Tensor, share: Tensor) -> Tensor:
    """Give the way [D] from the mean of points without a label to that of those with it, float64.

    points: [N, D]. share: how much each has the label [N], in [0, 1]. Of normal points whose
    covariance S is the same on both sides this is S n, n the normal of Fisher's plane: no other
    way of so many standard deviations leads farther across it.
    """
    points, share = points.double(), share.double()[:, None]
    having = (share * points).sum(0) / share.sum()
    lacking = ((1 - share) * points).sum(0) / (1 - share).sum()
    return having - lacking


def stepped(axes: Tensor, points: Tensor) -> Tensor:
    """Give axes [K, D] the length of one standard deviation of points [N, D] along them."""
    axes = axes.double() / axes.double().norm(dim=1, keepdim=True)
    return axes * (points.double() @ axes.T).std(0)[:, None]
