"""Consistency: one answer along the whole way from noise to an image."""

from collections.abc import Callable

import torch
from torch import Tensor

from trilemma.maths.noise import edm_sigmas, per_image

Answer = Callable[[Tensor, Tensor], Tensor]  # (x [N, ...], sigma [N]) -> images [N, ...]


def heun_step(denoise: Answer, x: Tensor, *, sigma: Tensor, lower: Tensor) -> Tensor:
    """Go down the probability-flow way from levels sigma [N] to lower ones [N], all above 0.

    Source: Karras et al. 2022, arXiv:2206.00364, algorithm 1, one step, each image at its own.
    """
    slope = (x - denoise(x, sigma)) / per_image(sigma, x)
    way = per_image(lower - sigma, x)
    there = x + way * slope
    slope_there = (there - denoise(there, lower)) / per_image(lower, x)
    return x + way * (slope + slope_there) / 2


def consistency(
    answer: Answer,
    teacher: Answer,
    *,
    images: Tensor,
    eps: Tensor,
    rung: Tensor,
    rungs: int,
    sigma_max: float,
    sigma_min: float,
) -> Tensor:
    """Give how far the answer at one level is from that one step of the teacher lower: [N], >= 0.

    images, eps: [N, ...]. rung: [N] in [0, 1), where on a ladder of `rungs` levels an image stands.
    The lower answer is the target and gets no gradient.
    Source: Song et al. 2023, arXiv:2303.01469, eq. 7 and algorithm 2, squared distance.
    """
    ladder = edm_sigmas(rungs, sigma_min=sigma_min, sigma_max=sigma_max)[:-1].flip(0).to(images)
    index = (rung * (rungs - 1)).long().clamp(max=rungs - 2)
    lower, sigma = ladder[index], ladder[index + 1]
    x = images + per_image(sigma, images) * eps
    with torch.no_grad():
        below = heun_step(teacher, x, sigma=sigma, lower=lower)
        target = answer(below, lower)
    return (answer(x, sigma) - target).square().flatten(1).mean(1)
