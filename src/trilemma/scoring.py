"""One run, bundle, folder or source against real images: drawn, seen, scored, timed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from trilemma.data.sources import open_source
from trilemma.data.values import Source
from trilemma.evaluation import STANDARD, class_shares, column, evaluate
from trilemma.families.family import DrawOptions
from trilemma.features import cache
from trilemma.features.extractor import Extractor, Features
from trilemma.maths.copying import Copying, copying
from trilemma.maths.randomness import rng
from trilemma.runs import Found
from trilemma.samplecache import remembered
from trilemma.sampling import Drawer, Pixels, load_generator
from trilemma.scores import Score, Scores
from trilemma.speed import Speed, measure

MOST, LEAST = 2_000, 200  # images drawn for a score, unless --n says another number
SEARCHED = 20_000  # training images among which copies are looked for, at most

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The real images that scores are taken against, and what an extractor saw in them."""

    source: Source  # all held-out images
    train: Source  # the images that were trained on
    extractor: Extractor
    real: Features  # of `n` held-out images
    floor: Features  # of as many training images as are drawn: what a perfect generator gives
    seen: Features  # of training images among which copies are looked for
    rows: np.ndarray  # which held-out images
    seen_rows: np.ndarray  # which training images

    @property
    def n(self) -> int:
        """Count the images of the reference."""
        return len(self.rows)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A run with everything that was measured of it."""

    found: Found
    drawer: Drawer
    pixels: Pixels  # image i from seed i
    features: Features
    reference: Reference
    scores: Scores
    speed: Speed
    copies: Copying


def refer(
    found: Found, extractor: Extractor, *, n: int = 0, say: Say, progress: Progress
) -> Reference:
    """Open a run's held-out images and look at n of them; 0: as many as there are, up to 2,000."""
    data = found.recipe.data
    source = open_source(data, "test", progress=progress, say=say)
    train = open_source(data, "train", progress=progress, say=say)
    count = min(n or MOST, len(source))
    rows = some(len(source), count)
    floor_rows = some(len(train), wanted(count, n))
    seen_rows = some(len(train), SEARCHED)
    return Reference(
        source=source,
        train=train,
        extractor=extractor,
        real=cache.features(extractor, np.asarray(source.pixels[rows])),
        floor=cache.features(extractor, np.asarray(train.pixels[floor_rows])),
        seen=cache.features(extractor, np.asarray(train.pixels[seen_rows])),
        rows=rows,
        seen_rows=seen_rows,
    )


def some(of: int, n: int) -> np.ndarray:
    """Choose n of some rows, always the same, in rising order."""
    return np.sort(torch.randperm(of, generator=rng(0, "reference", 0)).numpy()[:n])


def wanted(n_real: int, n: int) -> int:
    """Say how many images are drawn: as asked, else as many as are real, but at least 200."""
    return n or max(LEAST, n_real)


def score_run(
    found: Found,
    reference: Reference,
    *,
    n: int = 0,
    metrics: Sequence[str] = STANDARD,
    options: DrawOptions | None = None,
    device: torch.device,
    progress: Progress,
) -> Scored:
    """Draw images from seeds 0, 1, ..., score them, look for copies, and time the drawing."""
    drawer = load_generator(found, device=device, options=options)
    seeds = range(wanted(reference.n, n))
    pixels = remembered(drawer, found.weights, seeds, progress=progress)
    features = cache.features(reference.extractor, pixels)
    speed = measure(drawer)
    scores = quality(found.name, features, reference, metrics)
    named = sampler_name(drawer)
    placed = tuple(
        replace(score, sampler=named, checkpoint=found.checkpoint)
        for score in (*scores.scores, *speed_scores(found.name, speed))
    )
    return Scored(
        found=found,
        drawer=drawer,
        pixels=pixels,
        features=features,
        reference=reference,
        scores=replace(scores, scores=placed),
        speed=speed,
        copies=copying(
            fake=tensor(features), train=tensor(reference.seen), held_out=tensor(reference.real)
        ),
    )


def quality(name: str, features: Features, reference: Reference, metrics: Sequence[str]) -> Scores:
    """Score features against the reference, with class shares where both know the classes."""
    scores = evaluate(
        features,
        reference.real,
        reference.floor,
        run=name,
        column=column(reference.extractor, reference.source),
        metrics=metrics,
    )
    known = reference.extractor.classes
    if not known or known != reference.source.classes:
        return scores
    return replace(scores, shares=(class_shares(features, reference.source, run=name),))


def speed_scores(name: str, speed: Speed) -> list[Score]:
    """Write timings as scores, n the runs that were timed; they stand in no column."""
    rows = (
        ("ms_per_image", speed.ms_per_image, speed.ms_error, speed.runs_alone),
        ("images_per_second", speed.images_per_second, speed.rate_error, speed.runs),
        ("memory_bytes", speed.memory_bytes, math.nan, 1),
    )
    return [
        Score(run=name, metric=m, value=v, error=e, n=n, column="", floor=math.nan)
        for m, v, e, n in rows
    ]


def sampler_name(drawer: Drawer) -> str:
    """Name how images were drawn, such as ddim-50; empty where there is nothing to choose."""
    name = drawer.options.sampler or getattr(drawer.recipe.family, "sampler", "")
    steps = drawer.options.steps or getattr(drawer.recipe.family, "steps", 0)
    return f"{name}-{steps}" if name else ""


def tensor(features: Features) -> Tensor:
    """Give features as a tensor [N, D]."""
    return torch.from_numpy(features.features)
