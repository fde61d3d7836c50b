"""Upscalers held against large images: those of a folder, or those that a run holds out."""

import hashlib
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from trilemma import runs
from trilemma.assessing import Assessed, assessed
from trilemma.baselines import Baseline, is_model, open_baseline
from trilemma.enlargements import Trials, Values, held_out
from trilemma.errors import DataError
from trilemma.evaluation import STANDARD
from trilemma.folderpairs import Making, count_of, pairs_in
from trilemma.maths.statistics import median_error
from trilemma.pairscores import MEGAPIXEL, PAIRED, column, looks, measured, scores_of
from trilemma.recipe.checking_upscale import BICUBIC
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import UpscaleRecipe
from trilemma.scores import Column, Score, Scores
from trilemma.sides import How, Side, side_of


def assessed_any(
    images: str,
    against: str = "",
    *,
    n: int = 0,
    metrics: Sequence[str] = (),
    low: str = "",
    scale: int = 0,
    how: How,
) -> Assessed:
    """Score what enlarges images pair by pair, and everything else as `assessed` does.

    Pairs: of a model by name or file, and of a run where `low` or `scale` is given.
    """
    if is_model(images) or low or scale:
        scores = assessed_pairs(
            images, against, n=n, metrics=metrics, low=low, scale=scale, how=how
        )
        return Assessed(scores=scores, run=None)
    return assessed(images, against, n=n, metrics=metrics or STANDARD, how=how)


def assessed_pairs(
    model: str,
    against: str,
    *,
    n: int = 0,
    metrics: Sequence[str] = (),
    low: str = "",
    scale: int = 0,
    how: How,
) -> Scores:
    """Enlarge the small images of a folder, or of a run's held-out ones, and score the results.

    metrics: of PAIRED; empty: all that can be had. low, scale: as Making has them; 0: the model's
    own. DataError: no pairs, or metrics and options that do not fit them.
    """
    for metric in metrics:
        if metric not in PAIRED:
            raise DataError(unknown("metric of enlarged images", metric, PAIRED))
    if not against:
        raise DataError(
            f"say which large images {model} is held against: --against FOLDER, or a run of kind "
            "upscale, whose held-out ones are taken"
        )
    real = side_of(against, how)
    if isinstance(real, runs.Found):
        scale = run_scale(real, low, scale)
    baseline = open_baseline(model, scale=scale, device=how.device, say=how.say)
    making = Making(scale=baseline.scale, low=low or BICUBIC, size=how.size)
    values, columns, seconds = scored(
        baseline, chosen(real, making, n=n, how=how), metrics, total=total(real, n), how=how
    )
    made = scores_of(baseline.name, values, columns)
    return replace(made, scores=(*made.scores, speed_score(baseline.name, seconds)))


def run_scale(run: runs.Found, low: str, scale: int) -> int:
    """Give the scale of a run's pairs. DataError: it is no upscaler, or options say otherwise."""
    family = run.recipe.family
    if not isinstance(family, UpscaleRecipe):
        raise DataError(f"{run.name} is of kind {family.kind} and has no pairs; give a folder")
    if low or scale not in (0, family.scale):
        raise DataError(
            f"{run.name} has its own small images, x{family.scale}; leave out --low and --scale"
        )
    return family.scale


def chosen(real: Side, making: Making, *, n: int, how: How) -> Iterator[Trials]:
    """Give the pairs of a side: of a run all at once, of a folder one by one."""
    if isinstance(real, runs.Found):
        return iter([held_out(real.recipe, n, say=how.say)])
    return pairs_in(real, making, n=n, how=how)


def total(real: Side, n: int) -> int:
    """Count the images of a side, for a bar; 0: not known yet."""
    return 0 if isinstance(real, runs.Found) else count_of(real, n)


def scored(
    baseline: Baseline,
    pairs: Iterator[Trials],
    metrics: Sequence[str],
    *,
    total: int,
    how: How,
) -> tuple[Values, dict[str, Column], list[float]]:
    """Enlarge and measure; give one value an image, columns, and seconds per megapixel."""
    seen_by = looks(metrics, device=how.device, say=how.say)
    found: list[Values] = []
    seconds: list[float] = []
    marks, first = [], None
    for trials in pairs:
        first = first or trials
        made = []
        for small in trials.small:
            began = time.perf_counter()
            large = baseline.enlarge(small)
            share = large.shape[0] * large.shape[1] / MEGAPIXEL
            seconds.append((time.perf_counter() - began) / share)
            made.append(large)
            how.progress(len(seconds), max(total, len(seconds)))
        found.append(measured(np.stack(made), trials, seen_by, device=how.device))
        marks.append(trials.mark)
    if first is None:
        raise DataError("no large image could be read; give another folder")
    mark = marks[0] if len(marks) == 1 else hashlib.sha256("".join(marks).encode()).hexdigest()
    names = [name for name in found[0] if name in (metrics or found[0])]
    values = {name: np.concatenate([each[name] for each in found]) for name in names}
    columns = {
        name: replace(column(first, name, len(value)), fingerprint=mark)
        for name, value in values.items()
    }
    return values, columns, seconds


def speed_score(run: str, seconds: Sequence[float]) -> Score:
    """Give the median of seconds per megapixel; it stands in no column."""
    return Score(
        run=run,
        metric="seconds_per_megapixel",
        value=statistics.median(seconds),
        error=median_error(seconds) if len(seconds) > 1 else math.nan,
        n=len(seconds),
        column="",
        floor=math.nan,
    )
