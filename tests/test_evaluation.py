import math
import time
from dataclasses import replace

import numpy as np
import prdc
import pytest
import torch
from numpy.typing import NDArray
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_isc import isc_features_to_metric
from torchmetrics.image.kid import poly_mmd

from trilemma.data.values import Source
from trilemma.errors import DataError
from trilemma.evaluation import (
    METRICS,
    STANDARD,
    column_id,
    evaluate,
    floors,
)
from trilemma.features.extractor import Features
from trilemma.scores import Column, Score
from trilemma.shares import class_shares

CLASSES = ("a", "b", "c", "d", "e")
COLUMN = Column(
    extractor="domain",
    weights_sha256="ab" * 32,
    resize="none",
    reference="letters:test",
    fingerprint="cd" * 32,
    split="test",
    n_real=0,
    n_fake=0,
)
LOWER_IS_BETTER = ("fd", "fd_corrected", "kid")


def clusters(
    seed: int, n: int, *, only: int | None = None, noise: float = 0.6
) -> tuple[Features, NDArray[np.int64]]:
    """Five clusters in 8 dimensions; logits by the distance to their centres."""
    centres = np.random.default_rng(0).normal(size=(5, 8)) * 3
    rng = np.random.default_rng(seed)
    labels = rng.integers(5, size=n) if only is None else np.full(n, only)
    features = centres[labels] + rng.normal(size=(n, 8)) * noise
    logits = -np.square(features[:, None] - centres).sum(axis=2)
    return Features(features.astype(np.float32), logits.astype(np.float32)), labels


def scored(fake: Features, real: Features, floor: Features | None = None) -> dict[str, Score]:
    found = evaluate(fake, real, floor, run="r", column=COLUMN, metrics=tuple(METRICS))
    return {score.metric: score for score in found.scores}


def source(labels: NDArray[np.int64]) -> Source:
    return Source(
        name="letters:test",
        split="test",
        pixels=np.zeros((len(labels), 1, 1, 1), np.uint8),
        labels=labels,
        classes=CLASSES,
        names=[str(row) for row in range(len(labels))],
        fingerprint="cd" * 32,
    )


def fidelity_fd(fake: Features, real: Features) -> float:
    sides = [
        {"mu": x.mean(axis=0), "sigma": np.cov(x, rowvar=False)}
        for x in (fake.features.astype(np.float64), real.features.astype(np.float64))
    ]
    return float(fid_statistics_to_metric(*sides, verbose=False)["frechet_inception_distance"])


def corrected_fd(fake: Features, real: Features) -> float:
    """Leave 20 groups of each side out by hand, scored by other code."""
    whole, bias = fidelity_fd(fake, real), 0.0
    for side in (0, 1):
        values = []
        for part in np.array_split(np.arange(len((fake, real)[side].features)), 20):
            both = [fake, real]
            both[side] = Features(np.delete(both[side].features, part, axis=0), fake.logits)
            values.append(fidelity_fd(*both))
        bias += 19 * (float(np.mean(values)) - whole)
    assert bias > 0.02 * whole
    return whole - bias


def prdc_value(name: str, fake: Features, real: Features) -> float:
    return float(prdc.compute_prdc(real.features, fake.features, nearest_k=5)[name])


ORACLE = {  # metric -> (fake, real) -> value by other code
    "coverage": lambda fake, real: prdc_value("coverage", fake, real),
    "density": lambda fake, real: prdc_value("density", fake, real),
    "fd": fidelity_fd,
    "fd_corrected": corrected_fd,
    "is": lambda fake, real: isc_features_to_metric(torch.from_numpy(fake.logits), splits=1)[
        "inception_score_mean"
    ],
    "kid": lambda fake, real: poly_mmd(
        *(torch.from_numpy(side.features).double() for side in (real, fake))
    ).item(),
    "precision": lambda fake, real: prdc_value("precision", fake, real),
    "recall": lambda fake, real: prdc_value("recall", fake, real),
}


