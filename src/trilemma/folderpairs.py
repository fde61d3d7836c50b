"""A folder of large images of any sizes, and the small one of each: made, or ready."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trilemma.data.pairs import Pairs, stem
from trilemma.data.splits import pick
from trilemma.data.values import Found, Source
from trilemma.enlargements import Trials
from trilemma.errors import DataError
from trilemma.images import decode, resized, to_images
from trilemma.recipe.checking_upscale import BICUBIC, REAL
from trilemma.sampling import Pixels
from trilemma.scoring import some
from trilemma.sides import How, Listing, parsed, side_of

READY = "ready-made small images"  # their contents are in the fingerprint, whatever their folder
LEAST = 16  # pixels: a side of a large image, so that something is left without its border


@dataclass(frozen=True, kw_only=True)
class Making:
    """How the small image of each large one is had."""

    scale: int
    low: str = BICUBIC  # bicubic, real, or a folder that has them under the large ones' names
    size: str = ""  # width x height that all large ones get; "": their own, cut to whole small ones


def pairs_in(listing: Listing, making: Making, *, n: int = 0, how: How) -> Iterator[Trials]:
    """Give the pairs of a folder, one image each; always the same ones. n: of so many; 0: all.

    A large image is cut at the right and below to a multiple of the scale. What cannot be decoded
    is left out, with a line. DataError: a small image is missing or has another size.
    """
    found, ready = listing.images, None
    if making.low not in (BICUBIC, REAL):
        ready = named_small(making, how)
    rows = pick(found, listing.split, classes=(), held_out=0.0)
    for place, row in enumerate(rows[some(len(rows), n or len(rows))].tolist()):
        name = found.names[row]
        try:
            high = large(found, row, making)
        except (DataError, OSError) as error:
            how.say(f"{found.name}: {name} is left out: {error}")
            continue
        low = small(high, place, making) if ready is None else ready_for(name, high, making, ready)
        mark = hashlib.sha256(np.ascontiguousarray(high).data).hexdigest()
        source = Source(
            name=found.name,
            split=listing.split,
            pixels=high[None],
            labels=np.full(1, -1),
            classes=(),
            names=[name],
            fingerprint=mark,
        )
        made = making.low if ready is None else READY
        yield Trials(source=source, high=high[None], low=low, made=made, scale=making.scale)


def count_of(listing: Listing, n: int) -> int:
    """Count the images that `pairs_in` looks at."""
    rows = pick(listing.images, listing.split, classes=(), held_out=0.0)
    return min(n or len(rows), len(rows))


def pixels_of(found: Found, row: int) -> Pixels:
    """Decode one image in its own size and in colour, uint8 [H, W, 3]."""
    content = found.read(row)
    if isinstance(content, bytes):
        return decode(content, channels=3).pixels
    return resized(content, channels=3, size=(content.shape[0], content.shape[1]))


def large(found: Found, row: int, making: Making) -> Pixels:
    """Decode one large image, and bring it to a size that is a multiple of the scale."""
    pixels = pixels_of(found, row)
    if making.size:
        pixels = resized(pixels, channels=3, size=parsed(making.size))
    height, width = (side - side % making.scale for side in pixels.shape[:2])
    if min(height, width) < LEAST:
        raise DataError(f"{width}x{height} pixels; its sides must be {LEAST} or more")
    return pixels[:height, :width]


def small(high: Pixels, place: int, making: Making) -> torch.Tensor:
    """Make a small image, float32 [1, C, h, w] in [-1, 1]; `place` decides what is drawn."""
    pairs = Pairs(scale=making.scale, crop=0, seed=0, low=making.low)
    images = to_images(np.array(high[None]))
    return pairs.small(images, torch.zeros(1).long(), name="trial", places=range(place, place + 1))


def named_small(making: Making, how: How) -> dict[str, tuple[Found, int]]:
    """Find ready small images by their names, without folder, ending and scale."""
    if not Path(making.low).exists():
        raise DataError(
            f"--low is {making.low!r}, and there is no such folder; allowed: {BICUBIC}, {REAL}, or "
            "a folder with a small image for each large one"
        )
    side = side_of(making.low, how)
    assert isinstance(side, Listing), "an existing path without a run is a listing"
    found = side.images
    return {stem(name, making.scale): (found, row) for row, name in enumerate(found.names)}


def ready_for(
    name: str, high: Pixels, making: Making, ready: dict[str, tuple[Found, int]]
) -> torch.Tensor:
    """Read the small image of a large one, float32 [1, C, h, w] in [-1, 1]."""
    if stem(name, 1) not in ready:
        raise DataError(f"--low {making.low}: {name} has no small one; names must be the same")
    pixels = pixels_of(*ready[stem(name, 1)])
    height, width = (side // making.scale for side in high.shape[:2])
    if pixels.shape[:2] != (height, width):
        raise DataError(
            f"--low {making.low}: {name} has a small one of {pixels.shape[1]}x{pixels.shape[0]} "
            f"pixels; x{making.scale} wants {width}x{height}"
        )
    return to_images(np.array(pixels[None]))
