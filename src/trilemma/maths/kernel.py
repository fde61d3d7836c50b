"""The kernel distance (KID): unbiased at any number of images, with its error in closed form."""

from typing import NamedTuple

import torch
from torch import Tensor

from trilemma.maths.statistics import Estimate, normal

BLOCK = 2**22  # kernel values held at once: 32 MB


class _Sums(NamedTuple):
    """Sums of the kernel over the rows of one pair of samples, float64."""

    own: Tensor  # [N] over the other samples of the same set
    across: Tensor  # [N] over the reference
    back: Tensor  # [M] of each reference sample over the N


def polynomial(first: Tensor, second: Tensor) -> Tensor:
    """Give the kernel (x.y / D + 1)^3 between features [N, D] and [M, D] as [N, M].

    Source: Binkowski et al. 2018, arXiv:1801.01401, sec. 4.
    """
    base = (first @ second.T).div_(first.shape[1]).add_(1)
    return base.square().mul_(base)


def kid(*, fake: Tensor, real: Tensor) -> Estimate:
    """Give the squared maximum mean discrepancy of features [N, D] and [M, D], N and M >= 3.

    Unbiased, over all samples; so it falls below 0 by chance where both are equal. Error:
    two-sample jackknife, one sample left out at a time, in closed form. Its 95 % interval holds
    the truth in about 95 of 100 cases, in more where the distributions are equal.
    Source: Gretton et al. 2012, J. Mach. Learn. Res. 13, lemma 6, over samples of two sizes.
    """
    fake, real = _prepared(fake), _prepared(real)
    sums, own = _sums(fake, real), _within(real)
    value, by_fake, by_real = _parts(sums)
    spread = _variance(by_fake) + _variance(_without_pairs(own) + by_real)
    return normal((value + _mean_of_pairs(own)).item(), spread.sqrt().item())


def kid_difference(
    *, first: Tensor, second: Tensor, real: Tensor, same_seeds: bool = False
) -> Estimate:
    """Give kid(first) - kid(second) against the same reference, with its 95 % interval.

    Features [N, D], [N', D] and [M, D]. The reference's own part cancels and its chance is shared,
    so the interval is shorter than that of two single distances. same_seeds: row i of both comes
    from seed i (N = N'), and the pair is left out as one.
    """
    first, second, real = _prepared(first), _prepared(second), _prepared(real)
    value, by_first, by_real = _parts(_sums(first, real))
    other, by_second, by_real_other = _parts(_sums(second, real))
    if same_seeds:
        assert len(first) == len(second), "the same seeds make as many images"
        spread = _variance(by_first - by_second)
    else:
        spread = _variance(by_first) + _variance(by_second)
    spread = spread + _variance(by_real - by_real_other)
    return normal((value - other).item(), spread.sqrt().item())


def _prepared(features: Tensor) -> Tensor:
    assert len(features) >= 3, "an error takes three samples"
    return features.to("cpu", torch.float64)


def _within(features: Tensor) -> Tensor:
    """Sum the kernel of each sample with all others of its set: [N]."""
    height = max(1, BLOCK // len(features))
    rows = [polynomial(part, features).sum(dim=1) for part in torch.split(features, height)]
    itself = (features.square().sum(dim=1) / features.shape[1] + 1) ** 3
    return torch.cat(rows) - itself


def _sums(fake: Tensor, real: Tensor) -> _Sums:
    across, back = [], torch.zeros(len(real), dtype=torch.float64)
    for part in torch.split(fake, max(1, BLOCK // len(real))):
        kernel = polynomial(part, real)
        across.append(kernel.sum(dim=1))
        back += kernel.sum(dim=0)
    return _Sums(_within(fake), torch.cat(across), back)


def _parts(sums: _Sums) -> tuple[Tensor, Tensor, Tensor]:
    """Give all but the reference's own part: whole, without fake i [N], without real j [M]."""
    n, m = len(sums.across), len(sums.back)
    total, own = sums.across.sum(), _mean_of_pairs(sums.own)
    by_fake = _without_pairs(sums.own) - 2 * (total - sums.across) / ((n - 1) * m)
    by_real = own - 2 * (total - sums.back) / (n * (m - 1))
    return own - 2 * total / (n * m), by_fake, by_real


def _mean_of_pairs(own: Tensor) -> Tensor:
    return own.sum() / (len(own) * (len(own) - 1))


def _without_pairs(own: Tensor) -> Tensor:
    """Give the mean over pairs without sample i: [N]."""
    n = len(own)
    return (own.sum() - 2 * own) / ((n - 1) * (n - 2))


def _variance(left_out: Tensor) -> Tensor:
    return (len(left_out) - 1) * (left_out - left_out.mean()).square().mean()
