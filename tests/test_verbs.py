"""The verbs evaluate, features, runs, data, clean, doctor and export, as they are typed."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from handmade import RECIPE, aged, make_run, noise, write_folder
from trilemma import forecasting, housekeeping
from trilemma.cli import doctor
from trilemma.cli.main import main
from trilemma.cli.runs import table
from trilemma.evaluation import read_scores
from trilemma.recipe.recipe import Recipe

VERBS = ("evaluate", "features", "runs", "data", "clean", "doctor", "explore", "export")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    return tmp_path


def printed(capsys: Capture, *words: str) -> str:
    """Run a verb that succeeds; give its stdout."""
    assert main(words) == 0
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str) -> str:
    """Run a verb that the user got wrong; give its one line."""
    assert main(words) == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_no_verb_loads_torch_for_its_arguments() -> None:
    names = ", ".join(f"trilemma.cli.{verb}" for verb in VERBS)
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_evaluate_prints_and_keeps(here: Path, capsys: Capture) -> None:
    make_run(here / "runs/one")
    words = ("evaluate", "one", "--n", "30", "--extractor", "pixels", "--metrics", "kid", "recall")
    shown = printed(capsys, *words)
    kept = read_scores(here / "runs/one/scores.json")
    assert [score.metric for score in kept.scores] == ["kid", "recall"]
    (column,) = kept.columns
    for text in ("KID[pixels]", "±", "Recall", column, "30 images against 30 of digits:test"):
        assert text in shown
    facts = json.loads(printed(capsys, *words, "--json"))
    assert facts == json.loads((here / "runs/one/scores.json").read_text("utf-8"))


def test_evaluate_marks_what_is_biased_and_leaves_bundles_alone(
    here: Path, capsys: Capture
) -> None:
    make_run(here / "runs/one")
    place = printed(capsys, "export", "one").strip()
    before = sorted(path.name for path in Path(place).iterdir())
    shown = printed(
        capsys, "evaluate", place, "--n", "20", "--metrics", "fd", "--extractor", "pixels"
    )
    assert "biased: too few images" in shown
    assert sorted(path.name for path in Path(place).iterdir()) == before


def test_features_can_be_read_by_other_code(here: Path, capsys: Capture) -> None:
    write_folder(here / "a b/猫", noise(3, 8))
    write_folder(here / "a b/dog", noise(2, 8, seed=1))
    out = here / "new" / "f.npz"
    printed(capsys, "features", "a b", "--out", str(out), "--extractor", "pixels")
    with np.load(out, allow_pickle=False) as held:
        assert held["features"].shape == (5, 64)
        assert held["labels"].tolist() == [0, 0, 1, 1, 1]
        assert held["names"][-1] == "猫/002.png"
        assert json.loads(str(held["meta"]))["extractor"].startswith("pixels")


def test_runs_say_how_they_stand(here: Path, capsys: Capture) -> None:
    assert main(["runs"]) == 0
    assert "no run in runs yet" in capsys.readouterr().err
    make_run(here / "runs/done")
    make_run(here / "runs/early", end="no improvement")
    make_run(here / "runs/cut", kept=(320,), end="")
    make_run(here / "runs/new", kept=(), end="")
    (here / "runs/broken").mkdir()
    (here / "runs/broken/recipe.toml").write_text("?", encoding="utf-8")
    busy = make_run(here / "runs/busy", end="")
    assert main(["export", "done", "--out", "runs/bundle"]) == 0
    capsys.readouterr()
    with busy.locked():
        rows: list[dict[str, Any]] = json.loads(printed(capsys, "runs", "--json"))
    known = {row["name"]: row for row in rows}
    assert known.pop("broken")["state"].startswith("broken: ")
    assert {name: row["state"] for name, row in known.items() if name in ours(here)} == {
        "done": "finished",
        "early": "finished: no improvement",
        "cut": "stopped at 320",
        "new": "not begun",
        "busy": "running",
        "bundle": "bundle",
    }
    done = known["done"]
    assert (done["last"], done["best"], done["metric"]) == (2.5, 1.5, "fd")
    assert (done["images_seen"], done["images_total"], done["seconds"]) == (640, 640, 11.0)
    files = [p for p in (here / "runs/done").rglob("*") if p.is_file()]
    assert done["bytes"] == sum(p.stat().st_size for p in files)
    assert known["bundle"]["images_seen"] == 320
    assert "finished: no improvement" in printed(capsys, "runs")


def test_a_long_state_is_cut_so_that_a_run_is_a_line(here: Path) -> None:
    make_run(here / "runs/done")
    make_run(here / "runs/early", end="of a long tale " * 20)
    for width in (70, 100, 160):
        console = Console(width=width, file=io.StringIO(), record=True)
        console.print(table(housekeeping.standings(), wide=width >= 120))
        lines = console.export_text().splitlines()
        assert len(lines) == 1 + len(housekeeping.standings())
        assert max(map(len, lines)) <= width
        (early,) = (line for line in lines if line.startswith("early"))
        assert "finished:" in early and "…" in early and "2.5" in early


def ours(here: Path) -> list[str]:
    return [path.name for path in (here / "runs").iterdir()]


def test_clean_deletes_only_what_can_be_made_again(here: Path, capsys: Capture) -> None:
    make_run(here / "runs/done")
    make_run(here / "runs/cut", end="")
    name = "0123456789abcdef" * 4
    gone = [
        write(here / f"cache/pixels/{name}.pixels", 1000),
        write(here / f"cache/pixels/{name}.decoded.json", 20),
        write(here / f"cache/features/{name}.npz", 300),
        write(here / f"cache/images/{name}.npy", 50),
        write(here / "cache/compiled/ab/kernel.so", 20),
        aged(write(here / f"cache/pixels/.{name}.pixels.77.part", 7), 7200),
        aged(write(here / "runs/cut/.log.csv.77", 3), 7200),
    ]
    stays = [
        write(here / "cache/images/holiday.png", 9),
        write(here / "cache/data/MNIST/raw/x.gz.part", 9),
        write(here / "cache/weights/w.pth", 9),
        write(here / "cache/extractors/0123456789abcdef.safetensors", 9),
        write(here / f"cache/pixels/.{name}.decoded.json.77.part", 9),  # just being written
        *(p for p in (here / "runs").rglob("*") if p.is_file() and p not in gone),
    ]
    assert "1,400 bytes would be freed" in printed(capsys, "clean", "--dry-run")
    assert all(path.exists() for path in (*gone, *stays))
    assert "1,400 bytes freed" in printed(capsys, "clean")
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in stays)
    printed(capsys, "clean", "--runs")
    kept = {path for path in stays if "done/checkpoints/320" not in path.as_posix()}
    assert {path for path in stays if path.exists()} == kept
    assert len(kept) == len(stays) - 4


def test_clean_leaves_a_run_alone_that_is_training(here: Path, capsys: Capture) -> None:
    busy = make_run(here / "runs/busy")
    part = aged(write(busy.path / ".log.csv.77", 3), 7200)
    with busy.locked():
        printed(capsys, "clean", "--runs")
    assert part.exists()
    assert (busy.path / "checkpoints/320").is_dir()


def write(path: Path, length: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(length))
    return path


def test_data_shows_health_and_a_contact_sheet(here: Path, capsys: Capture) -> None:
    write_folder(here / "set/cats", noise(3, 40, channels=3))
    write_folder(here / "set/dogs", noise(2, 50, channels=3, seed=1))
    (here / "set/cats/zero.png").write_bytes(b"")
    words = ("data", "set", "--quick", "--size", "24x16", "--classes", "cats")
    shown = printed(capsys, *words)
    for text in ("5 images", "cats: 3, dogs: 2", "1; cats/zero.png (empty file)", "40x40: 3"):
        assert text in shown
    assert (
        "trilemma train folder-gan --data.root set --data.size 24x16 --data.classes cats" in shown
    )
    with Image.open(here / "contact.png") as sheet:
        assert sheet.size[0] > 40
    facts = json.loads(printed(capsys, *words, "--json", "--out", "other/sheet.png"))
    assert facts["sizes"] == {"40x40": 3, "50x50": 2}
    assert facts["images"] == 5
    assert (here / "other/sheet.png").is_file()


def test_data_writes_over_its_own_contact_sheet_only(here: Path, capsys: Capture) -> None:
    write_folder(here / "set", noise(3, 40))
    printed(capsys, "data", "set", "--quick")
    first = (here / "contact.png").read_bytes()
    (here / "set/000.png").unlink()
    printed(capsys, "data", "set", "--quick")
    assert (here / "contact.png").read_bytes() != first
    for content in ((here / "set/001.png").read_bytes(), b"my notes"):
        (here / "contact.png").write_bytes(content)
        assert "is no contact sheet of ours" in refused(capsys, "data", "set", "--quick")
        assert (here / "contact.png").read_bytes() == content
        printed(capsys, "data", "set", "--quick", "--out", "")


def test_data_forecasts_the_command_that_it_suggests(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Recipe] = []

    def forecast(recipe: Recipe, **say: object) -> dict[str, object]:
        asked.append(recipe)
        return {
            "seconds": 7300, "images": 400_000, "epochs": 0.5, "images_per_second": 55,
            "ends_by": "minutes",
            "memory_bytes": 1.2e9, "disk_bytes": 9e7, "device": "cpu",
        }  # fmt: skip

    monkeypatch.setattr(forecasting, "forecast", forecast)
    write_folder(here / "grey", noise(4, 30))
    shown = printed(capsys, "data", "grey", "--preset", "folder-ddpm", "--out", "")
    assert "about 2 h 2 min for 400,000 images" in shown
    assert "--minutes 30" in shown
    assert "55 images/s on cpu; --train.minutes ends it" in shown
    assert "hint:        --train.minutes ends it before every image was seen once" in shown
    (recipe,) = asked
    assert (recipe.preset, recipe.data.root, recipe.data.channels) == ("folder-ddpm", "grey", 1)
    assert not (here / "contact.png").exists()


def test_data_refuses_in_one_line(here: Path, capsys: Capture) -> None:
    (here / "empty").mkdir()
    assert "empty" in refused(capsys, "data", "empty")
    assert "no file, folder or known set" in refused(capsys, "data", "missing")
    assert "unknown preset" in refused(capsys, "data", "digits", "--quick", "--preset", "gna")


def test_doctor_looks_at_everything(here: Path, capsys: Capture) -> None:
    facts = json.loads(printed(capsys, "doctor", "--json"))
    assert facts.keys() == doctor.LOOKS.keys()
    assert not [name for name, found in facts.items() if "error" in found]
    assert "float32" in facts["measured"]["a small step"]
    assert facts["packages"]["numpy"] == np.__version__
    assert "can be written" in facts["places"]["runs"]
    assert not (here / "runs").exists()


def test_doctor_survives_what_it_finds(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, object]:
        raise RuntimeError("the GPU\nfell out")

    monkeypatch.setattr(doctor, "LOOKS", {"PyTorch": broken})
    assert "error: RuntimeError: the GPU fell out" in printed(capsys, "doctor")


def test_extras_are_read_from_the_package() -> None:
    needed, extras = doctor.requirements(
        ["torch>=2.9", "tomli-w", 'pillow-heif>=0.22; extra == "heic"', "ruff; extra == 'dev'"]
    )
    assert needed == ["torch", "tomli-w"]
    assert extras == {"heic": ["pillow-heif"]}


def test_export_says_where_the_bundle_lies(here: Path, capsys: Capture) -> None:
    make_run(here / "runs/one", replace(RECIPE, seed=3))
    assert printed(capsys, "export", "one", "--out", "a b") == "a b\n"
    assert (here / "a b/card.md").is_file()
    assert "is there already" in refused(capsys, "export", "one", "--out", "a b")
    assert "no run or bundle 'two'" in refused(capsys, "export", "two")
