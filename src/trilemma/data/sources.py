"""A name or a path -> a Source: found, split, decoded to one size."""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trilemma.data.archives import list_zip
from trilemma.data.arrays import list_arrays
from trilemma.data.folders import list_folder
from trilemma.data.labels import beside, with_attributes
from trilemma.data.named import NAMED, list_named
from trilemma.data.pixelcache import Decoded, decode_rows
from trilemma.data.shape import Shape, shape_of
from trilemma.data.shards import SHARD, expand, list_shards
from trilemma.data.splits import keeps, own_test, pick, relabelled, with_splits
from trilemma.data.values import (
    Found,
    PixelRows,
    Pixels,
    Progress,
    Skipped,
    SomeRows,
    Source,
    silent,
)
from trilemma.errors import DataError
from trilemma.images import RESIZE, is_image
from trilemma.places import Say, cache_folder, quiet
from trilemma.recipe.closest import closest
from trilemma.recipe.recipe import DataRecipe, parse_size

__all__ = ["Skipped", "Source", "Wanted", "list_images", "open_named", "open_source", "prepare"]

SPLITS = ("train", "test", "val", "all")
SPLIT = re.compile(rf"(.+):({'|'.join(SPLITS)})")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a Source is made to be from a listing."""

    split: str = "all"
    size: tuple[int, int] | None = None  # height, width; None: the images' own, if they have one
    channels: int = 0  # 1, 3; 0: 1 where all is grey
    classes: tuple[str, ...] = ()
    held_out: float = 0.1
    on_error: str = "skip"
    memory: float = 16.0  # gigabytes


def open_source(
    data: DataRecipe, split: str, *, progress: Progress = silent, say: Say = quiet
) -> Source:
    """Open the train, test or val images of a recipe's data.

    progress: images decoded, images in all. say: takes lines a user should see, such as a download.
    DataError: nothing there, or on_error = "stop" and a file cannot be read. OfflineError: a named
    set is not on this machine and cannot be fetched.
    """
    text = data.root if data.source == "folder" else data.source
    if not text:
        raise DataError(
            "data.root is empty; name a folder, zip, .npz, .npy or shards: --data.root DIR"
        )
    root = data.root if data.source != "folder" else ""
    wanted = Wanted(
        split=split,
        size=parse_size(data.size),
        channels=data.channels,
        classes=data.classes,
        held_out=data.held_out,
        on_error=data.on_error,
        memory=data.memory,
    )
    source = prepare(list_images(text, split=split, root=root, say=say), wanted, progress, say)
    return with_attributes(source, beside(data)) if data.attributes else source


def open_named(
    text: str,
    *,
    size: tuple[int, int] | None = None,
    channels: int = 0,
    root: str = "",
    progress: Progress = silent,
    say: Say = quiet,
) -> Source:
    """Open "mnist:test", a folder, a zip, a .npy or .npz file, or shards; no split: all images.

    size: height, width; None: as they are, if all are of one size. channels: 0 makes 1 of a set
    that is all grey. root: where a named set's files lie. Errors as in `open_source`.
    """
    text, split = split_of(text)
    found = list_images(text, split=split, root=root, say=say)
    return prepare(found, Wanted(split=split, size=size, channels=channels), progress, say)


def split_of(text: str) -> tuple[str, str]:
    """Part "mnist:test" into name and split (all, if none is given)."""
    match = SPLIT.fullmatch(text)
    return (match[1], match[2]) if match else (text, "all")


def list_images(text: str, *, split: str = "all", root: str = "", say: Say = quiet) -> Found:
    """List the images of a named set or a path, without decoding them. Errors as in `open_source`.

    `./mnist` is a path where `mnist` is the set. Of a named set only `split` may be listed.
    """
    if text in NAMED:
        return list_named(text, "test" if split == "val" else split, root=root, say=say)
    return with_splits(_list_path(text))


def _list_path(text: str) -> Found:
    path = Path(text)
    if path.is_dir():
        shards = _shards_in(path)
        return list_shards(shards) if shards else list_folder(path)
    if SHARD.search(text):
        return list_shards(expand(text))
    if not path.is_file():
        no_split(text)
        raise DataError(
            f"{text} is no file, folder or known set; sets are {', '.join(NAMED)}; paths may be a "
            f"folder, .zip, .npz, .npy or .tar shards{_new_folder(text)}"
        )
    readers = {".zip": list_zip, ".npz": list_arrays, ".npy": list_arrays}
    if path.suffix.lower() not in readers:
        raise DataError(f"{text} is no folder, .zip, .npz, .npy or .tar; put images into a folder")
    return readers[path.suffix.lower()](path)


def _new_folder(text: str) -> str:
    """Say where images may be put, if the path could be a folder's."""
    return (
        "" if Path(text).suffix or ":" in text else f"; or put images into {Path(text, 'images')}"
    )


