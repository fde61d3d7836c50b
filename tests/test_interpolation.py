"""Ways between latents, against closed forms: circles in a plane, and what a sphere keeps."""

import math

import pytest
import torch
from torch import Tensor

from trilemma.maths.interpolation import angles, slerp, tangents, turned

F64 = torch.float64


def row(*numbers: float) -> Tensor:
    return torch.tensor([numbers], dtype=F64)


def shares(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=F64)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def along(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    """Go from one start to one end, at every share."""
    return slerp(start.expand(len(t), -1), end.expand(len(t), -1), t)


@pytest.mark.parametrize("degrees", [1e-7, 0.3, 30, 90, 150, 179.9])
def test_in_a_plane_it_is_the_circle(degrees: float) -> None:
    """At share t of an angle w from (1, 0): (cos tw, sin tw)."""
    w, t = math.radians(degrees), shares(0, 0.2, 0.5, 0.9, 1)
    found = along(row(1, 0, 0), row(math.cos(w), math.sin(w), 0), t)
    circle = torch.stack([(t * w).cos(), (t * w).sin(), 0 * t], 1)
    torch.testing.assert_close(found, circle, rtol=0, atol=1e-9)


def test_shoemakes_weights() -> None:
    """sin((1 - t) w) / sin w of the one and sin(t w) / sin w of the other, at equal lengths."""
    start, end, t = randn(5, 7), randn(5, 7, seed=1), shares(0.1, 0.3, 0.5, 0.6, 0.95)[:, None]
    end = end * start.norm(dim=1, keepdim=True) / end.norm(dim=1, keepdim=True)
    cosines = (start * end).sum(1, keepdim=True) / start.square().sum(1, keepdim=True)
    w = torch.acos(cosines)
    expected = (((1 - t) * w).sin() * start + (t * w).sin() * end) / w.sin()
    torch.testing.assert_close(slerp(start, end, t[:, 0]), expected)


def test_between_ends_of_one_length_the_length_is_kept() -> None:
    start, end = 3 * randn(1, 50) / randn(1, 50).norm(), randn(1, 50, seed=1)
    end = 3 * end / end.norm()
    found = along(start, end, torch.linspace(0, 1, 21, dtype=F64))
    torch.testing.assert_close(found.norm(dim=1), torch.full((21,), 3.0, dtype=F64))


def test_the_length_goes_evenly_from_one_to_the_other() -> None:
    found = along(row(2, 0), row(0, 6), shares(0.25, 0.5, 0.75))
    torch.testing.assert_close(found.norm(dim=1), shares(3, 4, 5))


@pytest.mark.parametrize("lengths", [(1.0, 1.0), (0.5, 7.0)])
def test_the_angle_grows_evenly(lengths: tuple[float, float]) -> None:
    start, end = (length * randn(1, 9, seed=i) for i, length in enumerate(lengths))
    points = along(start, end, torch.linspace(0, 1, 13, dtype=F64))
    steps = angles(points[:-1], points[1:])
    torch.testing.assert_close(steps, angles(start, end).expand(12) / 12)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_both_ends_are_exact(dtype: torch.dtype) -> None:
    start, end = randn(8, 30).to(dtype), randn(8, 30, seed=1).to(dtype)
    assert torch.equal(slerp(start, end, torch.zeros(8)), start)
    assert torch.equal(slerp(start, end, torch.ones(8)), end)
    assert slerp(start, end, torch.full((8,), 0.5)).dtype == dtype


def test_ends_on_one_line_go_straight() -> None:
    start = randn(1, 12)
    t = shares(0, 0.3, 1)
    torch.testing.assert_close(along(start, start, t), start.expand(3, -1), rtol=0, atol=1e-15)
    longer = along(start, 3 * start, t)
    torch.testing.assert_close(longer, start * shares(1, 1.6, 3)[:, None])
    near = along(start, start + 1e-14 * randn(1, 12, seed=1), t)
    torch.testing.assert_close(near, start.expand(3, -1), rtol=0, atol=1e-12)


def test_opposite_ends_turn_towards_the_axis_farthest_from_the_start() -> None:
    """From (0.6, 0.8, 0) to its opposite, half the way is the third axis."""
    start = row(0.6, 0.8, 0)
    found = along(start, -start, shares(0, 0.25, 0.5, 1))
    assert torch.equal(found[0], start[0])
    assert torch.equal(found[-1], -start[0])
    torch.testing.assert_close(found[2], row(0, 0, 1)[0], rtol=0, atol=1e-12)
    torch.testing.assert_close(found.norm(dim=1), shares(1, 1, 1, 1))
    assert torch.isfinite(found).all()


def test_one_number_goes_straight() -> None:
    found = along(row(-2), row(4), shares(0, 0.25, 0.5, 1))
    assert found.flatten().tolist() == [-2, -0.5, 1, 4]


@pytest.mark.parametrize("degrees", [0, 1e-6, 45, 90, 180 - 1e-6, 180])
def test_angles_keep_their_digits_at_both_ends(degrees: float) -> None:
    w = math.radians(degrees)
    found = angles(row(2, 0, 0), row(5 * math.cos(w), 5 * math.sin(w), 0))
    assert math.degrees(found.item()) == pytest.approx(degrees, rel=1e-9, abs=1e-13)


def test_tangents_and_centre_stand_at_right_angles() -> None:
    centre = randn(20).float()
    directions = tangents(centre, torch.Generator().manual_seed(4))
    all_three = torch.cat([centre.double()[None] / centre.double().norm(), directions])
    torch.testing.assert_close(all_three @ all_three.T, torch.eye(3, dtype=F64))
    same = tangents(centre, torch.Generator().manual_seed(4))
    assert torch.equal(directions, same)
    assert not torch.allclose(directions, tangents(centre, torch.Generator().manual_seed(5)))
    with pytest.raises(AssertionError, match="2 numbers have no two directions"):
        tangents(randn(2), torch.Generator())


def test_tangents_have_no_side_that_they_prefer() -> None:
    """At right angles to the third axis each component has mean 0 and mean square 1/2."""
    rng = torch.Generator().manual_seed(0)
    drawn = torch.stack([tangents(row(0, 0, 2)[0], rng) for _ in range(2000)])
    assert drawn[..., :2].mean(dim=0).abs().max() < 4 * math.sqrt(0.5 / 2000)
    assert (drawn[..., :2].square().mean(dim=0) - 0.5).abs().max() < 4 * math.sqrt(1 / 8 / 2000)


def test_a_turn_keeps_the_length_and_goes_as_far_as_it_says() -> None:
    """Around the third axis: longitude and latitude, in closed form."""
    turns = torch.tensor([[0.3, 0.0], [0.0, -0.7], [0.3, 0.4], [0.0, 0.0]], dtype=F64)
    plane = torch.eye(3, dtype=F64)[:2]
    found = turned(row(0, 0, 2)[0], plane, turns)
    sine, cosine = math.sin(0.5), math.cos(0.5)
    expected = [
        [math.sin(0.3), 0, math.cos(0.3)],
        [0, -math.sin(0.7), math.cos(0.7)],
        [0.6 * sine, 0.8 * sine, cosine],
        [0, 0, 1],
    ]
    torch.testing.assert_close(found, 2 * torch.tensor(expected, dtype=F64))


def test_turns_of_latents_are_angles_on_the_sphere() -> None:
    centre = randn(64).float()
    directions = tangents(centre, torch.Generator().manual_seed(1))
    turns = 0.4 * randn(9, 2, seed=2)
    turns[0] = 0
    found = turned(centre, directions, turns)
    assert torch.equal(found[0], centre)
    torch.testing.assert_close(found.norm(dim=1), centre.norm().expand(9))
    reached = angles(found, centre.expand(9, -1))
    torch.testing.assert_close(reached, turns.norm(dim=1), rtol=0, atol=1e-6)
