import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.kid import poly_mmd

from trilemma.maths import kernel
from trilemma.maths.kernel import kid, kid_difference


def normals(seed: int, n: int, dimensions: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimensions, generator=rng, dtype=torch.float64)


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    """Equal counts: the oracles take no others."""
    real = normals(0, 90, 7)
    return {
        "random": (normals(1, 90, 7) * 1.4 + 0.3, real),
        "rank-deficient": (normals(2, 90, 2) @ normals(3, 2, 7), real),
        "collapsed": (torch.full((90, 7), 0.4, dtype=torch.float64), real),
        "identical": (real, real),
        "asymmetric": (real * 0.2 + 1, normals(4, 90, 7) * torch.arange(7)),
    }


@pytest.mark.parametrize("name", pairs())
def test_kid_is_that_of_other_code(name: str) -> None:
    fake, real = pairs()[name]
    found = kid(fake=fake, real=real).value
    assert found == pytest.approx(poly_mmd(real, fake).item(), rel=1e-6)
    fidelity = kid_features_to_metric(
        fake, real, kid_subsets=1, kid_subset_size=len(real), verbose=False
    )
    assert found == pytest.approx(fidelity["kernel_inception_distance_mean"], rel=1e-6)


def literal(x: np.ndarray, y: np.ndarray) -> float:
    """Double loops over Binkowski's definition."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def without(x: np.ndarray, i: int) -> np.ndarray:
    return np.delete(x, i, axis=0)


def variance(values: list[float]) -> float:
    return (len(values) - 1) * float(np.var(values))


def test_unequal_counts_and_the_error_by_double_loops() -> None:
    fake, real = normals(5, 9, 3) + 0.5, normals(6, 13, 3)
    x, y = fake.numpy(), real.numpy()
    found = kid(fake=fake, real=real)
    assert found.value == pytest.approx(literal(x, y), rel=1e-9)
    by_hand = variance([literal(without(x, i), y) for i in range(9)])
    by_hand += variance([literal(x, without(y, j)) for j in range(13)])
    assert found.error == pytest.approx(math.sqrt(by_hand), rel=1e-9)


@pytest.mark.parametrize("same_seeds", [False, True])
def test_difference_and_its_error_by_double_loops(same_seeds: bool) -> None:
    first, second, real = normals(7, 8, 3) * 1.5, normals(8, 8, 3) - 0.3, normals(9, 10, 3)
    a, b, y = first.numpy(), second.numpy(), real.numpy()
    found = kid_difference(first=first, second=second, real=real, same_seeds=same_seeds)
    assert found.value == pytest.approx(literal(a, y) - literal(b, y), rel=1e-9)
    if same_seeds:
        both = [literal(without(a, i), y) - literal(without(b, i), y) for i in range(8)]
        by_hand = variance(both)
    else:
        by_hand = variance([literal(without(a, i), y) for i in range(8)])
        by_hand += variance([literal(without(b, i), y) for i in range(8)])
    by_hand += variance([literal(a, without(y, j)) - literal(b, without(y, j)) for j in range(10)])
    assert found.error == pytest.approx(math.sqrt(by_hand), rel=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = normals(10, 50, 4), normals(11, 70, 4) + 0.2
    whole = kid(fake=fake, real=real)
    monkeypatch.setattr(kernel, "BLOCK", 1000)
    assert kid(fake=fake, real=real) == pytest.approx(whole, rel=1e-9)


def test_pairs_from_the_same_seeds_tell_models_apart() -> None:
    """Two models that differ by a trifle: the paired interval leaves out 0, the other does not."""
    real, first = normals(12, 300, 5), normals(13, 300, 5) + 0.3
    second = first + 0.01
    single = kid_difference(first=second, second=first, real=real)
    shared = kid_difference(first=second, second=first, real=real, same_seeds=True)
    assert shared.low > 0 > single.low
    assert (
        single.value
        == shared.value
        == pytest.approx(-kid_difference(first=first, second=second, real=real).value)
    )


def third_moments(mean: Tensor, spread: Tensor) -> list[Tensor]:
    """First three raw moments of a Gaussian with independent coordinates."""
    covariance = spread.square().diag()
    second = covariance + mean.outer(mean)
    third = torch.einsum("i,j,k->ijk", mean, mean, mean)
    for rule in ("i,jk->ijk", "j,ik->ijk", "k,ij->ijk"):
        third = third + torch.einsum(rule, mean, covariance)
    return [mean, second, third]


def true_kid(one: list[Tensor], other: list[Tensor]) -> float:
    """Closed form: E (x.y/d + 1)^3 is a sum of inner products of moments."""

    def expected(a: list[Tensor], b: list[Tensor]) -> Tensor:
        d = len(a[0])
        powers = [(p * q).sum() / d ** (i + 1) for i, (p, q) in enumerate(zip(a, b, strict=True))]
        return 1 + 3 * powers[0] + 3 * powers[1] + powers[2]

    return float(expected(one, one) + expected(other, other) - 2 * expected(one, other))


@pytest.mark.parametrize(("differ", "least", "most"), [(True, 0.93, 0.97), (False, 0.93, 1.0)])
def test_intervals_hold_the_truth(differ: bool, least: float, most: float) -> None:
    """95 % intervals over 600 pairs of samples; the truth in closed form."""
    rng = torch.Generator().manual_seed(14)
    dimensions, n = 16, 150
    mean = torch.linspace(-0.4, 0.5, dimensions, dtype=torch.float64) * differ
    spread = torch.linspace(0.6, 1.3, dimensions, dtype=torch.float64) ** differ
    zero = torch.zeros(dimensions, dtype=torch.float64)
    truth = true_kid(third_moments(mean, spread), third_moments(zero, zero + 1))
    assert (truth > 0.01) == differ
    covered = 0
    for _ in range(600):
        draws = torch.randn(2, n, dimensions, generator=rng, dtype=torch.float64)
        found = kid(fake=draws[0] * spread + mean, real=draws[1])
        covered += found.low <= truth <= found.high
    assert least <= covered / 600 <= most


def test_interval_of_a_difference_holds_the_truth() -> None:
    """Models that share their seeds and differ; the truth in closed form; 400 repetitions."""
    rng = torch.Generator().manual_seed(15)
    zero = torch.zeros(8, dtype=torch.float64)
    moments = [
        third_moments(zero + shift, zero + spread) for shift, spread in ((0.3, 1), (0.2, 1.1))
    ]
    real = third_moments(zero, zero + 1)
    truth = true_kid(moments[0], real) - true_kid(moments[1], real)
    covered = 0
    for _ in range(400):
        draws = torch.randn(2, 150, 8, generator=rng, dtype=torch.float64)
        found = kid_difference(
            first=draws[0] + 0.3, second=draws[0] * 1.1 + 0.2, real=draws[1], same_seeds=True
        )
        covered += found.low <= truth <= found.high
    assert 0.915 <= covered / 400 <= 0.985
