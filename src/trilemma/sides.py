"""What a verb's argument means: a run, a bundle, a path or a named set; its images, of one size."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from trilemma import runs
from trilemma.data import values
from trilemma.data.named import NAMED
from trilemma.data.shape import Shape, shape_of
from trilemma.data.shards import SHARD
from trilemma.data.sources import Wanted, list_images, no_split, prepare, split_of
from trilemma.data.splits import pick
from trilemma.data.values import Progress, Source, silent
from trilemma.enlargements import enlarging, held_out
from trilemma.errors import DataError, RunError
from trilemma.families.family import DrawOptions
from trilemma.images import RESIZE, resized
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import DataRecipe, UpscaleRecipe, parse_size
from trilemma.samplecache import remembered
from trilemma.sampling import load_generator
from trilemma.scoring import some


class Listing(NamedTuple):
    """Images that lie in a path or belong to a named set, not decoded yet."""

    base: str  # the argument without its split
    split: str
    images: values.Found


CHANNELS = {1: "grey", 2: "points", 3: "colour"}

Side = runs.Found | Listing  # what is scored, or what it is scored against


@dataclass(frozen=True, kw_only=True)
class How:
    """What both verbs may be told about images, and whom to tell what."""

    extractor: str = "auto"
    size: str = ""  # width x height of all images; empty: see `joint_shape`
    root: str = ""  # where a named set's files lie
    options: DrawOptions = field(default_factory=DrawOptions)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    say: Say = quiet
    progress: Progress = silent


def side_of(text: str, how: How, *, beside: Side | None = None) -> Side:
    """Find what an argument means. RunError where nothing fits, or several things do.

    beside: a run on a named set says where the files of that set lie.
    """
    name = runs.parted(text)[0]
    base, split = (text, "all") if Path(text).exists() else split_of(text)
    found = {place.resolve(): place for place in runs.called(name)}
    meant = [f"the run {runs.spelled(place)}" for place in found.values()]
    meant += [f"the data set {base}"] if base in NAMED else []
    there = bool(text) and Path(base).exists() and Path(base).resolve() not in found
    meant += [f"the path {Path(base)}"] if there else []
    if len(meant) > 1:
        raise RunError(
            f"{text!r} fits {', '.join(meant)}; name a path with ./ in front, a run by its folder"
        )
    by_beginning = not (meant or SHARD.search(text))
    if found or (by_beginning and runs.candidates(name)):
        return runs.find_run(text, say=how.say)
    if by_beginning:
        no_split(text)
        close = "" if "/" in name else ", ".join(runs.near(name))
        raise RunError(
            f"{text!r} is no run, bundle, path or data set; "
            f"{f'closest: {close}; ' if close else ''}"
            f"sets are {', '.join(NAMED)} (trilemma runs lists the runs)"
        )
    data = beside.recipe.data if isinstance(beside, runs.Found) else DataRecipe()
    root = how.root or (data.root if data.source == base else "")
    return Listing(base, split, list_images(base, split=split, root=root, say=how.say))


def joint_shape(first: Side, second: Side | None, how: How) -> Shape:
    """Choose one size and number of channels for both sides.

    `size` where it is given; else that of the first side that is a run; else the smaller of the
    two; grey where one is grey. DataError: both have images of several sizes, or points are held
    against images.
    """
    sides = [side for side in (first, second) if side is not None]
    shapes = [own_shape(side) for side in sides]
    points = [shape.channels == 2 for shape in shapes]
    if any(points) and (how.size or not all(points)):
        raise DataError("points have no size and are no images; hold points against points")
    if all(points):
        return shapes[0]
    run = next((i for i, side in enumerate(sides) if isinstance(side, runs.Found)), None)
    channels = min(shape.channels for shape in shapes) if run is None else shapes[run].channels
    sized = [shape for shape in shapes if shape.height]
    if how.size:
        chosen = Shape(*parsed(how.size), channels)
    elif run is not None:
        chosen = shapes[run]
    elif sized:
        chosen = min(sized, key=lambda shape: shape.height * shape.width)._replace(
            channels=channels
        )
    else:
        raise DataError("the images have several sizes; name one for all: --size 64x64")
    if any(shape != chosen for shape in shapes):
        how.say(f"images are brought to {spelled(chosen)} ({RESIZE})")
    return chosen


def own_shape(side: Side) -> Shape:
    """Give the shape of a side's images; height and width 0 where they have several sizes."""
    if isinstance(side, runs.Found):
        data = side.recipe.data
        return Shape(*parse_size(data.size), data.channels)
    rows = pick(side.images, side.split, classes=(), held_out=Wanted().held_out)
    channels = shape_of(side.images, rows, size=(1, 1), channels=0).channels
    try:
        return shape_of(side.images, rows, size=None, channels=channels)
    except DataError:
        return Shape(0, 0, channels)


def parsed(size: str) -> tuple[int, int]:
    """Read --size as (height, width)."""
    try:
        height, width = parse_size(size)
    except ValueError:
        height = width = 0
    if min(height, width) < 1:
        raise DataError(f"--size is '{size}'; allowed: width x height in pixels, such as 64x64")
    return height, width


def listed(side: Listing, shape: Shape, n: int, how: How, *, most: int = 0) -> Source:
    """Decode n images of a path or set, always the same ones; n = 0: at most `most` (0: all)."""
    asked = Wanted(split=side.split, size=shape[:2], channels=shape.channels)
    source = prepare(side.images, asked, how.progress, how.say)
    if source.skipped:
        first = ": ".join(source.skipped[0])
        how.say(f"{source.name}: {len(source.skipped)} files cannot be used (first: {first})")
    return thinned(source, n or most or len(source), how.say)


def drawn(run: runs.Found, shape: Shape, seeds: range, how: How) -> Source:
    """Draw images of a run from seeds, or take them from the cache.

    Of an upscaler they are its held-out images, made small and enlarged: as many as there are.
    """
    how.say(f"{run.label}: {len(seeds)} images from {run.checkpoint}, seeds from {seeds[0]}")
    drawer = load_generator(run, device=how.device, options=how.options)
    if isinstance(run.recipe.family, UpscaleRecipe):
        trials = held_out(run.recipe, len(seeds), say=how.say)
        drawer, seeds = enlarging(drawer, trials), range(len(trials))
    pixels = remembered(drawer, run.weights, seeds, progress=how.progress)
    if pixels.shape[1:] != shape:
        height, width, channels = shape
        pixels = np.stack([resized(p, channels=channels, size=(height, width)) for p in pixels])
    return Source(
        name=run.label,
        split="seeds",
        pixels=pixels,
        labels=np.full(len(pixels), -1),
        classes=(),
        names=[f"{seed:06d}" for seed in seeds],
        fingerprint=hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
    )


def thinned(source: Source, n: int, say: Say = quiet) -> Source:
    """Keep n images in memory, the same ones as `compare` does; the fingerprint stays the set's."""
    for note in source.notes:
        say(f"{source.name}: {note}")
    if n < len(source):
        say(f"{source.name}: {n:,} of its {len(source):,} images are taken")
    rows = some(len(source), n)
    return replace(
        source,
        pixels=np.asarray(source.pixels[rows]),
        labels=source.labels[rows],
        names=[source.names[row] for row in rows],
    )


def spelled(shape: Shape) -> str:
    """Write a shape for people."""
    return f"{shape.width}x{shape.height} {CHANNELS[shape.channels]}"
