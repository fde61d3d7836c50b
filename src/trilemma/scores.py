"""Scores as values: a number, its error, and the column that says what it may be compared with."""

import math
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Column:
    """All that must be equal before two numbers may stand side by side."""

    extractor: str  # domain, lite0, inception, dinov2, pixels, or a path
    weights_sha256: str  # of the extractor; "" for pixels
    resize: str  # the one rule by which every image of the column got its size
    reference: str  # name of the real images, such as digits:test
    fingerprint: str  # of those real images
    split: str  # train, test, watch
    n_real: int
    n_fake: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """One measured value. nan where a value cannot be had (an error at small n)."""

    run: str  # name of the run, bundle, folder or source that was scored
    metric: str  # fd, kid, is, precision, recall, density, coverage, ms_per_image, ...
    value: float
    error: float  # standard error
    n: int  # images
    column: str  # a key of Scores.columns
    floor: float  # the same value for real images against the same reference; nan: none
    biased: bool = False  # n is too small for this many features
    sampler: str = ""  # such as ddim-50
    checkpoint: str = ""  # images seen, or best
    low: float = math.nan  # 95 % interval, where it is not value ± 1.96 errors: over few seeds
    high: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How a labelled source's classes are met by one run."""

    run: str
    classes: tuple[str, ...]
    real: tuple[float, ...]  # share of each class in the reference
    fake: tuple[float, ...]  # share among the generated images
    low: tuple[float, ...]  # 95 % Wilson interval of the generated share
    high: tuple[float, ...]
    missing: tuple[str, ...]  # classes whose interval lies below a tenth of the real share
    unsure: tuple[str, ...] = ()  # never met, among too few images to call that missing
    sampler: str = ""  # as of a Score; empty, too, in files of before
    checkpoint: str = ""


@dataclass(frozen=True, kw_only=True)
class Heeded:
    """How often images show the class that they were asked for, class by class."""

    run: str
    classes: tuple[str, ...]
    share: tuple[float, ...]  # of the images of a class, those in which a classifier sees it
    n: int  # images that were asked for of each class
    sampler: str = ""  # as of a Score; empty, too, in files of before
    checkpoint: str = ""

    @property
    def worst(self) -> tuple[str, float]:
        """Give the class that is drawn least often when it is asked for, and its share."""
        share = min(self.share)
        return self.classes[self.share.index(share)], share


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores with their columns, as scores.json holds them."""

    columns: dict[str, Column] = field(default_factory=dict)
    scores: tuple[Score, ...] = ()
    shares: tuple[Shares, ...] = ()
    heeded: tuple[Heeded, ...] = ()


HIGHER = frozenset({"psnr_rgb", "psnr_y", "ssim_rgb", "ssim_y"})  # watched scores that should rise


def better(metric: str, value: float, than: float) -> bool:
    """Is a watched score better than another? Distances and losses should fall."""
    return value > than if metric in HIGHER else value < than


def as_drawn(scores: Scores, *, sampler: str, checkpoint: str) -> Scores:
    """Write down how the images of all these scores, shares and counts were drawn."""
    return replace(
        scores,
        scores=tuple(replace(s, sampler=sampler, checkpoint=checkpoint) for s in scores.scores),
        shares=tuple(replace(s, sampler=sampler, checkpoint=checkpoint) for s in scores.shares),
        heeded=tuple(replace(s, sampler=sampler, checkpoint=checkpoint) for s in scores.heeded),
    )


def joined(first: Scores, second: Scores) -> Scores:
    """Put scores of the same images together."""
    return Scores(
        columns={**first.columns, **second.columns},
        scores=(*first.scores, *second.scores),
        shares=first.shares or second.shares,
        heeded=first.heeded or second.heeded,
    )