def no_split(text: str) -> None:
    """Answer a known set with a split that there is not: DataError."""
    name, _, split = text.partition(":")
    if name in NAMED and split:
        near = closest(split, SPLITS, count=1)
        meant = f"; did you mean {name}:{near[0]}?" if near else ""
        raise DataError(f"{name} has no split '{split}'; allowed: {', '.join(SPLITS)}{meant}")


def _shards_in(folder: Path) -> list[Path]:
    """Give the shards of a folder that has nothing else to train on."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if any(path.is_dir() or is_image(path.name) for path in entries):
        return []
    return [path for path in entries if SHARD.search(path.name)]


def prepare(found: Found, wanted: Wanted, progress: Progress = silent, say: Say = quiet) -> Source:
    """Make a Source of a listing: choose rows, give all images one size, fingerprint them."""
    _stop_on(found.skipped, found, wanted)
    if not found.names:
        raise _nothing_left(found, found.skipped)
    rows = pick(found, wanted.split, classes=wanted.classes, held_out=wanted.held_out)
    shape = shape_of(found, rows, size=wanted.size, channels=wanted.channels)
    mark = fingerprint(found, rows, shape)
    decoded = _pixels(found, rows, shape, wanted, mark, progress, say)
    skipped = found.skipped + decoded.skipped
    _stop_on(skipped, found, wanted)
    if not len(decoded.rows):
        raise _nothing_left(found, skipped)
    notes = found.notes + decoded.notes
    if wanted.split == "test" and not own_test(found, len(rows), wanted.held_out):
        notes += ("no image is held out: these are the training images",)
    lazy = not isinstance(decoded.pixels, np.ndarray)
    if lazy:
        notes += (f"more than data.memory = {wanted.memory:g} GB of pixels: read on demand",)
    return Source(
        name=found.name if wanted.split == "all" else f"{found.name}:{wanted.split}",
        split=wanted.split,
        pixels=decoded.pixels,
        labels=relabelled(found, decoded.rows, wanted.classes),
        classes=keeps(found, wanted.classes),
        names=[found.names[row] for row in decoded.rows],
        fingerprint=mark,
        licence=found.licence,
        skipped=skipped,
        notes=notes,
        chunks=_chunks(found, decoded.rows) if lazy else (),
    )


def fingerprint(found: Found, rows: np.ndarray, shape: Shape) -> str:
    """Give the sha256 of the sorted names, classes and digests of some images, and their shape.

    The same on every machine and wherever the files lie; broken files count, too.
    """
    lines = sorted(
        f"{found.names[row]}\0{_class(found, row)}\0{found.digest(row)}\n" for row in rows
    )
    head = f"{shape.width}x{shape.height}x{shape.channels} {RESIZE}\n"
    return hashlib.sha256("".join((head, *lines)).encode()).hexdigest()


def _class(found: Found, row: int) -> str:
    return found.classes[found.labels[row]] if found.labels[row] >= 0 else ""


def _pixels(
    found: Found,
    rows: np.ndarray,
    shape: Shape,
    wanted: Wanted,
    mark: str,
    progress: Progress,
    say: Say,
) -> Decoded:
    """Take the pixels as they are if they fit, else decode them."""
    if found.pixels is not None and found.pixels.shape[1:] == shape:
        return Decoded(_taken(found.pixels, rows, wanted.memory * 1e9), rows, (), ())
    return decode_rows(
        found,
        rows,
        shape,
        store=cache_folder(say=say) / "pixels",
        fingerprint=mark,
        largest=wanted.memory * 1e9,
        progress=progress,
    )


def _taken(pixels: Pixels, rows: np.ndarray, largest: float) -> PixelRows:
    """Give some rows of an array: it itself, a copy, or, where that has too many bytes, a view."""
    if len(rows) == len(pixels):
        return pixels
    taken = SomeRows(pixels, rows)
    return taken if math.prod(taken.shape) > largest else taken[:]


def _chunks(found: Found, rows: np.ndarray) -> tuple[int, ...]:
    """Count the rows that fall into each file which can only be read from its start."""
    if not found.chunks:
        return ()
    counts, _ = np.histogram(rows, np.cumsum((0, *found.chunks)))
    return tuple(int(count) for count in counts if count)


def _stop_on(skipped: tuple[Skipped, ...], found: Found, wanted: Wanted) -> None:
    if skipped and wanted.on_error == "stop":
        first = f"{skipped[0].name}: {skipped[0].reason}"
        raise DataError(
            f"{found.name}: {len(skipped):,} of {len(found.names):,} files cannot be used (first: "
            f"{first}); delete them or drop --data.on-error stop"
        )


def _nothing_left(found: Found, skipped: tuple[Skipped, ...]) -> DataError:
    first = f"{skipped[0].name}: {skipped[0].reason}"
    return DataError(
        f"{found.name}: none of its {len(skipped):,} image files can be used (first: {first})"
    )
