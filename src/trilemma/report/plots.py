"""fid.png, is.png, loss.png and triangle.png: the report's drawings as single pictures.

matplotlib is imported when the first picture is drawn: it takes most of a second.
"""

import io
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trilemma import images
from trilemma.report import bars, curves, lineup, metrics, numbers, words
from trilemma.report.contents import Contents, Curve
from trilemma.report.missing import shown
from trilemma.report.placement import Axis, triangle
from trilemma.report.radar import DIRECTIONS, clipped, corners
from trilemma.report.svg import HEX as COLOURS
from trilemma.report.views import Reader
from trilemma.scores import Score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKS = "os^Dv*P"  # beside the page's colours: both tell runs apart
INK, SOFT, FAINT = "#1d2126", "#565d66", "#dcd9d0"

STYLE: Any = {  # its keys have another type in each version of matplotlib
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "text.parse_math": False,  # names may contain $
}


def write_plots(contents: Contents, folder: Path, *, language: str = "en") -> tuple[Path, ...]:
    """Draw fid.png, is.png, loss.png and triangle.png into a folder, and give their paths.

    A picture whose numbers are missing says so. NoSpaceError: the folder cannot be written.
    """
    # A home that cannot be written is said once, by `places`; matplotlib would say it in two lines.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    import matplotlib as mpl

    contents = shown(contents)
    reader = Reader(words=words.read(language, points=contents.points), language=language)
    drawn: Mapping[str, Callable[[], Figure]] = {
        "fid.png": lambda: bars_figure(contents, "fd", reader),
        "is.png": lambda: bars_figure(contents, "is", reader),
        "loss.png": lambda: loss_figure(contents, reader),
        "triangle.png": lambda: triangle_figure(contents, reader),
    }
    paths = []
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # A name in a script that matplotlib's font lacks is drawn as boxes; no reason to stop.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for name, draw in drawn.items():
            file = io.BytesIO()
            draw().savefig(file, format="png", bbox_inches="tight", metadata={"Software": ""})
            images.write_bytes(Path(folder) / name, file.getvalue())
            paths.append(Path(folder) / name)
    return tuple(paths)


def blank(width: float, height: float) -> "Figure":
    """Make a figure that belongs to no window system (Agg); inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def empty(text: str) -> "Figure":
    """Make a figure that only says something."""
    figure = blank(6, 2)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=SOFT)
    return figure


def indices(contents: Contents) -> dict[str, int]:
    """Number the runs as the page does, so that colours agree."""
    return {name: i for i, name in enumerate(lineup.run_names(contents))}


def bars_figure(contents: Contents, metric: str, reader: Reader) -> "Figure":
    """Draw one metric as bars with 95 % intervals, a panel a column: unlike columns stay apart."""
    scores = [s for s in contents.scores.scores if s.metric == metric and math.isfinite(s.value)]
    keys = list(dict.fromkeys(score.column for score in scores))
    if not keys:
        return empty(f"{reader.words[metrics.of(metric).word]}: {reader.words['nothing_measured']}")
    rows = {key: [s for s in scores if s.column == key] for key in keys}
    heights = [0.6 + 0.42 * len(found) for found in rows.values()]
    figure = blank(7.2, sum(heights) + 0.7 * len(keys))
    panels = figure.subplots(len(keys), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (key, found) in zip(panels, rows.items(), strict=True):
        draw_bars(panel, found, key, contents, reader)
    return figure


def draw_bars(
    panel: "Axes", scores: list[Score], key: str, contents: Contents, reader: Reader
) -> None:
    """Draw one column's bars and the line that real images reach."""
    number = indices(contents)
    column = contents.scores.columns.get(key)
    for row, score in enumerate(scores):
        low, high = metrics.interval(score)
        reach = [[max(score.value - low, 0.0)], [max(high - score.value, 0.0)]]
        panel.barh(
            row,
            score.value,
            height=0.62,
            color=COLOURS[number[score.run] % len(COLOURS)],
            alpha=0.3 if score.biased else 0.65,
            xerr=reach if math.isfinite(low + high) else None,
            error_kw={"ecolor": INK, "capsize": 3, "elinewidth": 1.3},
        )
    floors = sorted({s.floor for s in scores if math.isfinite(s.floor)})
    for i, floor in enumerate(floors):
        name = reader.words["real_images"] if i == 0 else None
        panel.axvline(floor, color=INK, linestyle=(0, (3, 2.5)), linewidth=1.4, label=name)
    names = [
        f"{lineup.wrapped(s.run, 30)}" + (f" ({reader.words['biased']})" if s.biased else "")
        for s in scores
    ]
    panel.set_yticks(range(len(scores)), names)
    panel.invert_yaxis()
    panel.xaxis.set_major_formatter(lambda v, _: bars.tick_text(v, reader.language))
    label = metrics.label(scores[0].metric, column, reader.words)
    better = metrics.of(scores[0].metric).better
    panel.set_xlabel(f"{label} · {reader.words[f'{better}_better']}")
    if column is not None:
        panel.set_title(f"{label} · {column.reference}, n = {column.n_fake}", fontsize=11)
    if floors:
        panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def loss_figure(contents: Contents, reader: Reader) -> "Figure":
    """Draw the losses, a row of panels a run: over images and over seconds; unlike ones apart."""
    rows = [
        (run, part)
        for run in contents.runs
        for part in curves.frames(run.losses)
        if any(curve.values for curve in part.values())
    ]
    if not rows:
        return empty(reader.words["no_curves"])
    figure = blank(9.0, 2.5 * len(rows))
    panels = figure.subplots(len(rows), 2, squeeze=False)
    for row, (run, part) in zip(panels, rows, strict=True):
        draw_losses(row[0], part, seconds=False, reader=reader)
        draw_losses(row[1], part, seconds=True, reader=reader)
        row[0].set_title(lineup.wrapped(run.name, 48), fontsize=10.5)
    return figure


