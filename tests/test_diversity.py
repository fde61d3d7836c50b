"""Spread, twins and overlap: against pairs counted one by one, other libraries, and by hand."""

import itertools

import pytest
import torch
from torch import Tensor

from trilemma.maths import diversity
from trilemma.maths.manifold import manifold


def cloud(n: int, seed: int, *, wide: float = 1.0, dims: int = 5) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dims, generator=rng) * wide


def rms_pair(rows: Tensor) -> float:
    squares = [float((a - b).square().sum()) for a, b in itertools.combinations(rows.double(), 2)]
    return (sum(squares) / len(squares)) ** 0.5


def test_spread_is_that_of_all_pairs() -> None:
    fake, real = cloud(17, 0, wide=0.4), cloud(23, 1)
    expected = rms_pair(fake) / rms_pair(real)
    assert diversity.spread(fake=fake, real=real) == pytest.approx(expected)
    assert diversity.spread(fake=fake[:1].repeat(9, 1), real=real) == pytest.approx(0, abs=1e-6)


def test_twins_by_hand() -> None:
    """Reals lie 1 apart, so twins are nearer than 0.1: the first two of four."""
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    fake = torch.tensor([[0.0], [0.05], [1.0], [2.0]])
    assert diversity.twins(fake=fake, real=real) == 0.5
    assert diversity.twins(fake=real, real=real) == 0.0
    assert diversity.twins(fake=torch.zeros(4, 1), real=real) == 1.0


@pytest.mark.parametrize("wide", [0.3, 1.0, 2.0])
def test_overlap_is_that_of_the_scores(wide: float) -> None:
    fake, real = cloud(60, 2, wide=wide), cloud(60, 3)
    found, expected = diversity.overlap(fake=fake, real=real), manifold(fake=fake, real=real)
    assert found.precision == pytest.approx(expected.precision.value)
    assert found.recall == pytest.approx(expected.recall.value)
    assert found.coverage == pytest.approx(expected.coverage.value)


def test_collapsed_samples_are_precise_and_miss_most() -> None:
    real = cloud(200, 4)
    found = diversity.overlap(fake=real[:1] + 1e-4 * cloud(200, 5), real=real)
    assert found.precision == 1.0
    assert found.recall < 0.05
    assert found.coverage < 0.1
