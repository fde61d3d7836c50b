"""The impossible triangle: from scores to three numbers between 0 and 1, on equal terms.

quality   precision / ceiling       (where precision is missing: floor / Frechet distance)
coverage  modes met / ceiling       (where modes are not counted: recall / ceiling, else coverage)
speed     log10(images/s), from 0.1 to 100,000 images a second

Ceiling and floor are what other real images reach against the same reference. All runs on an axis
share one metric and one column; a run that lacks it is not placed. Values above 1 (a generator may
lie closer to the reference than real images do) are drawn at 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trilemma.report.contents import Contents
from trilemma.report.metrics import interval, of
from trilemma.scores import Score

AxisName = Literal["quality", "coverage", "speed"]

QUALITY = ("precision", "fd")  # in order of preference
COUNTED = ("modes",)  # in place of these where they are counted of every run
COVERAGE = ("recall", "coverage")
SPEED = ("images_per_second", "ms_per_image")
SLOWEST, FASTEST = 0.1, 100_000.0  # images a second, at the centre and at the tip


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one run stands on one axis: 0 centre, 1 tip; the interval is of 95 %."""

    run: str
    value: float  # may be above 1
    error: float  # standard error; nan: not known, or of a speed, whose axis is logarithmic
    low: float  # nan where the error is not known
    high: float
    score: Score


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One corner of the triangle."""

    name: AxisName
    metric: str  # "": nothing to measure it by
    column: str
    ceiling: bool  # is the value divided by what real images reach?
    places: tuple[Place, ...]

    def place(self, run: str) -> Place | None:
        """Find a run on this axis."""
        return next((place for place in self.places if place.run == run), None)


def fraction(rate: float) -> float:
    """Place images a second on the speed axis: each sixth of it is a factor of ten."""
    if math.isnan(rate):
        return math.nan
    if rate <= 0:
        return 0.0
    return math.log10(rate / SLOWEST) / math.log10(FASTEST / SLOWEST)


def relative(score: Score, value: float, ceiling: bool) -> float:
    """Give a value of this score's kind as a share of what real images reach."""
    if score.metric == "images_per_second":
        return fraction(value)
    if of(score.metric).better == "lower":
        if value <= 0:  # the lower end of a wide interval
            return math.inf
        return fraction(1000 / value) if score.metric == "ms_per_image" else score.floor / value
    return value / score.floor if ceiling else value


def placed(score: Score, ceiling: bool) -> Place:
    """Place one score; a lower-is-better score turns its interval round."""
    ends = sorted(relative(score, end, ceiling) for end in interval(score))
    value = relative(score, score.value, ceiling)
    error = relative_error(score, ceiling)
    return Place(run=score.run, value=value, error=error, low=ends[0], high=ends[1], score=score)


def relative_error(score: Score, ceiling: bool) -> float:
    """Give the standard error of `relative`, to first order where it is a quotient of the value."""
    if score.metric in SPEED:
        return math.nan
    if of(score.metric).better == "lower":
        return score.floor * score.error / score.value**2 if score.value else math.nan
    return score.error / score.floor if ceiling else score.error


def usable(score: Score) -> bool:
    """Can this score be placed? A distance needs its floor."""
    if of(score.metric).better == "lower" and score.metric != "ms_per_image":
        return math.isfinite(score.value) and score.floor > 0
    return math.isfinite(score.value)


def chosen(scores: Sequence[Score], metrics: Sequence[str]) -> tuple[Score, ...]:
    """Take the metric and column that place the most runs; on a tie the preferred metric."""
    best: tuple[Score, ...] = ()
    for metric in metrics:
        for column in dict.fromkeys(score.column for score in scores):
            these = tuple(s for s in scores if s.metric == metric and s.column == column)
            if len(these) > len(best):
                best = these
    return best


def axis(name: AxisName, scores: Sequence[Score]) -> Axis:
    """Make one axis out of the scores that were chosen for it."""
    ceiling = bool(scores) and all(score.floor > 0 for score in scores)
    return Axis(
        name=name,
        metric=scores[0].metric if scores else "",
        column=scores[0].column if scores else "",
        ceiling=ceiling,
        places=tuple(placed(score, ceiling) for score in scores),
    )


def triangle(contents: Contents) -> tuple[Axis, Axis, Axis]:
    """Place every run on the three axes: quality, coverage, speed.

    Quality and coverage come from one column: the one that gives the most places on both axes. But
    where the modes of every run were counted in one column, coverage is how many are met.
    """
    shown = {run.name for run in contents.runs}
    scores = [s for s in contents.scores.scores if s.run in shown and usable(s)]
    pictures = [s for s in scores if s.metric in QUALITY + COVERAGE]
    columns = dict.fromkeys(score.column for score in pictures)
    sizes = {
        key: len({(s.run, s.metric in QUALITY) for s in pictures if s.column == key})
        for key in columns
    }
    column = max(sizes, key=lambda key: sizes[key], default="")
    mine = [score for score in pictures if score.column == column]
    counted = chosen(scores, COUNTED)
    met = counted if {s.run for s in counted} == shown else chosen(mine, COVERAGE)
    return (
        axis("quality", chosen(mine, QUALITY)),
        axis("coverage", met),
        axis("speed", chosen(scores, SPEED)),
    )


def clear_lead(axis: Axis) -> str:
    """Name the run whose 95 % interval lies above all others; "" where the intervals overlap."""
    ranked = sorted(axis.places, key=lambda place: place.value, reverse=True)
    if len(ranked) < 2:
        return ""
    rivals = max(place.high if math.isfinite(place.high) else math.inf for place in ranked[1:])
    return ranked[0].run if ranked[0].low > rivals else ""
