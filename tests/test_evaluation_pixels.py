"""Scores from pixels, and in their file."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from handmade import noise
from trilemma.data.values import Source
from trilemma.errors import RunError
from trilemma.evaluation import (
    column,
    evaluate,
    evaluate_pixels,
    read_scores,
    write_scores,
)
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.maths.copying import copying
from trilemma.report import metrics
from trilemma.scores import Score, Scores
from trilemma.scoring import Reference, copy_score, look, quality, searched, tensor
from trilemma.shares import class_shares

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
    (shares,) = content["shares"]
    assert (shares["run"], shares["sampler"], shares["checkpoint"]) == ("猫", "ddim-50", "128000")
    assert str(read_scores(path)) == str(found)  # nan is not equal to itself, "nan" is
    del shares["sampler"], shares["checkpoint"], shares["unsure"]  # as files of before have it
    path.write_text(json.dumps(content), encoding="utf-8")
    (old,) = read_scores(path).shares
    assert (old.sampler, old.checkpoint, old.fake) == ("", "", found.shares[0].fake)


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


def toy_source(pixels: Pixels, mark: str) -> Source:
    return Source(
        name="toy",
        split="test",
        pixels=pixels,
        labels=np.full(len(pixels), -1),
        classes=(),
        names=[str(row) for row in range(len(pixels))],
        fingerprint=mark * 32,
    )


def toy_reference(*, held_out: bool) -> Reference:
    """300 training pictures of noise, and 200 others that are held out, or the same."""
    train, other = noise(300, 4, seed=1), noise(200, 4, seed=2)
    source = toy_source(other, "ab") if held_out else toy_source(train, "cd")
    return look(source, toy_source(train, "cd"), pixels_extractor(), progress=lambda *_: None)


def pixels_extractor() -> Extractor:
    return Extractor(
        name="pixels",
        id="pixels",
        weights_sha256="",
        resize="none",
        features=16,
        extract=lambda pixels: Features(
            pixels.reshape(len(pixels), -1).astype(np.float32), np.zeros((len(pixels), 0), "f4")
        ),
    )


def copied(reference: Reference, fake: Pixels) -> Score:
    features = reference.extractor(fake)
    copies = copying(
        fake=tensor(features), train=tensor(reference.seen), held_out=tensor(reference.real)
    )
    columns, score = copy_score("r", copies, reference)
    assert columns.keys() == {score.column}
    return score


def test_copies_are_a_score_with_wilsons_interval() -> None:
    """50 of 200 samples are training images; the rest is other noise."""
    reference = toy_reference(held_out=True)
    fake = np.concatenate([reference.train.pixels[:50], noise(150, 4, seed=3)])
    score = copied(reference, fake)
    assert (score.metric, score.n, score.floor) == ("copies", 200, 0.01)
    hits = round(200 * score.value)
    assert 50 <= hits <= 56
    expected = stats.binomtest(hits, 200).proportion_ci(0.95, method="wilson")
    assert metrics.interval(score) == pytest.approx((expected.low, expected.high), rel=1e-9)
    none = copied(reference, noise(200, 4, seed=5) // 2 + 128)
    assert none.value == 0
    expected = stats.binomtest(0, 200).proportion_ci(0.95, method="wilson")
    assert metrics.interval(none) == pytest.approx((0, expected.high), abs=1e-9)


def test_copies_stand_in_the_column_of_the_distance() -> None:
    reference = toy_reference(held_out=True)
    fake = noise(200, 4, seed=3)
    distance = quality("r", reference.extractor(fake), reference, ("fd",)).scores[0]
    assert copied(reference, fake).column == distance.column


def test_without_held_out_images_there_is_no_floor_and_no_share_of_copies() -> None:
    """Every image would be held against itself: a floor of 0, and a mark of 0."""
    apart, same = toy_reference(held_out=True), toy_reference(held_out=False)
    fake = noise(200, 4, seed=3)
    floors = [
        quality("r", one.extractor(fake), one, ("precision",)).scores[0].floor
        for one in (apart, same)
    ]
    assert 0 < floors[0] <= 1
    assert math.isnan(floors[1])
    assert math.isnan(copied(same, fake).value)


def test_slow_extractors_look_at_fewer_training_images() -> None:
    found = {slow: searched(replace(pixels_extractor(), slow=slow)) for slow in (False, True)}
    assert found == {False: 20_000, True: 2_000}
