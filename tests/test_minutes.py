"""When a training ends: its minutes are a budget with its scores; nothing better for long."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tiny
from trilemma import asking, sitting, training, watch
from trilemma.recipe.recipe import OptimizerRecipe, Recipe
from trilemma.step import Compute

STILL = OptimizerRecipe(lr=1e-12)  # moves no weight of a float32 network


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.hostile(tmp_path_factory.mktemp("data") / "my pictures 猫")


def still(recipe: Recipe, **train: Any) -> Recipe:
    """Give a recipe whose weights do not move, so that no score after the first is better."""
    family = replace(tiny.GAN, generator_optimizer=STILL, critic_optimizer=STILL)
    return replace(recipe, family=family, train=replace(recipe.train, **train))


def test_early_stop_and_plateau_on_real_scores(hostile: Path, tmp_path: Path) -> None:
    recipe = still(tiny.recipe(hostile), images=160, early_stop=True, patience=3)
    trained = watch.train(
        replace(recipe, train=replace(recipe.train, plateau=0.5, plateau_patience=2)), out=tmp_path
    )
    assert trained.state is not None
    scores = [event["scalars"]["fd"] for event in tiny.events(tmp_path, "score")]
    assert len(set(scores)) == 1
    assert (trained.state.images_seen, trained.state.best_images) == (128, 32)
    assert trained.state.rate == 0.5
    assert tiny.events(tmp_path, "end")[0]["why"] == "no better score in 3 scorings"
    assert (
        watch.train(
            replace(recipe, train=replace(recipe.train, plateau=0.5, plateau_patience=2)),
            out=tmp_path,
        ).state
        is None
    )


class Clock:
    """Seconds that pass only where a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Let a drawing take 1.5 s, and half a second of training be measured for an image."""
    clock = Clock()
    drawn = watch.drawn_together

    def slow(*arguments: Any) -> np.ndarray:
        clock.seconds += 1.5
        return drawn(*arguments)

    for module in (watch, asking):
        monkeypatch.setattr(module, "drawn_together", slow)
    monkeypatch.setattr(training, "measured", lambda task: (Compute(), 0.5))
    for module in (sitting, training):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def paced(clock: Clock, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every round take so many seconds, by the clock's seconds since the start."""
    update = training.update

    def slow(*arguments: Any, **named: Any) -> Any:
        clock.seconds += seconds(clock.seconds - 1000)
        return update(*arguments, **named)

    monkeypatch.setattr(training, "update", slow)


@pytest.mark.parametrize("pace", [1.0, 4.0, 8.0])
def test_minutes_are_a_budget_with_its_scores(
    hostile: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, pace: float
) -> None:
    """4 s a round were measured, 3 s a scoring. Whatever a round takes, the minutes are filled."""
    paced(clock, lambda gone: pace, monkeypatch)
    recipe = tiny.recipe(hostile, images=0, minutes=3.0, checkpoint_images=10**9)
    recipe = replace(recipe, watch=replace(recipe.watch, every=0))
    trained = watch.train(recipe, out=tmp_path)
    assert trained.state is not None
    assert tiny.events(tmp_path, "end")[0]["why"] == "done"
    assert 150 < clock.seconds - 1000 <= 180 + 3  # the last score may come a little late
    scores = tiny.events(tmp_path, "score")
    assert scores[-1]["images_seen"] == trained.state.images_seen
    assert 3 <= len(scores) <= 9
    plans = [event["images_total"] for event in tiny.events(tmp_path, "horizon")]
    assert len(plans) == trained.state.plans == 3
    assert plans[-1] == trained.state.images_total


def test_a_later_stage_that_has_begun_gets_the_time_that_is_left(
    hostile: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter of the time that was measured: more images, and not back into the first stage."""
    paced(clock, lambda gone: 1.0, monkeypatch)
    built = watch.built
    monkeypatch.setattr(watch, "built", lambda *a, **k: replace(built(*a, **k), patient_until=0.6))
    trained = watch.train(tiny.recipe(hostile, images=0, minutes=3.0), out=tmp_path)
    assert trained.state is not None
    first, half, last = tiny.events(tmp_path, "horizon")
    assert half["images_total"] == first["images_total"], "the first stage says little of the next"
    assert last["images_total"] > 1.2 * half["images_total"]
    assert last["images_seen"] >= 0.6 * last["images_total"]
    assert tiny.events(tmp_path, "end")[0]["why"] == "done"


def test_images_are_a_limit_to_what_is_planned_anew(
    hostile: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced(clock, lambda gone: 0.1, monkeypatch)
    recipe = tiny.recipe(hostile, images=96, minutes=3.0)
    trained = watch.train(recipe, out=tmp_path)
    assert trained.state is not None
    assert trained.state.images_seen == trained.state.images_total == 96


def test_a_machine_that_slows_down_late_ends_early_and_says_so(
    hostile: Path, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    paced(clock, lambda gone: 4.0 if gone < 150 else 20.0, monkeypatch)
    recipe = tiny.recipe(hostile, images=0, minutes=3.0)
    trained = watch.train(recipe, out=tmp_path)
    assert trained.state is not None
    assert trained.state.images_seen < trained.state.images_total
    why = tiny.events(tmp_path, "end")[0]["why"]
    share = trained.state.images_seen / trained.state.images_total
    assert why == f"out of time at {share:.0%} of the horizon: slower than planned"
    assert 180 <= clock.seconds - 1000 < 180 + 20 + 3
    assert (tmp_path / f"checkpoints/{trained.state.images_seen}/state.json").is_file()
