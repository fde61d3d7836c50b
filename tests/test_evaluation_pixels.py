"""Scores from pixels, and in their file."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trilemma.data.values import Source
from trilemma.errors import RunError
from trilemma.evaluation import (
    class_shares,
    column,
    evaluate,
    evaluate_pixels,
    read_scores,
    write_scores,
)
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.scores import Scores

CLASSES = ("a", "b", "c", "d", "e")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))


def source(labels: NDArray[np.int64], pixels: Pixels, name: str = "x") -> Source:
    return Source(
        name=name,
        split="test",
        pixels=pixels,
        labels=labels,
        classes=CLASSES,
        names=[str(row) for row in range(len(labels))],
        fingerprint="12" * 32,
    )


def mean_rows(pixels: Pixels) -> Features:
    """Features: means of the rows. Logits: how near their first is to 0, 50, ..., 200."""
    rows = pixels.mean(axis=(2, 3)).astype(np.float32)
    return Features(rows, -np.abs(rows[:, :1] - np.arange(0, 250, 50, dtype=np.float32)))


EXTRACTOR = Extractor(
    name="toy",
    id="toy-1",
    weights_sha256="",
    resize="none",
    features=4,
    classes=CLASSES,
    extract=mean_rows,
)


def drawn(seed: int, n: int) -> tuple[Pixels, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=n)
    pixels = labels[:, None, None, None] * 50 + rng.integers(30, size=(n, 4, 4, 1))
    return pixels.astype(np.uint8), labels


def test_pixels_are_scored_through_an_extractor() -> None:
    """The same as through its features by hand; the floor looks at as many images as fakes."""
    (fake, _), (real, labels), (other, other_labels) = drawn(0, 60), drawn(1, 90), drawn(2, 200)
    reference = source(labels, real, "letters:test")
    seen: list[int] = []

    def extract(pixels: Pixels) -> Features:
        seen.append(len(pixels))
        return mean_rows(pixels)

    extractor = replace(EXTRACTOR, extract=extract)
    found = evaluate_pixels(fake, reference, source(other_labels, other), extractor, run="r")
    assert sorted(seen) == [60, 60, 90]
    by_hand = evaluate(
        mean_rows(fake), mean_rows(real), run="r", column=column(EXTRACTOR, reference)
    )
    assert [score.value for score in found.scores] == [score.value for score in by_hand.scores]
    assert found.columns == by_hand.columns
    assert next(iter(found.columns.values())).reference == "letters:test"
    assert all(math.isfinite(score.floor) for score in found.scores)
    assert found.shares == (class_shares(mean_rows(fake), reference, run="r"),)


def test_classes_the_extractor_does_not_know_have_no_shares() -> None:
    (fake, _), (real, labels) = drawn(3, 60), drawn(4, 60)
    other = replace(EXTRACTOR, classes=("v", "w", "x", "y", "z"))
    assert evaluate_pixels(fake, source(labels, real), None, other, run="r").shares == ()


def test_scores_survive_their_file(tmp_path: Path) -> None:
    """Written and read back: nan is null in the file and nan again after it."""
    (fake, _), (real, labels) = drawn(5, 30), drawn(6, 40)
    reference = source(labels, real)
    found = evaluate_pixels(
        fake, reference, None, EXTRACTOR, run="猫", sampler="ddim-50", checkpoint="128000"
    )
    path = tmp_path / "scores.json"
    write_scores(path, found)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["schema"] == 1
    assert content["scores"][0]["error"] is None  # 30 images are too few for fd's
    assert content["columns"][content["scores"][0]["column"]]["n_real"] == 40
    assert found.shares[0].run == "猫"
    assert str(read_scores(path)) == str(found)  # nan is not equal to itself, "nan" is


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 2}', "schema 2; this version reads 1"),
        ("{", "no scores can be read"),
        ("[]", "no scores can be read"),
        ('{"schema": 1, "columns": {"a": {"n": 1}}, "scores": []}', "not as scores are written"),
        ('{"schema": 1, "columns": [], "scores": []}', "not as scores are written"),
    ],
)
def test_files_that_hold_no_scores(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message):
        read_scores(path)
    with pytest.raises(RunError, match="no scores can be read"):
        read_scores(tmp_path / "missing.json")


def test_empty_scores_are_a_file_too(tmp_path: Path) -> None:
    write_scores(tmp_path / "s.json", Scores())
    assert read_scores(tmp_path / "s.json") == Scores()
