"""Ways to move the pictures of a generator: the strongest, those towards a label, saved ones.

A step along a direction is one standard deviation of the points. Words that name one: pca:2,
sefa:1, class:7, faces.csv:smile, sides, the name it was saved under, or its file.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from trilemma.directionfiles import Direction, read
from trilemma.errors import RunError
from trilemma.families.spaces import Space, activations, matrix
from trilemma.labelled import TABLE, of_class, of_sides, of_table
from trilemma.latents import Known, known, points_of, usual
from trilemma.maths.directions import carried, factorised, principal, stepped
from trilemma.runs import Found
from trilemma.sampling import Drawer

HEARD = 2_000  # seeds of which a layer's activations are taken

Say = Callable[[str], None]


def _pca(place: Known, count: int) -> Tensor:
    """Of w: its own axes. Of z: those of the first layer's activations, carried back to z.

    On the CPU: float64, which MPS has not.
    """
    if place.space.name == "w":
        axes = principal(usual(place.drawer, place.space).cpu(), count)
        return axes.axes * axes.spread[:, None]
    points, told = points_of(place.drawer, place.space, range(HEARD))
    heard = activations(place.space, points[:, 0], told).cpu().double()
    axes = principal(heard, count)
    ways = carried((heard - axes.mean) @ axes.axes.T, points[:, 0].cpu())
    return stepped(ways, points[:, 0].cpu())


def _sefa(place: Known, count: int) -> Tensor:
    """Give the directions that the layers told w, or the one told z, answer most."""
    points = usual(place.drawer, place.space)
    asked = place.drawer.asked
    _, told = points_of(place.drawer, place.space, [0])
    told = torch.tensor([asked]).to(points) if asked else told
    weights = matrix(place.space, points.shape[1], told).cpu()
    return stepped(factorised(weights, count), points.cpu())


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
    if TABLE.match(word):
        return of_table(place, word)
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
