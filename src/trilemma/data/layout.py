"""What the folders in an image's name mean: a split, a class."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

SPLIT_FOLDERS = {"test": "test", "train": "train", "val": "val", "valid": "val"}
SPLIT_FOLDERS |= {"testing": "test", "training": "train", "validation": "val"}


class Layout(NamedTuple):
    """Classes, labels int64 [N] (-1 none) and splits [N] ("" none) of some names."""

    classes: tuple[str, ...]
    labels: np.ndarray
    splits: list[str]


def layout(names: Sequence[str]) -> Layout:
    """Read splits and classes from names such as train/cat/tabby/1.jpg.

    Folders called train, test, val or valid are splits; the first other folder is the class.
    """
    folders = [name.split("/")[:-1] for name in names]
    splits = [
        next((SPLIT_FOLDERS[part.lower()] for part in parts if part.lower() in SPLIT_FOLDERS), "")
        for parts in folders
    ]
    own = [
        next((part for part in parts if part.lower() not in SPLIT_FOLDERS), "") for parts in folders
    ]
    classes = tuple(sorted(set(own) - {""}))
    numbers = {name: number for number, name in enumerate(classes)}
    return Layout(classes, np.array([numbers.get(name, -1) for name in own], np.int64), splits)


def without_common_folder(names: Sequence[str]) -> list[str]:
    """Drop the folder that a whole archive lies in, unless it is a split."""
    first = {name.split("/")[0] if "/" in name else "" for name in names}
    if len(first) != 1 or first & {"", *SPLIT_FOLDERS}:
        return list(names)
    return without_common_folder([name.split("/", 1)[1] for name in names])


def normal(name: str) -> str:
    r"""Give a name as it reads on every system: composed letters (NFC).

    Bytes that are no UTF-8 become text such as \xff, so that every name can be printed.
    """
    readable = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", readable)
