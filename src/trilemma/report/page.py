"""One self-contained report.html: no script, nothing loaded, opens from a disk."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trilemma import images
from trilemma.report import (
    course,
    crops,
    front,
    gallery,
    illness,
    lineup,
    metrics,
    modes,
    numbers,
    steps,
    svg,
    views,
    words,
)
from trilemma.report.contents import Contents, RunView
from trilemma.report.glossary import MEANINGS
from trilemma.report.glossary_metrics import METRIC_MEANINGS
from trilemma.report.missing import missing, shown
from trilemma.report.views import Named, Reader, View
from trilemma.report.words_points import said

BADGES = 24  # marks for the names of curves


def templates() -> Environment:
    """Open the templates: everything is escaped, an unknown name is an error."""
    return Environment(
        loader=PackageLoader("trilemma.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
        keep_trailing_newline=True,
    )


def write_page(contents: Contents, path: Path, *, language: str = "en") -> Path:
    """Write the report as one HTML file and give its path.

    language: en, pt. The file is complete or absent: it is written beside its name and moved.
    TrilemmaError: another language. NoSpaceError: the place cannot be written.
    """
    page = render(contents, language=language)
    images.write_bytes(path, page.encode())
    return path


def render(contents: Contents, *, language: str = "en") -> str:
    """Give the report as HTML."""
    contents = shown(contents)
    reader = Reader(words=words.read(language, points=contents.points), language=language)
    environment = templates()
    source = environment.loader
    assert source is not None, "templates() sets a loader"
    style = source.get_source(environment, "page.css")[0]
    runs = views.named(contents, reader)
    return environment.get_template("page.html.j2").render(
        contents=contents,
        w=reader.words,
        lang=words.LANGUAGES[language],
        css=Markup(style),  # our own file
        **sections(contents, runs, reader),
    )


def sections(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> View:
    """Collect what every section shows."""
    placed = views.triangles(contents, reader)
    grids = gallery.grids(contents, runs, reader)
    met = modes.figures(contents, runs, reader)
    blocks = lineup.blocks(contents, reader.words, reader.language)
    return {
        **views.head(contents, reader),
        "head_notes": views.noted(contents.notes, reader),
        "runs": [runs[run.name] for run in contents.runs],
        "run_names": [run.name for run in contents.runs],
        "run_by_name": runs,
        "badges": [svg.badge(i) for i in range(BADGES)],
        "triangles": placed.drawings,
        "unplaced": placed.unplaced,
        "front": front.sentences(placed.axes, reader),
        "cards": [views.card(axis, runs, reader) for axis in placed.axes],
        "top_grids": (grids or met)[: 2 if len(contents.runs) <= views.OVERLAID else 4],
        "bars": views.score_bars(contents, runs, reader),
        "differences": views.differences(contents, reader),
        "blocks": blocks,
        "arrows": lineup.ARROWS,
        "better": {"higher": reader.words["higher_better"], "lower": reader.words["lower_better"]},
        "score_notes": score_notes(contents, reader),
        "modes": met,
        "shares": views.class_shares(contents, runs, reader),
        "steps": steps.curves(contents, runs, reader),
        "crops": crops.section(contents, runs, reader),
        "grids": grids,
        "nearest": gallery.nearest(contents, runs, reader),
        "ills": illness.section(contents, runs, reader),
        "watched": course.watched(contents, runs, reader),
        "losses": course.losses(contents, runs, reader),
        "scalars": course.scalars(contents, runs, reader),
        "gifs": gallery.gifs(contents, runs, reader),
        **details(contents, runs, reader),
    }


def score_notes(contents: Contents, reader: Reader) -> list[str]:
    """Say how numbers are written, what biased means where it occurs, and why some are missing."""
    scores = contents.scores.scores
    notes = [reader.words["scores_note"]] if scores else []
    known = metrics.accuracy(contents.extractor_accuracy, reader.words, reader.language)
    notes += [known] if scores and known else []
    if any(score.biased for score in scores):
        notes.append(reader.words["biased_meaning"])
    return notes + missing(contents.scores, reader.words, reader.language)


def details(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> View:
    """Collect recipes, machines, notes, meanings and licences."""
    trained = [run for run in contents.runs if run.recipe]  # others' models have neither
    recipes = lineup.differing({run.name: run.recipe for run in trained})
    machines = lineup.differing({run.name: run.machine for run in trained})
    lone = {name for name, row in recipes.items() if numbers.NOTHING in row}
    return {
        "trained_names": [run.name for run in trained],
        "recipe_shared": [(n, row) for n, row in recipes.items() if n not in lone],
        "recipe_lone": [(n, row) for n, row in recipes.items() if n in lone],
        "machine": list(lineup.flattened(contents.machine).items()),
        "machine_unlike": list(machines.items()),
        "run_notes": [
            {"run": runs[run.name], "notes": views.noted(run.notes, reader)}
            for run in contents.runs
            if run.notes
        ],
        "glossary": meanings(contents, reader.language),
        "licences": [
            {"run": runs[run.name], "text": text}
            for run in contents.runs
            for text in licence_lines(run)
        ],
    }


def licence_lines(run: RunView) -> tuple[str, ...]:
    """List the licence notes of one run, each once."""
    return tuple(dict.fromkeys(run.licences))


def meanings(contents: Contents, language: str) -> list[tuple[str, str]]:
    """List the words the page uses with their meanings: of its metrics first."""
    occur = {score.metric for score in contents.scores.scores}
    entries = [entry for name, entry in METRIC_MEANINGS.items() if name in occur]
    pairs = [entry.pt if language == "pt" else entry.en for entry in (*entries, *MEANINGS)]
    if not contents.points:
        return pairs
    return [(said(term, language), said(meaning, language)) for term, meaning in pairs]
