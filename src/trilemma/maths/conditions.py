"""Labels of images as rows of numbers, and how far a guess at them is off."""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax


def one_hot(classes: Tensor, *, count: int) -> Tensor:
    """Turn class numbers int64 [N] into rows float32 [N, count]; zeros where one is negative."""
    rows = torch.arange(count, device=classes.device) == classes[:, None]
    return rows.float()


def scaled(values: Tensor, *, low: Tensor, high: Tensor) -> Tensor:
    """Bring attributes [N, A] from [low, high], each [A], to [-1, 1]; 0 where low equals high."""
    width = high - low
    return torch.where(width > 0, 2 * (values - low) / width.clamp(min=1e-12) - 1, 0.0)


def wrong_class(guess: Tensor, condition: Tensor) -> Tensor:
    """Cross-entropy of a guess [N, A], before the softmax, against one-hot rows: [N], >= 0.

    0 where the row is all zeros: the class is not known.
    Source: Odena et al. 2016, arXiv:1610.09585, eq. 3.
    """
    return -(log_softmax(guess, 1) * condition).sum(1)


def wrong_attributes(guess: Tensor, condition: Tensor) -> Tensor:
    """Mean squared error of guessed attributes [N, A]: [N], >= 0."""
    return (guess - condition).square().mean(1)
