"""Checkpoints: whole or absent, and one line about each that cannot be read."""

import json
import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tiny
from handmade import make_run
from trilemma import watch
from trilemma.checkpoint import averaged_weights, checkpoints, read_state, unpack, write_state
from trilemma.errors import RunError, StoppedError
from trilemma.runfolder import RunFolder
from trilemma.runs import find_run
from trilemma.sampling import load_generator

CPU = torch.device("cpu")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Give a run with checkpoints at 320 and 640 images and a best one."""
    return make_run(tmp_path / "a run")


def state_of(run: RunFolder) -> Path:
    return run.path / "checkpoints/640/state.json"


def refusal(place: Path) -> str:
    """Give the one line about a state that cannot be read."""
    with pytest.raises(RunError) as caught:
        read_state(place)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_state_comes_back_as_it_was(run: RunFolder) -> None:
    place = run.path / "checkpoints/640"
    known = replace(
        read_state(place), best=0.1 + 0.2, rate=1 / 3, choices={"compute": {"parts": 2}}
    )
    write_state(place, known)
    assert read_state(place) == known


def test_a_newer_schema_is_refused_and_an_unknown_entry_named(run: RunFolder) -> None:
    state = json.loads(state_of(run).read_text("utf-8"))
    state_of(run).write_text(json.dumps(state | {"schema": 2}), encoding="utf-8")
    said = refusal(state_of(run).parent)
    assert "newer version (schema 2; this one reads 1)" in said
    assert "update trilemma" in said
    state_of(run).write_text(json.dumps(state | {"momentum": 3}), encoding="utf-8")
    assert "unknown entries ['momentum']" in refusal(state_of(run).parent)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "{}", '{"schema": "x"}', "7"])
def test_a_state_that_is_none_is_one_line(run: RunFolder, text: str) -> None:
    state_of(run).write_text(text, encoding="utf-8")
    assert "broken or incomplete; delete it" in refusal(state_of(run).parent)


def test_a_missing_state_is_one_line(run: RunFolder) -> None:
    state_of(run).unlink()
    assert "broken or incomplete; delete it" in refusal(state_of(run).parent)


@pytest.mark.parametrize("keep", [0, 7, 60, -1], ids=lambda keep: f"{keep} bytes")
def test_truncated_weights_are_one_line(run: RunFolder, keep: int) -> None:
    """Cut to nothing, inside the header's length, inside the header, before the last byte."""
    file = run.path / "checkpoints/640/average.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(RunError, match="broken or incomplete") as caught:
        load_generator(f"{run.path}@640", device=CPU)
    assert "\n" not in str(caught.value)
    assert find_run(f"{run.path}@640").images_seen == 640
    load_generator(f"{run.path}@320", device=CPU)


@pytest.mark.parametrize("keep", [0, 7, 60, -1], ids=lambda keep: f"{keep} bytes")
def test_a_truncated_best_is_one_line_and_names_no_checkpoint_to_delete(
    run: RunFolder, keep: int
) -> None:
    file = run.path / "best/average.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    for look in (
        lambda: load_generator(f"{run.path}@best", device=CPU),
        lambda: find_run(f"{run.path}@best").images_seen,
    ):
        with pytest.raises(RunError, match=r"best.average\.safetensors.*broken") as caught:
            look()
        assert "the one before" not in str(caught.value)


def test_weights_of_another_network_are_refused(run: RunFolder) -> None:
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text("utf-8").replace("width = 8", "width = 4"), "utf-8")
    with pytest.raises(RunError, match="do not fit the recipe's networks"):
        load_generator(str(run.path), device=CPU)


def test_what_may_stand_behind_the_at_sign_is_named(run: RunFolder) -> None:
    for which, label in (("", "best"), ("best", "best"), ("last", "640"), ("320", "320")):
        assert averaged_weights(run, which)[1] == label
    assert averaged_weights(run, "last")[0] == run.path / "checkpoints/640/average.safetensors"
    for wrong in ("999", "newest", "32"):
        with pytest.raises(RunError, match=f"'{wrong}'; allowed: best, last, 320, 640"):
            find_run(f"{run.path}@{wrong}")
    shutil.rmtree(run.path / "best")
    assert averaged_weights(run, "")[1] == "640"
    with pytest.raises(RunError, match="no best checkpoint yet; allowed: 320, 640, last"):
        find_run(f"{run.path}@best")
    shutil.rmtree(run.path / "checkpoints")
    with pytest.raises(RunError, match="no checkpoint yet; run its training first"):
        find_run(str(run.path))


