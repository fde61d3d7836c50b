import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.special import j1

from trilemma.maths.blur import distance_squared, filtered, gaussian, plateau, sinc


def test_distance_by_hand() -> None:
    """Turned by a quarter, the wide axis is the vertical one."""
    flat = distance_squared(5, wide=2.0, narrow=1.0, turned=0.0)
    assert flat[2].tolist() == [1.0, 0.25, 0.0, 0.25, 1.0]
    assert flat[:, 2].tolist() == [4.0, 1.0, 0.0, 1.0, 4.0]
    turned = distance_squared(5, wide=2.0, narrow=1.0, turned=math.pi / 2)
    torch.testing.assert_close(turned, flat.T, atol=1e-5, rtol=0)


def test_ratios_of_each_kernel_to_its_middle_by_hand() -> None:
    distance = distance_squared(3, wide=1.0, narrow=1.0, turned=0.0)
    for kernel, ratio in (
        (gaussian(distance), math.exp(-0.5)),
        (gaussian(4 * distance, shape=2.0), math.exp(-8)),
        (plateau(4 * distance, shape=0.5), 1 / 3),
        (sinc(3, cutoff=2.0), 2 * float(j1(2.0)) / 2.0),
    ):
        assert kernel.sum().item() == pytest.approx(1, abs=1e-6)
        assert (kernel[1, 2] / kernel[1, 1]).item() == pytest.approx(ratio, rel=1e-5)


def test_an_isotropic_blur_is_scipys() -> None:
    image = torch.rand(2, 24, 19)
    kernel = gaussian(distance_squared(21, wide=1.7, narrow=1.7, turned=0.0))
    theirs = [gaussian_filter(c, 1.7, mode="mirror", radius=10) for c in image.numpy()]
    assert np.abs(filtered(image, kernel).numpy() - np.stack(theirs)).max() < 1e-5


def test_a_flat_image_stays_flat_under_a_kernel_wider_than_it() -> None:
    kernel = gaussian(distance_squared(21, wide=3.0, narrow=1.0, turned=0.3))
    torch.testing.assert_close(
        filtered(torch.full((1, 6, 9), 0.4), kernel), torch.full((1, 6, 9), 0.4)
    )
