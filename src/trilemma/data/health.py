"""A data set's health: what is in it, what is broken, what is there twice, what to train on it."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from typing import NamedTuple

import numpy as np
from PIL import Image

from trilemma.data.fewimages import held_out, of_few
from trilemma.data.named import NAMED
from trilemma.data.shape import is_grey
from trilemma.data.sources import list_images, split_of
from trilemma.data.splits import pick
from trilemma.data.values import Found, Pixels, Progress, Skipped, Source, silent
from trilemma.errors import DataError
from trilemma.images import decode, fit, grid, refuse_tiny, to_eight_bits, to_picture
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import DataRecipe
from trilemma.scatter import is_points

THUMB = 16  # side of the thumbnails that are compared
NEAR = 10.0  # root mean square, of 255, below which two thumbnails show one picture
COMPARED = 10_000  # images, at most, that are compared with each other
TILE, TILES = 64, 64  # side and number of the pictures on the contact sheet
SHARE = DataRecipe().held_out
SIDES = (16, 28, 32, 48, 64)  # of the images to train on, the largest that needs no enlarging
PRESETS = {
    "cifar10": "cifar10-gan-fast",
    "digits": "digits-gan",
    "fashion-mnist": "fashion-mnist-gan-fast",
    "mnist": "mnist-gan-fast",
    "stacked-mnist": "stacked-mnist-relativistic",
}


class Duplicate(NamedTuple):
    """An image that looks like one listed before it."""

    name: str
    like: str
    rms: float  # between their 16x16 thumbnails, of 255


@dataclass(frozen=True, kw_only=True)
class Health:
    """What `trilemma data` shows."""

    name: str
    images: int  # that can be trained on
    skipped: tuple[Skipped, ...]
    classes: Mapping[str, int]  # of those images
    splits: Mapping[str, int]  # the same; "": none given
    sizes: Mapping[tuple[int, int], int]  # (width, height) -> images, most frequent first
    smallest: tuple[int, int]  # width, height, by area
    largest: tuple[int, int]
    grey: int  # images without colour
    duplicates: tuple[Duplicate, ...]
    compared: int  # images that were looked at for duplicates
    sheet: Pixels  # a contact sheet, uint8 [H, W, 3]
    licence: str
    notes: tuple[str, ...]
    advice: tuple[str, ...]
    command: str  # what trains on it


class Look(NamedTuple):
    """What one image shows of itself."""

    row: int
    size: tuple[int, int]  # width, height
    grey: bool
    thumb: np.ndarray  # uint8 [16 * 16 * 3]
    tile: Pixels | None  # for the contact sheet
    note: str


def health(
    source: Source | str,
    *,
    root: str = "",
    size: tuple[int, int] | None = None,
    progress: Progress = silent,
    say: Say = quiet,
) -> Health:
    """Look at every image of a source, a name or a path once.

    root: where a named set's files lie. size: (height, width) to train at, for which an image may
    be too small; None: as suggested. DataError: nothing there, or no image can be used.
    """
    found, rows = _listed(source, root, say)
    pixels = found.pixels if isinstance(source, str) else source.pixels
    if pixels is not None and is_points(pixels):
        raise DataError(f"{found.name} holds points, no images; see them: trilemma train ring-gan")
    whole = isinstance(source, str) and split_of(source)[1] == "all"
    readable, skipped = _look_at_all(found, rows, progress)
    side = _side(Counter(look.size for look in readable))
    looks, tiny = _large_enough(readable, found, size or (side, side))
    skipped += tiny
    if not looks:
        first = ": ".join(skipped[0])
        raise DataError(f"{found.name}: no image of {len(skipped):,} can be used (first: {first})")
    images = [look.row for look in looks]
    sizes = Counter(look.size for look in looks)
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    compared = looks[:: -(-len(looks) // COMPARED)]
    grey = sum(look.grey for look in looks)
    channels = 1 if grey == len(looks) else 3
    sheet = grid(np.stack([look.tile for look in looks if look.tile is not None]))
    return Health(
        name=found.name,
        images=len(looks),
        skipped=skipped,
        classes=_count(found.classes, found.labels[images]),
        splits=dict(Counter(found.splits[row] for row in images)),
        sizes=dict(sizes.most_common()),
        smallest=by_area[0],
        largest=by_area[-1],
        grey=grey,
        duplicates=near_duplicates(
            [found.names[look.row] for look in compared],
            np.stack([look.thumb for look in compared]),
        ),
        compared=len(compared),
        sheet=sheet,
        licence=found.licence,
        notes=found.notes + _notes(looks),
        advice=(
            *_advice(len(looks), grey, folder=_name(source) not in NAMED),
            *(_held_out(found, images) if whole else ()),
        ),
        command=_command(source, root, side, channels),
    )


def _listed(source: Source | str, root: str, say: Say) -> tuple[Found, Sequence[int]]:
    if isinstance(source, str):
        text, split = split_of(source)
        found = list_images(text, split=split, root=root, say=say)
        return found, (
            pick(found, split, classes=(), held_out=SHARE).tolist() if found.names else []
        )
    pixels = source.pixels
    found = Found(
        name=source.name,
        names=source.names,
        labels=source.labels,
        splits=[source.split if source.split != "all" else ""] * len(source),
        classes=source.classes,
        read=lambda row: pixels[row : row + 1][0],
        digest=lambda row: "",
        licence=source.licence,
        skipped=source.skipped,
        notes=source.notes,
    )
    return found, range(len(source))


def _look_at_all(
    found: Found, rows: Sequence[int], progress: Progress
) -> tuple[list[Look], tuple[Skipped, ...]]:
    looks: list[Look] = []
    skipped = list(found.skipped)
    shown = min(TILES, len(rows))
    tiles = {rows[len(rows) * tile // shown] for tile in range(shown)}
    with ThreadPoolExecutor(cpu_count()) as pool:
        outcomes = pool.map(lambda row: _look(found, row, tile=row in tiles), rows)
        for done, outcome in enumerate(outcomes, start=1):
            if isinstance(outcome, Look):
                looks.append(outcome)
            else:
                skipped.append(outcome)
            progress(done, len(rows))
    return looks, tuple(skipped)


def _look(found: Found, row: int, *, tile: bool) -> Look | Skipped:
    try:
        content = found.read(row)
        if isinstance(content, bytes):
            pixels, note = decode(content, channels=3)
        else:
            pixels, note = content, ""
    except DataError as error:
        return Skipped(found.names[row], str(error))
    except OSError as error:
        return Skipped(found.names[row], error.strerror or str(error))
    picture = to_eight_bits(to_picture(pixels), 3)
    thumb = picture.resize((THUMB, THUMB), Image.Resampling.BOX)
    shown = np.asarray(fit(picture, (TILE, TILE))) if tile else None
    return Look(row, picture.size, is_grey(pixels), np.asarray(thumb).reshape(-1), shown, note)


def _large_enough(
    looks: Sequence[Look], found: Found, size: tuple[int, int]
) -> tuple[list[Look], tuple[Skipped, ...]]:
    """Part the images that a training at this size takes from those that it skips."""
    kept, tiny = [], []
    for look in looks:
        try:
            refuse_tiny(look.size, size)
            kept.append(look)
        except DataError as error:
            tiny.append(Skipped(found.names[look.row], str(error)))
    return kept, tuple(tiny)


def near_duplicates(names: Sequence[str], thumbs: np.ndarray) -> tuple[Duplicate, ...]:
    """Give each image that is within NEAR of one before it, with the nearest such.

    thumbs: [N, D] of 0..255. The distance is the root mean square of the difference.
    """
    values = thumbs.astype(np.float32)
    squares = (values**2).sum(1)
    found = []
    for start in range(0, len(values), 1024):
        stop = min(start + 1024, len(values))
        distances = (
            squares[start:stop, None] + squares[:stop] - 2 * values[start:stop] @ values[:stop].T
        )
        distances[np.arange(stop) >= np.arange(start, stop)[:, None]] = np.inf
        nearest = distances.argmin(1)
        rms = np.sqrt(np.maximum(distances.min(1), 0) / values.shape[1])
        found += [
            Duplicate(names[start + row], names[int(nearest[row])], float(rms[row]))
            for row in np.flatnonzero(rms < NEAR).tolist()
        ]
    return tuple(found)


def _count(classes: Sequence[str], labels: np.ndarray) -> dict[str, int]:
    return {name: int((labels == number).sum()) for number, name in enumerate(classes)}


def _notes(looks: Sequence[Look]) -> tuple[str, ...]:
    several = sum(bool(look.note) for look in looks)
    return (f"{several} animated or layered: one frame is used",) if several else ()


def _side(sizes: Counter[tuple[int, int]]) -> int:
    """Give the largest of SIDES that at least half of the images reach without enlarging."""
    short = sorted(min(size) for size, count in sizes.items() for _ in range(count)) or [0]
    return max((side for side in SIDES if side <= short[len(short) // 2]), default=SIDES[0])


def _held_out(found: Found, images: Sequence[int]) -> tuple[str, ...]:
    """Say so where a training on all of it would keep too few images for its scores.

    images: the rows that can be used.
    """
    count = len(set(images) & set(pick(found, "test", classes=(), held_out=SHARE).tolist()))
    own = bool({"test", "val"} & set(found.splits))
    usable = [found.names[row] for row in images]
    return tuple(filter(None, (held_out(count, found.names, usable, own_split=own),)))


def _advice(images: int, grey: int, *, folder: bool) -> tuple[str, ...]:
    lines = list(of_few(images, folder=folder))
    if 0 < grey < images:
        lines.append(f"{grey:,} images are grey among {images - grey:,} in colour: train in colour")
    return tuple(lines)


def _name(source: Source | str) -> str:
    return split_of(source.name if isinstance(source, Source) else source)[0]


def _command(source: Source | str, root: str, side: int, channels: int) -> str:
    """Give the command that trains on this set."""
    name = _name(source)
    words = ["trilemma", "train"]
    if name in NAMED:
        near = "mnist" if channels == 1 else "cifar10"
        words.append(PRESETS.get(name, PRESETS[near]))
        words += [] if name in PRESETS else ["--data.source", name]
        words += ["--data.root", root] if root else []
    else:
        words += ["folder-gan", "--data.root", name]
        words += ["--data.size", f"{side}x{side}"] if side != 64 else []
        words += ["--data.channels", "1"] if channels == 1 else []
    return shlex.join(words)
