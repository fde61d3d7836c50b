"""The impossible triangle as a drawing, and the strips beside it.

Every run is a triangle whose corners lie on three axes; the shaded band reaches from the lower to
the upper end of the 95 % intervals. (A point inside a barycentric triangle would hide how good a
run is: one that is bad at everything would lie where one that is good at everything lies.)
"""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from trilemma.report import numbers, svg
from trilemma.report.placement import Axis, Place, fraction
from trilemma.report.svg import Point

Words = Mapping[str, str]

RADIUS = 165.0
CENTRE = (200.0, 212.0)
DIRECTIONS = {"quality": (0.0, -1.0), "coverage": (-0.8660254, 0.5), "speed": (0.8660254, 0.5)}


def clipped(value: float, other: float) -> float:
    """Bring a value into [0, 1] to draw it; `other` where it is not known."""
    return min(max(value if not math.isnan(value) else other, 0.0), 1.0)


def on_axis(name: str, value: float) -> Point:
    """Give the pixel of a value in [0, 1] on an axis."""
    dx, dy = DIRECTIONS[name]
    return CENTRE[0] + RADIUS * value * dx, CENTRE[1] + RADIUS * value * dy


def frame(words: Words, *, small: bool) -> Markup:
    """Draw what all runs share: axes, rings at each quarter, the names of the corners.

    small: the names are large for the drawing, so that those below keep to its two sides.
    """
    rings = [
        svg.path(
            svg.outline([on_axis(name, share) for name in DIRECTIONS], closed=True),
            style="edge" if share == 1 else "ring",
        )
        for share in (1.0, 0.75, 0.5, 0.25)  # the largest is filled
    ]
    spokes = [svg.line(CENTRE, on_axis(name, 1.0), style="spoke") for name in DIRECTIONS]
    sides = ("start", "end") if small else ("middle", "middle")
    corners = [
        svg.text((200, 34), words["quality"], style="corner", anchor="middle"),
        svg.text((0 if small else 57, 318), words["coverage"], style="corner", anchor=sides[0]),
        svg.text((400 if small else 343, 318), words["speed"], style="corner", anchor=sides[1]),
    ]
    return svg.group(*rings, *spokes, *corners)


def scale(words: Words) -> Markup:
    """Write the numbers beside the axes, clear of the marks on them and of the outer edge.

    Shares of the ceiling on two axes, images a second on the third.
    """
    parts = []
    for share in (50, 100):
        x, y = on_axis("quality", share / 100)
        parts.append(svg.text((x - 9, y + 4), f"{share} %", style="tick", anchor="end"))
    for name, value, number in (
        ("coverage", 0.5, "50 %"),
        ("speed", fraction(1), "1"),
        ("speed", fraction(100), "100"),
    ):
        x, y = on_axis(name, value)
        parts.append(svg.text((x, y + 17), number, style="tick", anchor="middle"))
        if name == "speed":
            parts.append(svg.line((x - 1.5, y + 2.6), (x + 1.5, y - 2.6), style="tickmark"))
    left, right = on_axis("coverage", 1.0), on_axis("speed", 1.0)
    fastest = f"100 k{words['per_second']}"
    parts.append(svg.text((left[0] - 9, left[1]), "100 %", style="tick", anchor="end"))
    parts.append(svg.text((right[0] + 9, right[1]), fastest, style="tick"))
    return svg.group(*parts)


