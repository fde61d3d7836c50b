"""Ways to move the pictures of a generator: the strongest, those towards a label, saved ones.

A step along a direction is one standard deviation of the points. Words that name one: pca:2,
sefa:1, class:7, sides, the name it was saved under, or its file.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from trilemma.directionfiles import Direction, read
from trilemma.errors import RunError
from trilemma.extracting import classifier
from trilemma.families.spaces import Space, activations, matrix
from trilemma.features import cache
from trilemma.latents import pictures_of, points_of, space_of, usual
from trilemma.maths.directions import carried, factorised, parting, principal, stepped
from trilemma.recipe.closest import unknown
from trilemma.runs import Found
from trilemma.sampling import Drawer, check_seeds

DRAWN = 4_000  # seeds of which pictures are drawn, to see which show a class
HEARD = 2_000  # seeds of which a layer's activations are taken
FEWEST = 20.0  # of their images that show a class, at least
LISTED = re.compile(r"\d+(,\d+)*")  # seeds
DRAWN_FILE = re.compile(r"(?:.*-)?(\d+)\.[A-Za-z]+")  # as `sample --format folder` names them

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


class Known(NamedTuple):
    """What directions are found in."""

    found: Found
    drawer: Drawer
    space: Space
    sides: tuple[str, ...]  # two: seeds 1,4,7, or a folder of pictures of seeds; else none
    say: Say
    progress: Progress  # of pictures


def known(
    found: Found,
    drawer: Drawer,
    *,
    sides: Sequence[str] = (),
    say: Say,
    progress: Progress = lambda done, total: None,
) -> Known:
    """Look where a run's directions are found. RunError: it has none."""
    space = space_of(drawer, found.name, "directions")
    return Known(found, drawer, space, tuple(sides), say, progress)


def _pca(place: Known, count: int) -> Tensor:
    """Of w: its own axes. Of z: those of the first layer's activations, carried back to z."""
    if place.space.name == "w":
        axes = principal(usual(place.drawer, place.space), count)
        return axes.axes * axes.spread[:, None]
    points, told = points_of(place.drawer, place.space, range(HEARD))
    heard = activations(place.space, points[:, 0], told).double()
    axes = principal(heard, count)
    ways = carried((heard - axes.mean) @ axes.axes.T, points[:, 0])
    return stepped(ways, points[:, 0])


def _sefa(place: Known, count: int) -> Tensor:
    """Give the directions that the layers told w, or the one told z, answer most."""
    points = usual(place.drawer, place.space)
    asked = place.drawer.asked
    _, told = points_of(place.drawer, place.space, [0])
    told = torch.tensor([asked]).to(points) if asked else told
    weights = matrix(place.space, points.shape[1], told)
    return stepped(factorised(weights, count), points)


KINDS: Mapping[str, tuple[Callable[[Known, int], Tensor], str]] = {
    "pca": (_pca, "principal components"),
    "sefa": (_sefa, "closed-form factorization"),
}


def strongest(place: Known, kind: str, count: int) -> list[Direction]:
    """Give the first `count` directions of a kind, the strongest first; there may be fewer.

    RunError: fewer than one.
    """
    if count < 1:
        raise RunError(f"{kind}:{count}; allowed: {kind}:1 and more")
    find, words = KINDS[kind]
    return [
        Direction(
            name=f"{kind}:{number}",
            space=place.space.name,
            step=step.float().cpu(),
            how=f"{words}, number {number}",
        )
        for number, step in enumerate(find(place, count), start=1)
    ]


def of_class(place: Known, name: str) -> Direction:
    """Give the way towards pictures that a classifier takes for a class.

    RunError: no classifier of the run's images is there, it knows no such class, or hardly any
    picture shows it.
    """
    run, drawer, space = place.found.name, place.drawer, place.space
    judge = classifier(place.found, device=drawer.device, say=place.say)
    if judge is None:
        raise RunError(
            f"class:{name}: no classifier of {run}'s images is there; sort pictures of seeds "
            "into two folders by hand: --sides FOLDER FOLDER"
        )
    if name not in judge.classes:
        raise RunError(f"class:{name}: {unknown('class', name, judge.classes)}")
    place.say(f"class:{name}: looking at {DRAWN:,} pictures of {run}")
    points, told = points_of(drawer, space, range(DRAWN))
    pixels = pictures_of(drawer, space, points, told=told, progress=place.progress)
    logits = torch.from_numpy(cache.features(judge, pixels).logits)
    share = logits.double().softmax(1)[:, judge.classes.index(name)]
    if min(share.sum(), (1 - share).sum()) < FEWEST:
        raise RunError(f"class:{name}: {share.sum():.0f} of {DRAWN:,} pictures of {run} show it")
    flat = points.cpu()[:, 0]
    way = stepped(parting(flat, share)[None], flat)[0]
    how = f"class {name}, {share.sum():.0f} of {DRAWN:,} pictures"
    return Direction(name=f"class:{name}", space=space.name, step=way.float(), how=how)