def draw_losses(
    panel: "Axes", losses: Mapping[str, Curve], *, seconds: bool, reader: Reader
) -> None:
    """Draw losses of one run: means, and the range of what was averaged."""
    prepare = curves.by_seconds if seconds else curves.by_images
    for i, (name, curve) in enumerate(losses.items()):
        if not curve.values:
            continue
        drawn = prepare(name, i, curve)
        colour = COLOURS[i % len(COLOURS)]
        panel.plot(drawn.x, drawn.y, color=colour, linewidth=1.5, label=lineup.wrapped(name, 30))
        panel.fill_between(drawn.x, drawn.low, drawn.high, color=colour, alpha=0.2, linewidth=0)
    unit = reader.words["over_seconds"] + " (s)" if seconds else reader.words["over_images"]
    panel.set_xlabel(unit)
    panel.xaxis.set_major_formatter(lambda v, _: numbers.short(v, language=reader.language))
    panel.yaxis.set_major_formatter(lambda v, _: bars.tick_text(v, reader.language))
    if not seconds:
        panel.set_ylabel(reader.words["loss"])
        panel.legend(frameon=False, fontsize=9)


def triangle_figure(contents: Contents, reader: Reader) -> "Figure":
    """Draw the impossible triangle; every run is a triangle, its band the 95 % interval."""
    axes = triangle(contents)
    figure = blank(7.2, 5.4)
    panel = figure.add_subplot()
    panel.set_aspect("equal")
    panel.set_axis_off()
    for share in (0.25, 0.5, 0.75, 1.0):
        ring = [point(name, share) for name in (*DIRECTIONS, "quality")]
        panel.plot(*zip(*ring, strict=True), color=FAINT, linewidth=1.4 if share == 1 else 0.8)
    for name in DIRECTIONS:
        panel.plot(*zip((0, 0), point(name, 1.0), strict=True), color=FAINT, linewidth=0.8)
        x, y = point(name, 1.12)
        panel.text(x, y, reader.words[name], ha="center", va="center", fontsize=13, weight="bold")
    for i, run in enumerate(contents.runs):
        draw_shape(panel, axes, run.name, i)
    if contents.runs:
        panel.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.98, 1), fontsize=9)
    return figure


def point(name: str, value: float) -> tuple[float, float]:
    """Give a place on an axis; y points up."""
    dx, dy = DIRECTIONS[name]
    return value * dx, -value * dy


def draw_shape(panel: "Axes", axes: tuple[Axis, Axis, Axis], run: str, index: int) -> None:
    """Draw one run; without all three corners only those it has are marked."""
    places = corners(axes, run)
    colour, mark = COLOURS[index % len(COLOURS)], MARKS[index % len(MARKS)]
    middle = {name: clipped(place.value, 0.0) for name, place in places.items()}
    spots = np.array([point(name, value) for name, value in middle.items()]).reshape(-1, 2)
    whole = len(places) == len(DIRECTIONS)
    if whole:
        low = [point(n, clipped(p.low, middle[n])) for n, p in places.items()]
        high = [point(n, clipped(p.high, middle[n])) for n, p in places.items()]
        band = np.array([*high, high[0], *reversed([*low, low[0]])])
        panel.fill(band[:, 0], band[:, 1], color=colour, alpha=0.25, linewidth=0)
        spots = np.concatenate([spots, spots[:1]])
    style = "-" if whole else ""
    name = lineup.wrapped(run, 30)
    panel.plot(spots[:, 0], spots[:, 1], color=colour, marker=mark, linestyle=style, label=name)