def shape(places: Mapping[str, Place], index: int, *, faint: bool = False) -> Markup:
    """Draw one run; only its known corners are marked, and nothing is closed without all three."""
    centre = {name: clipped(place.value, 0.0) for name, place in places.items()}
    parts: list[Markup] = []
    if len(places) == len(DIRECTIONS):
        low = [on_axis(n, clipped(places[n].low, centre[n])) for n in DIRECTIONS]
        high = [on_axis(n, clipped(places[n].high, centre[n])) for n in DIRECTIONS]
        middle = svg.outline([on_axis(n, centre[n]) for n in DIRECTIONS], closed=True)
        if faint:
            return svg.path(middle, style="ghost")
        parts.append(svg.path(middle, style="area"))
        ring = svg.outline(high, closed=True) + svg.outline(low, closed=True)
        parts.append(svg.path(ring, style="band"))
        parts.append(svg.path(middle, style="run", dash=svg.DASHES[index // svg.COLOURS % 3]))
    if faint:
        return svg.group()
    parts += [svg.marker(on_axis(name, value), index) for name, value in centre.items()]
    return svg.group(*parts)


def corners(axes: Sequence[Axis], run: str) -> dict[str, Place]:
    """Collect the places of one run, by axis."""
    found = {axis.name: axis.place(run) for axis in axes}
    return {name: place for name, place in found.items() if place is not None}


def described(run: str, places: Mapping[str, Place], words: Words, language: str) -> str:
    """Say in words where a run stands."""
    parts = [f"{words[name]} {value_text(place, language)}" for name, place in places.items()]
    return f"{run}: {', '.join(parts) or words['not_measured']}"


def value_text(place: Place, language: str) -> str:
    """Write a place's number ± standard error: a share of the ceiling; or images a second."""
    if place.score.metric in ("images_per_second", "ms_per_image"):
        return f"{rate_text(place, language)}/s"
    if not place.error > 0:
        return numbers.percent(place.value, language=language)
    return numbers.with_error(100 * place.value, 100 * place.error, language=language) + " %"


def rate_text(place: Place, language: str) -> str:
    """Write images a second, rounded to the error."""
    score = place.score
    if score.metric == "ms_per_image":
        rate = 1000 / score.value if score.value > 0 else math.inf
        return numbers.rounded(rate, rate * score.error / score.value, language=language)
    return numbers.rounded(score.value, score.error, language=language)


def triangle(axes: Sequence[Axis], runs: Sequence[str], words: Words, language: str) -> Markup:
    """Draw all runs over one another; readable for three or so."""
    known = {run: corners(axes, run) for run in runs}
    says = "; ".join(described(run, places, words, language) for run, places in known.items())
    shapes = [
        svg.titled(described(run, places, words, language), shape(places, i), style=svg.series(i))
        for i, (run, places) in enumerate(known.items())
    ]
    alternative = f"{words['triangle_title']}. {says}"
    return svg.picture(400, 332, alternative, frame(words, small=False), *shapes, scale(words))


def small_triangle(
    axes: Sequence[Axis], runs: Sequence[str], index: int, words: Words, language: str
) -> Markup:
    """Draw one run's shape in full and the others as pale outlines."""
    name = runs[index]
    others = [shape(corners(axes, run), 0, faint=True) for run in runs if run != name]
    places = corners(axes, name)
    mine = svg.group(shape(places, index), style=svg.series(index))
    says = described(name, places, words, language)
    return svg.picture(400, 332, says, frame(words, small=True), *others, mine)


STRIP = (10.0, 310.0)  # pixels of 0 and 1 on a strip


def strip(axis: Axis, place: Place, index: int, words: Words, language: str) -> Markup:
    """Draw one run's place on one axis as a dot with its 95 % interval."""

    def x(value: float) -> float:
        return STRIP[0] + (STRIP[1] - STRIP[0]) * value

    value = clipped(place.value, 0.0)
    ends = x(clipped(place.low, value)), x(clipped(place.high, value))
    says = f"{place.run}: {words[axis.name]} {value_text(place, language)}"
    whisker = svg.line((ends[0], 11), (ends[1], 11), style="whisker")
    rail = svg.line((STRIP[0], 11), (STRIP[1], 11), style="rail")
    goal = svg.line((STRIP[1], 3), (STRIP[1], 19), style="goal") if axis.ceiling else svg.group()
    mark = svg.group(whisker, svg.marker((x(value), 11.0), index), style=svg.series(index))
    return svg.picture(320, 22, says, rail, goal, mark)
