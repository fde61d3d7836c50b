"""The Inception Score: are single images clear, and all classes there?"""

import math

import torch
from torch import Tensor

from trilemma.maths.statistics import Estimate, normal


def inception_score(logits: Tensor, *, splits: int = 1) -> Estimate:
    """Give exp of the mean divergence of p(class | image) from p(class), between 1 and K.

    logits [N, K], rows in random order. splits: parts that are scored singly and averaged; 10 with
    5,000 images each is the paper's number. It falls with fewer images a part, so the default is
    one part, with a jackknife error (one image left out at a time, in closed form).
    Source: Salimans et al. 2016, arXiv:1606.03498, sec. 4.
    """
    assert len(logits) >= 2 * splits, "a part takes two images"
    parts = [_score(part) for part in logits.to("cpu", torch.float64).tensor_split(splits)]
    value = sum(score for score, _ in parts) / splits
    return normal(value, math.sqrt(sum(variance for _, variance in parts)) / splits)


def _score(logits: Tensor) -> tuple[float, float]:
    """Give the score of one part and the variance of that score."""
    n = len(logits)
    chances = logits.softmax(dim=1)
    certain = -torch.special.entr(chances).sum(dim=1)  # sum of p log p, 0 at p = 0
    total = chances.sum(dim=0)
    whole = _exponential(certain.mean(), total / n)
    rest = (total - chances).clamp(min=0) / (n - 1)  # rounding may leave less than nothing
    left_out = _exponential((certain.sum() - certain) / (n - 1), rest)
    return whole.item(), ((n - 1) * (left_out - left_out.mean()).square().mean()).item()


def _exponential(certain: Tensor, classes: Tensor) -> Tensor:
    """Give exp(E sum p log p - sum q log q), which is exp of the mean divergence from q."""
    return torch.exp(certain + torch.special.entr(classes).sum(dim=-1))
