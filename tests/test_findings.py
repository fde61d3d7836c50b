"""Names and files that a review stumbled over: an @ in a path, broken neighbours, few images."""

import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from handmade import RECIPE, make_run, noise, write_folder
from trilemma import housekeeping, runs, samplecache
from trilemma.errors import RunError, TrilemmaError
from trilemma.recipe import files
from trilemma.runfolder import RunFolder
from trilemma.sampling import drawn, load_generator
from trilemma.sides import How, Listing, side_of

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, where the runs lie in runs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one", ("one", "")),
        ("one@best", ("one", "best")),
        ("me@home/one", ("me@home/one", "")),
        ("me@home/one@320", ("me@home/one", "320")),
        ("gone@home/one", ("gone@home/one", "")),
        ("two@night", ("two@night", "")),
        ("two@night@last", ("two@night", "last")),
    ],
)
def test_an_at_within_a_name_is_part_of_it(here: Path, text: str, parts: tuple[str, str]) -> None:
    make_run(here / "runs/one")
    make_run(here / "runs/two@night")
    make_run(here / "me@home/one")
    assert runs.parted(text) == parts
    if "gone" not in text:
        found = runs.find_run(text)
        assert found.checkpoint == {"320": "320", "last": "640"}.get(parts[1], "best")
        side = side_of(text, How())
        assert isinstance(side, runs.Found)
        assert (side.place.resolve(), side.checkpoint) == (found.place.resolve(), found.checkpoint)


def test_images_may_lie_in_a_folder_with_an_at(here: Path) -> None:
    write_folder(here / "cats@home", noise(3, 8))
    assert isinstance(side_of("cats@home", How()), Listing)


def test_a_path_that_is_also_a_run_s_name_is_not_guessed(here: Path) -> None:
    make_run(here / "runs/one")
    make_run(here / "one")
    for find in (runs.find_run, lambda text: side_of(text, How())):
        with pytest.raises(RunError, match=r"\./one") as caught:
            find("one")
        assert str(Path("runs/one")) in str(caught.value)
    assert runs.find_run("./one").place == Path("one")
    assert runs.find_run("runs/one").place == Path("runs/one")
    side = side_of("./one", How())
    assert isinstance(side, runs.Found)
    assert side.place == Path("one")


def test_one_broken_recipe_hides_no_other_run(here: Path) -> None:
    make_run(here / "runs/one")
    for name in ("torn", "odd"):
        broken = make_run(here / "runs" / name)
        os.utime(broken.path / "recipe.toml", (2**32, 2**32))  # the newest
    (here / "runs/torn/recipe.toml").write_text("seed = ", encoding="utf-8")
    (here / "runs/odd/recipe.toml").write_text("sede = 1", encoding="utf-8")
    found = runs.newest("adversarial")
    assert found is not None
    assert found.name == "one"
    states = {one.name: one.state for one in housekeeping.standings()}
    assert states["one"] == "finished"
    assert all(states[name].startswith("broken: ") for name in ("torn", "odd"))
    assert len(housekeeping.rubbish(old_checkpoints=True)) >= 1


def test_a_recipe_edited_by_hand_is_refused_with_its_file(here: Path) -> None:
    place = make_run(here / "runs/one").path
    family = replace(RECIPE.family, loss="hinges")  # type: ignore[type-var]
    files.write(place / "recipe.toml", replace(RECIPE, family=family))
    with pytest.raises(TrilemmaError, match=r"recipe\.toml: unknown family\.loss 'hinges'"):
        load_generator("one", device=CPU)


def test_two_processes_may_keep_the_same_images(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each writes beside the name under a name of its own, and a half written one is rubbish."""
    monkeypatch.setenv("TRILEMMA_CACHE", str(here / "cache"))
    make_run(here / "runs/one")
    found = runs.find_run("one")
    drawer = load_generator(found, device=CPU)
    pixels = samplecache.remembered(drawer, found.weights, range(5, 9))
    (entry,) = (here / "cache/images").iterdir()
    assert (pixels == drawn(drawer, range(5, 9))).all()
    assert (samplecache.remembered(drawer, found.weights, range(5, 9)) == pixels).all()
    names: list[str] = []
    monkeypatch.setattr("numpy.save", lambda file, pixels: names.append(Path(file.name).name))
    monkeypatch.setattr("os.getpid", lambda: 4711)
    samplecache.keep(entry, pixels)
    assert "4711" in names[0]
    left = entry.with_name(names[0])
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert left in {item.path for item in housekeeping.left_behind()}


def hold(path: str, seconds: float, ready: "multiprocessing.synchronize.Event") -> None:
    """Hold a run's lock for some time, in a process of its own."""
    import time

    with RunFolder(Path(path)).locked():
        ready.set()
        time.sleep(seconds)


@pytest.mark.parametrize(("seconds", "running"), [(0.03, False), (20.0, True)])
def test_who_only_asks_is_not_taken_for_a_training(
    here: Path, seconds: float, running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE", 0.5 if not running else 0.01)
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    child = context.Process(target=hold, args=(str(here / "r"), seconds, ready))
    child.start()
    assert ready.wait(60)
    assert housekeeping.running(RunFolder(here / "r")) is running
    child.terminate()
    child.join()
