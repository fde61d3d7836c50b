import itertools
import math

import numpy as np
import prdc
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_prc import prc_features_to_metric

from trilemma.maths import manifold as module
from trilemma.maths.manifold import Manifold, manifold


def normals(seed: int, n: int, dimensions: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimensions, generator=rng, dtype=torch.float64)


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    real = normals(0, 130, 4)
    return {
        "random": (normals(1, 130, 4) * 1.2 + 0.4, real),
        "narrow": (normals(2, 130, 4) * 0.3 + 0.2, real),
        "collapsed": (torch.full((130, 4), 0.3, dtype=torch.float64), real),
        "wide": (normals(3, 130, 4) * 3, real),
        "rank-deficient": (normals(4, 130, 2) @ normals(5, 2, 4), real),
        "identical": (real, real),
        "apart": (real + 100, real),
    }


def values(found: Manifold) -> tuple[float, ...]:
    return tuple(
        one.value for one in (found.precision, found.recall, found.density, found.coverage)
    )


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("name", pairs())
def test_scores_are_those_of_other_code(name: str, k: int) -> None:
    fake, real = pairs()[name]
    found = manifold(fake=fake, real=real, k=k)
    expected = prdc.compute_prdc(real.numpy(), fake.numpy(), nearest_k=k)
    names = ("precision", "recall", "density", "coverage")
    assert values(found) == pytest.approx([expected[name] for name in names], rel=1e-9)
    fidelity = prc_features_to_metric(
        fake, real, prc_neighborhood=k, prc_batch_size=50, save_cpu_ram=False, verbose=False
    )
    assert found.precision.value == pytest.approx(fidelity["precision"], rel=1e-6)
    assert found.recall.value == pytest.approx(fidelity["recall"], rel=1e-6)


def literal(fake: np.ndarray, real: np.ndarray, k: int) -> tuple[float, ...]:
    """Loops over the definitions; a sample is left out by its index, not by its distance."""

    def radius(among: np.ndarray, i: int) -> float:
        return sorted(math.dist(among[i], among[j]) for j in range(len(among)) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    apart = [[math.dist(f, r) for r in real] for f in fake]
    inside = [[d < at for d, at in zip(row, real_radii, strict=True)] for row in apart]
    precise = [any(d <= at for d, at in zip(row, real_radii, strict=True)) for row in apart]
    columns = list(zip(*apart, strict=True))
    recalled = [any(d <= at for d, at in zip(row, fake_radii, strict=True)) for row in columns]
    return (
        float(np.mean(precise)),
        float(np.mean(recalled)),
        float(np.mean([sum(row) / k for row in inside])),
        float(np.mean([any(column) for column in zip(*inside, strict=True)])),
    )


def planted() -> dict[str, tuple[Tensor, Tensor]]:
    """Ties and duplicates: where < and <=, and leaving out by index or by distance, part."""
    real = normals(6, 60, 3)
    grid = torch.tensor(list(itertools.product(range(4), range(4), range(4)))).double()
    return {
        "grids": (grid[:60] + torch.tensor([1.0, 0, 0]).double(), grid[:60]),
        "collapsed onto a real image": (real[:1].repeat(60, 1), real),
        "duplicates on both sides": (real[:6].repeat(10, 1), real[3:9].repeat(10, 1)),
        "one point each": (real[:1].repeat(60, 1), real[:1].repeat(60, 1)),
        "far from the origin": (normals(7, 60, 3) + 1e4, real + 1e4),
    }


@pytest.mark.parametrize("name", planted())
def test_ties_by_double_loops(name: str) -> None:
    fake, real = planted()[name]
    found = manifold(fake=fake, real=real, k=5)
    assert values(found) == pytest.approx(literal(fake.numpy(), real.numpy(), 5), rel=1e-9)


def test_collapse_and_noise_are_told_apart() -> None:
    """Copies of one class: precise, little recall. Noise: recall without precision."""
    rng = torch.Generator().manual_seed(8)
    classes = torch.randn(10, 8, generator=rng) * 4
    label = torch.randint(10, (2, 400), generator=rng)
    real, other = (classes[row] + torch.randn(400, 8, generator=rng) * 0.5 for row in label)
    one_class = classes[:1] + torch.randn(400, 8, generator=rng) * 0.5
    noise = torch.randn(400, 8, generator=rng) * 12
    ceiling, collapsed, noisy = (manifold(fake=f, real=real) for f in (other, one_class, noise))
    assert collapsed.precision.value > 0.9
    assert collapsed.recall.value < 0.3
    assert collapsed.coverage.value < 0.3
    assert noisy.recall.value > 0.9
    assert noisy.precision.value < 0.3
    assert ceiling.recall.low > collapsed.recall.high
    assert ceiling.coverage.low > collapsed.coverage.high
    assert ceiling.precision.low > noisy.precision.high


def test_errors_are_those_of_literal_deletion() -> None:
    """20 groups of each side, left out by hand, scored by loops (counts then differ by a group)."""
    fake, real = normals(9, 45, 3).numpy() * 0.8 + 0.3, normals(10, 45, 3).numpy()
    variance = np.zeros(4)
    for side in (0, 1):
        rows = []
        for part in np.array_split(np.arange(45), 20):
            both = [fake, real]
            both[side] = np.delete(both[side], part, axis=0)
            rows.append(literal(*both, 3))
        variance += 19 * np.var(rows, axis=0)
    found = manifold(fake=torch.from_numpy(fake), real=torch.from_numpy(real), k=3)
    errors = [one.error for one in (found.precision, found.recall, found.density, found.coverage)]
    assert errors == pytest.approx(np.sqrt(variance).tolist(), rel=1e-9)


def test_errors_are_not_too_small() -> None:
    """Against the spread over 40 new samples of both sides; the binomial error is, for recall."""
    found = []
    for seed in range(40):
        fake, real = normals(2 * seed + 100, 200, 8) * 0.8 + 0.2, normals(2 * seed + 101, 200, 8)
        found.append(manifold(fake=fake, real=real))
    for name in ("precision", "recall", "density", "coverage"):
        spread = float(np.std([getattr(one, name).value for one in found]))
        error = float(np.mean([getattr(one, name).error for one in found]))
        assert 0.9 * spread < error < 3 * spread, name
    shares = [one.recall.value for one in found]
    binomial = math.sqrt(np.mean(shares) * (1 - np.mean(shares)) / 200)
    assert binomial < 0.8 * float(np.std(shares))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = pairs()["random"]
    whole = manifold(fake=fake, real=real)
    monkeypatch.setattr(module, "BLOCK", 1000)
    assert manifold(fake=fake, real=real) == whole


def test_few_images() -> None:
    """k + 2 images can be scored; fewer have no k-th neighbour once one is left out."""
    assert math.isfinite(manifold(fake=normals(11, 7, 2), real=normals(12, 7, 2)).recall.error)
    nothing = manifold(fake=normals(11, 6, 2), real=normals(12, 6, 2))
    assert all(map(math.isnan, values(nothing)))


def test_no_certainty_from_a_count_of_none_or_all() -> None:
    """Nothing of 60 found is no proof of nothing: the error is Wilson's, half of 0..6.0 %."""
    near, far = torch.randn(60, 3), torch.randn(60, 3) + 100
    precision = manifold(fake=far, real=near).precision
    assert precision.value == 0
    assert precision.error == pytest.approx(1.96**2 / (60 + 1.96**2) / (2 * 1.96), rel=1e-3)
