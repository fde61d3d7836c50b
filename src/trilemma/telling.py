"""What a run's networks are told while one looks around in it; the same seeds told otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from trilemma import counting
from trilemma.asking import NOTHING, Asked, asked, drawn_as
from trilemma.errors import RunError
from trilemma.families import conditions
from trilemma.families.family import DrawOptions
from trilemma.places import Say
from trilemma.report.explored import Knob, Told
from trilemma.runs import Found, find_run
from trilemma.sampling import Drawer, load_generator

SEEDS = 4  # that are drawn otherwise
CLASSES, ATTRIBUTES = 30, 8  # that are drawn, at most
VALUES = 7  # of an attribute, from its least to its greatest; odd

Progress = Callable[[int, int], None]


class Around(NamedTuple):
    """A run that is looked at around its seeds."""

    found: Found
    drawer: Drawer  # that asks for what every image shows
    shows: Asked
    words: str  # that say so; empty: the networks are told nothing


def around(
    run: str,
    shows: str,
    attributes: Sequence[str],
    *,
    options: Callable[[Found], DrawOptions],
    device: torch.device,
    say: Say,
) -> Around:
    """Load a run whose images all show the same. RunError: it draws points; or as `all_along`."""
    found = find_run(run, say=say)
    if counting.in_the_plane(found.recipe.data):
        raise RunError(f"{found.name} draws points, no images; look at them: trilemma sample")
    drawer = load_generator(found, device=device, options=options(found))
    every = all_along(drawer, found.name, shows, attributes)
    drawer = replace(drawer, asked=every.row)
    words = said(drawer, every)
    if words:
        say(f"{found.name}: {words[0].lower()}{words[1:]}")
    return Around(found, drawer, every, words)


def all_along(drawer: Drawer, run: str, shows: str, attributes: Sequence[str]) -> Asked:
    """Give what every image shows where the networks are told labels: the first class, if none.

    RunError: more than one class, or as `asking.asked`.
    """
    family, data = drawer.recipe.family, drawer.recipe.data
    whole = shows in data.labels or "," not in shows
    classes = tuple(filter(None, (shows,) if whole else shows.split(",")))
    if family.condition != "none" and not (classes or attributes):
        if not conditions.are_classes(data):
            return Asked("", -1, means(drawer))
        classes = data.labels[:1]
    found = asked(drawer, run, classes, attributes)
    if len(found) > 1:
        raise RunError(f"--class {shows}: a walk shows one class; name one")
    return found[0]


def means(drawer: Drawer) -> tuple[float, ...]:
    """Give the mean of what training images show."""
    known = conditions.kept(drawer.nets["generator"])
    assert known is not None, "a conditional generator keeps conditions"
    return tuple(known.mean(0).tolist())


def said(drawer: Drawer, shown: Asked) -> str:
    """Say what every image shows; empty where the networks are told nothing."""
    if shown == NOTHING:
        return ""
    if conditions.are_classes(drawer.recipe.data):
        return f"Every picture is asked for class {shown.name}"
    if not shown.name:
        return "Every attribute is at its mean over training images"
    return f"Asked for: {shown.name.replace(',', ', ')}; other attributes are at their mean"


def otherwise(
    drawer: Drawer, shown: Asked, seeds: Sequence[int], progress: Progress
) -> Told | None:
    """Draw the first seeds with every class, or with one attribute after the other moved.

    None: the networks are told nothing.
    """
    if shown == NOTHING:
        return None
    data = drawer.recipe.data
    seeds = tuple(dict.fromkeys(seeds))[:SEEDS]
    if conditions.are_classes(data):
        kept = tuple(dict.fromkeys((*data.labels[: CLASSES - 1], shown.name, *data.labels)))
        names = tuple(name for name in data.labels if name in kept[:CLASSES])
        every = asked(drawer, "", names, ())
        knobs: tuple[Knob, ...] = (
            knob(drawer, "class", every, names, names.index(shown.name), seeds, progress),
        )
    else:
        knobs = tuple(
            knob(drawer, name, *moved(drawer, shown, place), seeds, progress)
            for place, name in enumerate(data.labels[:ATTRIBUTES])
        )
    drawn = len(knobs[0].words) if conditions.are_classes(data) else len(knobs)
    return Told(seeds=seeds, knobs=knobs, left_out=len(data.labels) - drawn)


def moved(drawer: Drawer, shown: Asked, place: int) -> tuple[list[Asked], tuple[str, ...], int]:
    """Give an attribute's values from its least to its greatest, as words, and which is nearest.

    Networks are told it in [-1, 1].
    """
    data = drawer.recipe.data
    low, high = data.label_low[place], data.label_high[place]
    ends = np.linspace(-1, 1, VALUES)
    every = [
        Asked("", -1, (*shown.row[:place], float(end), *shown.row[place + 1 :])) for end in ends
    ]
    words = tuple(f"{low + (high - low) * (end + 1) / 2:.3g}" for end in ends)
    return every, words, int(np.abs(ends - shown.row[place]).argmin())


def knob(
    drawer: Drawer,
    name: str,
    every: Sequence[Asked],
    words: Sequence[str],
    at: int,
    seeds: Sequence[int],
    progress: Progress,
) -> Knob:
    """Draw the seeds for every position of a knob."""
    pixels = drawn_as(drawer, every, seeds, progress=progress)
    return Knob(
        name=name,
        words=tuple(words),
        pixels=pixels.reshape(len(words), len(seeds), *pixels.shape[1:]),
        at=at,
    )
