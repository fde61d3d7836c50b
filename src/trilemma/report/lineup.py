"""Scores lined up: a row a metric, a column a run; unlike columns apart, with the reason."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from trilemma.report import numbers
from trilemma.report.contents import Contents, RunView
from trilemma.report.metrics import GROUPS, Group, extractor_name, label, names, of, written
from trilemma.scores import Column, Score

Words = Mapping[str, str]

ARROWS = {"higher": "↑", "lower": "↓", "": ""}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One metric, or one fact about the runs."""

    label: str
    better: str  # higher, lower, or empty
    real: str  # what real images reach; empty: nothing to say
    cells: tuple[str, ...]  # one a run
    scores: tuple[Score | None, ...]  # behind the cells; None: a fact, or nothing measured


@dataclass(frozen=True, kw_only=True)
class Section:
    """The rows of one corner of the triangle."""

    group: Group
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Block:
    """One table: everything in it may be compared."""

    key: str  # of the column; empty: none
    title: str
    apart: str  # why it is not part of the first table; empty: it is the first
    runs: tuple[str, ...]
    sections: tuple[Section, ...]


def run_names(contents: Contents) -> tuple[str, ...]:
    """List the runs shown, then whatever else was scored."""
    scored = [score.run for score in contents.scores.scores]
    return tuple(dict.fromkeys([*(run.name for run in contents.runs), *scored]))


def wrapped(name: str, letters: int) -> str:
    """Break a long name into lines, after hyphens, underscores and spaces."""
    lines = [""]
    for piece in re.split(r"(?<=[-_ ])", name):
        if lines[-1] and len(lines[-1]) + len(piece) > letters:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def cell(score: Score | None, words: Words, language: str) -> str:
    """Write one measured value with its error, and that it is biased."""
    if score is None:
        return numbers.NOTHING
    text = written(score, language)
    return f"{text} ({words['biased']})" if score.biased else text


def find(scores: tuple[Score, ...], run: str, metric: str, column: str) -> Score | None:
    """Find one score; the first if several were handed in."""
    same = (s for s in scores if (s.run, s.metric, s.column) == (run, metric, column))
    return next(same, None)


def score_row(
    contents: Contents, metric: str, column: str, runs: tuple[str, ...], words: Words, language: str
) -> Row:
    """Line up one metric."""
    found = tuple(find(contents.scores.scores, run, metric, column) for run in runs)
    known = [s for s in found if s is not None and math.isfinite(s.floor)]
    errors = [s.error for s in known if s.error > 0]
    coarse = max(errors, default=math.nan)  # one value must not be written in two ways
    spread = dict.fromkeys(numbers.rounded(s.floor, coarse, language=language) for s in known)
    return Row(
        label=label(metric, contents.scores.columns.get(column), words),
        better=of(metric).better,
        real=" / ".join(sorted(spread)),
        cells=tuple(cell(score, words, language) for score in found),
        scores=found,
    )


def fact_rows(
    contents: Contents, runs: tuple[str, ...], words: Words, language: str
) -> tuple[Row, ...]:
    """Line up what is known of the runs without measuring images."""
    views = {view.name: view for view in contents.runs}

    def row(name: str, better: str, written: dict[str, str]) -> Row:
        cells = tuple(written.get(run, numbers.NOTHING) for run in runs)
        return Row(label=name, better=better, real="", cells=cells, scores=(None,) * len(runs))

    def each(value: str) -> dict[str, str]:
        return {name: fact(view, value, language) for name, view in views.items()}

    samplers = {s.run: s.sampler for s in contents.scores.scores if s.sampler}
    rows = (
        row(words["sampler"], "", samplers),
        row(words["evaluations"], "lower", each("evaluations")),
        row(words["parameters"], "", each("parameters")),
        row(words["training_rate"], "higher", each("training_images_per_second")),
        row(words["images_seen"], "", each("images_seen")),
        row(words["training_seconds"], "", each("training_seconds")),
    )
    return tuple(r for r in rows if any(text != numbers.NOTHING for text in r.cells))


def fact(view: RunView, name: str, language: str) -> str:
    """Write one fact; a count of 0 means that nobody counted."""
    value = float(getattr(view, name))
    if not math.isfinite(value) or value <= 0:
        return numbers.NOTHING
    if name == "training_seconds":
        return numbers.duration(value, language=language)
    if name == "evaluations":
        return numbers.count(value, language=language)
    return numbers.short(value, language=language)


def differing_fields(column: Column, first: Column, words: Words) -> str:
    """Name what two columns do not share, with both values, as words for a reader."""
    pieces = []
    for field in fields(Column):
        mine, other = getattr(column, field.name), getattr(first, field.name)
        if mine != other:
            name = words[COLUMN_WORDS[field.name]]
            pieces.append(f"{name} ({brief(field.name, mine)} ≠ {brief(field.name, other)})")
    return ", ".join(pieces)


