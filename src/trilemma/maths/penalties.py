"""Penalties on the slope of a critic."""

import torch
from torch import Tensor


def slope_squared(scores: Tensor, images: Tensor) -> Tensor:
    """Squared norm of the critic's gradient at each image, differentiable once more.

    scores: [N], each a function of its own image alone (no batch statistics in the critic).
    images: [N, ...], requires grad. Returns [N], >= 0. R1 is gamma / 2 times this at real images,
    R2 the same at fake ones. Source: Mescheder et al. 2018, arXiv:1801.04406, eq. 9 and 10.
    """
    (slope,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return slope.square().flatten(1).sum(1)
