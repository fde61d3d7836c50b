"""How often a conditional run draws the class that it is asked for, as a classifier sees it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from trilemma.asking import asked
from trilemma.data.values import Source
from trilemma.errors import DataError
from trilemma.evaluation import STANDARD, column, column_id
from trilemma.extracting import classifier
from trilemma.families import conditions
from trilemma.features import cache
from trilemma.features.extractor import Extractor
from trilemma.maths.statistics import Z95, wilson
from trilemma.places import Say, quiet
from trilemma.runs import Found
from trilemma.samplecache import Progress, remembered
from trilemma.sampling import Drawer, Pixels
from trilemma.scores import Heeded, Score, Scores

NAME = "asked_class"  # of --metrics and of scores.json
MOST = 1_000  # images in all: a share of .98 has an error of .004 then


def others(metrics: Sequence[str], *, alone: bool = True) -> tuple[str, ...]:
    """Take this metric out. alone: a run is held against its own images; else it is a DataError."""
    if NAME in metrics and not alone:
        raise DataError(f"metric {NAME} is for a run beside its own held-out images")
    return tuple(name for name in metrics if name != NAME)


def heed(
    found: Found,
    drawer: Drawer,
    reference: Source,
    *,
    n: int = 0,
    metrics: Sequence[str] = STANDARD,
    say: Say = quiet,
    progress: Progress = lambda done, total: None,
) -> Scores:
    """Ask evenly for every class, n images in all (0: 1,000), and count what a classifier sees.

    The floor is how often it sees the class of real images, of every class alike: what a perfect
    generator would reach. Empty for a run that was told no labels, and, with a line, where nobody
    can tell what an image shows; a DataError if the metric was named. It is a standard one, too.
    """
    named = NAME in metrics
    if not named and tuple(metrics) != tuple(STANDARD):
        return Scores()
    by, why = judge(found, device=drawer.device, say=say)
    if by is None and named:
        raise DataError(f"metric {NAME}: {why}")
    if by is None:
        if found.recipe.family.condition != "none":
            say(f"asked classes are not counted: {why}")
        return Scores()
    data = found.recipe.data
    each = max(1, (n or MOST) // len(data.labels))
    hits = []
    for number, one in enumerate(asked(drawer, found.name, data.labels, ())):
        seeds = range(number * each, (number + 1) * each)
        pixels = remembered(replace(drawer, asked=one.row), found.weights, seeds)
        hits.append(int(shows(by, pixels, [one.name] * each).sum()))
        progress((number + 1) * each, len(data.labels) * each)
    return scored(found.label, hits, each, data.labels, by=by, reference=reference)


def judge(found: Found, *, device: torch.device, say: Say) -> tuple[Extractor | None, str]:
    """Give the classifier of everything that a run can be asked for; None: the words say why."""
    data = found.recipe.data
    if found.recipe.family.condition == "none":
        return None, f"{found.name} was told no labels in training"
    if not conditions.are_classes(data):
        return None, f"{found.name} was told attributes, which no classifier tells"
    by = classifier(found, device=device, say=say)
    if by is None or not set(data.labels) <= set(by.classes):
        some = ", ".join(data.labels[:3])
        return None, f"no classifier of {some}, ... ships or lies with {found.name}"
    return by, ""


def shows(by: Extractor, pixels: Pixels, names: Sequence[str]) -> np.ndarray:
    """Say of each image whether its most likely class is that of this name, bool [N]."""
    seen = cache.features(by, pixels).logits.argmax(axis=1)
    return np.asarray([by.classes[one] == name for one, name in zip(seen, names, strict=True)])


def scored(
    run: str,
    hits: Sequence[int],
    each: int,
    classes: Sequence[str],
    *,
    by: Extractor,
    reference: Source,
) -> Scores:
    """Write hits among `each` images of every class as a score and as shares.

    The error is half the width of Wilson's interval over all images, over 1.96: that of evenly
    asked classes is no larger, and none of 0 comes of all hits.
    """
    n = each * len(classes)
    low, high = wilson(sum(hits), n)
    own = replace(column(by, reference), n_real=len(reference), n_fake=n)
    score = Score(
        run=run,
        metric=NAME,
        value=sum(hits) / n,
        error=(high - low) / (2 * Z95),
        n=n,
        column=column_id(own),
        floor=known(by, reference),
    )
    shares = Heeded(run=run, classes=tuple(classes), share=tuple(h / each for h in hits), n=each)
    return Scores(columns={score.column: own}, scores=(score,), heeded=(shares,))


def known(by: Extractor, reference: Source) -> float:
    """Give the mean over classes of the share of real images that are seen as what they are."""
    rows = np.flatnonzero(reference.labels >= 0)
    if not len(rows):
        return math.nan
    labels = reference.labels[rows]
    names = [reference.classes[label] for label in labels]
    right = torch.from_numpy(shows(by, np.asarray(reference.pixels[rows]), names))
    every = [right[torch.from_numpy(labels == label)] for label in np.unique(labels)]
    return float(np.mean([one.double().mean().item() for one in every]))
