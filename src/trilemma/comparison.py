"""Runs against runs: scored on equal terms, grouped over seeds, lined up for the report."""

import datetime as dt
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from trilemma import devices, machine, processes
from trilemma.again import lasting, spelled
from trilemma.baselines import is_model
from trilemma.contenders import Contender, contenders, refuse_alone, shown
from trilemma.cropviews import crops
from trilemma.enlargements import Look
from trilemma.errors import DataError, RunError
from trilemma.evaluation import STANDARD, write_scores
from trilemma.extracting import extractor_for
from trilemma.fewsteps import Hearing, checked, curves, firsts, mark
from trilemma.grouping import gathered, group_names, grouped, told_apart
from trilemma.pairscores import enlarges, looks
from trilemma.places import Say, cache_folder
from trilemma.report.contents import Contents, Note
from trilemma.report.page import render, write_page
from trilemma.report.place import PAGE, STEPS, holds_report
from trilemma.report.plots import write_plots
from trilemma.report.steps import write_steps
from trilemma.report.tables import write_csv, write_latex
from trilemma.runs import Found, find_seeds
from trilemma.runviews import little_trained, modes_met, view
from trilemma.scores import joined
from trilemma.scoring import Progress, Reference, Scored, look, opened, score_run

GRID = 64  # images shown of every run
CROWDED = 0.25  # cores taken by other programs; beyond, a timing is too slow to be let pass


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Scored runs and the report's contents."""

    scored: tuple[Scored, ...]
    contents: Contents

    def write(self, folder: Path, *, language: str = "en") -> Path:
        """Write report.html, its plots and tables; return the page."""
        return self.to_html(folder / PAGE, language=language)

    def to_html(self, page: str | Path = PAGE, *, language: str = "en") -> Path:
        """Write the report to this file, its plots and tables beside it; errors: `holds_report`."""
        page = Path(page)
        holds_report(page, steps=bool(self.contents.few_steps))
        folder = page.parent
        folder.mkdir(parents=True, exist_ok=True)
        write_page(self.contents, page, language=language)
        write_plots(self.contents, folder, language=language)
        write_scores(folder / "scores.json", self.contents.scores)
        write_csv(self.contents, folder / "scores.csv")
        write_latex(self.contents, folder / "scores.tex", language=language)
        write_steps(self.contents, folder / STEPS)
        return page

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        text = html.escape(render(self.contents), quote=True)
        return f'<iframe srcdoc="{text}" style="width:100%;height:800px;border:0"></iframe>'


