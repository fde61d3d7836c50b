"""Images against images: features -> METRICS -> scores with column, error and floor."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trilemma.data.splits import FEWEST_SCORED
from trilemma.data.values import Source
from trilemma.errors import DataError, RunError
from trilemma.features import cache
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.maths import frechet, kernel, manifold, statistics
from trilemma.maths.inception_score import inception_score
from trilemma.maths.randomness import rng
from trilemma.recipe.closest import unknown
from trilemma.runfolder import write_json
from trilemma.scores import Column, Heeded, Score, Scores, Shares, as_drawn
from trilemma.shares import class_shares

SCHEMA = 1  # of scores.json


@dataclass(frozen=True)
class Pair:
    """Features of generated and of real images, and what several metrics share, computed once."""

    fake: Tensor  # float64 [N, D], rows in random order
    real: Tensor  # float64 [M, D], rows in random order
    logits: Tensor  # float64 [N, K] of the generated images; K may be 0

    @property
    def equal(self) -> int:
        """As many images as both sides have."""
        return min(len(self.fake), len(self.real))

    @cached_property
    def frechet(self) -> frechet.Distance:
        """The Frechet distance, all images."""
        return frechet.jackknife(fake=self.fake, real=self.real)

    @cached_property
    def manifold(self) -> manifold.Manifold:
        """Precision, recall, density and coverage, equal counts."""
        return manifold.manifold(fake=self.fake[: self.equal], real=self.real[: self.equal])


class Measured(NamedTuple):
    """What a metric gives for a pair."""

    value: float
    error: float
    biased: bool = False  # too few images for so many features


class Metric(NamedTuple):
    """A metric and how it counts."""

    measure: Callable[[Pair], Measured]
    equal_counts: bool = False  # takes as many images of both sides


def _fd(pair: Pair) -> Measured:
    """Frechet distance as it is: to be read beside its floor."""
    return Measured(pair.frechet.value, pair.frechet.error, pair.frechet.biased)


def _fd_corrected(pair: Pair) -> Measured:
    """Frechet distance without its bias; nan where that cannot be known."""
    return Measured(pair.frechet.corrected, pair.frechet.error, pair.frechet.biased)


def _is(pair: Pair) -> Measured:
    if pair.logits.shape[1] == 0:
        return Measured(math.nan, math.nan)
    return _measured(inception_score(pair.logits))


def _measured(estimate: statistics.Estimate) -> Measured:
    return Measured(estimate.value, estimate.error)


METRICS: Mapping[str, Metric] = {  # the names of --metrics and of scores.json
    "coverage": Metric(lambda pair: _measured(pair.manifold.coverage), equal_counts=True),
    "density": Metric(lambda pair: _measured(pair.manifold.density), equal_counts=True),
    "fd": Metric(_fd),
    "fd_corrected": Metric(_fd_corrected),
    "is": Metric(_is),
    "kid": Metric(lambda pair: _measured(kernel.kid(fake=pair.fake, real=pair.real))),
    "precision": Metric(lambda pair: _measured(pair.manifold.precision), equal_counts=True),
    "recall": Metric(lambda pair: _measured(pair.manifold.recall), equal_counts=True),
}
STANDARD = ("fd", "kid", "is", "precision", "recall", "density", "coverage")  # in reading order


def evaluate(
    fake: Features,
    real: Features,
    floor: Features | Mapping[str, float] | None = None,
    *,
    run: str,
    column: Column,
    labelled: Source | None = None,
    metrics: Sequence[str] = STANDARD,
    sampler: str = "",
    checkpoint: str = "",
) -> Scores:
    """Score the features of generated images against those of real ones.

    floor: features of other real images, to be scored in place of the fakes, or what `floors` gave
    for as many; None: no floors. column: as `column` gives it; the counts are filled in here.
    labelled: as `labelled_by` gives it. Rows are shuffled, always in the same way. Unknown metrics,
    fewer than 3 images a side and features that are not finite are a DataError.
    """
    pair = _pair(fake, real, metrics)
    known = floor if isinstance(floor, Mapping) else {}
    if isinstance(floor, Features):
        known = floors(floor, real, n=len(pair.fake), metrics=metrics)
    columns = {name: _counted(column, pair, METRICS[name]) for name in metrics}
    scores = tuple(
        Score(
            run=run,
            metric=name,
            **METRICS[name].measure(pair)._asdict(),
            n=columns[name].n_fake,
            column=column_id(columns[name]),
            floor=known.get(name, math.nan),
        )
        for name in metrics
    )
    made = Scores(
        columns={column_id(c): c for c in columns.values()},
        scores=scores,
        shares=(class_shares(fake, labelled, run=run),) if labelled else (),
    )
    return as_drawn(made, sampler=sampler, checkpoint=checkpoint)


def _counted(column: Column, pair: Pair, metric: Metric) -> Column:
    if metric.equal_counts:
        return replace(column, n_real=pair.equal, n_fake=pair.equal)
    return replace(column, n_real=len(pair.real), n_fake=len(pair.fake))


def floors(
    floor: Features, real: Features, *, n: int, metrics: Sequence[str] = STANDARD
) -> dict[str, float]:
    """Score n other real images against the real ones: what a perfect generator would get.

    Chance alone keeps it from 0 (fd) or 1 (precision). With fewer than n images there is no floor:
    one from fewer would not stand beside the scores of n.
    """
    if len(floor.features) < n:
        return dict.fromkeys(metrics, math.nan)
    pair = _pair(floor, real, metrics)
    pair = Pair(pair.fake[:n], pair.real, pair.logits[:n])
    return {name: METRICS[name].measure(pair).value for name in metrics}


def evaluate_pixels(
    fake: Pixels,
    reference: Source,
    floor: Source | None,
    extractor: Extractor,
    *,
    run: str,
    metrics: Sequence[str] = STANDARD,
    sampler: str = "",
    checkpoint: str = "",
) -> Scores:
    """Score pixels uint8 [N, H, W, C] against a source; with class shares where both know classes.

    floor: other real images; as many of them as fakes are looked at. What is seen is remembered.
    """
    return evaluate(
        cache.features(extractor, fake),
        cache.features(extractor, np.asarray(reference.pixels[:])),
        cache.features(extractor, _some(floor, len(fake))) if floor else None,
        run=run,
        column=column(extractor, reference),
        labelled=labelled_by(extractor, reference),
        metrics=metrics,
        sampler=sampler,
        checkpoint=checkpoint,
    )


def labelled_by(extractor: Extractor, reference: Source) -> Source | None:
    """Give the reference if the extractor knows its classes; None: there are no class shares."""
    return reference if extractor.classes and extractor.classes == reference.classes else None


def column(extractor: Extractor, reference: Source) -> Column:
    """Say what scores by this extractor against this source may be compared with; counts are 0."""
    return Column(
        extractor=extractor.name,
        weights_sha256=extractor.weights_sha256,
        resize=extractor.resize,
        reference=reference.name,
        fingerprint=reference.fingerprint,
        split=reference.split,
        n_real=0,
        n_fake=0,
    )


def column_id(column: Column) -> str:
    """Give the first 8 digits of the sha256 of a column's canonical JSON."""
    text = json.dumps(asdict(column), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:8]