COLUMN_WORDS = {
    "extractor": "extractor",
    "weights_sha256": "weights",
    "resize": "resize",
    "reference": "reference",
    "fingerprint": "fingerprint",
    "split": "split",
    "n_real": "n_real",
    "n_fake": "n_fake",
}


def brief(field: str, value: object) -> str:
    """Shorten digests and paths."""
    if field in ("weights_sha256", "fingerprint"):
        return str(value)[:8] or numbers.NOTHING
    if field == "extractor":
        return extractor_name(str(value))
    return str(value)


def column_title(column: Column | None, key: str, words: Words, language: str) -> str:
    """Say what a table's numbers were measured with and against."""
    if column is None:
        return key or words["scores"]
    return words["column_title"].format(
        extractor=extractor_name(column.extractor),
        reference=column.reference,
        n_real=numbers.count(column.n_real, language=language),
        n_fake=numbers.count(column.n_fake, language=language),
    )


def section(
    contents: Contents, key: str, group: Group, runs: tuple[str, ...], words: Words, language: str
) -> Section:
    """Line up the metrics of one corner and column."""
    scores = [s for s in contents.scores.scores if s.column == key and of(s.metric).group == group]
    rows = (score_row(contents, name, key, runs, words, language) for name in names(scores))
    return Section(group=group, rows=tuple(rows))


def speed_section(
    contents: Contents, runs: tuple[str, ...], words: Words, language: str
) -> Section:
    """Line up how fast the runs are, whatever column their speed was filed under."""
    scores = [s for s in contents.scores.scores if of(s.metric).group == "speed"]
    keys = dict.fromkeys(score.column for score in scores)
    rows = [
        row for key in keys for row in section(contents, key, "speed", runs, words, language).rows
    ]
    return Section(group="speed", rows=(*rows, *fact_rows(contents, runs, words, language)))


def blocks(contents: Contents, words: Words, language: str) -> tuple[Block, ...]:
    """Line up everything: one table where all columns are alike, otherwise several.

    The order inside a table is quality, coverage, speed. Tables after the first say which fields of
    their column differ from the first one's.
    """
    everyone = run_names(contents)
    scored = [s for s in contents.scores.scores if of(s.metric).group != "speed"]
    keys = list(dict.fromkeys(score.column for score in scores_by_weight(scored)))
    columns = contents.scores.columns
    speed = speed_section(contents, everyone, words, language)
    made: list[Block] = []
    for key in keys:
        mine = {score.run for score in scored if score.column == key}
        runs = everyone if len(keys) == 1 else tuple(run for run in everyone if run in mine)
        sections = [section(contents, key, g, runs, words, language) for g in GROUPS[:-1]]
        if len(keys) == 1:
            sections.append(speed)
        apart = ""
        if made and key in columns and keys[0] in columns:
            differs = differing_fields(columns[key], columns[keys[0]], words)
            apart = words["apart"].format(fields=differs)
        elif made:
            apart = words["apart_unknown"]
        title = column_title(columns.get(key), key, words, language)
        kept = tuple(s for s in sections if s.rows)
        made.append(Block(key=key, title=title, apart=apart, runs=runs, sections=kept))
    if len(keys) != 1 and speed.rows:
        title = words["speed_here"]
        made.append(Block(key="", title=title, apart="", runs=everyone, sections=(speed,)))
    return tuple(made)


def scores_by_weight(scores: list[Score]) -> list[Score]:
    """Put the column with the most runs first; ties stay in the order they came in."""
    runs = {key: {s.run for s in scores if s.column == key} for key in {s.column for s in scores}}
    return sorted(scores, key=lambda score: -len(runs[score.column]))


def flattened(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Turn nested tables into dotted names with written values."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{name}"] = ", ".join(str(item) for item in value) or "()"
        else:
            flat[f"{prefix}{name}"] = str(value) if value != "" else '""'
    return flat


def differing(trees: Mapping[str, Mapping[str, object]]) -> dict[str, tuple[str, ...]]:
    """Keep the fields whose values are not the same in every tree; those all of them have first.

    Returns dotted field -> one written value a tree, NOTHING where a tree lacks the field.
    """
    flat = [flattened(tree) for tree in trees.values()]
    every = dict.fromkeys(name for fields_ in flat for name in fields_)
    rows = {name: tuple(f.get(name, numbers.NOTHING) for f in flat) for name in every}
    unlike = {name: row for name, row in rows.items() if len(set(row)) > 1}
    return dict(sorted(unlike.items(), key=lambda item: numbers.NOTHING in item[1]))
