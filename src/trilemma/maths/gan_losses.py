"""Losses of critics and generators; a row of the table below makes one known to recipes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import softplus


class GanLoss(NamedTuple):
    """What the critic lowers and what the generator lowers, each (*, real, fake) -> [N]."""

    critic: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    paired: bool = False  # does the generator's loss read the real scores?


def bce_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of telling real (1) from fake (0).

    real, fake: critic scores [N], before the sigmoid. Returns [N], >= 0, not averaged.
    Source: Goodfellow et al. 2014, arXiv:1406.2661, eq. 1; log(sigmoid(x)) = -softplus(-x).
    """
    return softplus(-real) + softplus(fake)


def bce_generator(*, real: Tensor, fake: Tensor) -> Tensor:
    """Cross-entropy of fakes taken for real: the non-saturating form.

    fake: critic scores [N], before the sigmoid; real is not read. Returns [N], >= 0, not averaged.
    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 3, last paragraph.
    """
    return softplus(-fake)


def relativistic_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    """Push each real score above the score of the fake it is paired with.

    real, fake: critic scores [N], paired by position. Returns [N], >= 0, not averaged.
    Source: Huang et al. 2024, arXiv:2501.05441, eq. 2, with f(t) = -log(1 + exp(-t)).
    """
    return softplus(fake - real)


def relativistic_generator(*, real: Tensor, fake: Tensor) -> Tensor:
    """Push each fake score above the score of the real image it is paired with.

    real, fake: critic scores [N], paired by position. Returns [N], >= 0, not averaged.
    Source: Huang et al. 2024, arXiv:2501.05441, eq. 2, the generator's side.
    """
    return softplus(real - fake)


GAN_LOSSES: Mapping[str, GanLoss] = {
    "bce": GanLoss(bce_critic, bce_generator),
    "relativistic": GanLoss(relativistic_critic, relativistic_generator, paired=True),
}


def label_smoothing(real: Tensor, *, target: float) -> Tensor:
    """What a softened target for real images adds to `bce_critic`.

    real: critic scores [N]; target in (0, 1]. Returns [N]. Cross-entropy against the target t is
    t softplus(-r) + (1 - t) softplus(r) = softplus(-r) + (1 - t) r.
    Source: Salimans et al. 2016, arXiv:1606.03498, section 3.4 (one-sided).
    """
    return (1 - target) * real
