"""What a report knows of each metric: its place in the triangle, its direction, its honest name."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from trilemma.report import numbers
from trilemma.scores import Column, Score

Group = Literal["quality", "coverage", "other", "speed"]
GROUPS: tuple[Group, ...] = ("quality", "coverage", "other", "speed")  # the order of every table

Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One kind of score."""

    group: Group
    better: Literal["higher", "lower", ""]  # "": unknown
    word: str  # key of its name in `words`
    named: str = ""  # its name under features other than Inception's, before [extractor]
    original: str = ""  # its name under Inception's features
    bounded: bool = False  # in [0, 1]: drawn on that axis
    least: float = -math.inf  # the smallest value it can have
    unit: str = ""  # of large numbers that are written briefly: 523 MB
    wilson: bool = False  # a share of n; its error is that of Wilson's interval
    paired: bool = False  # each image against its own original: real images have no such value
    places: int = -15  # decimals that are written, whatever the error: papers name so many


def decibels(word: str) -> Metric:
    """Describe a score of pixels, in dB."""
    return Metric(group="quality", better="higher", word=word, paired=True, places=2)


def likeness(word: str) -> Metric:
    """Describe a score of structure, 1 for the same image."""
    return Metric(group="quality", better="higher", word=word, bounded=True, paired=True, places=4)


def unlikeness(word: str) -> Metric:
    """Describe a distance of what a network sees in two images."""
    return Metric(group="quality", better="lower", word=word, least=0.0, paired=True, places=4)


METRICS: Mapping[str, Metric] = {  # in the order of tables; other names are shown as they are
    "fd": Metric(group="quality", better="lower", word="fd", named="FD", original="FID", least=0.0),
    "fd_corrected": Metric(
        group="quality",
        better="lower",
        word="fd_corrected",
        named="FD corrected",
        original="FID corrected",
    ),
    "kid": Metric(group="quality", better="lower", word="kid", named="KID", original="KID"),
    "is": Metric(group="quality", better="higher", word="is", named="IS", original="IS", least=1.0),
    "psnr_y": decibels("psnr_y"),
    "ssim_y": likeness("ssim_y"),
    "psnr_rgb": decibels("psnr_rgb"),
    "ssim_rgb": likeness("ssim_rgb"),
    "psnr_gain": decibels("psnr_gain"),
    "perceptual": unlikeness("perceptual"),
    "lpips": unlikeness("lpips"),
    "lpips_vgg": unlikeness("lpips_vgg"),
    "precision": Metric(group="quality", better="higher", word="precision", bounded=True),
    "density": Metric(group="quality", better="higher", word="density", least=0.0),
    "quality_share": Metric(
        group="quality", better="higher", word="quality_share", bounded=True, wilson=True
    ),
    "modes": Metric(group="coverage", better="higher", word="modes_count", least=0.0),
    "mode_kl": Metric(group="coverage", better="lower", word="mode_kl", least=0.0),
    "recall": Metric(group="coverage", better="higher", word="recall", bounded=True),
    "coverage": Metric(group="coverage", better="higher", word="coverage_metric", bounded=True),
    "asked_class": Metric(group="other", better="higher", word="asked_class", wilson=True),
    "copies": Metric(group="other", better="lower", word="copies", wilson=True),
    "ms_per_image": Metric(group="speed", better="lower", word="ms_per_image", least=0.0),
    "seconds_per_megapixel": Metric(
        group="speed", better="lower", word="seconds_per_megapixel", least=0.0
    ),
    "images_per_second": Metric(
        group="speed", better="higher", word="images_per_second", least=0.0
    ),
    "memory_bytes": Metric(group="speed", better="lower", word="memory_bytes", unit="B", least=0.0),
}

UNKNOWN = Metric(group="other", better="", word="")


def of(name: str) -> Metric:
    """Give the row of a metric; one that nobody described stands in the group `other`."""
    return METRICS.get(name, UNKNOWN)


def order(name: str) -> tuple[int, int, str]:
    """Sort metrics: quality, coverage, other, speed; within a group as in the table."""
    known = list(METRICS)
    place = known.index(name) if name in METRICS else len(known)
    return GROUPS.index(of(name).group), place, name


def extractor_name(extractor: str) -> str:
    """Shorten an extractor given by its path to the file's name."""
    return extractor.replace("\\", "/").rstrip("/").rpartition("/")[2]


def label(name: str, column: Column | None, words: Mapping[str, str]) -> str:
    """Name a metric honestly: FD[domain], and FID only on the original Inception's features."""
    metric = of(name)
    if metric.named and column is not None:
        if column.extractor == "inception":
            return metric.original
        return f"{metric.named}[{extractor_name(column.extractor)}]"
    return metric.named or (words[metric.word] if metric.word else name)


def limits(metric: Metric) -> tuple[float, float]:
    """Give the smallest and the largest value that a metric can have."""
    return (0.0, 1.0) if metric.bounded or metric.wilson else (metric.least, math.inf)


def interval(score: Score) -> tuple[float, float]:
    """Give the 95 % interval of a score as it is drawn, (nan, nan) where its error is not known.

    It ends where the metric's range does: Student's interval over two or three seeds goes beyond.
    An error of exactly 0 (no image of many was a hit, say) counts as not known.
    """
    low, high = whole_interval(score)
    if not low <= high:
        return math.nan, math.nan
    least, most = limits(of(score.metric))
    return min(max(low, least), most), min(max(high, least), most)


def whole_interval(score: Score) -> tuple[float, float]:
    """Give the 95 % interval as it is computed; (nan, nan) where the error is not known.

    Wilson's interval of a share has its middle nearer to 1/2 than the share.
    """
    if score.low <= score.high:  # known exactly, such as a t interval over seeds
        return score.low, score.high
    if not score.error > 0:
        return math.nan, math.nan
    half = Z95 * score.error
    if not of(score.metric).wilson:
        return score.value - half, score.value + half
    weight = Z95**2 / score.n
    middle = (score.value + weight / 2) / (1 + weight)
    return middle - half, middle + half


def written(score: Score, language: str) -> str:
    """Write a value with its error, both rounded to the error, and its unit where it has one."""
    if unit := of(score.metric).unit:
        text = numbers.short(score.value, language=language)
        return text + unit if text != numbers.NOTHING else text
    places = of(score.metric).places
    return numbers.with_error(score.value, score.error, language=language, least=places)


def accuracy(share: float, words: Mapping[str, str], language: str) -> str:
    """Say how often the classifier behind the scores is right; empty where nobody knows."""
    if not math.isfinite(share):
        return ""
    return words["accuracy"].format(share=numbers.percent(share, language=language, places=1))


def names(scores: Iterable[Score]) -> list[str]:
    """List the metrics that occur, in the order of tables."""
    return sorted({score.metric for score in scores}, key=order)
