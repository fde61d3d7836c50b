"""What images are to show: words of the user -> the conditions that networks are told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from trilemma.errors import RunError
from trilemma.families import conditions
from trilemma.images import grid
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import DataRecipe
from trilemma.runs import called, parted
from trilemma.sampling import BATCH, Drawer, Pixels, drawn_together

ALL = "all"  # in place of a class: each of them


class Asked(NamedTuple):
    """One thing that images are to show."""

    name: str  # a class or smile=1,angle=0; empty: nothing is asked for
    label: int  # number of the class; -1: none
    row: tuple[float, ...]  # what the network is told; empty: what some training images show


NOTHING = Asked("", -1, ())


def asked(
    drawer: Drawer, run: str, classes: Sequence[str], attributes: Sequence[str]
) -> list[Asked]:
    """Turn --class 3 cat, --class all or --attributes smile=1 angle=0.5 into conditions.

    A class is named, or counted from 0; attributes that are not named are at their mean. RunError:
    the run's networks are told no labels, or others.
    """
    if not classes and not attributes:
        return [NOTHING]
    data = drawer.recipe.data
    flag = "--class" if classes else "--attributes"
    if drawer.recipe.family.condition == "none":
        raise RunError(
            f"{flag}: {run} was told no labels in training; train one that is, such as mnist-cgan, "
            "or with --family.condition"
        )
    if (classes and attributes) or conditions.are_classes(data) != bool(classes):
        other = "--attributes" if classes else "--class"
        raise RunError(f"{flag}: {run} was told {', '.join(data.labels)}; ask with {other}")
    if attributes:
        return [_attributes(drawer, attributes)]
    names = data.labels if ALL in classes else tuple(_class(name, data, run) for name in classes)
    return [_one(data, data.labels.index(name)) for name in names]


def runs_behind(
    runs: Sequence[str], classes: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part what was typed behind --class into classes and the runs that end it, if none is before.

    Gives (runs, classes). At least one class stays.
    """
    cut = len(classes)
    while not runs and cut > 1 and called(parted(classes[cut - 1])[0]):
        cut -= 1
    return (*runs, *classes[cut:]), tuple(classes[:cut])


def _class(asked: str, data: DataRecipe, run: str) -> str:
    if asked in data.labels:
        return asked
    if asked.isdecimal() and int(asked) < len(data.labels):
        return data.labels[int(asked)]
    raise RunError(f"{run}: {unknown('class', asked, (*data.labels, ALL))}")


def _one(data: DataRecipe, label: int) -> Asked:
    row = conditions.encoded(data, torch.tensor([label]))[0]
    return Asked(data.labels[label], label, tuple(row.tolist()))


def _attributes(drawer: Drawer, words: Sequence[str]) -> Asked:
    data = drawer.recipe.data
    known = conditions.kept(drawer.nets["generator"])
    assert known is not None, "a conditional generator keeps conditions"
    row = known.mean(0).tolist()
    for word in words:
        name, _, value = word.partition("=")
        if name not in data.labels:
            raise RunError(f"--attributes: {unknown('attribute', name, data.labels)}")
        place = data.labels.index(name)
        low, high = data.label_low[place], data.label_high[place]
        number = _number(value)
        if not low <= number <= high:
            raise RunError(f"--attributes: {word}; allowed: {name}={low:g} to {name}={high:g}")
        ends = (data.label_low, data.label_high)
        only = replace(data, label_low=(ends[0][place],), label_high=(ends[1][place],))
        row[place] = conditions.encoded(only, torch.tensor([[number]])).item()
    return Asked(",".join(words), -1, tuple(row))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")  # outside every range: refused with what is allowed


Progress = Callable[[int, int], None]
Draw = Callable[[Drawer, Sequence[int], Progress], Pixels]


def in_batches(
    drawer: Drawer, seeds: Sequence[int], progress: Progress, batch: int = BATCH
) -> Pixels:
    """Draw seeds, keeping nothing."""
    return drawn_together(drawer, seeds, batch=batch, progress=progress)


def drawn_as(
    drawer: Drawer,
    wanted: Sequence[Asked],
    seeds: Sequence[int],
    *,
    draw: Draw = in_batches,
    progress: Progress = lambda done, total: None,
) -> Pixels:
    """Draw the same seeds for everything that is asked for, uint8 [wanted x seeds, H, W, C]."""
    parts: list[Pixels] = []
    for one in wanted:

        def told(done: int, total: int) -> None:
            progress(len(parts) * total + done, len(wanted) * total)

        parts.append(draw(replace(drawer, asked=one.row), seeds, told))
    return np.concatenate(parts)


def pictured(drawer: Drawer, count: int) -> Pixels:
    """Draw a grid of about `count` images from fixed seeds; of classes each has a row or more."""
    recipe = drawer.recipe
    classes = recipe.family.condition != "none" and conditions.are_classes(recipe.data)
    each = count // max(1, len(recipe.data.labels))
    if not classes or each < 2:
        return grid(drawn_together(drawer, range(count)))
    wanted = [_one(recipe.data, label) for label in range(len(recipe.data.labels))]
    return grid(drawn_as(drawer, wanted, range(each)), columns=each)
