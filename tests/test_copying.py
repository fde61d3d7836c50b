import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.stats import binomtest

from trilemma.maths import copying as module
from trilemma.maths.copying import copying, nearest, nearest_few


def normals(seed: int, n: int, dimensions: int = 6) -> torch.Tensor:
    return torch.randn(n, dimensions, generator=torch.Generator().manual_seed(seed))


def test_nearest_is_scipys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 500)  # several blocks
    queries, among = normals(0, 40) + 300, normals(1, 90) + 300
    distances, indices = nearest(queries, among)
    expected = cdist(queries.double().numpy(), among.double().numpy())
    assert indices.tolist() == expected.argmin(axis=1).tolist()
    assert distances.numpy() == pytest.approx(expected.min(axis=1), rel=1e-9)


def test_the_nearest_few_are_scipys() -> None:
    queries, among = normals(0, 5) + 300, normals(1, 90) + 300
    distances, indices = nearest_few(queries, among, count=3)
    expected = cdist(queries.double().numpy(), among.double().numpy())
    assert indices.tolist() == expected.argsort(axis=1)[:, :3].tolist()
    assert distances.numpy() == pytest.approx(np.sort(expected, axis=1)[:, :3], rel=1e-9)


def test_planted_copies_are_found() -> None:
    """30 of 200 samples are training images again: at distance 0, by number, and counted."""
    train, held_out = normals(2, 500), normals(3, 300)
    fake = normals(4, 200)
    fake[50:80] = train[100:130]
    found = copying(fake=fake, train=train, held_out=held_out)
    assert found.distances[50:80].max() == 0
    assert found.indices[50:80].tolist() == list(range(100, 130))
    baseline = cdist(held_out.double().numpy(), train.double().numpy()).min(axis=1)
    assert found.mark == pytest.approx(np.quantile(baseline, 0.01), rel=1e-9)
    assert found.held_out_median == pytest.approx(np.sort(baseline)[149], rel=1e-9)
    closer = int((found.distances <= found.mark).sum())
    assert 30 <= closer <= 36
    assert found.share_closer == closer / 200
    interval = binomtest(closer, 200).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.low > 0.05


def test_new_images_are_no_copies() -> None:
    found = copying(fake=normals(5, 300), train=normals(6, 500), held_out=normals(7, 300))
    assert found.low <= 0.01 <= found.high
    assert found.sample_median == pytest.approx(found.held_out_median, rel=0.2)


def test_held_out_duplicates_do_not_hide_copies() -> None:
    """Where the mark itself is 0, a sample at 0 still counts."""
    train = normals(8, 100)
    held_out = torch.cat([train[:5], normals(9, 95)])
    found = copying(fake=train[10:20], train=train, held_out=held_out)
    assert found.mark == 0
    assert found.share_closer == 1