def compare(
    runs: Sequence[str],
    *,
    n: int = 0,
    extractor: str = "auto",
    metrics: Sequence[str] = STANDARD,
    device: str = "auto",
    group: bool = True,
    few_steps: bool = False,
    few_steps_n: int = 0,
    more: Mapping[str, object] = MappingProxyType({}),
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Comparison:
    """Score runs or bundles against the held-out images of their data and line them up.

    A preset's name stands for all seeds of its newest run. Beside runs of kind upscale may stand
    models (bicubic, realesrgan-x4plus, a file of weights): they enlarge what the first such run
    enlarges.
    n: images drawn of each; 0: as many as are held out, from 200 to 2,000. group: runs that differ
    only in their seed become one, with the error over seeds. few_steps: diffusion runs are drawn
    with every sampler and several numbers of steps, few_steps_n images each (0: from 200 to 512).
    more: options of the verb that this function does not take, for the report's line on how to make
    it again. RunError: no run, or models alone.
    """
    if not runs:
        raise RunError("no run to compare; give at least one (trilemma runs lists them)")
    if n < 0:
        raise DataError(f"--n {n}; allowed: 0 (as many as are held out) or more")
    checked(few_steps, few_steps_n)
    where = devices.pick(device)
    processes.start(where)
    cache_folder(say=say)  # says so where nothing can be kept
    models = [text for text in runs if is_model(text)]
    asked_for = [text for text in runs if not is_model(text)]
    named = [(run, one) for run in asked_for for one in find_seeds(run, say=say)]
    found = [one for _, one in named]
    refuse_alone(models, found)
    seen_by = looks(metrics, device=where, say=say) if any(map(enlarges, found)) else {}
    scored = scored_all(
        list({mark(one): one for one in found}.values()),
        n=n,
        extractor=extractor,
        metrics=metrics,
        seen_by=seen_by,
        device=where,
        say=say,
        progress=progress,
    )
    asked = {"n": n, "extractor": extractor, "metrics": metrics, "ungroup": not group}
    asked |= {"few_steps": few_steps, "few_steps_n": few_steps_n, "device": device, **more}
    typed = [lasting(run, one) for run, one in named]
    groups = grouped(scored) if group else [[one] for one in scored]
    first = next((one for one in scored if one.trials is not None), None)
    beside = contenders(
        models,
        first,
        names=group_names(groups),
        metrics=metrics,
        seen_by=seen_by,
        device=where,
        say=say,
        progress=progress,
    )
    made = contents(scored, groups, command=spelled([*typed, *models], asked))
    made = with_models(made, groups, beside, first)
    if few_steps:
        shown = firsts(groups, group_names(groups), dict(zip(map(mark, found), typed, strict=True)))
        hearing = Hearing(say=say, progress=progress)
        made = replace(made, few_steps=curves(shown, n=few_steps_n, hearing=hearing))
    return Comparison(scored=tuple(scored), contents=made)


def scored_all(
    places: Sequence[Found],
    *,
    n: int,
    extractor: str,
    metrics: Sequence[str],
    seen_by: Mapping[str, Look],
    device: torch.device,
    say: Say,
    progress: Progress,
) -> list[Scored]:
    """Score runs in their order; what they are held against is opened and seen once."""
    references: dict[tuple[Any, ...], Reference] = {}
    scored: list[Scored] = []
    for place in places:
        key = data_of(place)
        if key not in references:
            source, train = opened(place, say=say, progress=progress)
            marks = source.fingerprint, train.fingerprint
            if marks not in references:
                chosen = extractor_for(place, extractor, device=device, say=say)
                references[marks] = look(source, train, chosen, n=n, progress=progress)
            references[key] = references[marks]
        say(f"{place.label}: drawing and scoring")
        one = score_run(
            place,
            references[key],
            n=n,
            metrics=metrics,
            seen_by=seen_by,
            device=device,
            progress=progress,
            say=say,
        )
        if one.speed.crowding > CROWDED:
            say(f"{place.label}: timed while other programs computed, so its speed is too low")
        scored.append(one)
    return scored


def data_of(found: Found) -> tuple[Any, ...]:
    """Give what is surely equal for two runs on the same images: these are opened once."""
    data = found.recipe.data
    return data.source, data.root, data.size, data.channels, data.classes, data.held_out


def contents(
    scored: Sequence[Scored], groups: Sequence[Sequence[Scored]], *, command: str
) -> Contents:
    """Fill the report."""
    names = group_names(groups)
    first = scored[0].reference
    return Contents(
        title=" · ".join(names),
        runs=tuple(view(name, g, grid=GRID) for name, g in zip(names, groups, strict=True)),
        scores=gathered(groups, names),
        modes=modes_met(names, [members[0] for members in groups]),
        differences=tuple(told_apart(groups, names)),
        reference=first.source.name,
        real=np.asarray(first.source.pixels[first.rows[:GRID]]),
        machine=machine.describe(),
        created=dt.date.today().isoformat(),
        command=command,
        extractor_accuracy=first.extractor.accuracy if one_extractor(scored) else math.nan,
        notes=tuple(dict.fromkeys(note for one in scored for note in notes(one))),
    )


def with_models(
    made: Contents,
    groups: Sequence[Sequence[Scored]],
    beside: Sequence[Contender],
    first: Scored | None,
) -> Contents:
    """Add models to a report, and the crops of what was enlarged. first: the first upscaler."""
    runs = {view.name: group[0] for view, group in zip(made.runs, groups, strict=True)}
    scores = made.scores
    for one in beside:
        scores = joined(scores, one.scores)
    return replace(
        made,
        title=" · ".join((made.title, *(one.name for one in beside))),
        runs=(*made.runs, *(shown(one, grid=GRID) for one in beside)),
        scores=scores,
        crops=crops(runs, beside, first),
    )


def one_extractor(scored: Sequence[Scored]) -> bool:
    """Were all runs seen by one extractor, so that one accuracy stands for all numbers?"""
    return len({one.reference.extractor.id for one in scored}) == 1


def notes(one: Scored) -> list[Note]:
    """Say what a reader must know about how a run was scored."""
    said = little_trained(one.found)
    said += [Note("note_images", said=note) for note in one.reference.source.notes]
    searched, there = len(one.reference.seen_rows), len(one.reference.train)
    if searched < there:
        said.append(Note("note_searched", (("n", searched), ("all", there))))
    if not one.reference.held_out:
        said.append(Note("note_none_held_out"))
    if one.speed.crowding > CROWDED:
        percent = (("n", round(100 * one.speed.crowding)),)
        said.append(Note("note_crowded", percent, said=one.found.name))
    return said
