"""What the verbs tell on stderr: the device once, one live display at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from handmade import make_run
from trilemma import live, watch
from trilemma.checkpoint import State
from trilemma.cli import compare, demo, train
from trilemma.cli.main import main
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, where the runs lie in runs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        "sample one --n 2",
        "evaluate one --n 3 --extractor pixels",
        "features one --n 2",
        "export one",
    ],
)
def test_a_verb_says_once_which_device_was_chosen(here: Path, words: str, capsys: Capture) -> None:
    make_run(here / "runs/one")
    extractor = ["--extractor", "pixels"] if words.startswith("features") else []
    assert main([*words.split(), *extractor]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("device: ")]
    assert lines == [live.device_line("auto")]


def recording(what: str, told: list[str]) -> Callable[..., object]:
    """Give a display that notes when it begins, when it ends, and what it is told."""

    @contextmanager
    def display(name: str) -> Iterator[Callable[..., None]]:
        told.append(f"{what} begins")
        yield lambda *facts: told.append(f"{what} {facts}")
        told.append(f"{what} ends")

    return display


def test_one_display_stands_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    for name in ("counted", "shown"):
        monkeypatch.setattr(train, name, recording(name, told))
    with train.displayed("x") as (show, progress):
        progress(1, 2)
        progress(2, 2)
        progress(1, 9)  # of another step, which ends without its last image
        show({"event": "start"})
        show({"event": "end"})
    assert told == [
        "counted begins", "counted (1, 2)", "counted (2, 2)", "counted ends",
        "counted begins", "counted (1, 9)", "counted ends",
        "shown begins", "shown ({'event': 'start'},)", "shown ({'event': 'end'},)", "shown ends",
    ]  # fmt: skip
    told.clear()
    with train.displayed("x"):
        pass
    assert told == []


@pytest.mark.parametrize("finished", [True, False])
def test_demo_takes_finished_runs_as_they_are_and_repeats_nothing(
    here: Path, finished: bool, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    minutes: list[float] = []
    compared: list[compare.Arguments] = []

    def quick(recipe: Recipe, **named: object) -> watch.Trained:
        minutes.append(recipe.train.minutes)
        folder = RunFolder(Path("runs") / recipe.preset)
        return watch.Trained(folder=folder, state=None if finished else State())

    monkeypatch.setattr(watch, "train", quick)
    monkeypatch.setattr(compare, "run", compared.append)
    assert main(["demo", "--minutes", "0.5", "--out", "there"]) == 0
    out, err = capsys.readouterr()
    assert minutes == [0.5, 0.5]
    assert [arguments.runs for arguments in compared] == [
        tuple(str(Path("runs") / name) for name in demo.PRESETS)
    ]
    assert compared[0].out == "there"
    assert err.count("finished already") == (2 if finished else 0)
    lines = [line for line in (out + err).splitlines() if line]
    assert len(set(lines)) == len(lines)
    assert "report.html" not in out  # compare has said where it lies
