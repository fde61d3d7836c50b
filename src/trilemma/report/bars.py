"""Bars with their 95 % intervals beside what real images reach; class shares."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from trilemma.report import numbers, svg
from trilemma.report.metrics import interval, of, written
from trilemma.scores import Score, Shares

Words = Mapping[str, str]

WIDTH = 330.0
PLOT = (2.0, 326.0)  # pixels of the smallest and the largest value
ROW = 22.0  # pixels of one bar's drawing
MIDDLE = ROW / 2
LARGEST_RATIO = 30.0  # between bars; beyond it the axis is logarithmic


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values to pixels."""

    low: float
    high: float
    log: bool

    def __call__(self, value: float) -> float:
        """Give the pixel of a value; what lies outside is put on the edge."""
        a, b, v = self.low, self.high, value
        if self.log:
            a, b, v = math.log10(a), math.log10(b), math.log10(max(v, self.low))
        share = min(max((v - a) / (b - a), 0.0), 1.0)
        return PLOT[0] + share * (PLOT[1] - PLOT[0])

    def ticks(self) -> list[float]:
        """Give round values to write under the axis."""
        return svg.log_ticks(self.low, self.high) if self.log else svg.ticks(self.low, self.high)


def scale(scores: Sequence[Score]) -> Scale | None:
    """Fit an axis to scores of one metric and column; None where none is finite."""
    values = [s.value for s in scores if math.isfinite(s.value)]
    if not values:
        return None
    ends = [end for s in scores for end in interval(s) if math.isfinite(end)]
    floors = [s.floor for s in scores if math.isfinite(s.floor)]
    every = [*values, *ends, *floors]
    if of(scores[0].metric).bounded:
        return Scale(low=0.0, high=max(1.0, *every), log=False)
    smallest, largest = min(values), max(every)
    if smallest > 0 and largest / smallest > LARGEST_RATIO:
        return Scale(low=10 ** math.floor(math.log10(smallest) - 0.1), high=largest * 1.1, log=True)
    low = min(0.0, *every)
    high = max(every)
    return Scale(low=low, high=high * 1.04 if high > 0 else (1.0 if low == 0 else 0.0), log=False)


def value_text(score: Score, words: Words, language: str) -> str:
    """Write a bar's number, and that it is biased where it is."""
    text = written(score, language)
    return f"{text} · {words['biased']}" if score.biased else text


def whisker(low: float, high: float) -> list[Markup]:
    """Draw an interval between two pixels, with caps where it is wide enough to show them."""
    if not math.isfinite(low + high):
        return []
    parts = [svg.line((low, MIDDLE), (high, MIDDLE), style="whisker")]
    if high - low > 8:
        ends = (low, high)
        parts += [svg.line((x, MIDDLE - 4), (x, MIDDLE + 4), style="whisker") for x in ends]
    return parts


def bar(score: Score, index: int, axis: Scale, words: Words, language: str) -> Markup:
    """Draw one run: bar, 95 % interval, and a line at what real images reach.

    On a logarithmic axis a mark stands in place of the bar, whose length would mean nothing.
    """
    says = f"{score.run}: {value_text(score, words, language)}"
    parts = [svg.line((axis(t), 0), (axis(t), ROW), style="ring") for t in axis.ticks()]
    if math.isfinite(score.value) and not axis.log:
        ends = sorted((axis(0.0), axis(score.value)))
        style = "bar biased" if score.biased else "bar"
        parts.append(svg.rectangle(ends[0], 4, ends[1] - ends[0], ROW - 8, style=style))
    low, high = interval(score)
    if math.isfinite(low + high):
        parts += whisker(axis(low), axis(high))
    if math.isfinite(score.value) and axis.log:
        parts.append(svg.marker((axis(score.value), MIDDLE), index))
    if math.isfinite(score.floor):
        x = axis(score.floor)
        parts.append(svg.line((x, 0), (x, ROW), style="goal"))
        says += f"; {words['real_images']} {numbers.plain(score.floor, language=language)}"
    return svg.picture(WIDTH, ROW, says, svg.group(*parts, style=svg.series(index)))


def tick_text(value: float, language: str) -> str:
    """Write a number under an axis."""
    if abs(value) >= 10_000:
        return numbers.short(value, language=language)
    return numbers.localised(f"{value:.4g}", language)


def foot(axis: Scale, language: str) -> Markup:
    """Write the numbers under the bars; their titles already say them."""
    parts = []
    for tick in axis.ticks():
        x = axis(tick)
        anchor = "start" if x < PLOT[0] + 12 else "end" if x > PLOT[1] - 12 else "middle"
        parts.append(svg.text((x, 12), tick_text(tick, language), style="tick", anchor=anchor))
    return svg.ornament(WIDTH, 16, *parts)


CLASSES = 24  # rows of a drawing of class shares, at most
CLASS_ROW = 17.0
CLASS_PLOT = (92.0, 322.0)


def shown_classes(shares: Shares) -> list[int]:
    """Choose the classes to draw: all, or those furthest from their real share."""
    far = sorted(range(len(shares.classes)), key=lambda i: -abs(shares.fake[i] - shares.real[i]))
    return sorted(far[:CLASSES])


def absent_text(shares: Shares, words: Words) -> str:
    """Name the classes that are missing, and those of which there are too few images to say."""
    text = f"{words['missing_classes']} {', '.join(shares.missing) or words['none']}."
    if shares.unsure:
        text = text if shares.missing else ""
        text += f" {words['unsure_classes']} {', '.join(shares.unsure)}."
    return text.strip()


def class_shares(shares: Shares, index: int, words: Words, language: str) -> Markup:
    """Draw how often each class appears: bar generated, line real, whisker the 95 % interval."""
    rows = shown_classes(shares)
    most = max([*shares.real, *shares.high, *shares.fake, 1e-9])

    def x(share: float) -> float:
        return CLASS_PLOT[0] + (CLASS_PLOT[1] - CLASS_PLOT[0]) * min(max(share / most, 0), 1)

    parts: list[Markup] = []
    for row, i in enumerate(rows):
        top, name = 2 + CLASS_ROW * row, shares.classes[i]
        absent = name in shares.missing
        percents = [
            numbers.percent(v, language=language, places=1)
            for v in (shares.fake[i], shares.real[i])
        ]
        says = f"{name}: {percents[0]} ({words['real_images']} {percents[1]})"
        end = svg.text((88, top + 11), svg.shortened(name, 13), anchor="end", style="name")
        middle = top + 7.5
        parts.append(
            svg.titled(
                f"{says}, {words['missing']}" if absent else says,
                end,
                svg.rectangle(x(0), top + 2, x(shares.fake[i]) - x(0), 11, style="bar"),
                svg.line((x(shares.low[i]), middle), (x(shares.high[i]), middle), style="whisker"),
                svg.line((x(shares.real[i]), top), (x(shares.real[i]), top + 15), style="goal"),
                *([svg.text((x(0) + 5, top + 11), words["missing"], style="alarm")] * absent),
            )
        )
    alternative = words["shares_alternative"].format(run=shares.run)
    says = f"{alternative} {absent_text(shares, words)}".removesuffix(".")
    drawing = svg.group(*parts, style=svg.series(index))
    return svg.picture(WIDTH, 4 + CLASS_ROW * len(rows), says, drawing)
