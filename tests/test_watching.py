"""What a training writes, says and refuses around its loop: few images, kills, continuations."""

import builtins
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import tiny
from handmade import make_run, noise, write_folder
from trilemma import beginning, extracting, licences, live, processes, watch
from trilemma.assessing import assess
from trilemma.checkpoint import State, read_state
from trilemma.cli.main import main
from trilemma.errors import DataError, MissingExtraError, RunError
from trilemma.recipe import files
from trilemma.recipe.recipe import OptimizerRecipe, Recipe
from trilemma.runs import find_run


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.digits(tmp_path_factory.mktemp("data") / "digits.npz", 40)


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a finished run with checkpoints at 0, 32 and 64 images."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    watch.train(tiny.recipe(data), out=out)
    return out


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """Give a copy of the finished run, to be changed at will."""
    return shutil.copytree(finished, tmp_path / "runs" / "whole")


def longer(run: Path, images: int = 32) -> Recipe:
    recipe = files.read(run / "recipe.toml")
    return replace(recipe, train=replace(recipe.train, images=images))


def facts(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "watched.json").read_text("utf-8"))
    return content


@pytest.mark.parametrize(("held_out", "kept"), [(0.0, 1), (0.5, 1), (0.0, 2), (0.0, 3)])
def test_a_folder_of_few_images_can_be_trained(tmp_path: Path, held_out: float, kept: int) -> None:
    """A distance takes three images; with fewer there are pictures, and no scores."""
    pictures = noise(kept * (2 if held_out else 1), 28)
    folder = write_folder(tmp_path / "few", pictures)
    recipe = tiny.recipe(folder, images=32)
    recipe = replace(recipe, data=replace(recipe.data, held_out=held_out))
    said: list[str] = []
    out = tmp_path / "run"
    trained = watch.train(recipe, out=out, say=said.append)
    assert trained.state is not None
    assert trained.state.images_seen == 32
    scores = [event["scalars"] for event in tiny.events(out, "score")]
    assert all(("kid" in score) == (kept == 3) for score in scores)
    assert any("scores take 3" in line for line in said) == (kept < 3)
    assert facts(out)["reference"] == (3 if kept == 3 else 0)
    assert (out / "samples/000000032.png").is_file()
    assert main(["sample", str(out), "--n", "2", "--out", str(tmp_path / "s.png")]) == 0


@pytest.mark.parametrize("counts", [(1, 5), (5, 2)])
def test_too_few_images_to_score_are_refused(tmp_path: Path, counts: tuple[int, int]) -> None:
    for name, count in zip(("fake", "real"), counts, strict=True):
        write_folder(tmp_path / name, noise(count, 8))
    with pytest.raises(DataError, match=rf"{min(counts)} images; scores take 3 or more"):
        assess(str(tmp_path / "fake"), str(tmp_path / "real"), extractor="pixels")


def test_a_run_says_what_it_is_watched_with(finished: Path, data: Path, tmp_path: Path) -> None:
    assert facts(finished) == {
        "extractor": "pixels", "id": facts(finished)["id"], "weights_sha256": "",
        "sampler": "", "steps": 0, "guidance": 0.0, "n": 16, "reference": 30,
    }  # fmt: skip
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=16)
    watch.train(replace(recipe, watch=replace(recipe.watch, n=5)), out=tmp_path)
    assert {key: facts(tmp_path)[key] for key in ("sampler", "steps", "guidance", "n")} == {
        "sampler": "heun", "steps": 2, "guidance": 1.0, "n": 5,
    }  # fmt: skip


def test_the_licence_has_the_schema_of_a_bundle_s(finished: Path) -> None:
    content = json.loads((finished / "licence.json").read_text("utf-8"))
    assert content["schema"] == licences.SCHEMA
    assert licences.read_licences(finished) == [
        licences.Note(what="training images digits:train", licence="not stated")
    ]


