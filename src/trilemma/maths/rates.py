"""Curves over the training: learning rates, averaging, the fading of a weight."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

RATES: Mapping[str, Callable[[float, float], float]] = {  # (fraction, end) -> factor; 1 at 0
    "constant": lambda fraction, end: 1.0,
    "cosine": lambda fraction, end: end + (1 - end) * 0.5 * (1 + math.cos(math.pi * fraction)),
    "linear": lambda fraction, end: 1 + (end - 1) * fraction,
}


def cosine_fade(fraction: Tensor, *, end: float) -> Tensor:
    """Fall from 1 to `end` on half a cosine; fraction: 0-d, in [0, 1]."""
    return end + (1 - end) * 0.5 * (1 + torch.cos(math.pi * fraction))


def warmup(images_seen: int, *, images: int) -> float:
    """Rise linearly to 1 over the first `images`; 1 throughout when images is 0."""
    return min(1.0, (images_seen + 1) / images) if images else 1.0


def average_decay(images: int, *, images_seen: int, half_life: float, ramp: float) -> float:
    """Weight of the old average after `images` more.

    half_life in images; at most `ramp` times the images seen, so that a short run does not average
    in its random start. 0 for half_life 0. Source: Karras et al. 2022, arXiv:2206.00364, app. F.
    """
    length = min(half_life, images_seen * ramp) if ramp else half_life
    return 0.5 ** (images / length) if length > 0 else 0.0


def half_life(decay: float, *, images: int) -> float:
    """Images after which a weight `decay`, applied every `images`, has fallen to one half."""
    return images * math.log(0.5) / math.log(decay)
