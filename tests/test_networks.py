"""What every generator and every critic of a GAN must do."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from trilemma.data.batches import Batches
from trilemma.data.named import read_digits
from trilemma.data.values import Source
from trilemma.families import build
from trilemma.families.adversarial import CRITICS, GENERATORS, leaves_marks, make
from trilemma.families.family import At
from trilemma.maths.penalties import slopes_squared
from trilemma.nets import blocks
from trilemma.recipe import networks
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe, TrainRecipe
from trilemma.step import Task, prepare, update

SIDES = [(28, 28), (32, 32), (64, 64), (96, 96), (64, 96)]
SMALL = {"width": 4, "width_max": 8}
BOTTLENECKS = {**SMALL, "blocks": 2, "group": 2}
MADE = {  # generator, critic
    "dcgan": (networks.DCGANGenerator(**SMALL), networks.DCGANCritic(**SMALL, batchnorm=False)),
    "perceptron": (
        networks.PerceptronGenerator(width=8, depth=2),
        networks.PerceptronCritic(width=8, depth=2),
    ),
    "r3": (networks.R3Generator(**BOTTLENECKS), networks.R3Critic(**BOTTLENECKS)),
    "residual": (networks.ResidualGenerator(**SMALL), networks.ResidualCritic(**SMALL)),
}
MORE: dict[str, Any] = {  # critics with other settings
    "dcgan, hidden": replace(MADE["dcgan"][1], hidden=5),
    "residual, layer": replace(MADE["residual"][1], norm="layer"),
}
JUDGES = {**{name: critic for name, (_, critic) in MADE.items()}, **MORE}


def generator(name: str, size: tuple[int, int], channels: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return make(GENERATORS, MADE[name][0], size=size, channels=channels)


def critic(name: str, size: tuple[int, int] = (8, 12), **changes: object) -> Any:
    torch.manual_seed(0)
    net = replace(JUDGES[name], **changes)
    return make(CRITICS, net, size=size, channels=1)


def pictures(n: int, size: tuple[int, int] = (8, 12)) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(n, 1, *size, generator=rng, dtype=torch.float64, requires_grad=True)


def test_every_row_is_tested_here() -> None:
    """But for those of test_stylegan.py, and those of test_progressive.py."""
    others = {"progressive", "stylegan2", "stylegan3"}
    assert MADE.keys() == GENERATORS.keys() - others
    assert MADE.keys() == CRITICS.keys() - others
    assert {asdict(net)["name"] for pair in MADE.values() for net in pair} == MADE.keys()


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("name", MADE)
def test_shapes_of_generators(name: str, size: tuple[int, int]) -> None:
    latent = MADE[name][0].latent
    images = generator(name, size, channels=3)(torch.randn(2, latent))
    assert images.shape == (2, 3, *size)
    assert (images[0] - images[1]).abs().max() > 1e-3, "z decides"


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("name", JUDGES)
def test_a_score_is_made_of_features(name: str, size: tuple[int, int]) -> None:
    net = critic(name, size)
    images = torch.randn(3, 1, *size)
    features = net.features(images)
    assert features.shape == (3, net.width_of_features)
    assert net(images).shape == (3,)
    assert torch.equal(net.score(features), net(images))
    assert net.width_of_features <= max(p.numel() for p in net.parameters())


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("name", JUDGES)
def test_an_image_is_scored_alone_as_among_others(name: str, spectral_norm: bool) -> None:
    net = critic(name, spectral_norm=spectral_norm).double().eval()
    images = pictures(5)
    together = net(images)
    alone = torch.cat([net(images[i : i + 1]) for i in range(5)])
    torch.testing.assert_close(together, alone)
    assert together.std() > 1e-6, "images differ"


def total(net: Any, images: Tensor) -> Tensor:
    return slopes_squared(net(images), images)[0].sum()


@pytest.mark.parametrize("name", JUDGES)
def test_slopes_against_finite_differences(name: str) -> None:
    """Of every weight, after a step away from a start that may be 0 behind a branch."""
    net, images = critic(name).double(), pictures(2)
    moved(net, 0.1)
    total(net, images).backward()
    for tensor in net.parameters():
        if tensor.ndim == 1:
            continue  # a bias moves slopes only over a kink, but under a norm
        place = tuple(side // 2 for side in tensor.shape)
        found, step = tensor.grad[place].item(), 1e-6
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                tensor[place] += sign * step
            values.append(total(net, images).item())
            with torch.no_grad():
                tensor[place] -= sign * step
        assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-6)


def moved(net: nn.Module, length: float) -> None:
    rng = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for tensor in net.parameters():
            tensor += length * torch.randn(tensor.shape, generator=rng, dtype=torch.float64)


def reached(net: nn.Module) -> dict[str, bool]:
    return {n: p.grad is not None and bool(p.grad.any()) for n, p in net.named_parameters()}


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("name", JUDGES)
def test_gradients_reach_all_of_a_critic(name: str, spectral_norm: bool) -> None:
    """After one step at the latest: a branch that ends in zeros tells nothing to its beginning."""
    net, images = critic(name, spectral_norm=spectral_norm).double(), pictures(6)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        (total(net, images) + net(images).square().sum()).backward()
        optimizer.step()
    assert all(reached(net).values()), reached(net)
    optimizer.zero_grad()
    total(net, images).backward()  # the penalty alone moves every weight, if not every bias
    weights = {n: seen for n, seen in reached(net).items() if "bias" not in n}
    assert all(weights.values()), weights


@pytest.mark.parametrize("name", MADE)
def test_gradients_reach_all_of_a_generator(name: str) -> None:
    net = generator(name, (8, 12))
    z = torch.randn(6, MADE[name][0].latent)
    target = torch.rand(6, 1, 8, 12)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        (net(z) - target).square().sum().backward()
        optimizer.step()
    assert all(reached(net).values()), reached(net)


@pytest.mark.parametrize("name", JUDGES)
def test_spectral_norm_divides_by_the_largest_singular_value(name: str) -> None:
    net = critic(name, spectral_norm=True)
    for _ in range(300):  # one power iteration a forward pass
        net(torch.randn(1, 1, 8, 12))
    net.eval()
    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert layers and all(map(is_parametrized, layers))
    for layer in layers:
        original = layer.parametrizations.weight.original.detach()
        largest = torch.linalg.svdvals(original.flatten(1))[0]
        torch.testing.assert_close(layer.weight * largest, original, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", JUDGES)
def test_what_leaves_marks(name: str) -> None:
    assert not leaves_marks(critic(name))
    assert leaves_marks(critic(name, spectral_norm=True))


@pytest.mark.parametrize("name", MADE)
def test_batch_statistics_are_those_of_all_processes(name: str) -> None:
    found = [m for m in generator(name, (28, 28)).modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(type(layer) is blocks.BatchNorm2d for layer in found)
    assert bool(found) == (name in ("dcgan", "residual"))


@pytest.mark.parametrize("side", [16, 32, 128])
@pytest.mark.parametrize(
    ("name", "changes"),
    [("r3", {}), ("residual", {"batchnorm": True}), ("residual", {"batchnorm": False})],
)
def test_untrained_images_are_neither_flat_nor_clipped(
    name: str, changes: dict[str, bool], side: int
) -> None:
    torch.manual_seed(0)
    net = replace(MADE[name][0], width=8, width_max=32, **changes)
    images = make(GENERATORS, net, size=(side, side), channels=1)(torch.randn(8, net.latent))
    assert 0.05 < images.std() < 1.5
    assert (images.abs() > 0.999).double().mean() < 0.1 or name == "r3"


@pytest.mark.parametrize("side", [16, 32, 128])
@pytest.mark.parametrize("name", ["r3", "residual", "residual, layer"])
def test_scores_keep_their_size_with_depth(name: str, side: int) -> None:
    """Of smooth pictures, as photographs are: a mean over white noise would shrink it."""
    net = critic(name, (side, side), width=16, width_max=32)
    images = nn.functional.interpolate(torch.randn(8, 1, 2, 2), (side, side))
    assert 0.05 < net(images).std() < 5
    assert 0.05 < net.features(images).square().mean().sqrt() < 5


def family(name: str) -> AdversarialRecipe:
    made, judge = MADE[name]
    return AdversarialRecipe(loss="relativistic", r1=1.0, r2=1.0, generator=made, critic=judge)


@pytest.mark.parametrize("name", MADE)
def test_a_few_steps_on_digits(name: str) -> None:
    pixels, labels = read_digits(Path(), "train")
    source = Source(
        name="digits",
        split="train",
        pixels=pixels[:64],
        labels=labels[:64],
        classes=(),
        names=[""] * 64,
        fingerprint="0",
    )
    recipe = Recipe(
        data=DataRecipe(size="28x28", channels=1),
        family=family(name),
        train=TrainRecipe(batch_size=8),
    )
    task = Task(
        recipe=recipe,
        family=build(recipe),
        batches=Batches(source, 8, seed=0),
        device=torch.device("cpu"),
    )
    prepare(task)
    for step in range(4):
        at = At(step * 8, step / 4)
        round_ = update(task, at, images_total=32, rate=1.0)
        assert all(torch.isfinite(loss) for loss in round_.losses.values())
    made = task.family.nets["generator"](torch.randn(4, recipe.family.generator.latent))
    assert (made[0] - made[1]).abs().max() > 1e-3
    assert not any(task.bad.values())
