"""The doctor at purpose-made sick trainings, and at the logs of healthy ones."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tiny
from trilemma import diagnosis, signs, watch
from trilemma.cli.main import main
from trilemma.data.sources import open_source
from trilemma.errors import DivergedError
from trilemma.families import build
from trilemma.recipe import presets
from trilemma.recipe.recipe import AdversarialRecipe, Recipe

LOGS = Path(__file__).parent / "logs"
HEALTHY = sorted(path.name.removesuffix(".jsonl.gz") for path in LOGS.glob("*.jsonl.gz"))


def sick(images: int, *, generator: float, critic: float, **family: Any) -> Recipe:
    """Give a tiny GAN without penalties under Adam, with these learning rates."""
    recipe = presets.find("tiny-gan").recipe
    known = recipe.family
    assert isinstance(known, AdversarialRecipe)
    plain = {"muon_lr": 0.0, "schedule": "constant"}
    return replace(
        recipe,
        family=replace(
            known,
            r1=0.0,
            r2=0.0,
            generator_optimizer=replace(known.generator_optimizer, lr=generator, **plain),
            critic_optimizer=replace(known.critic_optimizer, lr=critic, **plain),
            **family,
        ),
        train=replace(recipe.train, batch_size=32, images=images, ema_images=2000),
        watch=replace(recipe.watch, n=250, every=0, grid=4),
        speed=replace(recipe.speed, device="cpu", precision="float32", threads=1),
    )


def found(out: Path) -> dict[str, diagnosis.Stretch]:
    """Judge a run as `trilemma diagnose` does; by name, the last stretch of each."""
    return {one.finding.name: one for one in diagnosis.history(tiny.events(out))}


def told(out: Path) -> set[str]:
    return {event["name"] for event in tiny.events(out, "finding")}


def test_an_exploding_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    recipe, known = sick(3200, generator=0, critic=0), presets.find("tiny-gan").recipe.family
    assert isinstance(known, AdversarialRecipe)
    fast = {
        name: replace(getattr(known, name), lr=1e8)
        for name in ("generator_optimizer", "critic_optimizer")
    }
    recipe = replace(recipe, family=replace(known, **fast))
    with pytest.raises(DivergedError):
        watch.train(recipe, out=out)
    assert "not_finite" in found(out) and "not_finite" in told(out)
    assert "ill? numbers that are none" in (out / "train.log").read_text("utf-8")
    assert main(["diagnose", str(out)]) == 0
    assert "lower --lr to the preset's" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_with_huge_losses(tmp_path: Path) -> None:
    watch.train(sick(6400, generator=1.0, critic=1.0, loss="bce"), out=tmp_path / "run")
    assert "explosion" in told(tmp_path / "run")
    assert not found(tmp_path / "run")["explosion"].until_images


@pytest.mark.slow
def test_a_saturated_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    watch.train(sick(9600, generator=1e-5, critic=0.02, loss="bce"), out=out)
    assert "saturated_critic" in told(out)
    assert not {"overfitted_critic", "copying"} & told(out)
    assert main(["diagnose", str(out), "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert not verdict["healthy"]
    assert "saturated_critic" in {one["finding"]["name"] for one in verdict["stretches"]}


@pytest.mark.slow
def test_a_collapsing_run(tmp_path: Path) -> None:
    """The critic hardly moves, so that one picture pleases it best."""
    out = tmp_path / "run"
    watch.train(sick(9600, generator=2e-3, critic=1e-6, loss="bce"), out=out)
    assert "collapse" in told(out)
    assert told(out) == {"collapse"}


@pytest.mark.slow
def test_an_overfitting_run(tmp_path: Path) -> None:
    """Twenty images, of which two are held out."""
    root = tiny.digits(tmp_path / "few.npz", 20)
    recipe = presets.find("tiny-gan").recipe
    few = sick(16_000, generator=0, critic=0)
    overfitting = replace(
        few,
        data=replace(recipe.data, source="folder", root=str(root), held_out=0.1),
        family=recipe.family,
        train=replace(few.train, batch_size=16, ema_images=500),
    )
    out = tmp_path / "run"
    watch.train(overfitting, out=out)
    assert "overfitted_critic" in told(out)
    assert not {"explosion", "not_finite", "saturated_critic"} & told(out)


def read(name: str) -> list[dict[str, Any]]:
    text = gzip.decompress((LOGS / f"{name}.jsonl.gz").read_bytes()).decode()
    return [json.loads(line) for line in text.splitlines()]


def test_at_least_five_healthy_runs_are_kept() -> None:
    assert len(HEALTHY) >= 5


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_called_so(name: str) -> None:
    """Logs of real trainings: steps and scorings as they were written, in four digits."""
    log = read(name)
    verdict = diagnosis.diagnose(log)
    assert verdict.healthy and verdict.enough and verdict.stretches == ()
    assert "mode collapse" in verdict.looked_at


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a finished run of seconds on 160 digits, a quarter of them held out."""
    folder = tmp_path_factory.mktemp("healthy")
    recipe = tiny.recipe(tiny.digits(folder / "digits.npz", 160), images=64)
    recipe = replace(recipe, watch=replace(recipe.watch, n=100))
    watch.train(recipe, out=folder / "run")
    return folder / "run"


def test_a_short_run_is_not_called_ill(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", str(run)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "healthy after 8 logged steps and 3 scorings; too few for most signs" in line
    assert "overfitted discriminator" in line and "copies" in line


def test_signs_are_logged_beside_the_distances(run: Path) -> None:
    for score in tiny.events(run, "score"):
        numbers: Mapping[str, float] = score["scalars"]
        critics = {name for name in diagnosis.SIGNS if name.startswith("critic")}
        assert critics <= numbers.keys()
        assert {"diversity", "precision", "recall", "coverage", "twins", "near_copies"} <= (
            numbers.keys()
        )
        assert 0 <= numbers["critic_separation"] <= 1 and numbers["critic_gap_error"] > 0


def test_looking_at_a_critic_leaves_it_as_it_was(tmp_path: Path) -> None:
    """Batch statistics and the mode of every layer stay, so that a training goes on unchanged."""
    recipe = sick(32, generator=1e-3, critic=1e-3)
    source = open_source(recipe.data, "train")
    family = build(recipe)
    kept = signs.held_out(recipe, source, print)
    assert kept is not None and len(kept) == signs.HELD_OUT
    device = next(family.nets.parameters()).device
    shown = signs.judged(recipe, source, kept, range(9), device=device)
    before = {name: tensor.clone() for name, tensor in family.nets.state_dict().items()}
    modes = [module.training for module in family.nets.modules()]
    drawer = lambda nets: watch.Drawer(  # noqa: E731
        recipe=recipe, family=family, nets=nets, device=device
    )
    first, second = (signs.critic(family, shown, drawer)(family.nets) for _ in range(2))
    assert first == second
    assert modes == [module.training for module in family.nets.modules()]
    after = family.nets.state_dict()
    assert all(bool((after[name] == before[name]).all()) for name in before)


def test_means_and_errors_of_the_critics_scores_by_hand() -> None:
    from torch import tensor

    found_ = signs.told(tensor([3.0, 1.0]), tensor([0.0, 2.0]), tensor([1.0, 2.0, 0.0]))
    assert found_["critic_train"] == 2.0
    assert found_["critic_held_out"] == 1.0
    assert found_["critic_separation"] == 0.75
    pooled = (2 + 2) / 3  # sums of squares about the means over n + m - 2
    assert found_["critic_gap_error"] == pytest.approx((pooled * (1 / 2 + 1 / 3)) ** 0.5)
