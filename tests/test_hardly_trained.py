"""What is said of a long look before the first step, and of a network that hardly learnt."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import tiny
from handmade import RECIPE, make_run
from trilemma import extracting
from trilemma.data.sources import open_source
from trilemma.features import extractors
from trilemma.features.extractor import Extractor
from trilemma.recipe.recipe import TrainRecipe
from trilemma.report.contents import Note
from trilemma.runs import find_run
from trilemma.runviews import little_trained


def pixels_extractor() -> Extractor:
    return extractors.load("pixels")


@pytest.mark.parametrize(("pace", "lines"), [(0.1, 0), (30.0, 1)])
def test_a_long_look_at_the_training_images_is_announced_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pace: float, lines: int
) -> None:
    """pace: seconds that a look at the clock takes; a batch of 256 takes one, 600 images three."""
    now = [0.0]

    def monotonic() -> float:
        now[0] += pace
        return now[0]

    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(extracting, "time", SimpleNamespace(monotonic=monotonic))
    root = tiny.digits(tmp_path / "digits.npz", 800)
    source = open_source(tiny.recipe(root).data, "train")
    said: list[str] = []
    found = extracting.reference_features(pixels_extractor(), source, 0, say=said.append)
    assert len(found.features) == len(source) == 600
    assert len(said) == lines
    for line in said:
        assert line == (
            "pixels: looks at 600 training images before the first step, for the scores on the "
            "way; once, about 70 s"  # 30 s for 256 of them
        )
    again: list[str] = []
    extracting.reference_features(pixels_extractor(), source, 0, say=again.append)
    assert again == []  # kept


@pytest.mark.parametrize(
    ("slow", "minutes", "size"),
    [(False, 1.0, 1200), (True, 0.0, 1200), (True, 1.0, 1000), (True, 5.5, 1100), (True, 60, 1200)],
)
def test_few_minutes_take_a_slow_extractor_to_few_images(
    tmp_path: Path, slow: bool, minutes: float, size: int
) -> None:
    source = open_source(tiny.recipe(tiny.digits(tmp_path / "digits.npz", 1600)).data, "train")
    assert len(source) == 1200
    extractor = replace(pixels_extractor(), slow=slow)
    train = TrainRecipe(minutes=minutes)
    assert extracting.reference_size(extractor, source, train) == size


@pytest.mark.parametrize(("images", "little"), [(320, True), (3200, False), (99, True)])
def test_a_network_of_few_steps_is_called_so(tmp_path: Path, images: int, little: bool) -> None:
    """The recipe's batch is 16, or as the preset says: a hundred of them are enough."""
    assert RECIPE.train.batch_size <= 32
    make_run(tmp_path / "run", kept=(images,))
    found = find_run(f"{tmp_path / 'run'}@{images}")
    expected = [Note("note_little_trained", (("n", images),), found.name)] if little else []
    assert little_trained(found) == expected