def test_train_log_is_what_a_plain_terminal_shows(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of files that cannot be used: how many, of how many, the first, and where the rest is."""
    mine = tiny.recipe(shared_data / "bad", images=16)
    mine = replace(mine, data=replace(mine.data, held_out=0.0))
    files.write(tmp_path / "mine.toml", mine)
    out = tmp_path / "run"
    assert main(["train", "--config", str(tmp_path / "mine.toml"), "--out", str(out)]) == 0
    shown = [line.strip() for line in capsys.readouterr().err.splitlines()]
    logged = [line.strip() for line in (out / "train.log").read_text("utf-8").splitlines()]
    assert [line for line in logged if " step" not in line] == logged
    assert logged[0] == live.device_line("cpu")
    assert logged == shown
    rows = (out / "skipped.csv").read_text("utf-8").splitlines()[1:]
    (said,) = (line for line in logged if "cannot be used" in line)
    assert said.startswith(f"bad:train: {len(rows)} files cannot be used and are left out, ")
    assert f"{len(list((shared_data / 'bad').glob('[01]*'))) - len(rows)} images remain" in said
    assert rows[0].split(",")[0].strip('"') in said
    assert "skipped.csv" in said


@pytest.mark.parametrize("command", ["train", "continue"])
def test_out_may_not_be_a_file(run: Path, data: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match=r"notes\.txt is a file; .*--out DIR"):
        if command == "train":
            watch.train(tiny.recipe(data), out=out)
        else:
            watch.continued(str(run), longer(run), out=out)
    assert out.read_text("utf-8") == "mine"


def test_nothing_is_written_before_all_that_is_asked_for_is_there(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = tiny.recipe(data)
    out = tmp_path / "run"
    lost = replace(known, watch=replace(known.watch, extractor=str(tmp_path / "x.safetensors")))
    with pytest.raises(RunError, match=r"x\.safetensors"):
        watch.train(lost, out=out)
    find = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return find(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError):
        watch.train(replace(known, watch=replace(known.watch, tensorboard=True)), out=out)
    assert not out.exists()


def test_a_process_that_is_not_the_first_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "rank", lambda: 1)
    monkeypatch.setattr(watch.training, "train", lambda *arguments, **named: State())
    said: list[str] = []
    watch.train(tiny.recipe(data, images=16), out=tmp_path / "run", say=said.append)
    assert not said
    assert not (tmp_path / "run").exists()


class KilledError(BaseException):
    """Ends everything, as a kill does."""


def killing(action: Callable[..., Any], times: list[int]) -> Callable[..., Any]:
    """Let a function be the last one that is called."""

    def killed(*arguments: Any, **named: Any) -> Any:
        times[0] -= 1
        if times[0] == 0:
            raise KilledError
        return action(*arguments, **named)

    return killed


@pytest.mark.parametrize(
    ("module", "name"),
    [(beginning, "write_json"), (beginning, "write_text"), (files, "write")],
)
def test_a_run_killed_while_it_is_claimed_begins_anew(
    tmp_path: Path, module: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "pictures", noise(8, 28))
    (folder / "torn.png").write_bytes(b"")
    out = tmp_path / "run"
    recipe = tiny.recipe(folder, images=16)
    recipe = replace(recipe, data=replace(recipe.data, held_out=0.0))
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killing(getattr(module, name), [1]))
        with pytest.raises(KilledError):
            watch.train(recipe, out=out)
    assert not (out / "recipe.toml").exists()
    assert watch.train(recipe, out=out).state is not None
    assert all((out / name).is_file() for name in ("licence.json", "skipped.csv", "watched.json"))


@pytest.mark.parametrize(
    ("module", "name", "times"),
    [
        *((beginning.shutil, "copyfile", times) for times in (1, 2, 4)),
        (beginning, "write_state", 1),
        (beginning, "write_text", 1),
        (beginning.shutil, "rmtree", 1),
        (files, "write", 1),
    ],
    ids=str,
)
def test_a_continuation_killed_at_any_moment_is_repaired_by_the_same_command(
    run: Path, module: Any, name: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = run.with_name("whole+64")
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killing(getattr(module, name), [times]))
        with pytest.raises(KilledError):
            watch.continued(str(run), longer(run))
    left = new / "checkpoints/.64.99"  # what a kill would have left of the copy
    left.mkdir(parents=True, exist_ok=True)
    (left / "nets.safetensors").write_bytes(b"half")
    trained = watch.continued(str(run), longer(run))
    assert trained.state is not None
    assert trained.state.images_seen == 96
    assert (new / "parent.txt").read_text("utf-8") == "whole at 64 images\n"
    assert tiny.left_over(new) == []


def test_a_run_goes_on_from_the_checkpoint_that_is_named(run: Path) -> None:
    """With a learning rate of 1e-12 the weights of the last checkpoint are those it began with."""
    still = OptimizerRecipe(lr=1e-12)
    recipe = longer(run, 16)
    family = replace(tiny.GAN, generator_optimizer=still, critic_optimizer=still)
    trained = watch.continued(f"{run}@32", replace(recipe, family=family))
    new = run.with_name("whole+32")
    assert trained.folder.path == new
    assert trained.state is not None
    assert (trained.state.images_seen, trained.state.images_total) == (48, 48)
    assert (new / "parent.txt").read_text("utf-8") == "whole at 32 images\n"
    end = load_file(new / "checkpoints/48/nets.safetensors")
    for images, same in ((32, True), (64, False)):
        parent = load_file(run / f"checkpoints/{images}/nets.safetensors")
        name = "generator.first.weight" if "generator.first.weight" in parent else min(parent)
        assert bool((parent[name] == end[name]).all()) is same
    assert licences.licences(find_run(str(new)))
    last = watch.continued(f"{run}@last", longer(run))
    assert last.folder.name == "whole+64"
    assert read_state(run / "checkpoints/64").images_total == 64


@pytest.mark.parametrize("which", ["best", "33"])
def test_where_no_optimizer_is_kept_no_run_goes_on(
    run: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--continue", f"{run}@{which}", "--images", "16"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "0, 32, 64" in line
    assert which in line
    assert sorted(path.name for path in run.parent.iterdir()) == ["whole"]


def test_a_continuation_takes_its_parent_s_extractor_along(tmp_path: Path) -> None:
    parent = make_run(tmp_path / "parent")
    for ending in (".json", ".safetensors"):
        (parent.path / extracting.OWN).with_suffix(ending).write_text(ending, encoding="utf-8")
    new = make_run(tmp_path / "new", kept=(), end="")
    found = find_run(str(parent.path))
    beginning.begin_from(parent.path / "checkpoints/640", found, new)
    for ending in (".json", ".safetensors"):
        assert (new.path / extracting.OWN).with_suffix(ending).read_text("utf-8") == ending


@pytest.mark.parametrize("change", ["family.guidance", "family.optimizer.muon_lr"])
def test_going_on_refuses_what_a_checkpoint_has_no_place_for(
    data: Path, tmp_path: Path, change: str
) -> None:
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=16)
    watch.train(recipe, out=tmp_path / "runs" / "parent")
    family = tiny.DIFFUSION
    if change == "family.guidance":
        family = replace(family, guidance=2.0)
    else:
        family = replace(family, optimizer=replace(family.optimizer, muon_lr=0.01))
    with pytest.raises(RunError, match=f"cannot switch {change} on: .* without it"):
        watch.continued(str(tmp_path / "runs" / "parent"), replace(recipe, family=family))
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["parent"]
