"""One run, bundle, folder or source against real images: drawn, seen, scored, timed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from trilemma import counting, heeding, processes, runs
from trilemma.counting import Counted
from trilemma.data.fewimages import enough
from trilemma.data.sources import open_source
from trilemma.data.splits import ENOUGH_HELD_OUT
from trilemma.data.values import Source
from trilemma.enlargements import Look, Trials, Values, enlarging, trials_of
from trilemma.evaluation import STANDARD, column, column_id, evaluate, labelled_by
from trilemma.families.family import DrawOptions
from trilemma.features import cache
from trilemma.features.extractor import Extractor, Features
from trilemma.maths.copying import RARE, Copying, copying
from trilemma.maths.randomness import rng
from trilemma.maths.statistics import Z95
from trilemma.pairscores import enlarges, megapixel_score, pair_scores, parted
from trilemma.places import Say, quiet
from trilemma.runs import Found
from trilemma.samplecache import remembered
from trilemma.sampling import Drawer, Pixels, load_generator, sampler_name
from trilemma.scores import Column, Score, Scores, as_drawn, joined
from trilemma.speed import Speed, measure, speed_scores

MOST, LEAST = 2_000, 200  # images drawn for a score, unless --n says another number
SEARCHED = 20_000  # training images among which copies are looked for, at most
SEARCHED_SLOWLY = 2_000  # by slow extractors

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The real images that scores are taken against, and what an extractor saw in them."""

    source: Source  # all held-out images
    train: Source  # the images that were trained on
    extractor: Extractor
    real: Features  # of `n` held-out images
    floor: Features | None  # of as many training images as are drawn: what a perfect one gives
    seen: Features  # of training images among which copies are looked for
    rows: np.ndarray  # which held-out images
    seen_rows: np.ndarray  # which training images

    @property
    def n(self) -> int:
        """Count the images of the reference."""
        return len(self.rows)

    @property
    def held_out(self) -> bool:
        """Are its images others than those that were trained on?"""
        return self.source.fingerprint != self.train.fingerprint


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
    modes: Counted | None = None  # of the run's source, where they are known
    trials: Trials | None = None  # what an upscaler enlarged
    values: Values | None = None  # of each of them


def refer(
    found: Found, extractor: Extractor, *, n: int = 0, say: Say, progress: Progress
) -> Reference:
    """Open a run's held-out images and look at n of them; 0: as many as there are, up to 2,000."""
    source, train = opened(found, say=say, progress=progress)
    return look(source, train, extractor, n=n, progress=progress)


def opened(found: Found, *, say: Say, progress: Progress) -> tuple[Source, Source]:
    """Open the held-out and the training images of a run. DataError: they are not known."""
    data = runs.at_hand(found.name, found.recipe.data)
    test, train = (
        open_source(data, split, progress=progress, say=say) for split in ("test", "train")
    )
    return test, train


def look(
    source: Source, train: Source, extractor: Extractor, *, n: int = 0, progress: Progress
) -> Reference:
    """Let an extractor see n held-out images, as many others for the floor, and training images.

    Where no image is held out there is no floor: an image would be held against itself.
    """
    enough(source)
    count = min(n or MOST, len(source))
    rows = some(len(source), count)
    floor_rows = some(len(train), wanted(count, n))
    seen_rows = some(len(train), searched(extractor))

    def seen(images: Source, chosen: np.ndarray) -> Features:
        return cache.features(extractor, np.asarray(images.pixels[chosen]), progress=progress)

    apart = source.fingerprint != train.fingerprint
    return Reference(
        source=source,
        train=train,
        extractor=extractor,
        real=seen(source, rows),
        floor=seen(train, floor_rows) if apart else None,
        seen=seen(train, seen_rows),
        rows=rows,
        seen_rows=seen_rows,
    )


