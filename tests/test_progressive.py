"""Networks that grow: both ends of a fade, the schedule, and a training that crosses levels."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

import tiny
from trilemma import planning, watch
from trilemma.checkpoint import State
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.adversarial import CRITICS, GENERATORS, make
from trilemma.families.family import At, Batch, DrawOptions
from trilemma.horizon import horizon
from trilemma.maths.growth import begins, fade_in, level_at
from trilemma.nets.mapping import normalised
from trilemma.nets.progressive import doubled, halved, pooled, shown_at
from trilemma.nets.stylegan2_critic import Convolution, deviation
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import AdversarialRecipe, Recipe
from trilemma.recipe.style import ProgressiveCritic, ProgressiveGenerator

GENERATOR = ProgressiveGenerator(latent=6, width=4, width_max=8)
CRITIC = ProgressiveCritic(width=4, width_max=8, group=2)
FAMILY = AdversarialRecipe(generator=GENERATOR, critic=CRITIC, r1=1.0, grow_images=24)


def networks(side: int = 16) -> tuple[Any, Any]:
    torch.manual_seed(0)
    drawn = (
        make(table, net, size=(side, side), channels=3)
        for table, net in ((GENERATORS, GENERATOR), (CRITICS, CRITIC))
    )
    generator, critic = (net.double().requires_grad_(False) for net in drawn)
    return generator, critic


def recipe_of(root: Path | str = "", **changes: Any) -> Recipe:
    whole = tiny.recipe(root, replace(FAMILY, **changes))
    return replace(whole, data=replace(whole.data, size="16x16"))


def share(alpha: float) -> Tensor:
    return torch.tensor(alpha, dtype=torch.float64)


@pytest.mark.parametrize("level", [1, 2])
def test_a_fade_begins_with_the_smaller_network_and_ends_with_the_larger(level: int) -> None:
    generator, critic = networks()
    z, images = torch.randn(4, 6).double(), torch.randn(4, 3, 4 << level, 4 << level).double()
    for net, given in ((generator, z), (critic, images)):
        net.grow(level - 1, share(1.0))
        smaller = given if net is generator else halved(given)
        below = net.at_level(smaller, level - 1)
        net.grow(level, share(0.0))
        low = net.at_level(given, level)
        assert torch.equal(low, doubled(below) if net is generator else below)
        net.grow(level, share(1.0))
        high = net.at_level(given, level)
        if net is generator:
            net.grow(level, share(0.25))
            torch.testing.assert_close(net.at_level(given, level), 0.75 * low + 0.25 * high)
            net.grow(level, share(1.0))
        net.colours[level - 1].weight.add_(1.0)
        assert torch.equal(net.at_level(given, level), high), "the old layer of colours is gone"


def test_real_images_fade_as_drawn_ones_do() -> None:
    images = torch.randn(2, 3, 16, 16, generator=Generator().manual_seed(1)).double()
    fours = images.numpy().reshape(2, 3, 8, 2, 8, 2).mean((3, 5))
    np.testing.assert_allclose(shown_at(images, 1, share(1.0)).numpy(), fours, atol=1e-12)
    smaller = images.numpy().reshape(2, 3, 4, 4, 4, 4).mean((3, 5))
    blocks = smaller.repeat(2, axis=2).repeat(2, axis=3)
    np.testing.assert_allclose(shown_at(images, 1, share(0.0)).numpy(), blocks, atol=1e-12)
    mixed = 0.7 * blocks + 0.3 * fours
    np.testing.assert_allclose(shown_at(images, 1, share(0.3)).numpy(), mixed, atol=1e-12)
    assert torch.equal(shown_at(images, 2, share(1.0)), images)
    assert torch.equal(shown_at(images, 0, share(0.3)), pooled(images, 4))


def test_the_schedule_by_hand() -> None:
    """100 images a level, three levels: 50 at 4x4, then 50 of fading and 50 of staying each."""
    wanted = {
        0: (0, 1.0), 49: (0, 1.0), 50: (1, 0.0), 75: (1, 0.5), 100: (1, 1.0), 149: (1, 1.0),
        150: (2, 0.0), 160: (2, 0.2), 200: (2, 1.0), 10**6: (2, 1.0),
    }  # fmt: skip
    for seen, (level, alpha) in wanted.items():
        assert level_at(seen, images=100, last=2) == level
        found = fade_in(torch.tensor(float(seen)), images=100, level=level)
        assert float(found) == pytest.approx(alpha)
    assert [begins(level, images=100) for level in (0, 1, 2)] == [0, 50, 150]


def test_features_are_normalised_at_every_place() -> None:
    maps = torch.tensor([[3.0, 0.0], [4.0, 1.0]]).reshape(1, 2, 1, 2)
    found = normalised(maps)[0, :, 0]
    root = math.sqrt(12.5)
    torch.testing.assert_close(found[:, 0], torch.tensor([3 / root, 4 / root]))
    torch.testing.assert_close(found[:, 1], torch.tensor([0.0, math.sqrt(2)]))


def test_equalized_convolutions_keep_the_variance() -> None:
    torch.manual_seed(3)
    layer = Convolution(40, 50, 3, activation="linear", clamp=0.0).requires_grad_(False)
    assert layer.weight.std() == pytest.approx(1, rel=0.02)
    inside = layer(torch.randn(20, 40, 12, 12))[:, :, 1:-1, 1:-1]
    assert inside.var() == pytest.approx(1, rel=0.05)


def test_how_varied_consecutive_images_are() -> None:
    """Two images of 0 and 2 everywhere deviate by 1, two that are alike by nothing."""
    maps = torch.tensor([0.0, 2.0, 5.0, 5.0]).reshape(4, 1, 1, 1).expand(4, 3, 2, 2)
    found = deviation(maps, group=2, count=1)
    torch.testing.assert_close(found[:2], torch.ones(2, 1, 2, 2))
    torch.testing.assert_close(found[2:], torch.full((2, 1, 2, 2), 1e-4))


def test_the_clock_says_which_phases_run_and_no_network_is_replaced() -> None:
    family = build(recipe_of(critic_updates=1))
    nets = dict(family.nets.items())
    for seen, side in ((0, 4), (12, 8), (35, 8), (36, 16), (1000, 16)):
        due = [phase for phase in family.phases if phase.repeats(At(seen, 0.0))]
        assert [phase.name for phase in due] == ["critic", "generator"]
        rng = Generator().manual_seed(1)
        noise = {name: draw(4, rng) for name, draw in due[0].noise.items()}
        images = torch.rand(4, 1, 16, 16, generator=rng)
        for phase in due:
            losses, _ = phase.loss(
                Batch(images), noise, At(torch.tensor(float(seen)), torch.ones(()))
            )
            assert losses.shape == (4,) and losses.isfinite().all()
        for name in ("generator", "critic"):
            assert family.nets[name] is nets[name]
            assert 4 << int(family.nets[name].level) == side
        rngs = [Generator().manual_seed(seed) for seed in (1, 2)]
        with torch.no_grad():
            drawn = family.draw(family.nets.eval(), rngs, None, DrawOptions())
        assert drawn.shape == (2, 1, 16, 16)
        times = 16 // side
        assert torch.equal(drawn, doubled_back(drawn, times)), "enlarged from where it is"
    assert family.full_from == 36
    assert family.measured_at.images_seen >= 36


def doubled_back(images: Tensor, times: int) -> Tensor:
    small = images[:, :, ::times, ::times]
    return torch.from_numpy(np.kron(small.numpy(), np.ones((times, times), dtype=np.float32)))


def test_images_that_cost_little_come_on_top_of_what_fits() -> None:
    train = replace(recipe_of().train, images=0, epochs=0.0, minutes=1.0)
    plain, more = (
        horizon(train, images_in_epoch=100, seconds_per_image=0.1, cheap=n) for n in (0, 80)
    )
    assert more == plain + 80


def test_minutes_are_planned_anew_at_the_pace_of_the_full_side() -> None:
    """Until 36 images nothing is planned; from there on images and seconds are counted."""
    state = State(begun_images=0, begun_seconds=2.0, scoring=5.0)
    sitting: Any = SimpleNamespace(
        state=state, seconds=50.0, task=SimpleNamespace(family=SimpleNamespace(full_from=36))
    )
    for seen, waits, begun in ((8, True, 0), (35, True, 0), (40, False, 40), (48, False, 40)):
        state.images_seen = seen
        assert planning.cheaper_than_later(sitting) == waits
        assert state.begun_images == begun
        sitting.seconds += 1.0
    assert (state.begun_seconds, state.scoring) == (52.0, 0.0)


@pytest.mark.parametrize("more", [{}, {"loss": "wasserstein", "gp": 10.0, "r1": 0.0}])
def test_a_resumed_training_is_the_same_to_the_bit(more: dict[str, Any], tmp_path: Path) -> None:
    """It stopped at 8x8; the layers of 16x16 have no moments yet."""
    recipe = recipe_of(tiny.digits(tmp_path / "digits.npz"), drift=0.001, **more)
    whole = watch.train(recipe, out=tmp_path / "whole").folder.path
    half = shutil.copytree(whole, tmp_path / "half")
    places = sorted((half / "checkpoints").iterdir(), key=lambda path: int(path.name))
    assert [path.name for path in places][-2:] == ["32", "64"]
    shutil.rmtree(places[-1])
    kept = [event for event in tiny.events(half) if event["event"] != "end"]
    (half / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept), encoding="utf-8")
    watch.train(recipe, out=half)
    for file in ("nets", "average", "optimizer"):
        ends = [
            (run / "checkpoints/64" / f"{file}.safetensors").read_bytes() for run in (whole, half)
        ]
        assert ends[0] == ends[1], file


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"critic": tiny.GAN.critic}, "name both so, or neither"),
        ({"generator": tiny.GAN.generator}, "name both so, or neither"),
        ({"generator": tiny.GAN.generator, "critic": tiny.GAN.critic}, "does not grow"),
        ({"condition": "projection"}, "are told nothing"),
        ({"grow_images": -1}, "grow_images is -1"),
        ({"critic": replace(CRITIC, group_maps=3)}, "what divides 8"),
    ],
)
def test_what_cannot_grow_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(recipe_of(**changes))


def test_sides_that_are_no_powers_of_two_are_refused() -> None:
    whole = recipe_of()
    with pytest.raises(RecipeError, match="square, of 8, 16, 32"):
        check(replace(whole, data=replace(whole.data, size="28x28")))


def test_without_growth_it_is_a_network_like_others() -> None:
    family = build(recipe_of(grow_images=0))
    assert len(family.phases) == 2 and family.full_from == 0
    assert family.shared is not None and family.group == 2
