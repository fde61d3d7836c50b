"""Directions by numpy, by hand, and of generators whose weights are known."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stylefiles import SMALL2, SMALL3, made
from tiny import GAN
from trilemma import directions
from trilemma.families.adversarial import GENERATORS, make
from trilemma.families.spaces import activations, matrix, space_of
from trilemma.maths import projecting
from trilemma.maths.directions import carried, factorised, parting, principal, stepped, upright
from trilemma.maths.randomness import rng
from trilemma.nets.conditioned import ConditionalGenerator
from trilemma.recipe.networks import PerceptronGenerator, R3Generator


def cloud(n: int, size: int) -> Tensor:
    """Draw points of unlike spread along slanted axes, away from 0."""
    gen = rng(3, "cloud", n)
    mixing = torch.randn(size, size, generator=gen) * torch.logspace(0.5, -0.5, size)
    return torch.randn(n, size, generator=gen) @ mixing.T + torch.arange(size)


@pytest.mark.parametrize(("n", "size"), [(50, 6), (5, 12)])
def test_principal_axes_are_those_of_numpys_svd(n: int, size: int) -> None:
    points = cloud(n, size).double()
    found = principal(points, 4)
    rest = points.numpy() - points.numpy().mean(0)
    _, lengths, axes = np.linalg.svd(rest, full_matrices=False)
    assert found.spread.numpy() == pytest.approx(lengths[:4] / math.sqrt(n - 1), rel=1e-9)
    assert np.abs((found.axes.numpy() * axes[:4]).sum(1)) == pytest.approx([1.0] * 4, abs=1e-9)
    assert found.mean.numpy() == pytest.approx(points.numpy().mean(0))
    assert (found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_axes_of_a_known_covariance_are_found() -> None:
    """Spreads 3, 2 and .5 along the axes of a turn; 40,000 points err by about half a percent."""
    turn = torch.linalg.qr(cloud(3, 3)).Q.double()
    spread = torch.tensor([3.0, 2.0, 0.5], dtype=torch.float64)
    points = torch.randn(40_000, 3, generator=rng(0, "known", 0), dtype=torch.float64)
    found = principal(points * spread @ turn + 7, 3)
    assert found.spread.tolist() == pytest.approx(spread.tolist(), rel=0.02)
    torch.testing.assert_close(found.axes, upright(turn), atol=0.02, rtol=0)


def test_flat_clouds_have_fewer_axes() -> None:
    points = cloud(40, 3) @ torch.cat([torch.eye(2), torch.zeros(1, 2)]) @ torch.randn(2, 5)
    assert len(principal(points, 5).axes) == 2


def test_directions_are_carried_to_z_by_least_squares() -> None:
    """Oracle: numpy's least squares; exact where z is linear in the coordinates."""
    x, z = cloud(60, 3), cloud(60, 5)
    ways = carried(x, z).numpy()
    assert ways == pytest.approx(np.linalg.lstsq(x.double(), z.double(), rcond=None)[0], rel=1e-6)
    known = cloud(3, 5)
    torch.testing.assert_close(carried(x, x @ known).float(), known, rtol=1e-3, atol=1e-3)


class OnMps(Tensor):
    """A tensor on a device that has no float64, as MPS; it comes to the CPU by `cpu` alone."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.cpu:
            return args[0].as_subclass(Tensor)
        made_of = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(made_of, OnMps) and made_of.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return made_of


@pytest.mark.parametrize("name", ["w", "z"])
@pytest.mark.parametrize("kind", directions.KINDS)
def test_float64_is_computed_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    """Directions of points on a device without float64 are those of points on the CPU."""
    points, weights = cloud(50, 6), cloud(9, 6)
    found = []
    for device in (Tensor, OnMps):
        given, heard = points.as_subclass(device), weights.as_subclass(device)
        monkeypatch.setattr(directions, "usual", lambda *_, p=given: p)
        monkeypatch.setattr(directions, "points_of", lambda *_, p=given: (p[:, None], None))
        monkeypatch.setattr(directions, "activations", lambda *_, p=given: p * 2)
        monkeypatch.setattr(directions, "matrix", lambda *_, w=heard: w)
        place: Any = SimpleNamespace(
            space=SimpleNamespace(name=name), drawer=SimpleNamespace(asked=())
        )
        steps = [direction.step for direction in directions.strongest(place, kind, 3)]
        assert all(type(step) is Tensor for step in steps)
        found.append(torch.stack(steps))
    assert torch.equal(*found)


def test_factorised_directions_are_those_of_a_layer_made_by_hand() -> None:
    """A = U diag(5, 2, 1) V^T: the directions are V's, the largest first."""
    left = torch.linalg.qr(cloud(9, 3)).Q.double()
    right = torch.linalg.qr(cloud(3, 3)).Q.double()
    weights = left * torch.tensor([5.0, 2.0, 1.0]) @ right.T
    torch.testing.assert_close(factorised(weights, 2), upright(right.T[:2]))


