"""Ways between latents that keep their length: a straight one leads where no noise ever lies.

Normal numbers in many dimensions lie close to a sphere, any two of them at about a right angle.
Source: White 2016, arXiv:1609.04468, on interpolation.
"""

import math

import torch
from torch import Generator, Tensor

LEAST = 3  # numbers of a latent: fewer have no two directions at right angles to it
PARALLEL = 1e-12  # sine of an angle, float64, below which ends lie on one line


def slerp(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Go from start [N, D] to end [N, D] along a great circle, share [N] in [0, 1] of the way.

    The angle grows evenly and the length goes evenly from one to the other; both ends are exact.
    Ends that point in opposite directions have no shortest way: it then turns towards the axis
    that is farthest from start or, where D is 1, goes straight. Computed in float64.
    Source: Shoemake 1985, Animating rotation with quaternion curves, SIGGRAPH (slerp).
    """
    a, b = unit(start.double()), unit(end.double())
    t = share.double()[:, None]
    turn = angles(start, end)[:, None] * t
    point = turn.cos() * a + turn.sin() * square(a, b)
    lengths = torch.lerp(norms(start.double()), norms(end.double()), t)
    if start.shape[1] == 1:
        point, lengths = torch.lerp(start.double(), end.double(), t), lengths.new_tensor(1.0)
    on_the_way = (point * lengths).to(start.dtype)
    return torch.where(t == 0, start, torch.where(t == 1, end, on_the_way))


def angles(one: Tensor, other: Tensor) -> Tensor:
    """Give the angles between latents [N, D], float64 radians [N] in [0, pi].

    From half sums and differences: an arc cosine would lose half of the digits near 0 and pi.
    """
    a, b = unit(one.double()), unit(other.double())
    return 2 * torch.atan2((a - b).norm(dim=1), (a + b).norm(dim=1))


def square(a: Tensor, b: Tensor) -> Tensor:
    """Give the directions at right angles to a in the planes of a and b, unit vectors [N, D].

    Where both lie on one line: towards the axis in which a is least.
    """
    away = rest(b, a)
    axis = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)[a.abs().argmin(dim=1)]
    return unit(torch.where(norms(away) > PARALLEL, away, rest(axis, a)))


def tangents(centre: Tensor, rng: Generator) -> Tensor:
    """Draw two directions [2, D] of length 1 at right angles to each other and to centre [D].

    They are uniform among such pairs. D is at least LEAST.
    """
    assert len(centre) >= LEAST, f"{len(centre)} numbers have no two directions besides their own"
    drawn = torch.randn(2, len(centre), generator=rng, dtype=torch.float64)
    basis, signs = torch.linalg.qr(torch.cat([centre.double()[None], drawn]).T)
    directions: Tensor = (basis * signs.diagonal().sign()).T[1:]
    return directions


def turned(centre: Tensor, directions: Tensor, turns: Tensor) -> Tensor:
    """Turn centre [D] by turns [N, 2], radians, towards both directions [2, D] at once: [N, D].

    The length stays; the way to each point is a great circle of hypot(turns) radians.
    """
    far = norms(turns.double())
    towards = unit(turns.double()) @ directions
    length = centre.double().norm()
    point = length * (far.cos() * unit(centre.double()[None]) + far.sin() * towards)
    return torch.where(far == 0, centre, point.to(centre.dtype))


def rest(vectors: Tensor, a: Tensor) -> Tensor:
    """Take from vectors [N, D] what lies along the unit vectors a [N, D]."""
    return vectors - (vectors * a).sum(dim=1, keepdim=True) * a


def norms(vectors: Tensor) -> Tensor:
    """Give the lengths of vectors [N, D]: [N, 1]."""
    lengths: Tensor = vectors.norm(dim=1, keepdim=True)
    return lengths


def unit(vectors: Tensor) -> Tensor:
    """Give vectors [N, D] the length 1; 0 stays 0."""
    return vectors / norms(vectors).clamp(min=math.ulp(0.0))
