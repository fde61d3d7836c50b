"""What a preset's name means: the newest run of it, else the bundle that ships."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from handmade import RECIPE, make_run, seeded
from trilemma import drawing, runs
from trilemma.again import lasting
from trilemma.cli.arguments import parse_train
from trilemma.errors import RunError
from trilemma.places import Say
from trilemma.runs import Found
from trilemma.sides import How, side_of

GAN = replace(RECIPE, preset="digits-gan")  # a small network under the name of a bundle


def by_side(text: str, say: Say) -> Found:
    side = side_of(text, How(say=say))
    assert isinstance(side, Found)
    return side


WAYS: dict[str, Callable[[str, Say], Found]] = {
    "find_run": lambda text, say: runs.find_run(text, say=say),
    "sample": lambda text, say: drawing.chosen([text], say)[0],
    "evaluate": by_side,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own, where the runs lie in runs/."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    return tmp_path


@pytest.fixture(params=WAYS)
def find(request: pytest.FixtureRequest) -> Callable[[str], tuple[Found, list[str]]]:
    """Give one way to find a run, with the lines that it says."""

    def look(text: str) -> tuple[Found, list[str]]:
        said: list[str] = []
        return WAYS[request.param](text, said.append), said

    return look


def begun(name: str, second: int, *, kept: tuple[int, ...] = (320, 640)) -> None:
    place = make_run(Path("runs") / name, seeded(GAN, second), kept=kept).path
    os.utime(place / "recipe.toml", (second, second))


def test_a_preset_is_its_newest_run_and_the_bundle_stays_in_reach(
    find: Callable[[str], tuple[Found, list[str]]],
) -> None:
    found, (line,) = find("digits-gan")
    assert found.bundle and line == (
        "digits-gan: the bundle that ships; no run of this preset is here"
    )
    begun("digits-gan-s2-bb", 2)
    begun("digits-gan-s1-aa", 1)
    begun("digits-gan-s3-cc", 3)
    for left in ("best", "checkpoints"):  # nothing to draw with yet
        (Path("runs/digits-gan-s3-cc") / left).rename(f"{left}-away")
    found, (line,) = find("digits-gan")
    assert (found.name, found.bundle) == ("digits-gan-s2-bb", False)
    assert "newest run" in line and "digits-gan-s2-bb" in line and "bundle:digits-gan" in line
    found, said = find("bundle:digits-gan")
    assert (found.name, found.bundle, said) == ("digits-gan", True, [])
    assert find("digits-gan@last")[0].checkpoint == "640"


def test_a_path_and_a_folder_s_own_name_come_first(
    find: Callable[[str], tuple[Found, list[str]]],
) -> None:
    begun("digits-gan", 1)
    begun("digits-gan-s2-bb", 2)
    found, said = find("digits-gan")
    assert (found.name, found.bundle, said) == ("digits-gan", False, [])
    make_run(Path("digits-gan"))
    with pytest.raises(RunError, match=r"\./digits-gan.*bundle:digits-gan"):
        find("digits-gan")
    assert find("./digits-gan")[0].recipe == RECIPE


def test_a_preset_without_a_bundle_has_its_newest_run_too(
    find: Callable[[str], tuple[Found, list[str]]],
) -> None:
    for seed in (1, 2):
        make_run(Path(f"runs/tiny-gan-s{seed}"), seeded(RECIPE, seed))
        os.utime(f"runs/tiny-gan-s{seed}/recipe.toml", (seed, seed))
    found, (line,) = find("tiny-gan")
    assert found.name == "tiny-gan-s2" and "bundle:" not in line
    with pytest.raises(RunError, match="fits 2 runs"):
        find("tiny-ga")
    with pytest.raises(RunError, match="bundle:tiny-gan"):
        find("bundle:tiny-gan")


def test_compare_takes_all_seeds_of_the_newest_run_of_a_preset() -> None:
    """Not another recipe's, not the older of one seed, and not where a run itself is named."""
    other = replace(GAN, train=replace(GAN.train, batch_size=2 * GAN.train.batch_size))
    make_run(Path("runs/digits-gan-s5-ff"), seeded(other, 5))
    os.utime("runs/digits-gan-s5-ff/recipe.toml", (0, 0))
    for second, name in enumerate(("s1-old", "s1-aa", "s0-bb", "s2-cc"), start=1):
        make_run(Path(f"runs/digits-gan-{name}"), seeded(GAN, int(name[1])), kept=(320, 640))
        os.utime(f"runs/digits-gan-{name}/recipe.toml", (second, second))
    said: list[str] = []
    found = runs.find_seeds("digits-gan", say=said.append)
    names = ["digits-gan-s0-bb", "digits-gan-s1-aa", "digits-gan-s2-cc"]
    assert [run.name for run in found] == names
    assert said == [
        "digits-gan: 3 runs that differ in the seed: " + ", ".join(f"runs/{name}" for name in names)
    ]
    assert [run.checkpoint for run in runs.find_seeds("digits-gan@320")] == ["320"] * 3
    assert [lasting("digits-gan@320", run) for run in found] == [f"{name}@320" for name in names]
    (alone,) = runs.find_seeds("digits-gan-s2-cc", say=said.append)
    assert (alone.name, len(said)) == ("digits-gan-s2-cc", 1)
    (bundle,) = runs.find_seeds("bundle:digits-gan")
    assert bundle.bundle


def test_compare_takes_all_seeds_of_a_folder_that_was_given_to_them() -> None:
    for seed in (10, 2):
        make_run(Path(f"mine/seed-{seed}"), seeded(GAN, seed))
    Path("mine/seed-none").mkdir()
    said: list[str] = []
    found = runs.find_seeds("mine", say=said.append)
    assert [run.name for run in found] == ["seed-2", "seed-10"]
    assert said == ["mine: 2 runs that differ in the seed: mine/seed-2, mine/seed-10"]
    assert [lasting("mine", run) for run in found] == ["mine/seed-2", "mine/seed-10"]
    with pytest.raises(RunError, match="no run or bundle 'yours'"):
        runs.find_seeds("yours")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("digits-gan", "digits-gan-s0-aaaa"),
        ("digits-gan@last", "digits-gan-s0-aaaa@last"),
        ("bundle:digits-gan", "bundle:digits-gan"),
        ("digits-diffusion", "bundle:digits-diffusion"),
        ("digits-gan-s0", "digits-gan-s0"),
    ],
)
def test_a_report_names_a_run_so_that_it_is_found_again(typed: str, name: str) -> None:
    begun("digits-gan-s0-aaaa", 1)
    assert lasting(typed, runs.find_run(typed)) == name


def test_a_training_goes_on_from_the_newest_run_of_a_preset() -> None:
    begun("digits-gan-s1-aa", 1)
    begun("digits-gan-s2-bb", 2)
    asked = parse_train(["--continue", "digits-gan", "--epochs", "1"])
    assert (asked.recipe.preset, asked.recipe.seed) == ("digits-gan", 2)
