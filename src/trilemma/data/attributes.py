"""Numbers beside images: a CSV whose rows begin with a file name."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from trilemma.errors import DataError

WORDS = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}


class Attributes(NamedTuple):
    """What is known of some images."""

    names: tuple[str, ...]  # of the columns
    values: np.ndarray  # float32 [N, A]


def read_attributes(path: Path, images: Sequence[str]) -> Attributes:
    """Read the numbers of images, named inside their set; a row may leave out folder or ending.

    DataError: no such file, no header, a cell that is no number, or an image without a row.
    """
    header, rows = _rows(path)
    known: dict[str, list[float]] = {}
    for row in rows:
        if _key(row[0]) in known:
            raise DataError(f"{path} has two rows for {row[0]}; leave one")
        known[_key(row[0])] = _numbers(row[1:], header, row[0], path)
    keys = [_found(name, known) for name in images]
    missing = [name for name, key in zip(images, keys, strict=True) if key is None]
    if missing:
        raise DataError(
            f"{path} has no row for {len(missing):,} of {len(images):,} images (first: "
            f"{missing[0]}); add them, or take those images out of the folder"
        )
    taken = [key for key in keys if key is not None]
    twice = next((key for key, count in Counter(taken).items() if count > 1), "")
    if twice:
        fitting = [name for name, key in zip(images, keys, strict=True) if key == twice]
        raise DataError(
            f"{path}: the row of {twice} fits {' and '.join(fitting[:2])}; name the folder in it, "
            f"such as {fitting[0]}"
        )
    return Attributes(header, np.array([known[key] for key in taken], dtype=np.float32))


def read_table(path: Path, *, what: str) -> tuple[list[str], Attributes]:
    """Read a whole table: what its rows begin with, and their numbers; what: asks for it, in words.

    DataError: as `read_attributes`.
    """
    header, rows = _rows(path, what)
    numbers = [_numbers(row[1:], header, row[0], path) for row in rows]
    values = np.array(numbers, dtype=np.float32).reshape(-1, len(header))
    return [_key(row[0]) for row in rows], Attributes(header, values)


def _rows(path: Path, what: str = "data.attributes") -> tuple[tuple[str, ...], list[list[str]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(
            f"{what}: {path}: no such file; it is a CSV with a header, then a file name "
            "and numbers in each row"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{what}: {path} cannot be read ({error})") from None
    comma = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=comma) if any(row)]
    header = tuple(name.strip() for name in rows[0][1:]) if rows else ()
    if not header or not all(header) or len(set(header)) < len(header):
        raise DataError(
            f"{path}: its first row names {len(header)} attributes; allowed: a header such as "
            "file,smile,angle, with each name once"
        )
    if all(_is_number(name) for name in header):
        raise DataError(
            f"{path}: its first row holds numbers; put a header above it, such as file,smile,angle"
        )
    return header, rows[1:]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(cells: list[str], header: tuple[str, ...], name: str, path: Path) -> list[float]:
    if len(cells) != len(header):
        raise DataError(
            f"{path}: the row of {name} has {len(cells)} values, the header {len(header)} names"
        )
    pairs = zip(cells, header, strict=True)
    return [_number(cell, f"{path}: {name}, {what}") for cell, what in pairs]


def _number(cell: str, where: str) -> float:
    plain = cell.strip().lower()
    try:
        value = WORDS[plain] if plain in WORDS else float(plain)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{where} is '{cell}'; allowed: a number, true or false")
    return value


def _key(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./")


def _found(name: str, known: dict[str, list[float]]) -> str | None:
    """Find an image's row: by its name in the set, by its file's name, or without the ending."""
    path = PurePosixPath(name)
    ways = (name, path.name, str(path.with_suffix("")), path.stem)
    return next((key for key in ways if key in known), None)
