"""Which images of a set belong to a split; a share held out where the set has no split."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from trilemma.data.values import Found
from trilemma.errors import DataError

ENOUGH_HELD_OUT = 20  # images, below which their nearest 1 % says nothing of copies
FEWEST_SHOWN = 10  # images on either side of a score that is shown: its error is off by a quarter
FEWEST_SCORED = 3  # images on either side of a score: fewer have no error


def pick(found: Found, split: str, *, classes: Sequence[str], held_out: float) -> np.ndarray:
    """Give the rows of a split (train, test, val, all) and of some classes (none: all), int64.

    A set without test and val images is split here: the share `held_out` goes to test, chosen by
    the sha256 of the images' names, so that it depends on neither order nor place. Where that
    holds nothing out (one image, or a share of 0), test is the training images: see `own_test`.
    DataError where nothing is left.
    """
    rows = np.arange(len(found.names))
    if classes:
        rows = rows[np.isin(found.labels[rows], _class_numbers(found, classes))]
    splits = np.array(found.splits, dtype=object)
    if split != "all":
        if not _brings_split(found):
            splits = _hold_out(found, rows, held_out)
            split = split if split in splits[rows] else "train"
        rows = rows[splits[rows] == _fitting(split, splits[rows])]
    if not len(rows):
        raise DataError(f"{found.name}: no images for {split}; it has {_counts(splits)}")
    return rows


def with_splits(found: Found) -> Found:
    """Count the images outside of a set's split folders as train, if it has test or val; say so."""
    count = sum(not split for split in found.splits)
    if not count or not _brings_split(found):
        return found
    note = f"{count:,} images lie in no folder called train, test or val: they count as train"
    splits = [split or "train" for split in found.splits]
    return replace(found, splits=splits, notes=(*found.notes, note))


def own_test(found: Found, rows: int, held_out: float) -> bool:
    """Is an image of the set kept from training, when `rows` of it are used?"""
    return _brings_split(found) or (held_out > 0 and rows > 1)


def _brings_split(found: Found) -> bool:
    return found.own_split or bool({"test", "val"} & set(found.splits))


def keeps(found: Found, kept: Sequence[str]) -> tuple[str, ...]:
    """Give the classes that stay, in the set's order."""
    return tuple(name for name in found.classes if not kept or name in kept)


def relabelled(found: Found, rows: np.ndarray, kept: Sequence[str]) -> np.ndarray:
    """Give the labels int64 [n] of some rows, counted within the classes that are kept."""
    labels: np.ndarray = found.labels[rows]
    if not kept:
        return labels
    numbers = np.full(len(found.classes), -1)
    numbers[_class_numbers(found, kept)] = np.arange(len(kept))
    return np.asarray(numbers[labels])


def _class_numbers(found: Found, classes: Sequence[str]) -> list[int]:
    unknown = [name for name in classes if name not in found.classes]
    if unknown:
        has = ", ".join(found.classes) or "none"
        raise DataError(f"{found.name} has no class {unknown[0]!r}; its classes are: {has}")
    return [found.classes.index(name) for name in keeps(found, classes)]


def _fitting(split: str, splits: np.ndarray) -> str:
    """Give val for test and test for val where the set has only the other one."""
    other = {"test": "val", "val": "test"}.get(split, split)
    return split if split in splits or other not in splits else other


def _hold_out(found: Found, rows: np.ndarray, share: float) -> np.ndarray:
    """Give the split of each image: those of `rows` whose names' hashes come first are test."""
    splits = np.full(len(found.names), "train", dtype=object)
    count = min(max(1, round(len(rows) * share)), len(rows) - 1) if share > 0 else 0
    splits[sorted(rows, key=lambda row: _hash(found.names[row]))[:count]] = "test"
    return splits


def needed(listed: Sequence[str], usable: Collection[str], count: int) -> int:
    """Say how many of the listed images must be held out to have `count` usable ones; 0: no number.

    Files that cannot be used are found out after they were split.
    """
    wanted = set(usable)
    held = 0
    for number, name in enumerate(sorted(listed, key=_hash), start=1):
        held += name in wanted
        if held == count:
            return number
    return 0


def _hash(name: str) -> bytes:
    return hashlib.sha256(f"held out\n{name}".encode()).digest()


def _counts(splits: np.ndarray) -> str:
    names, counts = np.unique(splits.astype(str), return_counts=True)
    return ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True)) or "none"