def test_labels_part_along_fishers_plane_in_standard_deviations() -> None:
    """Oracle: two normal clouds of one covariance S, means d apart: the way is d = S (S^-1 d)."""
    points, away = cloud(4000, 4), torch.tensor([1.0, -2.0, 0.5, 0.0])
    share = (torch.arange(4000) % 4 == 0).double()
    moved = points + share[:, None] * away
    by_hand = moved[share == 1].mean(0) - moved[share == 0].mean(0)
    torch.testing.assert_close(parting(moved, share).float(), by_hand.float(), atol=1e-4, rtol=1e-4)
    soft = parting(torch.tensor([[0.0], [1.0], [4.0]]), torch.tensor([0.5, 0.0, 1.0]))
    assert soft.item() == pytest.approx((0 * 0.5 + 4) / 1.5 - (0 * 0.5 + 1) / 1.5)


def test_a_step_is_one_standard_deviation() -> None:
    points = cloud(100, 3)
    steps = stepped(torch.eye(3) * 9, points)
    assert steps.diagonal().tolist() == pytest.approx(points.double().std(0).tolist())


class Line(nn.Module):
    """A linear generator: images [N, 1, 2, 3] from z [N, 4] by a matrix that is known."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 6)

    def forward(self, z: Tensor) -> Tensor:
        found: Tensor = self.second(self.first(z))
        return found.reshape(-1, 1, 2, 3)


def test_the_first_layer_of_a_linear_generator_is_its_matrix() -> None:
    """The axes of activations, carried back, are then those that the factorization finds."""
    net = Line().requires_grad_(False)
    space = space_of(nn.ModuleDict({"generator": net}))
    assert (space.name, space.rows) == ("z", 1)
    weights = matrix(space, 4, None)
    torch.testing.assert_close(weights, net.first.weight, atol=1e-6, rtol=1e-5)
    z = torch.randn(20_000, 4, generator=rng(0, "z", 0))
    heard = activations(space, z, None)
    torch.testing.assert_close(heard, net.first(z))
    found = principal(heard, 3)
    ways = carried((heard.double() - found.mean) @ found.axes.T, z) * found.spread[:, None]
    both = (ways * factorised(weights, 3)).sum(1).abs()
    assert both.tolist() == pytest.approx([1.0] * 3, abs=0.03)
    torch.testing.assert_close(ways.norm(dim=1).float(), torch.ones(3), atol=0.03, rtol=0)


@pytest.mark.parametrize("told", [0, 3])
@pytest.mark.parametrize(
    "sizes",
    [GAN.generator, R3Generator(latent=6, width=16), PerceptronGenerator(latent=6, width=8)],
    ids=lambda sizes: sizes.name,
)
def test_the_layer_that_takes_z_is_found_in_every_network(sizes: Any, told: int) -> None:
    """Oracle: its output is linear in z, so A answers any z; with conditions in front of it."""
    torch.manual_seed(5)
    sizes = replace(sizes, latent=10 if told else 6)
    net = make(GENERATORS, sizes, size=(16, 16), channels=1).eval()
    taker = next(m for m in net.modules() if getattr(m, "weight", None) is not None)
    if told:
        net = ConditionalGenerator(net, conditions=told, width=4)
    space = space_of(nn.ModuleDict({"generator": net.requires_grad_(False)}))
    z = torch.randn(2, 6, generator=rng(1, "z", 0))
    row = torch.tensor([[0.0, 1.0, 0.0]]) if told else None
    rows = None if row is None else row.expand(2, -1)
    answers: list[Tensor] = []
    hook = taker.register_forward_hook(lambda layer, given, answer: answers.append(answer))
    space.images(z[:, None], rows)
    hook.remove()
    moved = (answers[0][1] - answers[0][0]).flatten()
    weights = matrix(space, 6, row)
    torch.testing.assert_close(weights @ (z[1] - z[0]), moved, atol=1e-4, rtol=1e-4)
    assert activations(space, z, rows).shape[1] >= len(weights) // 2


@pytest.mark.parametrize("sizes", [SMALL2, SMALL3], ids=["stylegan2", "stylegan3"])
def test_styles_are_points_and_make_the_same_pictures(sizes: object) -> None:
    net = made(sizes)
    space = space_of(nn.ModuleDict({"generator": net}))
    z = torch.randn(3, 12, generator=rng(2, "z", 0))
    points = space.points(z, None)
    assert (space.name, points.shape) == ("w", (3, net.synthesis.rows, 16))
    torch.testing.assert_close(space.images(points, None), net(z))
    other = {name: torch.zeros_like(n)[None, None] for name, n in space.noise().items()}
    assert bool(other) == (sizes is SMALL2)
    if other:
        torch.testing.assert_close(
            space.images(points, None, other), net.synthesis(points, noise="none")
        )


@pytest.mark.parametrize("sizes", [SMALL2, SMALL3], ids=["stylegan2", "stylegan3"])
def test_the_first_layers_of_w_are_the_affine_ones(sizes: object) -> None:
    """Oracle: what those layers answer to w, less what they answer to 0."""
    net = made(sizes)
    space = space_of(nn.ModuleDict({"generator": net}))
    w = torch.randn(16, generator=rng(4, "w", 0))
    answers: list[Tensor] = []
    for name, layer in net.synthesis.named_modules():
        if name.endswith("affine") and not name.startswith("input"):
            answers.append(layer(w) - layer(torch.zeros(16)))
    torch.testing.assert_close(matrix(space, 16, None) @ w, torch.cat(answers))


def literal(noise: np.ndarray) -> float:
    """Compare neighbours slowly, in maps of 16 and of 8 pixels."""
    total = 0.0
    while len(noise) >= 8:
        side = len(noise)
        for down, right in ((1, 0), (0, 1)):
            products = [
                noise[y, x] * noise[(y + down) % side, (x + right) % side]
                for y in range(side)
                for x in range(side)
            ]
            total += (sum(products) / side**2) ** 2
        noise = noise.reshape(side // 2, 2, side // 2, 2).sum((1, 3)) / 2
    return total


def test_likeness_of_neighbours_by_a_literal_version() -> None:
    noise = torch.randn(2, 1, 16, 16, generator=rng(0, "n", 0), dtype=torch.float64)
    noise[1] = noise[1].cumsum(2)
    found = projecting.alike(noise).tolist()
    assert found == pytest.approx([literal(noise[0, 0].numpy()), literal(noise[1, 0].numpy())])
    assert found[1] > 100 * found[0]
    assert projecting.alike(noise[:, :, :4, :4]).shape == (2,)
    calm = projecting.white(noise)
    assert calm.mean((1, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-12)
    assert calm.var((1, 2, 3), correction=0).tolist() == pytest.approx([1, 1])


def test_the_course_is_the_papers() -> None:
    """1,000 steps: up in 50, down in the last 250; noise of .05 at first, none after 750."""
    assert [projecting.rate(i / 1000) for i in (0, 25, 50, 400, 750)] == pytest.approx(
        [0, 0.05, 0.1, 0.1, 0.1]
    )
    assert projecting.rate(0.875) == pytest.approx(0.05)
    assert projecting.rate(1.0) == pytest.approx(0)
    assert projecting.jitter(0, 4.0) == pytest.approx(0.2)
    assert projecting.jitter(0.375, 4.0) == pytest.approx(0.05)
    assert projecting.jitter(0.8, 4.0) == 0
