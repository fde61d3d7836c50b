"""Penalties on the slope of a critic."""

import torch
from torch import Tensor


def slopes_squared(scores: Tensor, *images: Tensor) -> list[Tensor]:
    """Squared norm of the critic's gradient at each image, differentiable once more.

    scores: of all images, each a function of its own image alone (no batch statistics in the
    critic). images: [N, ...] each, require grad; several cost one pass back through the critic, as
    one does. Returns a [N] for each, >= 0. R1 is gamma / 2 times this at real images, R2 the same
    at fake ones. Source: Mescheder et al. 2018, arXiv:1801.04406, eq. 9 and 10.
    """
    slopes = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return [slope.square().flatten(1).sum(1) for slope in slopes]
