"""Losses of critics and generators; a row of the table below makes one known to recipes."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor
from torch.nn.functional import relu, softplus


class GanLoss(NamedTuple):
    """What the critic lowers and what the generator lowers, each (*, real, fake) -> [N]."""

    critic: Callable[..., Tensor]
    generator: Callable[..., Tensor]
    paired: bool = False  # does the generator's loss read the real scores?
    logistic: bool = False  # is the sigmoid of a score a probability of real?
    distance: bool = False  # is real less fake an estimate of the Wasserstein distance?
    middle: float = 0.0  # the score halfway between real and fake, unless paired or distance


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


def saturating_generator(*, real: Tensor, fake: Tensor) -> Tensor:
    """Log-probability that a fake is found out: the original minimax form.

    fake: critic scores [N], before the sigmoid; real is not read. Returns [N], <= 0, not averaged.
    Its slope in the score is -sigmoid(fake): it fades where the critic is sure of a fake, where the
    non-saturating one's is -1. Source: Goodfellow et al. 2014, arXiv:1406.2661, eq. 1.
    """
    return -softplus(fake)


def least_squares_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    """Draw real scores to 1 and fake scores to 0.

    real, fake: critic scores [N]. Returns [N], >= 0, not averaged.
    Source: Mao et al. 2016, arXiv:1611.04076, eq. 9 (a = 0, b = c = 1).
    """
    return 0.5 * ((real - 1).square() + fake.square())


def least_squares_generator(*, real: Tensor, fake: Tensor) -> Tensor:
    """Draw fake scores to 1.

    fake: critic scores [N]; real is not read. Returns [N], >= 0, not averaged.
    Source: Mao et al. 2016, arXiv:1611.04076, eq. 9.
    """
    return 0.5 * (fake - 1).square()


def hinge_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    """Push real scores above +1 and fake scores below -1; flat beyond.

    real, fake: critic scores [N]. Returns [N], >= 0, not averaged.
    Source: Miyato et al. 2018, arXiv:1802.05957, eq. 16.
    """
    return relu(1 - real) + relu(1 + fake)


def wasserstein_critic(*, real: Tensor, fake: Tensor) -> Tensor:
    """Push real scores up and fake scores down, without end: the critic must be kept Lipschitz.

    real, fake: critic scores [N]. Returns [N], not averaged; its mean is less the estimate of the
    Wasserstein distance. Source: Arjovsky et al. 2017, arXiv:1701.07875, eq. 3.
    """
    return fake - real


def raising_generator(*, real: Tensor, fake: Tensor) -> Tensor:
    """Push fake scores up, without end.

    fake: critic scores [N]; real is not read. Returns [N], not averaged.
    Source: Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1; Miyato et al. 2018, eq. 17.
    """
    return -fake


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
    "bce": GanLoss(bce_critic, bce_generator, logistic=True),
    "hinge": GanLoss(hinge_critic, raising_generator),
    "least-squares": GanLoss(least_squares_critic, least_squares_generator, middle=0.5),
    "relativistic": GanLoss(relativistic_critic, relativistic_generator, paired=True),
    "saturating": GanLoss(bce_critic, saturating_generator, logistic=True),
    "wasserstein": GanLoss(wasserstein_critic, raising_generator, distance=True),
}


def label_smoothing(real: Tensor, *, target: float) -> Tensor:
    """What a softened target for real images adds to `bce_critic`.

    real: critic scores [N]; target in (0, 1]. Returns [N]. Cross-entropy against the target t is
    t softplus(-r) + (1 - t) softplus(r) = softplus(-r) + (1 - t) r.
    Source: Salimans et al. 2016, arXiv:1606.03498, section 3.4 (one-sided).
    """
    return (1 - target) * real