def write_scores(path: Path, scores: Scores) -> None:
    """Write scores.json; what is not finite becomes null."""
    write_json(path, {"schema": SCHEMA, **asdict(scores)})


def read_scores(path: Path) -> Scores:
    """Read scores.json; null becomes nan. A file that is none, or a newer one, is a RunError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: no scores can be read ({error}); make them again") from error
    if schema != SCHEMA:
        raise RunError(f"{path}: schema {schema}; this version reads {SCHEMA}; update trilemma")
    try:
        columns = {name: Column(**fields) for name, fields in content["columns"].items()}
        scores = tuple(Score(**_plain(fields)) for fields in content["scores"])
        shares = tuple(Shares(**_plain(fields)) for fields in content.get("shares", []))
        heeded = tuple(Heeded(**_plain(fields)) for fields in content.get("heeded", []))
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: not as scores are written ({error}); make them again") from error
    return Scores(columns=columns, scores=scores, shares=shares, heeded=heeded)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's null into nan and its lists into tuples."""
    values = {name: math.nan if value is None else value for name, value in fields.items()}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


def _some(source: Source, n: int) -> Pixels:
    """Pick at most n images of a source, at random, always the same."""
    rows = torch.randperm(len(source), generator=rng(0, "floor", 0))[:n].sort().values
    return np.asarray(source.pixels[rows.numpy()])


def _pair(fake: Features, real: Features, metrics: Sequence[str]) -> Pair:
    """Check both sides, shuffle them, and turn them into float64."""
    for name in metrics:
        if name not in METRICS:
            raise DataError(unknown("metric", name, METRICS))
    drawn, logits = _shuffled(fake, "fake", fake.features, fake.logits)
    (kept,) = _shuffled(real, "real", real.features)
    if drawn.shape[1] != kept.shape[1]:
        raise DataError(
            f"{drawn.shape[1]} features against {kept.shape[1]}; take the same extractor"
        )
    return Pair(drawn, kept, logits)


def _shuffled(side: Features, name: str, *arrays: NDArray[np.float32]) -> list[Tensor]:
    n, bad = len(side.features), ~np.isfinite(side.features).all(axis=1)
    if n < FEWEST_SCORED:
        raise DataError(f"{n} {name} images; a score takes at least {FEWEST_SCORED} on each side")
    if bad.any():
        raise DataError(f"{bad.sum()} of {n} {name} images have features that are not finite")
    order = torch.randperm(n, generator=rng(0, name, 0))
    return [torch.as_tensor(array)[order].double() for array in arrays]
