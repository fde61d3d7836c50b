"""Measuring is bounded by the minutes that a training has, and says what does not fit."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from trilemma import horizon, measuring, watch
from trilemma.checkpoint import flat
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.family import At
from trilemma.recipe.recipe import Recipe, SpeedRecipe, TrainRecipe
from trilemma.step import Task, prepare, update


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.digits(tmp_path / "digits.npz", 40)


def task_of(recipe: Recipe) -> Task:
    source = open_source(recipe.data, "train")
    task = Task(
        recipe=recipe,
        family=build(recipe),
        batches=Batches(source, recipe.train.batch_size, seed=0),
        device=torch.device("cpu"),
        threads=2,
    )
    prepare(task)
    return task


@pytest.mark.parametrize(
    ("minutes", "step", "hurried"),
    [(0.3, 0.5, False), (0.3, 0.6, True), (5.0, 9.0, False), (5.0, 10.0, True), (0.0, 99.0, False)],
)
def test_a_quarter_of_the_minutes_is_too_much(minutes: float, step: float, hurried: bool) -> None:
    assert measuring.hurried(TrainRecipe(minutes=minutes), step) == hurried


def test_a_precision_that_was_asked_for_is_kept_where_minutes_are_few(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "hurried", lambda train, seconds, **steps: True)
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=0, minutes=0.5)
    compute, _ = measuring.measured(task_of(replace(recipe, speed=SpeedRecipe(precision="bf16"))))
    assert compute.choice.precision == "bf16"


@pytest.mark.parametrize("seconds", [0.01, 3.0])
def test_where_minutes_are_few_few_steps_are_timed(
    data: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    now = [0.0]
    steps: list[float] = []

    def trial(task: Task) -> float:
        now[0] += seconds
        steps.append(seconds)
        return 1.0

    monkeypatch.setattr(measuring, "trial", trial)
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=0, minutes=0.5)
    recipe = replace(recipe, speed=SpeedRecipe(precision="auto"))
    compute, per_image = measuring.measured(task_of(recipe))
    if seconds == 3.0:
        assert len(steps) == 1 + 2  # and one with one thread, one with two
        assert compute.choice.precision == "float32"
        assert per_image == pytest.approx(seconds / recipe.train.batch_size)
    else:
        assert len(steps) > 8


def test_threads_that_wait_for_each_other_are_found_where_minutes_are_few(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On busy cores a step takes 5 s with two threads and 0.1 s with one, of 30 s in all."""
    now = [0.0]
    steps: list[int] = []

    def trial(task: Task) -> float:
        now[0] += 0.1 if task.compute.threads == 1 else 5.0
        steps.append(task.compute.threads)
        return 1.0

    monkeypatch.setattr(measuring, "trial", trial)
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=0, minutes=0.5)
    recipe = replace(recipe, speed=SpeedRecipe(precision="auto"))
    assert measuring.measured(task_of(recipe))[0].threads == 1
    assert len(steps) > 8  # and precision and layout are measured after all


def test_minutes_that_hold_no_step_are_refused_with_those_that_would(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trilemma.training.measured", lambda task: (task.compute, 2.0))
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=0, minutes=0.2)
    with pytest.raises(RecipeError, match=r"^0\.2 minutes are too few: .* 16 s here; give --minut"):
        watch.train(recipe, out=tmp_path)


def test_few_steps_are_announced(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trilemma.training.measured", lambda task: (task.compute, 0.1))
    monkeypatch.setattr("trilemma.training.first_look", lambda sitting: 0.0)
    monkeypatch.setattr("trilemma.planning.PLANS", ())
    seen: list[str] = []
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=0, minutes=0.5)
    watch.train(recipe, out=tmp_path, show=lambda e: seen.append(f"{e['event']}: {e.get('why')}"))
    assert seen[0].startswith("measuring: measuring what")
    assert any(line.startswith("note: only ") and "of 0.8 s fit" in line for line in seen)


def test_measuring_leaves_networks_and_optimizers_as_they_were(data: Path) -> None:
    settings = replace(tiny.recipe(data), speed=SpeedRecipe(precision="float32"))
    task = task_of(settings)
    update(task, At(0, 0.0), images_total=160, rate=1.0)
    weights = {name: t.clone() for name, t in task.family.nets.state_dict().items()}
    moments = {name: t.clone() for name, t in flat(task.optimizers).items()}
    measuring.measured(task)
    after = task.family.nets.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    kept = flat(task.optimizers)
    assert kept.keys() == moments.keys()
    assert all(torch.equal(moments[name], kept[name]) for name in moments)


def test_horizon() -> None:
    def fixed(**train: float) -> int:
        settings = TrainRecipe(**({"batch_size": 10, "epochs": 0.0} | train))  # type: ignore[arg-type]
        return horizon.horizon(
            settings,
            images_in_epoch=100,
            seconds_per_image=0.01,
            seconds_gone=10.0,
            seconds_a_score=1.0,
        )

    assert fixed(epochs=3) == 300
    assert horizon.whole_rounds(400, 320) == 320  # five batches of 64 a round
    assert fixed(images=55) in (50, 60)
    assert (
        fixed(minutes=1) == round(horizon.SPARE * (60 - 10 - 4) / 0.01 / 10) * 10
    )  # four scores: 8 %
    assert fixed(minutes=1, epochs=3) == 300  # minutes are a limit
    with pytest.raises(
        RecipeError, match=r"0\.1 minutes are too few: 12 s go .* 0\.1 s .* 0\.4 or"
    ):
        fixed(minutes=0.1)


def test_a_short_training_is_not_scored_after_every_step() -> None:
    """Twenty steps lie between two scores, and there are two at least and twenty at most."""
    train = TrainRecipe(batch_size=10, epochs=0.0, images=1)
    times = [horizon.scores_in(train, 1.0, images=10 * steps) for steps in (10, 100, 4000)]
    assert times == [2, 5, 20]