def test_every_metric_has_an_oracle() -> None:
    assert ORACLE.keys() == METRICS.keys()
    assert set(STANDARD) <= METRICS.keys()


@pytest.mark.parametrize("name", METRICS)
def test_metric_is_that_of_other_code(name: str) -> None:
    """Fakes that are narrower and lack a class: an asymmetric point for every metric."""
    (fake, labels), (real, _) = clusters(1, 400, noise=0.4), clusters(2, 300)
    fake = Features(fake.features[labels > 0][:300], fake.logits[labels > 0][:300])
    score = scored(fake, real)[name]
    rel = 0.01 if name == "fd_corrected" else 1e-6  # its groups hang on the order of the rows
    assert score.value == pytest.approx(ORACLE[name](fake, real), rel=rel)
    assert 0 < score.error < abs(score.value)


def test_real_against_real_is_best_of_all() -> None:
    """Against new real images as floor: one class, noise, a shift, one image repeated."""
    (real, _), (other, _), (floor, _) = (clusters(seed, 500) for seed in (3, 4, 5))
    best = scored(other, real, floor)
    shifted = Features(other.features + 1, other.logits / 2)
    same = Features(real.features[:1].repeat(500, 0), real.logits[:1].repeat(500, 0))
    rivals = (clusters(6, 500, only=2)[0], clusters(7, 500, noise=3)[0], shifted, same)
    for rival in rivals:
        found = scored(rival, real, floor)
        for name in LOWER_IS_BETTER:
            assert found[name].value > best[name].value + 3 * best[name].error, name
            assert found[name].value > found[name].floor
        for pair in (("precision", "recall"), ("density", "coverage"), ("is",)):
            assert any(found[name].value < best[name].value for name in pair), pair
        assert found["coverage"].value < best["coverage"].value
    for name, score in best.items():
        assert score.value == pytest.approx(score.floor, abs=4 * score.error), name


def test_one_class_has_low_recall_low_coverage_and_missing_classes() -> None:
    (real, labels), (fake, _) = clusters(8, 500), clusters(9, 500, only=3)
    found = scored(fake, real)
    assert found["precision"].value > 0.9
    assert found["recall"].value < 0.3
    assert found["coverage"].value < 0.3
    shares = class_shares(fake, source(labels), run="r")
    assert shares.missing == ("a", "b", "c", "e")
    assert shares.fake == (0, 0, 0, 1, 0)
    assert shares.real == pytest.approx(np.bincount(labels) / 500)
    assert shares.low[3] > 0.98
    assert shares.high[0] < 0.01


def test_few_images_do_not_make_a_class_missing() -> None:
    """None of 10 images may be chance; unknown labels are not counted."""
    (fake, _), labels = clusters(10, 10, only=3), np.array([0, 1, 2, 3, 4, -1, -1])
    shares = class_shares(fake, source(labels), run="r")
    assert shares.missing == ()
    assert shares.real == (0.2, 0.2, 0.2, 0.2, 0.2)


def test_order_of_the_rows_does_not_matter() -> None:
    """Sorted by class, jackknife groups would be classes: errors are taken after a shuffle."""
    (fake, labels), (real, _) = clusters(11, 400), clusters(12, 400)
    order = labels.argsort()
    first = scored(fake, real)
    second = scored(Features(fake.features[order], fake.logits[order]), real)
    for name, score in first.items():
        assert second[name].error == pytest.approx(score.error, rel=0.6), name
        if name != "fd_corrected":
            assert second[name].value == pytest.approx(score.value, rel=1e-6), name


def test_columns_hold_the_counts() -> None:
    """Precision takes equal counts and so stands in a column of its own where they differ."""
    (fake, _), (real, _) = clusters(13, 50), clusters(14, 80)
    found = evaluate(fake, real, run="r", column=COLUMN, metrics=("fd", "kid", "precision"))
    counts = [
        (found.columns[score.column].n_real, found.columns[score.column].n_fake, score.n)
        for score in found.scores
    ]
    assert counts == [(80, 50, 50), (80, 50, 50), (50, 50, 50)]
    assert len(found.columns) == 2
    equal = evaluate(fake, fake, run="r", column=COLUMN)
    assert len(equal.columns) == 1


