"""Penalties on the slope of a critic, and on that of a generator."""

import math

import torch
from torch import Tensor


def slopes_squared(scores: Tensor, *images: Tensor, again: bool = True) -> list[Tensor]:
    """Squared norm of the critic's gradient at each image, differentiable once more if `again`.

    scores: of all images, each a function of its own image alone; of a critic that looks at groups
    of images, an image's slope is that of its group's scores. images: [N, ...] each, require grad;
    several cost one pass back through the critic, as one does. Returns a [N] for each, >= 0. R1 is
    gamma / 2 times this at real images, R2 the same at fake ones.
    Source: Mescheder et al. 2018, arXiv:1801.04406, eq. 9 and 10.
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


def path_lengths(images: Tensor, w: Tensor, y: Tensor) -> Tensor:
    """Give |J^T y|, J = d images / d w, for each image: [N], differentiable once more.

    images [N, C, H, W]: each a function of its own w. w [N, style]. y: as images, standard normal;
    it is divided by the root of the places, H W, so that lengths do not grow with the side.
    Source: Karras et al. 2020, arXiv:1912.04958, eq. 4.
    """
    places = images.shape[2] * images.shape[3]
    (slope,) = torch.autograd.grad((images * y).sum() / math.sqrt(places), w, create_graph=True)
    # a length of 0 has no derivative
    return (slope.square().sum(1) + 1e-12).sqrt()


def path_weight(side: int) -> float:
    """Give the paper's weight of (|J^T y| - a)^2 of images of this side: ln 2 / (ln r - ln 2).

    Its 1 / r^2 is in `path_lengths`. Source: arXiv:1912.04958, appendix B.
    """
    return math.log(2) / (math.log(side) - math.log(2))
