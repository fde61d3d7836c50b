"""A picture through a network in tiles that overlap, strip by strip, without seams."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trilemma.errors import DataError

Enlarge = Callable[[Tensor], Tensor]  # float32 [1, 3, h, w] in [0, 1] -> [1, 3, sh, sw], on the CPU
FEATHER = 4  # low-resolution pixels on each side of a border between tiles, over which they blend
STEP = 8  # sides of tiles are multiples of it
LEAST_TILE = 16  # its side without its margin, low-resolution pixels


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a picture is cut."""

    scale: int
    tile: int  # side without its margin, low-resolution pixels, rounded up; 0: all at once
    margin: int  # what a tile sees around what is kept of it
    multiple: int = 1  # tiles begin at multiples of it: networks that fold pixels then see alike
    seamless: bool = False  # beyond a border lies what is at the opposite one

    @property
    def around(self) -> int:
        """What a tile has on each side beyond its own part."""
        return stepped(self.margin + FEATHER, self.multiple)

    @property
    def side(self) -> int:
        """The side of a tile without what is around, as large as asked for or a little larger."""
        return stepped(self.tile, math.lcm(STEP, self.multiple))


class Cut(NamedTuple):
    """A tile along one axis, in low-resolution pixels."""

    start: int  # of its own part
    end: int
    kept: int  # from where its answer is used: its own part and what blends
    kept_end: int
    seen: int  # what the network sees; below 0 and beyond the end where borders meet
    seen_end: int


def stepped(length: float, step: int) -> int:
    """Round up to a multiple of a step."""
    return math.ceil(length / step) * step


def cuts(length: int, plan: Plan) -> list[Cut]:
    """Cut one axis into tiles that are about equally long."""
    around = plan.around
    alone = not plan.tile or length <= plan.side + 2 * around * (not plan.seamless)
    if alone:
        beyond = around if plan.seamless else 0
        return [Cut(0, length, 0, length, -beyond, length + beyond)]
    step = stepped(length / math.ceil(length / plan.side), math.lcm(STEP, plan.multiple))
    made = []
    for start in range(0, length, step):
        end = min(start + step, length)
        seen, seen_end = start - around, start + step + around
        if not plan.seamless:  # whole tiles up to the border, so that their shapes are few
            seen, seen_end = max(seen, 0), min(seen_end, length)
            if seen == 0:
                seen_end = min(step + 2 * around, length)
            elif seen_end == length:
                seen = max(length - step - 2 * around, 0) // plan.multiple * plan.multiple
        kept, kept_end = max(start - FEATHER, 0), min(end + FEATHER, length)
        made.append(Cut(start, end, kept, kept_end, seen, seen_end))
    return made


def weights(cut: Cut, scale: int, length: int) -> np.ndarray:
    """Give the share of a tile in the picture, float32 along its kept part, high resolution.

    Straight ramps over what blends; with the neighbours' they make 1.
    """
    place = cut.kept + (np.arange((cut.kept_end - cut.kept) * scale) + 0.5) / scale
    share = np.ones(len(place))
    if cut.start > 0:
        share *= np.clip((place - cut.start + FEATHER) / (2 * FEATHER), 0, 1)
    if cut.end < length:
        share *= np.clip((cut.end + FEATHER - place) / (2 * FEATHER), 0, 1)
    return share.astype(np.float32)


def tiles_of(shape: tuple[int, ...], plan: Plan) -> int:
    """Count the tiles of a picture [H, W, ...]."""
    return len(cuts(shape[0], plan)) * len(cuts(shape[1], plan))


def strips(
    values: np.ndarray, enlarge: Enlarge, plan: Plan, *, done: Callable[[], None] = lambda: None
) -> Iterator[np.ndarray]:
    """Enlarge values uint8 or uint16 [H, W, C]; give float32 [h, scale W, 3] from the top.

    Values come as shares of white, not clamped; h is a multiple of the scale. done: called after
    each tile. DataError: a tile came out with values that are no numbers.
    """
    height, width = values.shape[:2]
    columns = cuts(width, plan)
    scale, carried = plan.scale, np.zeros((0, width * plan.scale, 3), np.float32)
    for row in cuts(height, plan):
        strip = np.zeros(((row.kept_end - row.kept) * scale, width * scale, 3), np.float32)
        for column in columns:
            made = enlarge(shares(window(values, row, column)))[0]
            y, x = (row.kept - row.seen) * scale, (column.kept - column.seen) * scale
            wide = (column.kept_end - column.kept) * scale
            inner = made[:, y : y + len(strip), x : x + wide]
            refuse_nonsense(inner, row.start, column.start)
            left = column.kept * scale
            share = weights(column, scale, width)[:, None]
            strip[:, left : left + wide] += inner.permute(1, 2, 0).numpy() * share
            done()
        strip *= weights(row, scale, height)[:, None, None]
        strip[: len(carried)] += carried
        ready = len(strip) if row.end == height else (row.end - FEATHER - row.kept) * scale
        carried = strip[ready:].copy()
        yield strip[:ready]


def window(values: np.ndarray, row: Cut, column: Cut) -> np.ndarray:
    """Take what the network sees of a picture; beyond a border lies what is at the opposite one."""
    if row.seen >= 0 and column.seen >= 0 and row.seen_end <= len(values):
        inside = values[row.seen : row.seen_end, column.seen : column.seen_end]
        if inside.shape[1] == column.seen_end - column.seen:
            return inside
    ys, xs = np.arange(row.seen, row.seen_end), np.arange(column.seen, column.seen_end)
    return values[np.ix_(ys % values.shape[0], xs % values.shape[1])]


def shares(values: np.ndarray) -> Tensor:
    """Turn values uint8 or uint16 [h, w, C] into shares of white float32 [1, 3, h, w]."""
    white = np.float32(np.iinfo(values.dtype).max)
    part = torch.from_numpy(values.astype(np.float32) / white).permute(2, 0, 1)[None]
    return part.expand(1, 3, -1, -1).contiguous()


def refuse_nonsense(made: Tensor, top: int, left: int) -> None:
    """Refuse a tile with values that are no numbers: DataError."""
    if not bool(torch.isfinite(made).all()):
        raise DataError(
            f"the tile at x {left}, y {top} came out with values that are no numbers; "
            "try --precision reference, or another --model"
        )
