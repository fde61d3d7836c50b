"""How a point is looked for whose picture is a given one: the course of it, noise kept white.

Source: Karras et al. 2020, arXiv:1912.04958, section 5 and appendix D. Written from the paper.
"""

import math

from torch import Tensor
from torch.nn.functional import avg_pool2d

RATE = 0.1  # the largest learning rate, of Adam
UP, DOWN = 0.05, 0.25  # shares of the steps in which it rises, evenly, and falls, on a cosine
JITTER, CALM = 0.05, 0.75  # of the points' spread at first; share of the steps after which it is 0
COARSEST = 8  # pixels, the side of the smallest maps whose neighbours are compared
NOISE = 1e5  # weight of `alike` beside a perceptual distance


def rate(share: float) -> float:
    """Give the learning rate after a share of the steps, in [0, 1]."""
    falling = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - share) / DOWN))
    return RATE * falling * min(1.0, share / UP)


def jitter(share: float, spread: float) -> float:
    """Give the std of what is added to a point, so that small valleys are left; it dies away.

    spread: root of the mean squared distance of points from their mean.
    """
    return float(JITTER * spread * max(0.0, 1 - share / CALM) ** 2)


def alike(noise: Tensor) -> Tensor:
    """Say how alike neighbours in maps of noise are: [N], 0 in the mean of white noise.

    noise: [N, 1, S, S]. The squared mean product of neighbours, beside and below (the last one's
    is the first), summed over maps of S, S / 2, ... down to 8 pixels: means of 2 x 2, made as loud.
    """
    total = noise.new_zeros(len(noise))
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean((1, 2, 3)).square()
        if noise.shape[2] // 2 < COARSEST or noise.shape[2] % 2:
            return total
        noise = 2 * avg_pool2d(noise, 2)


def white(noise: Tensor) -> Tensor:
    """Give maps [N, 1, S, S] the mean 0 and the variance 1."""
    noise = noise - noise.mean((1, 2, 3), keepdim=True)
    return noise * noise.square().mean((1, 2, 3), keepdim=True).clamp(min=1e-12).rsqrt()
