"""The curve of few steps: Frechet distance over network evaluations, a line a sampler."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from trilemma.report import bars, numbers, svg
from trilemma.report.contents import StepCurve, StepPoint
from trilemma.report.metrics import interval
from trilemma.report.svg import Point

Words = Mapping[str, str]

WIDTH, HEIGHT = 360.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 42.0, 350.0, 22.0, 212.0  # of the plot, pixels
APART = 2.6  # pixels between the lines of two samplers, whose evaluations are often the same
RING = 7.5  # pixels around the recipe's own point
MANY = 9  # numbers along an axis
ROOM = 1.15  # beyond the outermost points, as a factor
SMALLEST = 0.01  # of the largest value: an interval that reaches further down ends there


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Both axes, logarithmic."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def at(self, x: float, y: float) -> Point:
        """Give the pixel of a point; what lies outside is put on the edge."""
        across = share(x, self.x_low, self.x_high)
        up = share(y, self.y_low, self.y_high)
        return LEFT + (RIGHT - LEFT) * across, BOTTOM - (BOTTOM - TOP) * up


def share(value: float, low: float, high: float) -> float:
    """Say which part of the way from low to high a value is, by its logarithm."""
    if value <= low:
        return 0.0
    return min(math.log(value / low) / math.log(high / low), 1.0)


def frame(points: Sequence[StepPoint]) -> Frame | None:
    """Fit the axes to points, their intervals and the floor; None where nothing can be drawn."""
    shown = [point for point in points if drawable(point)]
    if not shown:
        return None
    values = [point.fd.value for point in shown]
    ends = [end for point in shown for end in interval(point.fd) if math.isfinite(end)]
    floors = [point.fd.floor for point in shown if point.fd.floor > 0]
    every = [*values, *ends, *floors]
    high = max(every)
    low = min(value for value in every if value > SMALLEST * min(values))
    costs = [point.evaluations for point in shown]
    return Frame(
        x_low=min(costs) / ROOM,
        x_high=max(costs) * ROOM,
        y_low=low / ROOM,
        y_high=high * ROOM,
    )


def drawable(point: StepPoint) -> bool:
    """Can it stand on logarithmic axes?"""
    return math.isfinite(point.fd.value) and point.fd.value > 0 and point.evaluations > 0


def lines(curve: StepCurve) -> list[tuple[str, list[StepPoint]]]:
    """Give the points of each sampler, then each run beside them; places are colours and marks."""
    samplers = dict.fromkeys(point.sampler for point in curve.points)
    mine = [(name, [p for p in curve.points if p.sampler == name]) for name in samplers]
    return mine + [(point.run, [point]) for point in curve.beside]


def chart(curve: StepCurve, label: str, words: Words, language: str) -> Markup:
    """Draw one run; an empty string where no point can be drawn."""
    box = frame([*curve.points, *curve.beside])
    if box is None:
        return Markup()
    every = lines(curve)
    parts = axes(box, label, words, language)
    floor = curve.own.fd.floor
    if floor > 0:
        _, y = box.at(box.x_low, floor)
        parts.append(svg.line((LEFT, y), (RIGHT, y), style="goal"))
    for index, (name, points) in enumerate(every):
        shift = APART * (index - (len(every) - 1) / 2)
        parts.append(series(name, index, points, box, shift))
        if curve.own in points and drawable(curve.own):
            x, y = box.at(curve.own.evaluations, curve.own.fd.value)
            ring = [(x + shift + RING * dx, y + RING * dy) for dx, dy in svg.polygon(24)]
            parts.append(svg.path(svg.outline(ring, closed=True), style="own"))
    return svg.picture(WIDTH, HEIGHT, says(curve, label, words, language), *parts)


def series(name: str, index: int, points: Sequence[StepPoint], box: Frame, shift: float) -> Markup:
    """Draw one sampler, shifted by pixels: intervals, line, marks."""
    parts: list[Markup] = []
    way: list[Point] = []
    for point in (p for p in points if drawable(p)):
        x, y = box.at(point.evaluations, point.fd.value)
        way.append((x + shift, y))
        low, high = interval(point.fd)
        if math.isfinite(low + high):
            ends = [(x + shift, box.at(point.evaluations, end)[1]) for end in (low, high)]
            parts.append(svg.line(ends[0], ends[1], style="reach"))
    parts.append(svg.path(svg.outline(way), style="run"))
    radius = 3.6 if len(way) > 1 else 5.0
    parts += [svg.marker(place, index, radius=radius) for place in way]
    return svg.titled(name, *parts, style=svg.series(index))


def ticks(low: float, high: float) -> list[float]:
    """Give 1, 2 and 5 times powers of ten inside [low, high]; fewer where those crowd."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [tick for tick in every if low <= tick <= high]
    return inside if len(inside) <= MANY else svg.log_ticks(low, high)


def axes(box: Frame, label: str, words: Words, language: str) -> list[Markup]:
    """Draw grid lines and numbers."""
    parts = [svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), style="spoke")]
    for tick in ticks(box.y_low, box.y_high):
        _, y = box.at(box.x_low, tick)
        parts.append(svg.line((LEFT, y), (RIGHT, y), style="ring"))
        name = bars.tick_text(tick, language)
        parts.append(svg.text((LEFT - 5, y + 3.5), name, style="tick", anchor="end"))
    for tick in ticks(box.x_low, box.x_high):
        x, _ = box.at(tick, box.y_high)
        parts.append(svg.line((x, BOTTOM), (x, BOTTOM + 3), style="spoke"))
        name = numbers.short(tick, language=language)
        parts.append(svg.text((x, BOTTOM + 15), name, style="tick", anchor="middle"))
    middle = (LEFT + RIGHT) / 2
    parts.append(svg.text((middle, BOTTOM + 31), words["steps_x"], style="tick", anchor="middle"))
    title = f"{label} · {words['lower_better']}"
    parts.append(svg.text((4, TOP - 10), title, style="tick"))
    return parts


def says(curve: StepCurve, label: str, words: Words, language: str) -> str:
    """Say in words what the drawing shows: both ends of every line, lone points, the floor."""
    said = []
    for name, points in lines(curve):
        ends = [numbers.plain(p.fd.value, language=language) for p in (points[0], points[-1])]
        few, many = (
            numbers.count(p.evaluations, language=language) for p in (points[0], points[-1])
        )
        word = "steps_says" if len(points) > 1 else "steps_says_one"
        said.append(words[word].format(name=name, first=ends[0], last=ends[1], few=few, many=many))
    if curve.own.fd.floor > 0:
        floor = numbers.plain(curve.own.fd.floor, language=language)
        said.append(f"{words['real_images']} {floor}")
    return f"{words['steps_of'].format(run=curve.run)}, {label}: {'; '.join(said)}"
