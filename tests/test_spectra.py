import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from trilemma.maths.spectra import difference, power


def clouds(n: int, *, seed: int, side: int = 48) -> Tensor:
    """Make images whose power falls with the square of the frequency, as that of photos does."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.fft.fft2(torch.randn(n, 3, side, side, generator=generator, dtype=torch.float64))
    ways = torch.fft.fftfreq(side, dtype=torch.float64)
    radius = (ways[:, None] ** 2 + ways**2).sqrt().clamp(min=1 / side)
    images = torch.fft.ifft2(noise / radius).real
    return images / images.std() * 0.4


def test_white_noise_has_its_variance_at_every_frequency() -> None:
    images = 0.3 * torch.randn(200, 3, 16, 16, dtype=torch.float64)
    found = power(images)
    assert float(found[:, 4:12, 4:12].mean()) == pytest.approx(0.09, rel=0.03)


@pytest.mark.parametrize(("blur", "noise"), [(0.0, 0.0), (0.8, 0.0), (0.0, 0.05), (0.7, 0.03)])
def test_what_was_done_is_found(blur: float, noise: float) -> None:
    """Other images of the same kind are blurred by SciPy, coloured, and given noise."""
    real, other = clouds(300, seed=0), clouds(300, seed=1)
    made = gaussian_filter(other.numpy(), (0, 0, blur, blur)) if blur else other.numpy()
    gain, offset = np.array([0.7, 1.0, 1.3]), np.array([0.1, 0.0, -0.2])
    made = made * gain[:, None, None] + offset[:, None, None]
    made = made + noise * np.random.default_rng(0).standard_normal(made.shape)
    found = difference(torch.from_numpy(made), real)
    assert found.blur == pytest.approx(blur, abs=0.15)  # 0.15 px: 3 % of what is midway up
    assert found.noise == pytest.approx(noise, abs=0.012)
    for channel in range(3):
        assert found.gain[channel] == pytest.approx(gain[channel], rel=0.12)
        assert found.offset[channel] == pytest.approx(offset[channel], abs=0.05)


def test_the_same_images_differ_in_nothing() -> None:
    real = clouds(20, seed=0)
    found = difference(real, real)
    assert found.blur == 0
    assert math.isclose(found.noise, 0, abs_tol=1e-6)
    assert found.gain == pytest.approx((1, 1, 1))
    assert found.offset == pytest.approx((0, 0, 0), abs=1e-12)