def of_sides(place: Known) -> Direction:
    """Give the way from the second side's seeds to the first's. RunError: a side has none."""
    if len(place.sides) != 2:
        raise RunError("sides: name two: --sides 1,4,7 2,3,9, or two folders of pictures of seeds")
    having, lacking = (seeds_of(side) for side in place.sides)
    points, _ = points_of(place.drawer, place.space, [*having, *lacking])
    share = torch.tensor([1.0] * len(having) + [0.0] * len(lacking))
    way = parting(points[:, 0].cpu(), share)
    step = stepped(way[None], usual(place.drawer, place.space).cpu())[0]
    how = f"{len(having)} seeds against {len(lacking)}"
    return Direction(name="sides", space=place.space.name, step=step.float(), how=how)


def seeds_of(side: str) -> list[int]:
    """Read 1,4,7, or the names of the files in a folder, as `sample --format folder` gives them.

    RunError: neither.
    """
    if LISTED.fullmatch(side):
        seeds = [int(word) for word in side.split(",")]
    else:
        names = [path.name for path in sorted(Path(side).glob("*")) if path.is_file()]
        seeds = [int(match[1]) for name in names if (match := DRAWN_FILE.fullmatch(name))]
    if not seeds:
        raise RunError(
            f"--sides {side}: no seeds; allowed: 1,4,7, or a folder of files such as 000007.png "
            "(trilemma sample RUN --format folder)"
        )
    check_seeds(seeds)
    return seeds


def several(place: Known, words: Sequence[str]) -> list[Direction]:
    """Find directions: pca:5 are the first five, all others one each. RunError: as `one`."""
    found: list[Direction] = []
    for word in words:
        kind, _, count = word.partition(":")
        if kind in KINDS and count.isdecimal():
            found += strongest(place, kind, int(count))
        else:
            found.append(one(place, word))
    return found


def one(place: Known, word: str) -> Direction:
    """Find a direction; pca:2 is the second one. RunError: there is none of this name."""
    kind, colon, rest = word.partition(":")
    if kind in KINDS and rest.isdecimal():
        first = strongest(place, kind, int(rest))
        if len(first) < int(rest):
            raise RunError(f"{word}: {place.found.name} has {len(first)} directions of {kind}")
        return first[-1]
    if kind == "class" and colon:
        return of_class(place, rest)
    if word == "sides":
        return of_sides(place)
    size = points_of(place.drawer, place.space, [0])[0].shape[-1]
    return read(place.found, place.space, word, numbers=size, say=place.say)


def only(direction: Direction, rows: tuple[int, ...]) -> Direction:
    """Let a direction move some layers alone; (): those that it moves already."""
    return replace(direction, rows=rows) if rows else direction


def layers(space: Space, words: str, run: str) -> tuple[int, ...]:
    """Read 4-7, or 3, as layers of a style-based network; empty: (). RunError: it has no such."""
    if not words:
        return ()
    first, dash, last = words.partition("-")
    ends = (first, last if dash else first)
    if space.name != "w":
        raise RunError(f"--layers {words}: {run} has no w; of style-based networks alone")
    if not all(end.isdecimal() for end in ends) or not int(ends[0]) <= int(ends[1]) < space.rows:
        raise RunError(f"--layers {words}; allowed: two layers of 0-{space.rows - 1}, such as 0-3")
    return tuple(range(int(ends[0]), int(ends[1]) + 1))


def amounts(words: Sequence[str]) -> dict[str, float]:
    """Read smile=2.0 as names and how far to go, in standard deviations. RunError: no number."""
    found = {}
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = math.nan
        if not name or not math.isfinite(found[name]):
            raise RunError(f"--direction {word}; allowed: a name and steps, such as smile=2.0")
    return found


def move(place: Known, words: Sequence[str], rows: tuple[int, ...] = ()) -> Tensor:
    """Add up directions, each so far as it says: [rows, D]; of none it is 0.

    rows: layers that are moved; (): as each one says. RunError: one is not known.
    """
    total = torch.zeros(())
    for name, far in amounts(words).items():
        total = total + moved(place.space, only(one(place, name), rows), far)
    return total


def moving(
    found: Found, drawer: Drawer, words: Sequence[str], layer_words: str = "", *, say: Say
) -> Drawer:
    """Let a drawer move every image along directions, such as smile=2.0. RunError: as `move`."""
    if not words:
        return drawer
    place = known(found, drawer, say=say)
    total = move(place, words, layers(place.space, layer_words, found.name))
    say(f"{found.name}: {said(words)}")
    return replace(drawer, move=total)


def said(words: Sequence[str]) -> str:
    """Say along what every picture is moved."""
    return f"every picture is moved along {', '.join(words)}"


def moved(space: Space, direction: Direction, steps: float) -> Tensor:
    """Give what `steps` steps along a direction add to points: [rows, D]."""
    weights = torch.zeros(space.rows, 1)
    weights[list(direction.rows or range(space.rows))] = steps
    device = next(space.generator.parameters()).device
    return (weights * direction.step).to(device)