def test_column_ids_tell_columns_apart() -> None:
    assert column_id(COLUMN) == column_id(replace(COLUMN))
    others = [replace(COLUMN, n_real=1), replace(COLUMN, n_fake=1), replace(COLUMN, split="train")]
    assert len({column_id(one) for one in (COLUMN, *others)}) == 4


def test_floor_takes_as_many_images_or_none() -> None:
    (real, _), (more, _), (fake, _) = clusters(15, 200), clusters(16, 300), clusters(17, 200)
    assert scored(fake, real, more)["fd"].floor > 0
    few = Features(more.features[:199], more.logits[:199])
    assert math.isnan(scored(fake, real, few)["fd"].floor)
    assert math.isnan(scored(fake, real)["fd"].floor)
    known = floors(more, real, n=200, metrics=("fd", "kid"))
    again = evaluate(fake, real, known, run="r", column=COLUMN, metrics=("fd", "kid"))
    once = evaluate(fake, real, more, run="r", column=COLUMN, metrics=("fd", "kid"))
    assert repr(again) == repr(once)  # a nan equals none


def test_small_samples_are_labelled() -> None:
    """Fewer than 8 images a feature: fd is biased and has no error; kid leads."""
    (fake, _), (real, _) = clusters(18, 63), clusters(19, 64)
    found = scored(fake, real)
    assert found["fd"].biased
    assert math.isnan(found["fd"].error)
    assert math.isnan(found["fd_corrected"].value)
    assert not found["kid"].biased
    assert found["kid"].error > 0
    assert not scored(real, real)["fd"].biased


def test_no_classes_no_inception_score() -> None:
    (fake, _), (real, _) = clusters(20, 40), clusters(21, 40)
    found = scored(Features(fake.features, fake.logits[:, :0]), real)
    assert math.isnan(found["is"].value)
    assert not math.isnan(found["kid"].value)


def test_what_cannot_be_scored_is_said_in_one_line() -> None:
    (fake, _), (real, _) = clusters(22, 40), clusters(23, 40)
    broken = Features(fake.features.copy(), fake.logits)
    broken.features[7, 1] = np.nan
    few = Features(fake.features[:2], fake.logits[:2])
    narrow = Features(fake.features[:, :4], fake.logits)
    cases = {"not finite": broken, "at least 3": few, "same extractor": narrow}
    for message, side in cases.items():
        with pytest.raises(DataError, match=message):
            evaluate(side, real, run="r", column=COLUMN)
    with pytest.raises(DataError, match="did you mean precision"):
        evaluate(fake, real, run="r", column=COLUMN, metrics=("precison",))


def test_two_thousand_images_take_seconds() -> None:
    """2,000 against 2,000 with 64 features and a floor; the limit is 30 s on two cores."""
    rng = np.random.default_rng(26)
    sides = [
        Features(rng.normal(size=(2000, 64)).astype(np.float32), np.zeros((2000, 10), np.float32))
        for _ in range(3)
    ]
    start = time.process_time()
    found = evaluate(*sides, run="r", column=COLUMN)
    assert time.process_time() - start < 20
    assert all(math.isfinite(score.error) for score in found.scores)


def test_of_few_images_a_class_that_is_never_met_is_neither_missing_nor_there() -> None:
    """Wilson's upper end of 0 of 150 is 0.025, of 0 of 400 0.0095; a tenth of a share is 0.02."""
    labels = np.arange(100) % 5
    for n, sure in ((150, False), (400, True)):
        logits = np.zeros((n, 5), dtype=np.float32)
        logits[:, 3] = 1.0
        shares = class_shares(Features(np.zeros((n, 1)), logits), source(labels), run="r")
        others = ("a", "b", "c", "e")
        assert (shares.missing, shares.unsure) == ((others, ()) if sure else ((), others))
