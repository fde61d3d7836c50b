"""Images decoded once, in parallel, to a uint8 memory map in the cache."""

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trilemma.atomic import moved, write_bytes
from trilemma.data.shape import Shape
from trilemma.data.values import Found, PixelRows, Pixels, Progress, Skipped
from trilemma.errors import DataError, NoSpaceError
from trilemma.images import decode, resized

AHEAD = 256  # images in the hands of the decoding threads at once


class Image(NamedTuple):
    """One decoded image."""

    name: str
    pixels: Pixels
    note: str


Outcome = Image | Skipped


class Decoded(NamedTuple):
    """The images that could be decoded."""

    pixels: PixelRows
    rows: np.ndarray  # of the listing, int64 [n]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


class LazyPixels:
    """Pixels that are decoded when they are asked for: a set larger than memory allows."""

    def __init__(self, found: Found, rows: np.ndarray, shape: Shape) -> None:
        """rows: of the listing; all of them can be decoded."""
        self.found, self.rows, self.image = found, rows, shape
        self.shape = (len(rows), *shape)

    def __len__(self) -> int:
        """Count the images."""
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray | slice) -> Pixels:
        """Decode some rows, uint8 [n, H, W, C]."""
        wanted = self.rows[rows]
        pixels = np.empty((len(wanted), *self.image), np.uint8)
        for place, outcome in enumerate(_outcomes(self.found, wanted, self.image)):
            if isinstance(outcome, Skipped):
                raise DataError(f"{outcome.name} was readable and is no more: {outcome.reason}")
            pixels[place] = outcome.pixels
        return pixels


def decode_rows(
    found: Found,
    rows: np.ndarray,
    shape: Shape,
    *,
    store: Path,
    fingerprint: str,
    largest: float,
    progress: Progress,
) -> Decoded:
    """Decode some rows of a listing, or find them decoded in the folder `store`.

    largest: bytes of pixels; beyond them images are only tried here, and decoded on demand later.
    NoSpaceError where the pixels cannot be written.
    """
    lazy = len(rows) * math.prod(shape) > largest
    array = None if lazy else store / f"{fingerprint}.pixels"
    facts = store / f"{fingerprint}.{'tried' if lazy else 'decoded'}.json"
    known = _known(facts, array)
    if known is None:
        try:
            known = _decode(_outcomes(found, rows, shape), len(rows), array, progress)
            write_bytes(facts, json.dumps(known).encode())
        except NoSpaceError as error:
            raise NoSpaceError(f"{error} by TRILEMMA_CACHE=FOLDER") from error
    kept = rows[np.array(known["kept"], dtype=np.int64)]
    pixels: PixelRows = LazyPixels(found, kept, shape)
    if array is not None and len(kept):
        pixels = np.memmap(array, np.uint8, "r", shape=(len(kept), *shape))
    skipped = tuple(Skipped(name, reason) for name, reason in known["skipped"])
    return Decoded(pixels, kept, skipped, tuple(known["notes"]))


def _known(facts: Path, array: Path | None) -> dict[str, Any] | None:
    """Give the facts of an earlier decoding; None: never done, or cut short."""
    if array is not None and not array.is_file():
        return None
    try:
        known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known


def _decode(
    outcomes: Iterator[Outcome], total: int, array: Path | None, progress: Progress
) -> dict[str, Any]:
    """Write the pixels of all outcomes one after another (array None: only try them).

    Plain writes, not a writable memory map: on a full disk those fail, and the map would crash.
    """
    kept, skipped, noted = [], [], []
    with ExitStack() as stack:
        beside = None if array is None else stack.enter_context(moved(array))
        file = None if beside is None else stack.enter_context(beside.open("wb"))
        for done, outcome in enumerate(outcomes):
            progress(done, total)
            if isinstance(outcome, Skipped):
                skipped.append(outcome)
                continue
            kept.append(done)
            noted += [(outcome.name, outcome.note)] if outcome.note else []
            if file is not None:
                file.write(np.ascontiguousarray(outcome.pixels).data)
        progress(total, total)
    return {"kept": kept, "skipped": skipped, "notes": _summed(noted)}


def _outcomes(found: Found, rows: np.ndarray, shape: Shape) -> Iterator[Outcome]:
    """Decode rows in parallel, in their order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(rows), AHEAD):
            yield from pool.map(
                lambda row: _outcome(found, int(row), shape), rows[start : start + AHEAD]
            )


def _outcome(found: Found, row: int, shape: Shape) -> Outcome:
    name = found.names[row]
    try:
        content = found.read(row)
        if isinstance(content, bytes):
            pixels, note = decode(content, channels=shape.channels, size=shape[:2])
        else:
            pixels, note = resized(content, channels=shape.channels, size=shape[:2]), ""
    except DataError as error:
        return Skipped(name, str(error))
    except OSError as error:
        return Skipped(name, error.strerror or str(error))
    return Image(name, pixels, note)


def _summed(noted: list[tuple[str, str]]) -> list[str]:
    """Say once what is true of several files."""
    if not noted:
        return []
    return [f"{len(noted)} animated or layered: one frame used (such as {': '.join(noted[0])})"]