def test_checkpoints_are_ordered_by_images_and_half_written_ones_ignored(run: RunFolder) -> None:
    folder = run.path / "checkpoints"
    (folder / "1000").mkdir()
    for half in (".960.4711", "tmp", "12x"):
        shutil.copytree(folder / "640", folder / half)
        (folder / half / "state.json").unlink()
    assert [place.name for place in checkpoints(run)] == ["320", "640", "1000"]


def test_a_training_goes_on_beside_a_half_written_checkpoint_and_removes_it(
    tmp_path: Path,
) -> None:
    """What kill -9 leaves: a hidden folder with some of the files, and files beside their names."""
    out = tmp_path / "run"
    settings = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), images=32)
    watch.train(settings, out=out)
    whole = load_file(out / "checkpoints/32/nets.safetensors")
    log = (out / "log.jsonl").read_text("utf-8").splitlines(keepends=True)
    shutil.rmtree(out / "checkpoints/32")
    (out / "checkpoints/.32.4711").mkdir()
    (out / "checkpoints/.32.4711/nets.safetensors").write_bytes(b"half")
    (out / "checkpoints/.0.old").mkdir()
    for name in (".log.jsonl.4711", "best/.average.safetensors.4711", "samples/.1.png.4711.part"):
        (out / name).write_bytes(b"half")
    (out / "log.jsonl").write_text("".join(log[:-4]) + log[-4][:20], encoding="utf-8")
    watch.train(settings, out=out)
    again = load_file(out / "checkpoints/32/nets.safetensors")
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert tiny.left_over(out) == []


def test_a_broken_last_checkpoint_says_what_to_delete_and_the_one_before_goes_on(
    tmp_path: Path,
) -> None:
    out = tmp_path / "run"
    settings = tiny.recipe(tiny.digits(tmp_path / "digits.npz"))
    watch.train(settings, out=out)
    whole = (out / "checkpoints/64/nets.safetensors").read_bytes()
    log = (out / "log.jsonl").read_text("utf-8").splitlines(keepends=True)
    (out / "log.jsonl").write_text("".join(log[:-1]), encoding="utf-8")
    (out / "checkpoints/64/nets.safetensors").write_bytes(whole[:-9])
    with pytest.raises(RunError) as caught:
        watch.train(settings, out=out)
    place, _, advice = str(caught.value).partition(": ")
    assert advice == "broken or incomplete; delete it to go on from the one before"
    shutil.rmtree(place)
    watch.train(settings, out=out)
    assert (out / "checkpoints/64/nets.safetensors").read_bytes() == whole


def test_unpack_names_the_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none\.safetensors"):
        unpack(tmp_path / "none.safetensors")


def test_a_training_killed_before_its_first_checkpoint_begins_its_log_anew(tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), images=16)
    watch.train(settings, out=out)
    whole = tiny.timeless(tiny.events(out))
    log = (out / "log.jsonl").read_text("utf-8").splitlines(keepends=True)
    (out / "log.jsonl").write_text("".join(log[:2]) + log[2][:9], encoding="utf-8")
    shutil.rmtree(out / "checkpoints")
    watch.train(settings, out=out)
    assert tiny.timeless(tiny.events(out)) == whole


def test_ctrl_c_beside_a_checkpoint_does_not_write_it_twice(tmp_path: Path) -> None:
    """To replace a whole checkpoint is a moment without one: a kill then would cost it."""

    raised: list[int] = []

    def show(event: Mapping[str, Any]) -> None:
        if (event["event"], event["images_seen"]) == ("checkpoint", 32) and not raised:
            raised.append(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    settings = tiny.recipe(tiny.digits(tmp_path / "digits.npz"))
    with pytest.raises(StoppedError, match="stopped at 32 images"):
        watch.train(settings, out=tmp_path / "run", show=show)
    saved = [event["images_seen"] for event in tiny.events(tmp_path / "run", "checkpoint")]
    assert saved == [0, 32]
