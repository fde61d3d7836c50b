import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from trilemma.data.degrade import (
    FIRST,
    QUALITY,
    SECOND,
    SHAPES,
    Matched,
    any_kernel,
    as_generated,
    bicubic,
    chance,
    drawn_factor,
    eight_bits,
    jpeg,
    noisy,
    odd,
    pick,
    second_order,
)
from trilemma.maths.randomness import rng


def at(place: int) -> Generator:
    return rng(0, "test", place)


def picture(channels: int = 3, height: int = 48, width: int = 64) -> Tensor:
    """Give a picture with edges and slopes."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [0.5 + 0.3 * torch.sin(x / (3 + c)) + 0.2 * (y > height // 2) for c in range(channels)]
    return torch.stack(waves).clamp(0, 1)


def test_all_is_in_eight_bits_and_of_the_size_that_was_asked_for() -> None:
    for low in (
        bicubic(picture()[None], (12, 16))[0],
        second_order(picture(), (12, 16), at(0)),
        second_order(picture(1), (12, 16), at(1)),
        as_generated(picture(), (12, 16), at(0), Matched(noise=0.1, blur=0.5)),
    ):
        assert low.shape[1:] == (12, 16)
        assert torch.equal(low, eight_bits(low))
        assert low.min() >= 0
        assert low.max() <= 1


def test_the_chain_is_a_function_of_its_place_alone() -> None:
    once, again = (second_order(picture(), (12, 16), at(7)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, second_order(picture(), (12, 16), at(8)))


def test_the_chain_degrades_but_shows_the_same_picture() -> None:
    clean = bicubic(picture()[None], (12, 16))[0]
    errors = [
        (second_order(picture(), (12, 16), at(i)) - clean).square().mean().sqrt() for i in range(40)
    ]
    assert min(errors) > 0.005
    assert 0.03 < float(np.median(errors)) < 0.3


def test_kernels_are_sums_of_one_within_the_papers_sides() -> None:
    """Arithmetic of the draws: every odd side from 7 to 21 comes, and nothing else."""
    assert {odd(at(i)) for i in range(200)} == set(range(7, 22, 2))
    for i in range(50):
        kernel = any_kernel(at(i), FIRST)
        assert kernel.shape[0] == kernel.shape[1]
        assert kernel.sum().item() == pytest.approx(1, abs=1e-5)


def test_draws_follow_their_chances() -> None:
    """5 standard errors of 2,000 draws are at most 0.056."""
    generator = at(0)
    assert abs(np.mean([chance(generator, 0.8) for _ in range(2000)]) - 0.8) < 0.056
    kinds = [pick(generator, SHAPES) for _ in range(2000)]
    for name, share in SHAPES.items():
        assert abs(kinds.count(name) / 2000 - share) < 0.056
    factors = np.array([drawn_factor(generator, SECOND) for _ in range(2000)])
    for share, met in zip(SECOND.grow, (factors > 1, factors < 1, factors == 1), strict=True):
        assert abs(met.mean() - share) < 0.056
    assert factors.min() >= SECOND.factor[0]
    assert factors.max() <= SECOND.factor[1]


def test_noise_has_the_strength_of_its_range_and_poissons_grows_with_light() -> None:
    flat = torch.full((3, 64, 64), 0.5)
    stds = [float((noisy(flat, at(i), FIRST) - 0.5).std()) * 255 for i in range(200)]
    assert min(stds) > 0.3  # Poisson: 0.05 of sqrt(127.5) is 0.56
    assert max(stds) < 3.0 * math.sqrt(127.5) * 1.2
    grey = [noisy(flat, at(i), FIRST) for i in range(200)]
    alike = np.mean([float((x[0] - x[1]).abs().max()) < 1e-6 for x in grey])
    assert abs(alike - 0.4) < 0.18  # 5 standard errors


def test_jpeg_is_nearer_at_better_quality() -> None:
    low, high = (float((jpeg(picture(), q) - picture()).square().mean()) for q in QUALITY)
    assert high < low / 4
    assert jpeg(picture(1), 95).shape == (1, 48, 64)


def test_what_is_matched_to_a_generator_by_hand() -> None:
    """A flat image of 0.5: gain 0.8 and offset 0.1 give 0.5; noise of std 0.05 on it."""
    flat = torch.full((3, 256, 256), 0.5)
    how = Matched(noise=0.05, gain=(0.8, 1.0, 1.2), offset=(0.1, 0.1, 0.0))
    low = as_generated(flat, (64, 64), at(0), how)
    for channel, mean in zip(low, (0.5, 0.6, 0.6), strict=True):
        assert float(channel.mean()) == pytest.approx(mean, abs=5 * 0.05 / 64 + 0.002)
        assert float(channel.std()) == pytest.approx(0.05, rel=0.06)
