"""The sections of the page as plain values: what the templates show, already written out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from trilemma.report import asked, bars, lineup, metrics, numbers, radar, svg
from trilemma.report.contents import Contents, Note, RunView
from trilemma.report.placement import Axis, clear_lead, triangle
from trilemma.scores import Column, Score

View = dict[str, object]

OVERLAID = 3  # runs that one triangle holds; more get a triangle each


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Whom the page is written for."""

    words: Mapping[str, str]
    language: str  # en, pt


@dataclass(frozen=True, kw_only=True)
class Named:
    """A run as it is named all over the page."""

    name: str
    index: int  # decides colour and mark
    kind: str
    badge: Markup
    group: str  # a sentence about the members of a group; empty: a single run
    recipe: tuple[tuple[str, str], ...]


def named(contents: Contents, reader: Reader) -> dict[str, Named]:
    """Name every run shown, then whatever else was scored."""
    views = {run.name: run for run in contents.runs}
    everyone = enumerate(lineup.run_names(contents))
    return {name: one_named(name, i, views.get(name), reader) for i, name in everyone}


def one_named(name: str, index: int, run: RunView | None, reader: Reader) -> Named:
    """Name one run."""
    words = reader.words
    kind = words.get(f"kind_{run.kind}", run.kind) if run else words["kind_images"]
    group = ""
    if run and len(run.members) > 1:
        kind += ", " + words["kind_seeds"].format(n=len(run.members))
        seeds = ", ".join(str(seed) for seed in run.seeds)
        group = words["group_text"].format(
            n=len(run.members), seeds=seeds, members=", ".join(run.members)
        )
    recipe = tuple(lineup.flattened(run.recipe).items()) if run else ()
    badge = svg.badge(index)
    return Named(name=name, index=index, kind=kind, badge=badge, group=group, recipe=recipe)


def head(contents: Contents, reader: Reader) -> View:
    """Write what stands under the title."""
    words, n = reader.words, len(contents.runs)
    lede = words["lede_one"] if n == 1 else words["lede_many"].format(n=n)
    columns = contents.scores.columns
    used = [columns[s.column] for s in contents.scores.scores if s.column in columns]
    named = ", ".join(dict.fromkeys(column.reference for column in used)) or contents.reference
    meta = words["meta"].format(reference=named, created=contents.created)
    known = metrics.accuracy(contents.extractor_accuracy, words, reader.language)
    return {"lede": lede, "meta": f"{meta} {known}".strip()}


def noted(notes: Sequence[Note], reader: Reader) -> list[str]:
    """Write notes in the reader's language."""
    return [
        reader.words[note.word].format(
            said=note.said,
            **{name: numbers.count(n, language=reader.language) for name, n in note.counts},
        )
        for note in notes
    ]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The triangle, drawn."""

    axes: tuple[Axis, Axis, Axis]
    drawings: list[Markup]  # one for all runs, or one a run
    unplaced: list[str]  # sentences about runs that lack a corner


def triangles(contents: Contents, reader: Reader) -> Placed:
    """Draw the triangle, one for all or one a run, and say who could not be placed."""
    axes = triangle(contents)
    runs = [run.name for run in contents.runs]
    words, language = reader.words, reader.language
    if len(runs) <= OVERLAID:
        drawings = [radar.triangle(axes, runs, words, language)]
    else:
        drawings = [radar.small_triangle(axes, runs, i, words, language) for i in range(len(runs))]
    unplaced = []
    for run in runs:
        lacks = ", ".join(words[axis.name].lower() for axis in axes if axis.place(run) is None)
        if lacks:
            unplaced.append(words["not_placed"].format(run=run, axes=lacks))
    return Placed(axes=axes, drawings=drawings, unplaced=unplaced)


HOW = {  # metric -> words that say how it is placed: with what real images reach, without
    "precision": ("how_precision", "how_precision_bare"),
    "fd": ("how_fd", "how_fd"),
    "modes": ("how_modes", "how_modes_bare"),
    "recall": ("how_recall", "how_recall_bare"),
    "coverage": ("how_coverage", "how_coverage_bare"),
    "images_per_second": ("how_images_per_second", "how_images_per_second"),
    "ms_per_image": ("how_ms_per_image", "how_ms_per_image"),
}
QUESTIONS = {
    "quality": "quality_question",
    "coverage": "coverage_question",
    "speed": "speed_question",
}


def card(axis: Axis, runs: Mapping[str, Named], reader: Reader) -> View:
    """Write one corner of the triangle as a card: a strip a run, who leads, how it is measured."""
    words, language = reader.words, reader.language
    rows = [
        {
            "run": runs[place.run],
            "value": radar.value_text(place, language),
            "drawing": radar.strip(axis, place, runs[place.run].index, words, language),
        }
        for place in sorted(axis.places, key=lambda p: runs[p.run].index)
    ]
    lead = clear_lead(axis)
    if not axis.places:
        verdict = words["nothing_measured"]
    elif len(axis.places) == 1:
        verdict = words["only_one"]
    else:
        verdict = words["leads"].format(run=lead) if lead else words["too_close"]
    how = words[HOW[axis.metric][0 if axis.ceiling else 1]] if axis.metric else ""
    title, question = words[axis.name], words[QUESTIONS[axis.name]]
    return {"title": title, "question": question, "rows": rows, "verdict": verdict, "how": how}


def score_bars(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Draw every metric of every column as bars."""
    words, language = reader.words, reader.language
    scores = contents.scores.scores
    pictures = [s for s in scores if metrics.of(s.metric).group != "speed"]
    speeds = [s for s in scores if metrics.of(s.metric).group == "speed"]
    found: list[View] = []
    for key in dict.fromkeys(score.column for score in lineup.scores_by_weight(pictures)):
        column = contents.scores.columns.get(key)
        title = lineup.column_title(column, key, words, language)
        mine = [score for score in pictures if score.column == key]
        found.append({"title": title, "panels": panels(mine, column, runs, reader)})
    found.append({"title": words["speed_here"], "panels": panels(speeds, None, runs, reader)})
    return [group for group in found if group["panels"]]


