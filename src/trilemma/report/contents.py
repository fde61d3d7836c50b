"""What a report shows, as plain values: filled by `comparison`, drawn by this folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from trilemma.scores import Column, Score, Scores

Pixels = np.ndarray  # uint8 [N, H, W, C]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One logged quantity over the training."""

    images_seen: tuple[int, ...]
    seconds: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """Ten samples and the training images nearest to them, in feature space."""

    samples: Pixels
    neighbours: Pixels
    distances: tuple[float, ...]
    share_closer: (
        float  # share of samples nearer to a training image than 99 % of held-out images are
    )
    held_out_median: float  # distance of held-out images to their nearest training image
    sample_median: float


class Note(NamedTuple):
    """A line that a reader must know, in whatever language the page is."""

    word: str  # of the page's words; its blanks are filled in with what follows
    counts: tuple[tuple[str, int], ...] = ()
    said: str = ""  # as a log or the data say it


class Ill(NamedTuple):
    """A sign of illness in a run's log; its words stand in `diagnosis.ILLNESSES`."""

    name: str
    since_images: int
    since_seconds: float
    until_images: int  # 0: it lasted to the end
    evidence: tuple[tuple[str, float], ...]
    what_to_try: tuple[str, str] = ("", "")  # in English and in Portuguese


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run, bundle, or group of runs that differ only in their seed."""

    name: str
    kind: str  # adversarial, diffusion, images
    members: tuple[str, ...]  # names of the runs of a group; the run itself if alone
    seeds: tuple[int, ...]
    recipe: Mapping[str, object]  # as in recipe.toml
    machine: Mapping[str, object]  # as in machine.json
    parameters: int  # of the generator
    evaluations: int  # network evaluations an image
    images_seen: int
    training_seconds: float
    training_images_per_second: float
    losses: Mapping[str, Curve]
    scalars: Mapping[str, Curve]
    watched: Mapping[str, Curve]  # scores during training, such as FD[domain]
    samples: Pixels  # from the same seeds in every run
    gif: bytes = b""  # progress.gif, or empty
    nearest: Nearest | None = None
    licences: tuple[str, ...] = ()
    ills: tuple[Ill, ...] | None = None  # signs of illness; None: there is no log to see them in
    few_steps: bool = False  # too few logged for most signs
    notes: tuple[Note, ...] = ()  # what a reader must know: ended early, another precision, ...


@dataclass(frozen=True, kw_only=True)
class ModesView:
    """Which modes of the source a run's samples reach."""

    run: str  # "": the real samples
    counts: tuple[int, ...]  # samples at each mode
    n: int  # samples, those at no mode among them
    points: np.ndarray  # float32 [N, 2]; empty where the samples are images
    centres: tuple[tuple[float, float], ...] = ()  # of the modes; (): they are numbers, 000 to 999
    radius: float = 0.0  # within which a point belongs to a centre


@dataclass(frozen=True, kw_only=True)
class CropRow:
    """A square of one enlarged image: as it was small, by each that enlarged it, and as it is."""

    rank: Literal["worst", "median", "best"]
    image: str
    pixels: Pixels  # uint8 [columns + 2, side, side, C]
    values: Mapping[str, tuple[float, ...]]  # metric -> of the whole image, one a column


@dataclass(frozen=True, kw_only=True)
class CropsView:
    """Three of the held-out images that upscalers enlarged."""

    by: str  # the run whose worst, middle and best images these are
    metric: str  # by which
    images: int  # among so many
    columns: tuple[str, ...]  # who enlarged them
    rows: tuple[CropRow, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two runs under one metric: distinguishable, or not."""

    first: str
    second: str
    metric: str
    column: str
    difference: float  # first - second
    low: float  # 95 % interval
    high: float
    over: Literal["images", "seeds", "pairs"] = "images"  # what chance the interval is of
    trainings: tuple[int, int] = (1, 1)  # of the first and of the second

    @property
    def distinguishable(self) -> bool:
        """Does the interval leave out zero?"""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, kw_only=True)
class StepPoint:
    """One way to draw from a run, and how near the real images it comes."""

    run: str
    sampler: str  # "": there is none to choose
    steps: int
    evaluations: int  # network evaluations an image, the guide's among them
    fd: Score
    kid: Score


@dataclass(frozen=True, kw_only=True)
class StepCurve:
    """One run, or the first of a group, with every sampler at a ladder of evaluations."""

    run: str
    drawn: str  # the run that images were drawn from; of a group its first
    called: str  # how a command finds that run
    own: StepPoint  # as its recipe draws
    points: tuple[StepPoint, ...]  # by sampler, then by evaluations; `own` is one of them
    beside: tuple[StepPoint, ...]  # runs on the same images that have nothing to choose
    column: Column


@dataclass(frozen=True, kw_only=True)
class Contents:
    """A whole report."""

    title: str
    runs: tuple[RunView, ...]
    scores: Scores  # one Score a run or group, metric and column
    differences: tuple[Difference, ...]
    reference: str  # name of the real images
    real: Pixels  # a grid of them
    machine: Mapping[str, object]
    created: str  # ISO date
    command: str = ""  # what makes this report again
    extractor_accuracy: float = float("nan")  # held-out accuracy of the classifier
    notes: tuple[Note, ...] = field(default=())
    modes: tuple[ModesView, ...] = ()  # empty: those of the source are not known
    few_steps: tuple[StepCurve, ...] = ()  # empty: not asked for, or nothing to vary
    crops: CropsView | None = None  # None: nothing was enlarged

    @property
    def points(self) -> bool:
        """Is everything that was drawn points of the plane?"""
        return bool(self.runs) and all(run.samples.shape[1:] == (1, 1, 2) for run in self.runs)
