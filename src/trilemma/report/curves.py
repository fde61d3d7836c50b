"""Curves over the training: losses and scores, over images and over seconds."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from trilemma.report import bars, numbers, svg
from trilemma.report.contents import Curve
from trilemma.report.svg import Point

Words = Mapping[str, str]

WIDTH, HEIGHT = 330.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 322.0, 10.0, 158.0  # of the plot, pixels
POINTS = 160  # of a drawn curve; longer ones are averaged
FILLED = 0.2  # of a frame's height, that each of several losses in it reaches over
LARGEST_RATIO = 20.0  # between values; beyond it the axis is logarithmic


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One curve, ready to be drawn: means of bins and the range of what was averaged."""

    name: str
    index: int  # colour and mark
    x: np.ndarray  # float64 [n]
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray


def thinned(name: str, index: int, x: Sequence[float], values: Sequence[float]) -> Drawn:
    """Average a curve down to at most POINTS points; a bin without a finite value is a gap."""
    n = min(len(x), len(values))
    xs, ys = np.asarray(x[:n], dtype=np.float64), np.asarray(values[:n], dtype=np.float64)
    ys = np.where(np.isfinite(ys), ys, np.nan)
    edges = np.linspace(0, n, min(n, POINTS) + 1).astype(int)
    bins = [slice(a, b) for a, b in itertools.pairwise(edges)]
    means, lows, highs = [], [], []
    for piece in bins:
        finite = ys[piece][np.isfinite(ys[piece])]
        means.append(finite.mean() if finite.size else np.nan)
        lows.append(finite.min() if finite.size else np.nan)
        highs.append(finite.max() if finite.size else np.nan)
    centres = np.array([xs[piece].mean() for piece in bins])
    return Drawn(
        name=name,
        index=index,
        x=centres,
        y=np.array(means),
        low=np.array(lows),
        high=np.array(highs),
    )


def by_images(name: str, index: int, curve: Curve) -> Drawn:
    """Prepare a curve over real images seen."""
    return thinned(name, index, curve.images_seen, curve.values)


def by_seconds(name: str, index: int, curve: Curve) -> Drawn:
    """Prepare a curve over seconds of training."""
    return thinned(name, index, curve.seconds, curve.values)


