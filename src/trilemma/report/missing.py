"""Why a number is not where a reader looks for it: no value, no floor, or another table."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from trilemma.data.splits import FEWEST_SHOWN
from trilemma.report import metrics, numbers
from trilemma.report.contents import Contents
from trilemma.report.metrics import label, of
from trilemma.scores import Column, Score, Scores

Words = Mapping[str, str]


WHY: Mapping[str, str] = {  # metric without a value -> word that says why
    "copies": "why_none_held_out",
    "coverage": "why_few",
    "density": "why_few",
    "fd_corrected": "why_few_for_features",
    "is": "why_no_classes",
    "memory_bytes": "why_not_told",
    "mode_kl": "why_no_mode",
    "precision": "why_few",
    "recall": "why_few",
}


def sayable(scores: Scores) -> Scores:
    """Take the values out that say nothing, so that no reader believes them; files keep them."""
    rows = tuple(
        replace(s, value=math.nan, floor=math.nan, low=math.nan, high=math.nan)
        if says_nothing(s, scores.columns.get(s.column))
        else s
        for s in scores.scores
    )
    return replace(scores, scores=rows)


def shown(contents: Contents) -> Contents:
    """Give a report without values that say nothing."""
    return replace(contents, scores=sayable(contents.scores))


def says_nothing(score: Score, column: Column | None) -> bool:
    """Are there too few images, or is the 95 % interval as wide as all values that there can be?

    Of fewer than ten values a standard error is itself off by a quarter: 1 / sqrt(2 (n - 1)).
    """
    metric = of(score.metric)
    if metric.paired or not (metric.group in ("quality", "coverage") or metric.wilson):
        return False
    n = min(score.n, (column.n_real if column else 0) or score.n)
    low, high = metrics.limits(metric)
    over_images = not score.low <= score.high  # else over seeds
    return n < FEWEST_SHOWN or (over_images and 2 * metrics.Z95 * score.error >= high - low)


def missing(scores: Scores, words: Words, language: str) -> list[str]:
    """Say in a line each why numbers are missing or stand in a table of their own; each once."""
    lines = (
        *other_tables(scores, words, language),
        *no_values(scores, words),
        *no_floors(scores, words, language),
    )
    return list(dict.fromkeys(lines))


def other_tables(scores: Scores, words: Words, language: str) -> Iterator[str]:
    """Explain metrics that take equal counts, where the two sides have unlike ones."""
    for run in dict.fromkeys(score.run for score in scores.scores):
        mine = [s for s in scores.scores if s.run == run and s.column in scores.columns]
        keys = dict.fromkeys(score.column for score in mine)
        columns = {key: scores.columns[key] for key in keys}
        for few, column in columns.items():
            for key, whole in columns.items():
                if column != whole and column == cut(whole):
                    yield words["other_table"].format(
                        few=labels([s for s in mine if s.column == few], scores, words),
                        n=numbers.count(column.n_fake, language=language),
                        all=labels([s for s in mine if s.column == key], scores, words),
                        n_fake=numbers.count(whole.n_fake, language=language),
                        n_real=numbers.count(whole.n_real, language=language),
                    )


def cut(column: Column) -> Column:
    """Give the column of as many images of both sides."""
    n = min(column.n_real, column.n_fake)
    return replace(column, n_real=n, n_fake=n)


def no_values(scores: Scores, words: Words) -> Iterator[str]:
    """Say of every metric that has no value for some runs why that is."""
    empty = [score for score in scores.scores if math.isnan(score.value)]
    for metric in metrics.names(empty):
        mine = [score for score in empty if score.metric == metric]
        yield words["no_value"].format(
            metric=labels(mine, scores, words),
            runs=", ".join(dict.fromkeys(score.run for score in mine)),
            why=words[why(metric, mine, scores)],
        )


def why(metric: str, empty: list[Score], scores: Scores) -> str:
    """Say why a metric has no value: a key of the words."""
    if all(says_nothing(score, scores.columns.get(score.column)) for score in empty):
        return "why_few"
    return WHY.get(metric, "why_unknown")


def no_floors(scores: Scores, words: Words, language: str) -> Iterator[str]:
    """Say of the metrics beside which no value of real images stands why that is."""
    bare = [s for s in scores.scores if math.isnan(s.floor) and not math.isnan(s.value)]
    bare = [s for s in bare if not metrics.of(s.metric).paired]
    bare = [score for score in bare if of(score.metric).group in ("quality", "coverage")]
    for n in dict.fromkeys(wanted(score, scores) for score in bare):
        mine = [score for score in bare if wanted(score, scores) == n]
        yield words["no_floor"].format(
            metrics=labels(mine, scores, words), n=numbers.count(n, language=language)
        )


def wanted(score: Score, scores: Scores) -> int:
    """Say how many other real images a floor takes: as many as were generated for any metric."""
    same = [s.n for s in scores.scores if s.run == score.run and s.column in scores.columns]
    return max(same, default=score.n)


def labels(found: list[Score], scores: Scores, words: Words) -> str:
    """List the metrics of some scores, each once, in the order of tables."""
    columns = {score.metric: scores.columns.get(score.column) for score in found}
    return ", ".join(label(name, columns[name], words) for name in metrics.names(found))
