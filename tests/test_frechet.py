import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torchmetrics.image.fid import _compute_fid

from trilemma.maths.frechet import Moments, distance, jackknife, moments, reference


def normals(seed: int, n: int, dimensions: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, dimensions, generator=rng, dtype=torch.float64)


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    """Fakes and reals, asymmetric on purpose."""
    mix = normals(0, 12, 12)
    wide, narrow = normals(1, 300, 12), normals(2, 200, 12)
    thin = normals(3, 200, 4) @ mix[:4]
    return {
        "random": (narrow @ mix * 0.3 + 0.5, wide),
        "correlated": (narrow @ mix, wide @ mix.T + 2.0),
        "rank-deficient fakes": (thin, wide),
        "rank-deficient reals": (wide @ mix, thin),
        "rank-deficient both": (thin * 0.5, normals(4, 150, 3) @ mix[2:5]),
        "collapsed fakes": (torch.ones(50, 12, dtype=torch.float64) * 0.7, wide),
        "fewer fakes than dimensions": (narrow[:7] + 1, wide),
        "fewer reals than dimensions": (wide @ mix, narrow[:9]),
        "fewer of both": (narrow[:7] * 2, wide[:5]),
    }


@pytest.mark.parametrize("name", pairs())
def test_distance_is_that_of_other_code(name: str) -> None:
    fake, real = pairs()[name]
    found = distance(moments(fake), reference(moments(real)))
    plain = [(x.mean(0), torch.from_numpy(np.cov(x.numpy(), rowvar=False))) for x in (fake, real)]
    fidelity = fid_statistics_to_metric(
        *[{"mu": mean.numpy(), "sigma": covariance.numpy()} for mean, covariance in plain],
        verbose=False,
    )
    expected = fidelity["frechet_inception_distance"]
    assert expected > 0.1
    assert found == pytest.approx(expected, rel=1e-6)
    assert found == pytest.approx(_compute_fid(*plain[0], *plain[1]).item(), rel=1e-6)


@pytest.mark.parametrize("name", pairs())
def test_sides_may_be_swapped_and_equal_sides_are_at_0(name: str) -> None:
    fake, real = (moments(side) for side in pairs()[name])
    assert distance(fake, reference(real)) == pytest.approx(distance(real, reference(fake)))
    assert distance(fake, reference(fake)) == pytest.approx(0, abs=1e-6)


def test_closed_form_of_gaussians() -> None:
    """Diagonal covariances: sum of (m1 - m2)^2 + (s1 - s2)^2."""
    spread, other = (torch.tensor(x, dtype=torch.float64) for x in ([2, 0.1, 3], [1, 2, 0]))
    fake = Moments(torch.tensor([1, -2, 0.5]).double(), spread.square().diag(), 100)
    real = Moments(torch.zeros(3).double(), other.square().diag(), 50)
    by_hand = 1 + 4 + 0.25 + (2 - 1) ** 2 + (0.1 - 2) ** 2 + 3**2
    assert distance(fake, reference(real)) == pytest.approx(by_hand, rel=1e-12)


def test_float32_features_are_scored_in_float64() -> None:
    """A large common offset costs float32 half of its digits."""
    fake, real = normals(5, 100, 6), normals(6, 100, 6)
    near = jackknife(fake=fake.float(), real=real.float()).value
    far = jackknife(fake=fake.float() + 512, real=real.float() + 512).value
    assert far == pytest.approx(near, rel=1e-3)


def test_jackknife_is_that_of_literal_deletion() -> None:
    """The same from moments that are taken again for every group left out."""
    fake, real = normals(7, 105, 3) * 1.5 + 0.2, normals(8, 83, 3)
    whole = distance(moments(fake), reference(moments(real)))
    variance = bias = 0.0
    for side in (0, 1):
        values = []
        for part in np.array_split(np.arange(len((fake, real)[side])), 20):
            both = [fake, real]
            both[side] = torch.from_numpy(np.delete(both[side].numpy(), part, axis=0))
            values.append(distance(moments(both[0]), reference(moments(both[1]))))
        variance += 19 / 20 * sum((value - np.mean(values)) ** 2 for value in values)
        bias += 19 * (np.mean(values) - whole)
    found = jackknife(fake=fake, real=real)
    assert found.value == pytest.approx(whole)
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-6)
    assert found.corrected == pytest.approx(whole - bias, rel=1e-6)
    assert not found.biased


def test_small_samples_are_called_biased() -> None:
    """One image below 8 a dimension, on either side, and there is no error and no correction."""
    for n_fake, n_real in ((31, 99), (99, 31)):
        found = jackknife(fake=normals(9, n_fake, 4), real=normals(10, n_real, 4))
        assert found.biased
        assert found.value > 0
        assert math.isnan(found.error)
        assert math.isnan(found.corrected)
    assert not jackknife(fake=normals(9, 32, 4), real=normals(10, 32, 4)).biased


def test_interval_holds_the_truth() -> None:
    """Corrected value +- 1.96 errors covers the closed form in 95 of 100 cases; the raw does not.

    200 repetitions: the share of a true 95 % interval lies in 90.5-98.5 % (three standard errors).
    """
    truth = 4 * 0.3**2 + 4 * 0.2**2
    rng = torch.Generator().manual_seed(11)
    found = [
        jackknife(
            fake=torch.randn(160, 4, generator=rng) * 0.8 + 0.3,
            real=torch.randn(200, 4, generator=rng),
        )
        for _ in range(200)
    ]
    covered = np.mean([abs(one.corrected - truth) < 1.96 * one.error for one in found])
    assert 0.905 <= covered <= 0.985
    error = np.std([one.corrected for one in found]) / math.sqrt(200)
    assert np.mean([one.corrected for one in found]) == pytest.approx(truth, abs=4 * error)
    assert np.mean([one.value for one in found]) > truth + 4 * error
