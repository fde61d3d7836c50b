"""Losses between an image that was made and the one that was meant, one value an image."""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

TINY = 1e-10  # keeps the slope of a length finite at 0
EPSILON = 1e-3  # image units: below it Charbonnier's loss is a parabola


def charbonnier(*, made: Tensor, real: Tensor) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2), epsilon 0.001: L1 with a round tip. Images -> [N].

    Source: Lai et al. 2017, arXiv:1704.03915, section 3.3 (rho).
    """
    return ((made - real).square() + EPSILON**2).sqrt().flatten(1).mean(1)


def l1(*, made: Tensor, real: Tensor) -> Tensor:
    """Mean distance of values. Images [N, C, H, W] -> [N]."""
    return (made - real).abs().flatten(1).mean(1)


def mse(*, made: Tensor, real: Tensor) -> Tensor:
    """Mean squared distance of values. Images -> [N]. Source: Ledig et al. 2017, eq. 4."""
    return (made - real).square().flatten(1).mean(1)


ImageLoss = Callable[..., Tensor]  # (made=[N, ...], real=[N, ...]) -> [N]

IMAGE_LOSSES: Mapping[str, ImageLoss] = {
    "charbonnier": charbonnier,
    "l1": l1,
    "mse": mse,
}


def total_variation(images: Tensor) -> Tensor:
    """Mean distance of neighbours below plus that of neighbours beside: 0 for a flat image.

    images [N, C, H, W], sides of 2 or more. Returns [N].
    Source: Rudin et al. 1992, "Nonlinear total variation based noise removal algorithms", with the
    sum of the two distances for the root of their squares.
    """
    below = (images[..., 1:, :] - images[..., :-1, :]).abs().flatten(1).mean(1)
    beside = (images[..., 1:] - images[..., :-1]).abs().flatten(1).mean(1)
    return below + beside


def perceptual(*, made: Sequence[Tensor], real: Sequence[Tensor]) -> Tensor:
    """Mean over maps of the squared distance between features, each place's of length 1.

    made, real: maps [N, C, h, w] of several layers. Returns [N]: 0 for equal maps, 2 where the
    features at every place are at right angles, 4 at most.
    Source: Zhang et al. 2018, arXiv:1801.03924, eq. 1 with every weight 1, and the mean over layers
    for the sum.
    """
    distances = [
        (unit(one) - unit(other)).square().sum(1).flatten(1).mean(1)
        for one, other in zip(made, real, strict=True)
    ]
    total = distances[0]
    for distance in distances[1:]:
        total = total + distance
    return total / len(distances)


def unit(maps: Tensor) -> Tensor:
    """Give the features of every place, [N, C, h, w], the length 1; where all are 0, they stay."""
    maps = maps.float()
    return maps * (maps.square().sum(1, keepdim=True) + TINY).rsqrt()
