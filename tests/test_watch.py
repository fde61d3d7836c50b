"""Training with scores: what a run folder holds, when it ends, and how it goes on."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

import tiny
from handmade import make_run
from trilemma import watch
from trilemma.cli.main import main
from trilemma.errors import RecipeError, RunError
from trilemma.recipe import files


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.hostile(tmp_path_factory.mktemp("data") / "my pictures 猫")


@pytest.fixture(scope="module")
def finished(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a finished run on that data, with what was said beside it."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    said: list[str] = []
    watch.train(tiny.recipe(hostile), out=out, say=said.append)
    (out.parent / "said.txt").write_text("\n".join(said), encoding="utf-8")
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """Give a copy of the finished run, to be changed at will."""
    return shutil.copytree(finished, tmp_path / "runs" / "whole")


def test_a_run_folder_holds_what_the_design_names_and_no_pickle(finished: Path) -> None:
    inside = {path.relative_to(finished).as_posix() for path in finished.rglob("*")}
    checkpoint = ("nets.safetensors", "average.safetensors", "optimizer.safetensors", "state.json")
    assert {path for path in inside if (finished / path).is_file()} == {
        *("recipe.toml", "machine.json", "licence.json", "skipped.csv", "lock", "progress.gif"),
        "watched.json",
        *("log.jsonl", "log.csv", "train.log", "best/average.safetensors"),
        *(f"samples/{images:09d}.png" for images in (0, 32, 64)),
        *(f"checkpoints/{images}/{name}" for images in (0, 32, 64) for name in checkpoint),
    }
    machine = json.loads((finished / "machine.json").read_text("utf-8"))
    assert machine["images_total"] == 64
    expected = {"precision": "float32", "channels_last": False, "compiled": False}
    expected |= {"parts": 1, "threads": 1}
    expected["shares"] = True  # the fakes of a round
    assert machine["compute"] == expected


def test_skipped_files_are_listed_and_said(finished: Path, hostile: Path) -> None:
    with (finished / "skipped.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["file", "reason"]
    assert dict(rows).keys() == {"a, text.png", "cut.png", "empty.png"}
    assert dict(rows)["empty.png"] == "empty file"
    said = (finished.parent / "said.txt").read_text("utf-8")
    assert "3 files cannot be used" in said
    assert "3 files cannot be used" in (finished / "train.log").read_text("utf-8")
    with pytest.raises(Exception, match=r"3 of 63 files|3 .*cannot be used"):
        watch.train(
            replace(tiny.recipe(hostile), data=replace(tiny.recipe(hostile).data, on_error="stop"))
        )


def test_log_csv_is_log_jsonl(finished: Path) -> None:
    with (finished / "log.csv").open(encoding="utf-8", newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    events = tiny.events(finished, "step", "score")
    assert len(rows) == len(events) == 8 + 3
    for row, event in zip(rows, events, strict=True):
        flat = {**event, **event.get("losses", {}), **event["scalars"]}
        for name in ("v", "losses", "scalars"):
            flat.pop(name, None)
        assert row.pop("event") == flat.pop("event")
        assert {name: float(value) for name, value in row.items()} == flat


def test_progress_gif_has_the_grid_of_every_checkpoint(finished: Path) -> None:
    grids = sorted((finished / "samples").glob("*.png"))
    with Image.open(finished / "progress.gif") as film:
        assert film.n_frames == len(grids) == 3
        for number, path in enumerate(grids):
            film.seek(number)
            assert np.array_equal(np.asarray(film.convert("L")), np.asarray(Image.open(path)))
    assert np.asarray(Image.open(grids[0])).shape == (56, 56)  # four digits of 28x28


def test_train_log_is_for_people(finished: Path) -> None:
    lines = (finished / "train.log").read_text("utf-8").splitlines()
    assert any("32/64 images  score: fd" in line for line in lines)
    assert lines[-1].endswith("64/64 images  finished: done")


def test_the_same_command_again_says_finished_and_changes_nothing(
    run: Path, hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny.snapshot(run)
    files.write(run.parent / "mine.toml", tiny.recipe(hostile))
    words = ["train", "--config", str(run.parent / "mine.toml"), "--out", str(run)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert f"{run}: finished already" in printed
    assert f"trilemma train --continue {run}" in printed
    assert tiny.snapshot(run) == before


def test_a_film_that_a_kill_prevented_is_made_by_the_same_command(run: Path, hostile: Path) -> None:
    film = (run / "progress.gif").read_bytes()
    (run / "progress.gif").unlink()
    assert watch.train(tiny.recipe(hostile), out=run).state is None
    assert (run / "progress.gif").read_bytes() == film


@pytest.mark.parametrize("change", [{"seed": 1}, {"preset": "other", "seed": 2}])
def test_another_recipe_in_the_same_folder_is_refused(
    run: Path, hostile: Path, change: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny.snapshot(run)
    files.write(run.parent / "mine.toml", replace(tiny.recipe(hostile), **change))
    words = ["train", "--config", str(run.parent / "mine.toml"), "--out", str(run)]
    assert main(words) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith(f"trilemma: {run} holds another training (tiny); give another --out")
    assert tiny.snapshot(run) == before


def test_where_it_is_shown_and_kept_may_change(run: Path, hostile: Path) -> None:
    """A larger grid, more checkpoints, a moved data set are no other training."""
    known = tiny.recipe(hostile)
    moved = shutil.copytree(hostile, run.parent / "elsewhere")
    same = replace(
        known,
        data=replace(known.data, root=str(moved)),
        watch=replace(known.watch, grid=9),
        train=replace(known.train, keep=3),
    )
    assert watch.train(same, out=run).state is None


def test_a_whole_number_for_a_float_is_no_other_training(hostile: Path, tmp_path: Path) -> None:
    """Python allows TrainRecipe(minutes=0): recipe.toml then says 0, and is read as 0.0."""
    recipe = tiny.recipe(hostile, images=16, minutes=0, ema_ramp=1)
    watch.train(recipe, out=tmp_path)
    assert watch.train(recipe, out=tmp_path).state is None


def test_continue_makes_a_new_run_whose_clock_runs_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tiny.snapshot(run)
    words = ["train", "--continue", str(run), "--images", "32"]
    assert main(words) == 0
    assert tiny.snapshot(run) == before
    new = run.with_name("whole+64")
    assert (new / "parent.txt").read_text("utf-8") == "whole at 64 images\n"
    assert {event["images_seen"] for event in tiny.events(new)} == {64, 72, 80, 88, 96}
    clock = [event["images_seen"] for event in tiny.events(new, "step")]
    assert clock == [72, 80, 88, 96]
    assert tiny.events(new, "end")[0]["images_total"] == 96
    state = json.loads((new / "checkpoints/96/state.json").read_text("utf-8"))
    assert (state["images_seen"], state["images_total"]) == (96, 96)
    start, end = (load_file(new / f"checkpoints/{n}/nets.safetensors") for n in (64, 96))
    parent = load_file(run / "checkpoints/64/nets.safetensors")
    assert all((parent[name] == start[name]).all() for name in parent)
    assert any((end[name] != start[name]).any() for name in end)
    again = tiny.snapshot(new)
    assert main(words) == 0
    assert "finished already" in capsys.readouterr().out
    assert tiny.snapshot(new) == again


def test_a_continuation_that_was_killed_early_can_be_begun_again(run: Path) -> None:
    half = run.with_name("whole+64") / "checkpoints/64"
    half.mkdir(parents=True)
    (half / "nets.safetensors").write_bytes(b"half")
    recipe = files.read(run / "recipe.toml")
    trained = watch.continued(str(run), replace(recipe, train=replace(recipe.train, images=32)))
    assert trained.state is not None
    assert trained.state.images_seen == 96


def test_what_cannot_be_continued_is_said(run: Path, tmp_path: Path) -> None:
    recipe = files.read(run / "recipe.toml")
    stopped = make_run(tmp_path / "stopped", end="")
    with pytest.raises(RunError, match="is not finished; run its own command again"):
        watch.continued(str(stopped.path), recipe)
    bundle = tmp_path / "bundle"
    assert main(["export", str(run), "--out", str(bundle)]) == 0
    with pytest.raises(RunError, match=r"is a bundle: .*--config .*recipe\.toml"):
        watch.continued(str(bundle), recipe)
    with pytest.raises(RunError, match="no run or bundle 'none'"):
        watch.continued("none", recipe)


def test_several_seeds_are_several_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    tiny.digits(tmp_path / "digits.npz")
    files.write(tmp_path / "mine.toml", tiny.recipe("digits.npz", images=16))
    words = ["train", "--config", "mine.toml", "--seeds", "3,5"]
    assert main(words) == 0
    assert main([*words, "--out", "here"]) == 0
    three, five = sorted((tmp_path / "runs").iterdir())
    assert three.name.startswith("mine-s3-")
    assert five.name.startswith("mine-s5-")
    for named, listed in ((three, "seed-3"), (five, "seed-5")):
        one, other = (p / "checkpoints/16/nets.safetensors" for p in (named, Path("here", listed)))
        assert one.read_bytes() == other.read_bytes()
    weights = {path.read_bytes() for path in Path("runs").glob("*/checkpoints/16/nets.safetensors")}
    assert len(weights) == 2


def test_tensorboard_has_the_log(hostile: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    recipe = tiny.recipe(hostile, images=32)
    watch.train(replace(recipe, watch=replace(recipe.watch, tensorboard=True)), out=tmp_path)
    events = reading.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for kind, name, field in (("step", "critic", "losses"), ("score", "fd", "scalars")):
        logged = {e["images_seen"]: e[field][name] for e in tiny.events(tmp_path, kind)}
        shown = {event.step: event.value for event in events.Scalars(f"{kind}/{name}")}
        assert shown == pytest.approx(logged, rel=1e-6)
        assert len(shown) >= 2


def test_a_mistake_leaves_no_folder(tmp_path: Path, hostile: Path) -> None:
    out = tmp_path / "new"
    with pytest.raises(RecipeError, match=r"family\.loss"):
        watch.train(tiny.recipe(hostile, replace(tiny.GAN, loss="hinges")), out=out)
    with pytest.raises(Exception, match="no file, folder or known set"):
        watch.train(tiny.recipe(tmp_path / "nowhere"), out=out)
    assert not out.exists()


def test_refused_minutes_leave_no_folder_but_one_that_was_there(
    tmp_path: Path, hostile: Path
) -> None:
    recipe = tiny.recipe(hostile)
    short = replace(recipe, train=replace(recipe.train, images=0, minutes=1e-4))
    (tmp_path / "there").mkdir()
    (tmp_path / "there/notes.txt").write_text("mine")
    for out in (tmp_path / "new", tmp_path / "there"):
        with pytest.raises(RecipeError, match="minutes are too few"):
            watch.train(short, out=out)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "there/notes.txt").read_text() == "mine"
