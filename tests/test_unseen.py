"""A labelled set that nobody has seen before, letters drawn here, gets its own classifier."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

import tiny
from trilemma import extracting, watch
from trilemma.comparison import compare
from trilemma.data.sources import open_source
from trilemma.errors import DataError
from trilemma.features import domain_training
from trilemma.features.domain_training import Training
from trilemma.recipe.recipe import Recipe

LETTERS = "AMW"
EACH = 40


def letters(folder: Path, each: int = EACH) -> Path:
    """Draw letters at places and sizes of chance, one folder a class."""
    rng = np.random.default_rng(0)
    for letter in LETTERS:
        (folder / letter).mkdir(parents=True)
        for number in range(each):
            picture = Image.new("L", (28, 28))
            font = ImageFont.load_default(size=int(rng.integers(16, 22)))
            place = rng.integers(2, 9), rng.integers(1, 6)
            ImageDraw.Draw(picture).text(place, letter, fill=255, font=font)
            picture.save(folder / letter / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return letters(tmp_path_factory.mktemp("data") / "digits")  # as a set that ships is called


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Train classifiers for eight passes, in a cache of one's own; count the trainings."""
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    trainings: list[int] = []

    def short() -> Training:
        trainings.append(1)
        return Training(epochs=8, batch=32)

    monkeypatch.setattr(domain_training, "Training", short)
    return trainings


def recipe(data: Path, seed: int = 0, extractor: str = "auto", images: int = 16) -> Recipe:
    known = replace(tiny.recipe(data, images=images), seed=seed)
    return replace(known, watch=replace(known.watch, extractor=extractor))


def test_runs_on_one_set_share_a_classifier_that_travels_with_them(
    data: Path, tmp_path: Path, quick: list[int]
) -> None:
    places = [tmp_path / "one", tmp_path / "other"]
    said: list[str] = []
    for seed, place in enumerate(places):
        watch.train(recipe(data, seed), out=place, say=said.append)
    assert len(quick) == 1
    assert sum("training a classifier on these images, once" in line for line in said) == 1
    one, other = ((place / extracting.OWN).read_bytes() for place in places)
    assert one == other
    shutil.rmtree(tmp_path / "cache")
    moved = [str(shutil.move(place, tmp_path / f"moved {place.name}")) for place in places]
    made = compare(moved, n=30, group=False)
    assert len(quick) == 1
    columns = {score.column for score in made.contents.scores.scores if score.metric == "kid"}
    assert len(columns) == 1
    (column,) = (made.contents.scores.columns[name] for name in columns)
    assert (column.extractor, column.reference) == ("domain", "digits:test")
    assert made.contents.extractor_accuracy > 0.6  # three classes: chance is a third
    assert {share.run for share in made.contents.scores.shares} == {"moved one", "moved other"}
    assert all(share.classes == tuple(LETTERS) for share in made.contents.scores.shares)
    drawn = {(one.run, one.checkpoint) for one in made.contents.scores.scores}
    assert {(one.run, one.checkpoint) for one in made.contents.scores.shares} == drawn
    assert all(checkpoint for _, checkpoint in drawn)


def test_a_run_goes_on_with_its_own_classifier_when_the_cache_is_gone(
    data: Path, tmp_path: Path, quick: list[int]
) -> None:
    """Training it again gives another one on another thread count: two columns in one run."""
    out = tmp_path / "run"
    watch.train(recipe(data), out=out)
    own = (out / extracting.OWN).read_bytes()
    log = (out / "log.jsonl").read_text("utf-8").splitlines(keepends=True)
    (out / "log.jsonl").write_text("".join(log[:-1]), encoding="utf-8")  # as if it were stopped
    shutil.rmtree(tmp_path / "cache")
    assert watch.train(recipe(data), out=out).state is not None
    assert len(quick) == 1
    assert (out / extracting.OWN).read_bytes() == own


def test_a_half_written_classifier_in_the_cache_is_made_again(
    data: Path, tmp_path: Path, quick: list[int]
) -> None:
    watch.train(recipe(data), out=tmp_path / "one")
    (facts,) = (tmp_path / "cache" / "extractors").glob("*.json")
    facts.unlink()
    watch.train(recipe(data, seed=1), out=tmp_path / "other")
    assert len(quick) == 2


def test_a_handful_of_labelled_images_is_scored_by_pixels(tmp_path: Path, quick: list[int]) -> None:
    few = letters(tmp_path / "few", each=3)
    watch.train(recipe(few), out=tmp_path / "run")
    assert not quick
    assert not (tmp_path / "run" / extracting.OWN).exists()
    with pytest.raises(DataError, match="labelled images"):
        watch.train(recipe(few, extractor="domain"), out=tmp_path / "asked")


def test_a_training_says_which_classes_nothing_will_tell(
    data: Path, tmp_path: Path, quick: list[int]
) -> None:
    """Colour: `auto` takes a general network; asked for, a classifier is trained."""
    assert not quick
    source = open_source(recipe(data).data, "train")
    colour = replace(recipe(data).data, channels=3, size="64x64")
    general = extracting.load("pixels", colour, device=torch.device("cpu"), say=print)
    said = extracting.without_classes(general, colour, source)
    assert "3 classes that pixels does not tell" in said
    assert "--watch.extractor domain trains a classifier on them, once" in said
    few = replace(source, labels=np.where(np.arange(len(source)) < 59, source.labels, -1))
    assert "--watch.extractor" not in extracting.without_classes(general, colour, few)
    knows = replace(general, classes=("A", "M", "W", "Z"))
    assert extracting.without_classes(knows, colour, source) == ""
    alone = replace(source, classes=("A",))
    assert extracting.without_classes(general, colour, alone) == ""


def test_the_line_is_said_before_the_first_step(
    data: Path, tmp_path: Path, quick: list[int]
) -> None:
    said: list[str] = []
    watch.train(recipe(data, extractor="pixels"), out=tmp_path / "run", say=said.append)
    assert not quick and any("3 classes that pixels does not tell" in line for line in said)
