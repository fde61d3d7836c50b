"""Few steps: the fewest evaluations that are as good as the best, in words, as a table, as CSV."""

import csv
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from statistics import NormalDist
from typing import Literal, NamedTuple

from trilemma import images
from trilemma.report import metrics, numbers, steps_chart, svg
from trilemma.report.contents import Contents, StepCurve, StepPoint
from trilemma.report.tables import written
from trilemma.report.views import Named, Reader, View
from trilemma.scores import Column, Score

REACH = NormalDist().inv_cdf(0.975)  # standard errors to either side of a 95 % interval

By = Literal["fd", "kid"]


class Choice(NamedTuple):
    """What the points of one run say."""

    by: By  # the score that decides
    best: StepPoint
    fewest: StepPoint  # fewest evaluations that are not distinguishable from the best


def score_of(point: StepPoint, by: By) -> Score:
    """Give the score that decides."""
    return point.fd if by == "fd" else point.kid


def decides(points: Sequence[StepPoint]) -> By:
    """Take the Frechet distance; the kernel distance where the other has no errors."""
    known = all(point.fd.error > 0 for point in points)
    return "fd" if known else "kid"


def choice(points: Sequence[StepPoint]) -> Choice | None:
    """Find the fewest evaluations that are not distinguishable from the best; on a tie the better.

    None: no value is finite, or the best has no interval, so that nothing is known to be as good.
    """
    by = decides(points)
    ranked = sorted(
        (point for point in points if math.isfinite(score_of(point, by).value)),
        key=lambda point: score_of(point, by).value,
    )
    if not ranked:
        return None
    best = ranked[0]
    if math.isnan(score_of(best, by).error):
        return None
    alike = [best, *(p for p in ranked[1:] if is_near(score_of(p, by), score_of(best, by)))]
    return Choice(by, best, min(alike, key=lambda point: point.evaluations))


def is_near(one: Score, best: Score) -> bool:
    """Does the 95 % interval of the difference, of independent numbers, hold 0?"""
    return one.value - best.value <= REACH * math.hypot(one.error, best.error)


def curves(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Show every run's curve, what it says, and its numbers."""
    return [one_curve(curve, runs, reader) for curve in contents.few_steps]


def one_curve(curve: StepCurve, runs: Mapping[str, Named], reader: Reader) -> View:
    """Show one run's curve: drawing, names of its lines, answer, command, table."""
    words, language = reader.words, reader.language
    found = choice(curve.points)
    label = metrics.label("fd", curve.column, words)
    return {
        "run": runs[curve.run],
        "drawing": steps_chart.chart(curve, label, words, language),
        "lines": [(svg.badge(i), name) for i, (name, _) in enumerate(steps_chart.lines(curve))],
        "own": words["steps_own"].format(way=way(curve.own, reader)),
        "floor": math.isfinite(curve.own.fd.floor),
        **answer(curve, found, reader),
        "command": command(curve, found.fewest) if found else (),
        "notes": notes(curve, runs[curve.run], reader),
        "labels": [label, metrics.label("kid", curve.column, words)],
        "rows": [row(point, curve, found, reader) for point in (*curve.points, *curve.beside)],
        "real": [
            numbers.rounded(score.floor, score.error, language=language)
            for score in (curve.own.fd, curve.own.kid)
        ],
        "caption": words["steps_of"].format(run=curve.run),
    }


def way(point: StepPoint, reader: Reader) -> str:
    """Write how a point is drawn."""
    words = reader.words
    cost = numbers.count(point.evaluations, language=reader.language)
    known = "steps_way" if point.steps > 1 else "steps_way_one"
    return words[known].format(sampler=point.sampler, steps=point.steps, evaluations=cost)


def answer(curve: StepCurve, found: Choice | None, reader: Reader) -> View:
    """Say how few evaluations are enough, and why."""
    words = reader.words
    if found is None:
        return {"verdict": "", "reason": words["steps_no_answer"]}
    alone = found.fewest is found.best
    reason = words["steps_best_alone" if alone else "steps_overlaps"].format(
        label=metrics.label(found.by, curve.column, words),
        best=way(found.best, reader),
        value=metrics.written(score_of(found.fewest, found.by), reader.language),
        best_value=metrics.written(score_of(found.best, found.by), reader.language),
    )
    verdict = words["steps_enough"].format(way=way(found.fewest, reader))
    return {"verdict": verdict, "reason": reason}


def command(curve: StepCurve, point: StepPoint) -> tuple[str, ...]:
    """Write the command that draws so, in parts that no line is to be broken in."""
    sampler = shlex.join(["--sampler", point.sampler])
    return "trilemma sample", shlex.quote(curve.called), sampler, f"--steps {point.steps}"


def notes(curve: StepCurve, run: Named, reader: Reader) -> list[str]:
    """Say how many images a point is of, whose they are, and where its error is missing."""
    words, language = reader.words, reader.language
    n, real = (
        numbers.count(v, language=language) for v in (curve.column.n_fake, curve.column.n_real)
    )
    said = [words["steps_n"].format(n=n, real=real)]
    if any(point.fd.biased for point in curve.points):
        said.append(words["steps_biased"])
    if run.group:
        said.append(words["steps_first"].format(run=curve.drawn))
    return said


def row(point: StepPoint, curve: StepCurve, found: Choice | None, reader: Reader) -> View:
    """Write one line of the table."""
    words = reader.words
    marks = [
        words[word]
        for word, meant in (
            ("steps_is_own", point is curve.own),
            ("steps_is_best", found is not None and point is found.best),
            ("steps_is_fewest", found is not None and point is found.fewest),
        )
        if meant
    ]
    return {
        "name": point.sampler or point.run,
        "marks": ", ".join(marks),
        "cells": [
            numbers.count(point.steps, language=reader.language) if point.sampler else "",
            numbers.count(point.evaluations, language=reader.language),
            *(metrics.written(score, reader.language) for score in (point.fd, point.kid)),
        ],
    }


HEAD = ("run", "sampler", "steps", "evaluations", "own", "fewest")
VALUES = ("value", "error", "floor")


def write_steps(contents: Contents, path: Path) -> None:
    """Write every point as a line; own and fewest are 1 or 0, nan is an empty cell.

    Without a curve nothing is written, and the file of an older report is taken away.
    """
    described = [field.name for field in fields(Column)]
    measured = [f"{by}_{name}" for by in ("fd", "kid") for name in VALUES]
    head = [*HEAD, *measured, "biased", *described]
    if not contents.few_steps:
        if path.is_file() and path.read_bytes().startswith(",".join(head).encode()):
            path.unlink()
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    rows: dict[tuple[object, ...], None] = {}  # a run beside two curves is written once
    for curve in contents.few_steps:
        found = choice(curve.points)
        about = [getattr(curve.column, name) for name in described]
        for point in (*curve.points, *curve.beside):
            scores = [written(getattr(s, n)) for s in (point.fd, point.kid) for n in VALUES]
            mine = found is not None and point is found.fewest
            way_ = [point.run, point.sampler, point.steps or "", point.evaluations]
            flags = [int(point is curve.own), int(mine), *scores, int(point.fd.biased)]
            rows[(*way_, *flags, *about)] = None
    writer.writerows(rows)
    images.write_bytes(path, text.getvalue().encode())