def searched(extractor: Extractor) -> int:
    """Say among how many training images copies are looked for: fewer where looking is slow."""
    return SEARCHED_SLOWLY if extractor.slow else SEARCHED


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
    seen_by: Mapping[str, Look] = MappingProxyType({}),
    device: torch.device,
    progress: Progress,
    say: Say = quiet,
) -> Scored:
    """Draw images from seeds 0, 1, ..., score them, look for copies, and time the drawing.

    seen_by: what looks at pairs of an upscaler, as `pairscores.looks` loads it.
    DataError: an unknown metric, or modes are to be counted that nobody knows.
    """
    others, _ = parted(heeding.others(metrics), pairs=enlarges(found))
    compared, counts = counting.parted(others, counting.of(found.recipe.data))
    drawer = load_generator(found, device=device, options=options)
    seeds = range(wanted(reference.n, n))
    trials, values = None, None
    if enlarges(found):
        trials = trials_of(found.recipe, reference.source, n or MOST)
        drawer, seeds = enlarging(drawer, trials), range(len(trials))
    pixels = remembered(drawer, found.weights, seeds, progress=progress)
    features = cache.features(reference.extractor, pixels)
    # Others wait meanwhile: two that draw at once slow each other down.
    speed: Speed = processes.share(measure(drawer) if processes.rank() == 0 else None)
    copies = copying(
        fake=tensor(features), train=tensor(reference.seen), held_out=tensor(reference.real)
    )
    scores = quality(found.label, features, reference, compared)
    copied, near = copy_score(found.label, copies, reference)
    met, modes = Scores(), None
    if counts:
        met, modes = mode_scores(
            found, drawer, pixels, reference, counts, n=n, device=device, progress=progress
        )
    asked = heeding.heed(
        found,
        drawer,
        looked_at(reference),
        n=n,
        metrics=metrics,
        say=say,
        progress=progress,
    )
    met = joined(met, asked)
    if trials is not None:
        paired, values = pair_scores(found.label, pixels, trials, seen_by=seen_by, device=device)
        met = joined(met, paired)
    rows = (*scores.scores, *met.scores, near, *speed_scores(found.label, speed))
    if trials is not None:
        rows = (*rows, megapixel_score(found.label, speed, pixels))
    made = Scores(
        columns={**scores.columns, **met.columns, **copied},
        scores=rows,
        shares=scores.shares,
        heeded=met.heeded,
    )
    return Scored(
        found=found,
        drawer=drawer,
        pixels=pixels,
        features=features,
        reference=reference,
        scores=as_drawn(made, sampler=sampler_name(drawer), checkpoint=found.checkpoint),
        speed=speed,
        copies=copies,
        modes=modes,
        trials=trials,
        values=values,
    )


def looked_at(reference: Reference) -> Source:
    """Give the held-out images that scores are taken against."""
    source, rows = reference.source, reference.rows
    return replace(source, pixels=np.asarray(source.pixels[rows]), labels=source.labels[rows])


def quality(name: str, features: Features, reference: Reference, metrics: Sequence[str]) -> Scores:
    """Score features against the reference, with class shares where both know the classes."""
    return evaluate(
        features,
        reference.real,
        reference.floor,
        run=name,
        column=column(reference.extractor, reference.source),
        labelled=labelled_by(reference.extractor, reference.source),
        metrics=metrics,
    )


def mode_scores(
    found: Found,
    drawer: Drawer,
    pixels: Pixels,
    reference: Reference,
    names: Sequence[str],
    *,
    n: int,
    device: torch.device,
    progress: Progress,
) -> tuple[Scores, Counted]:
    """Count the modes that n samples reach, and those of as many held-out images.

    n: 0: as many as the source's modes take; more than `pixels` are drawn from further seeds.
    """
    known = counting.of(found.recipe.data)
    assert known is not None, "counts were asked for"
    by = counting.looker(known, device=device)
    n = n or known.n or len(pixels)
    if n > len(pixels):
        pixels = remembered(drawer, found.weights, range(n), progress=progress)
    fake = counting.count(known, cache.features(by, pixels[:n], progress=progress).features)
    rows, real = some(len(reference.source), n), None
    if len(rows) == n:
        shown = np.asarray(reference.source.pixels[rows])
        real = counting.count(known, cache.features(by, shown, progress=progress).features)
    made = counting.scored(found.label, fake, real, names, by=by, reference=reference.source)
    return made, fake


def copy_score(name: str, copies: Copying, reference: Reference) -> tuple[dict[str, Column], Score]:
    """Write the share of samples that lie as near to a training image as 1 % of held-out ones do.

    Its error is half the width of Wilson's interval, over 1.96, so that 0 copies have one, too; its
    floor is chance. nan where too few images are held out. Gives its column beside it.
    """
    n, known = len(copies.distances), reference.held_out and reference.n >= ENOUGH_HELD_OUT
    own = replace(column(reference.extractor, reference.source), n_real=reference.n, n_fake=n)
    score = Score(
        run=name,
        metric="copies",
        value=copies.share_closer if known else math.nan,
        error=(copies.high - copies.low) / (2 * Z95) if known else math.nan,
        n=n,
        column=column_id(own),
        floor=RARE if known else math.nan,
    )
    return {score.column: own}, score


def tensor(features: Features) -> Tensor:
    """Give features as a tensor [N, D]."""
    return torch.from_numpy(features.features)
