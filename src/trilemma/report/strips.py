"""Tables of pictures: rows and columns with words, one file each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trilemma import captions
from trilemma.images import write_png
from trilemma.report.contents import Pixels
from trilemma.report.films import enlarged

WIDE, LEAST = 1200, 64  # pixels of all columns, and of one, that small pictures are enlarged to


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A table of pictures."""

    name: str  # of its file, without the ending
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    pixels: Pixels  # [rows, columns, H, W, C]


def write(strips: Sequence[Strip], folder: Path) -> list[Path]:
    """Write tables into a folder; older files of the same names go. Return their paths."""
    paths = []
    for strip in strips:
        paths.append(folder / f"{strip.name}.png")
        write_png(paths[-1], laid(strip))
    return paths


def laid(strip: Strip) -> Pixels:
    """Lay a table out as one picture [H', W', 3]; the words of rows, if there are, stand before."""
    wide = max(LEAST, WIDE // (1 + len(strip.columns)))
    columns = [enlarged(column, wide) for column in strip.pixels.swapaxes(0, 1)]
    height, width = columns[0].shape[1:3]
    shown = list(zip(strip.columns, columns, strict=True))
    if any(strip.rows):
        names = np.stack([captions.tile(words, height, width) for words in strip.rows])
        shown.insert(0, ("", names))
    return captions.under_captions(shown)