def panels(
    scores: Sequence[Score], column: Column | None, runs: Mapping[str, Named], reader: Reader
) -> list[View]:
    """Draw each metric of one column as bars."""
    words, made = reader.words, list[View]()
    for metric in metrics.names(scores):
        mine = sorted(
            (s for s in scores if s.metric == metric), key=lambda score: runs[score.run].index
        )
        label = metrics.label(metric, column, words)
        better = BETTER[metrics.of(metric).better]
        axis = bars.scale(mine)
        if axis is not None:
            text = words[better] if better else ""
            rows = [bar_row(score, runs[score.run], axis, reader) for score in mine]
            foot = bars.foot(axis, reader.language)
            made.append({"label": label, "better": text, "rows": rows, "foot": foot})
    return made


def bar_row(score: Score, run: Named, axis: bars.Scale, reader: Reader) -> View:
    """Draw one score."""
    value = bars.value_text(score, reader.words, reader.language)
    drawing = bars.bar(score, run.index, axis, reader.words, reader.language)
    return {"run": run, "value": value, "drawing": drawing}


OVER = {"images": "verdict_images", "seeds": "verdict_seeds", "pairs": "verdict_pairs"}
BETTER = {"higher": "higher_better", "lower": "lower_better", "": ""}


def differences(contents: Contents, reader: Reader) -> list[View]:
    """Say of each pair whether the data tell the two apart."""
    words, lines = reader.words, []
    for pair in contents.differences:
        column = contents.scores.columns.get(pair.column)
        error = (pair.high - pair.low) / (2 * metrics.Z95)
        values = {
            name: numbers.rounded(value, error, language=reader.language)
            for name, value in (
                ("difference", pair.difference),
                ("low", pair.low),
                ("high", pair.high),
            )
        }
        text = words["difference_text"].format(
            label=metrics.label(pair.metric, column, words),
            first=pair.first,
            second=pair.second,
            difference=values["difference"],
            low=values["low"],
            high=values["high"],
        )
        first, second = pair.trainings
        scope = words[OVER[pair.over]].format(first=first, second=second)
        clear = pair.distinguishable
        verdict = words["distinguishable" if clear else "indistinguishable"]
        lines.append({"sure": clear, "verdict": verdict, "text": text, "scope": scope})
    return lines


def class_shares(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Draw the class shares of every run that has them."""
    words, made = reader.words, []
    heeded = asked.lines(contents.scores, words, reader.language)
    for shares in contents.scores.shares:
        if shares.run not in runs or not shares.classes:
            continue
        run = runs[shares.run]
        text = bars.absent_text(shares, words)
        if len(shares.classes) > bars.CLASSES:
            cut = words["shares_cut"].format(n=bars.CLASSES, all=len(shares.classes))
            text += f" {cut}"
        text = f"{text} {heeded.get(run.name, '')}".strip()
        drawing = bars.class_shares(shares, run.index, words, reader.language)
        made.append({"run": run, "drawing": drawing, "text": text, "missing": shares.missing})
    return made
