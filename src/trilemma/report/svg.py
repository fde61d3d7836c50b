"""Inline SVG out of small functions: elements, text, markers, ticks. Every text is escaped.

Colours come from the page's style sheet: class s0..s5 sets --c to the colour of a run.
"""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

Point = tuple[float, float]  # pixels of the view box, x to the right, y down

HEX = ("#0068b0", "#c24a00", "#007d5c", "#a3408f", "#866600", "#4f5a66")  # runs, on white
COLOURS = len(HEX)  # of runs; `MARKERS` and dashes tell more of them apart
DASHES = ("", "6 3", "2 3")


def written(value: object) -> str:
    """Write an attribute; lengths to a hundredth of a pixel."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def element(tag: str, attributes: Mapping[str, object], *children: str) -> Markup:
    """Make one element; attributes and plain text are escaped, empty attributes left out."""
    inside = Markup("").join(children)
    pairs = Markup("").join(
        Markup(' {}="{}"').format(name, written(value))
        for name, value in attributes.items()
        if value != ""
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), pairs, inside)


def group(*children: str, style: str = "") -> Markup:
    """Put elements together under a class."""
    return element("g", {"class": style}, *children)


def titled(title: str, *children: str, style: str = "") -> Markup:
    """Put elements together under a title that shows on hovering and is read aloud."""
    return element("g", {"class": style}, element("title", {}, title), *children)


def picture(width: float, height: float, alternative: str, *children: str) -> Markup:
    """Make a whole drawing that scales to its place; `alternative` says what it shows."""
    attributes = {
        "viewBox": f"0 0 {written(float(width))} {written(float(height))}",
        "role": "img",
        "aria-label": alternative,
    }
    return element("svg", attributes, element("title", {}, alternative), *children)


def ornament(width: float, height: float, *children: str) -> Markup:
    """Make a drawing that says nothing which is not said elsewhere; readers aloud pass over it."""
    box = f"0 0 {written(float(width))} {written(float(height))}"
    return element("svg", {"viewBox": box, "aria-hidden": "true"}, *children)


def text(at: Point, words: str, *, style: str = "label", anchor: str = "start") -> Markup:
    """Write words; anchor: start, middle, end."""
    attributes = {"x": at[0], "y": at[1], "class": style, "text-anchor": anchor}
    return element("text", attributes, words)


def line(start: Point, end: Point, *, style: str) -> Markup:
    """Draw a straight line."""
    x1, y1, x2, y2 = (float(v) for v in (*start, *end))
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": style})


def rectangle(x: float, y: float, width: float, height: float, *, style: str) -> Markup:
    """Draw a rectangle with softly rounded corners."""
    sides = {"x": float(x), "y": float(y), "width": float(max(width, 0)), "height": float(height)}
    return element("rect", {**sides, "rx": 1.5, "class": style})


def outline(points: Sequence[Point], *, closed: bool = False) -> str:
    """Write the `d` of a path; a point that is not finite leaves a gap."""
    pieces, pen_down = [], False
    for x, y in points:
        if not (math.isfinite(x) and math.isfinite(y)):
            pen_down = False
            continue
        pieces.append(f"{'L' if pen_down else 'M'}{written(float(x))} {written(float(y))}")
        pen_down = True
    return "".join(pieces) + ("Z" if closed and pieces else "")


def path(d: str, *, style: str, dash: str = "") -> Markup:
    """Draw a path."""
    return element(
        "path", {"d": d, "class": style, "stroke-dasharray": dash, "fill-rule": "evenodd"}
    )


def marker(at: Point, index: int, *, radius: float = 5.0) -> Markup:
    """Draw the mark of run number `index`: its shape differs as well as its colour."""
    corners = MARKERS[index % len(MARKERS)]
    points = [(at[0] + radius * x, at[1] + radius * y) for x, y in corners]
    return path(outline(points, closed=True), style="marker")


def polygon(corners: int, *, turn: float = 0.0) -> tuple[Point, ...]:
    """Give the corners of a regular shape of radius 1; turn in parts of a whole turn."""
    angles = [2 * math.pi * (i / corners + turn) for i in range(corners)]
    return tuple((math.sin(angle), -math.cos(angle)) for angle in angles)


def star(tips: int, *, inner: float) -> tuple[Point, ...]:
    """Give the corners of a star of radius 1."""
    radii = (1.0, inner) * tips
    return tuple((r * x, r * y) for r, (x, y) in zip(radii, polygon(2 * tips), strict=True))


MARKERS: tuple[tuple[Point, ...], ...] = (
    polygon(20),  # round
    polygon(4, turn=0.125),  # square
    polygon(3),
    polygon(4),  # diamond
    star(5, inner=0.45),
    star(4, inner=0.4),
    polygon(3, turn=0.5),
)


def series(index: int) -> str:
    """Give the class that colours run number `index`."""
    return f"s{index % COLOURS}"


def badge(index: int) -> Markup:
    """Draw a run's mark alone, to stand before its name; it needs no words of its own."""
    attributes = {"viewBox": "0 0 14 14", "class": f"badge {series(index)}", "aria-hidden": "true"}
    return element("svg", attributes, marker((7.0, 7.0), index, radius=5.5))


def shortened(words: str, letters: int) -> str:
    """Cut a long name in its middle, where names differ least."""
    if len(words) <= letters:
        return words
    head = (letters - 1) // 2
    return f"{words[:head]}…{words[len(words) - (letters - 1 - head) :]}"


def ticks(low: float, high: float, *, wanted: int = 4) -> list[float]:
    """Give round numbers (1, 2, 2.5 or 5 times a power of ten) inside [low, high]."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low] if math.isfinite(low) else []
    raw = span / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= raw * 0.999), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Give powers of ten inside [low, high] > 0; 1, 2 and 5 times them where those are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**k for k in range(first, last + 1)]
    stride = max(1, math.ceil((last - first) / 6))
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    every = [f * p for p in powers[::stride] for f in factors]
    return [tick for tick in every if low * 0.999 <= tick <= high * 1.001]
