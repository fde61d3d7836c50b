"""Penalties on the slope of a critic."""

import torch
from torch import Tensor


def slopes_squared(scores: Tensor, *images: Tensor, again: bool = True) -> list[Tensor]:
    """Squared norm of the critic's gradient at each image, differentiable once more if `again`.

    scores: of all images, each a function of its own image alone (no batch statistics in the
    critic). images: [N, ...] each, require grad; several cost one pass back through the critic, as
    one does. Returns a [N] for each, >= 0. R1 is gamma / 2 times this at real images, R2 the same
    at fake ones. Source: Mescheder et al. 2018, arXiv:1801.04406, eq. 9 and 10.
    """
    slopes = torch.autograd.grad(scores.sum(), images, create_graph=again)
    return [slope.square().flatten(1).sum(1) for slope in slopes]


def between(real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """Give the images at `share` of the way from real to fake, [N, ...]; share: [N] in [0, 1].

    Source: Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1, line 6.
    """
    return torch.lerp(real, fake.to(real.dtype), share.reshape(-1, *[1] * (real.ndim - 1)))


def apart_from_one(squared: Tensor) -> Tensor:
    """(slope - 1)^2 of the squared slope [N]: of a critic that is 1-Lipschitz where it matters.

    WGAN-GP adds lambda times this at images between real and fake (Gulrajani et al. 2017,
    arXiv:1704.00028, eq. 3), DRAGAN at images near real ones (Kodali et al. 2017, arXiv:1705.07215,
    eq. 4). The slope itself has no derivative where it is 0; 1e-12 keeps that finite.
    """
    return ((squared + 1e-12).sqrt() - 1).square()


def slopes_squared_between(scores: Tensor, moved: Tensor, *, step: float) -> Tensor:
    """Squared slope of the critic from its scores [N] at images and at images + step n: [N].

    n: standard normal noise of the images' shape. The mean over n is the squared norm of the
    gradient, but for terms in step^2; one draw of n varies by 1.4 times that. It needs no second
    derivative. Scores that were rounded to bf16 add their rounding over step: a step of 0.1 keeps
    that small. Source: the approximated R1 of Lin et al. 2025, arXiv:2501.08316, which leaves
    the division by step^2 to the weight.
    """
    return ((moved - scores) / step).square()