def frames(logged: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """Part losses over frames: one for all if each fills a fifth of its height, else one each.

    Unlike losses would press each other flat: one of a hundred beside one that falls from 2 to 1.
    """
    reaches = []
    for curve in logged.values():
        values = np.asarray(curve.values, dtype=np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            reaches.append(np.quantile(values, (0.01, 0.99)))
    if not reaches:
        return [dict(logged)]
    lows, highs = np.array(reaches).T
    whole = highs.max() - lows.min()
    if (highs - lows).min() >= FILLED * whole:
        return [dict(logged)]
    return [{name: curve} for name, curve in logged.items()]


class Mark(NamedTuple):
    """A place on the axis below the curves, such as where a run fell ill."""

    x: float  # images or seconds
    run: int  # its number; colour
    words: str


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The axes of one drawing."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float
    log: bool

    def at(self, x: float, y: float) -> Point:
        """Give the pixel of a point."""
        a, b, v = self.y_low, self.y_high, y
        if self.log:
            a, b = math.log10(a), math.log10(b)
            v = math.log10(v) if v > 0 else math.nan
        px = LEFT + (RIGHT - LEFT) * (x - self.x_low) / (self.x_high - self.x_low)
        py = BOTTOM - (BOTTOM - TOP) * (v - a) / (b - a)
        return px, min(max(py, TOP), BOTTOM) if math.isfinite(py) else math.nan


def frame(curves: Sequence[Drawn]) -> Frame | None:
    """Fit axes to curves; None where no point is finite. Rare spikes do not set the scale."""
    finite = [c.y[np.isfinite(c.y)] for c in curves]
    y = np.concatenate(finite) if finite else np.array([])
    if not y.size:
        return None
    x = np.concatenate([c.x for c in curves])
    low, high = (float(v) for v in np.quantile(y, (0.0, 0.995 if y.size > 100 else 1.0)))
    log = low > 0 and high / low > LARGEST_RATIO
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    left, right = float(np.nanmin(x)), float(np.nanmax(x))
    return Frame(
        x_low=min(left, 0.0),
        x_high=right if right > min(left, 0.0) else min(left, 0.0) + 1.0,
        y_low=low / 1.15 if log else low - room,
        y_high=high * 1.15 if log else high + room,
        log=log,
    )


def curve_marks(curve: Drawn, box: Frame, *, dots: bool) -> Markup:
    """Draw one curve: the range of its bins, its line, and a mark at its end or at each point."""
    points = [box.at(x, y) for x, y in zip(curve.x, curve.y, strict=True)]
    known = [p for p in points if math.isfinite(p[1])]
    parts = [svg.path(svg.outline(points), style="run", dash=svg.DASHES[curve.index // 6 % 3])]
    if not dots and np.any(curve.high > curve.low):
        rows = zip(curve.x, curve.low, curve.high, strict=True)
        edges = [(box.at(x, low), box.at(x, high)) for x, low, high in rows]
        whole = [(low, high) for low, high in edges if math.isfinite(low[1] + high[1])]
        ring = [high for _, high in whole] + [low for low, _ in reversed(whole)]
        parts.insert(0, svg.path(svg.outline(ring, closed=True), style="band"))
    marked = known if dots and len(known) <= 40 else known[-1:]
    parts += [svg.marker(point, curve.index, radius=3.6) for point in marked]
    return svg.titled(curve.name, *parts, style=svg.series(curve.index))


def place_mark(mark: Mark, box: Frame) -> Markup:
    """Draw a line from top to bottom, with its words on hovering."""
    x, _ = box.at(min(max(mark.x, box.x_low), box.x_high), box.y_high)
    ends = (
        svg.line((x, TOP), (x, BOTTOM), style="ill"),
        svg.text((x, TOP - 1), "▾", style="ill-tip", anchor="middle"),
    )
    return svg.titled(mark.words, *ends, style=svg.series(mark.run))


def axes(box: Frame, x_label: str, seconds: bool, language: str) -> list[Markup]:
    """Draw grid lines and numbers."""
    parts = [svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), style="spoke")]
    marks = svg.log_ticks(box.y_low, box.y_high) if box.log else svg.ticks(box.y_low, box.y_high)
    for tick in marks:
        _, y = box.at(box.x_low, tick)
        parts.append(svg.line((LEFT, y), (RIGHT, y), style="ring"))
        name = bars.tick_text(tick, language)
        parts.append(svg.text((LEFT - 5, y + 3.5), name, style="tick", anchor="end"))
    unit, factor = time_unit(box.x_high) if seconds else ("", 1.0)
    for tick in svg.ticks(box.x_low / factor, box.x_high / factor):
        x, _ = box.at(tick * factor, box.y_high)
        name = numbers.short(tick, language=language)
        anchor = "end" if x > RIGHT - 8 else "middle"
        parts.append(svg.text((x, BOTTOM + 14), name, style="tick", anchor=anchor))
    title = f"{x_label} ({unit})" if unit else x_label
    parts.append(svg.text(((LEFT + RIGHT) / 2, BOTTOM + 29), title, style="tick", anchor="middle"))
    return parts


def time_unit(seconds: float) -> tuple[str, float]:
    """Choose the unit of an axis of time, and its seconds."""
    return ("h", 3600.0) if seconds >= 7200 else ("min", 60.0) if seconds >= 180 else ("s", 1.0)


def curves(
    drawn: Sequence[Drawn],
    title: str,
    *,
    seconds: bool,
    dots: bool,
    words: Words,
    language: str,
    places: Sequence[Mark] = (),
) -> Markup:
    """Draw curves in one frame; an empty string where none has a finite value.

    places: on the axis below, marked by a line each.
    """
    box = frame(drawn)
    if box is None:
        return Markup()
    x_label = words["over_seconds"] if seconds else words["over_images"]
    lasts = []
    for curve in drawn:
        finite = curve.y[np.isfinite(curve.y)]
        if finite.size:
            ends = [numbers.plain(float(v), language=language) for v in (finite[0], finite[-1])]
            lasts.append(words["from_to"].format(name=curve.name, first=ends[0], last=ends[1]))
    lasts += [place.words for place in places]
    alternative = f"{title}, {x_label}: {'; '.join(lasts)}"
    marks = [curve_marks(curve, box, dots=dots) for curve in drawn]
    marks += [place_mark(place, box) for place in places]
    return svg.picture(WIDTH, HEIGHT, alternative, *axes(box, x_label, seconds, language), *marks)
