"""Points of the plane as a picture."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw

REACH = 1.1  # of the window, both ways along both axes; points beyond lie on its edge
SIDE = 320  # pixels of the picture
FINER = 3  # times that it is drawn larger, then shrunk
DOT, RING = 1.2, 6.0  # radius of a point, and the smallest of a ring, pixels of the picture
PAPER, INK, MARK = (255, 255, 255), (0, 104, 176), (224, 122, 60)


class Shaped(Protocol):
    """What has the shape of an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give its sides."""


def is_points(pixels: Shaped) -> bool:
    """Are these points of the plane, [N, 1, 1, 2], and no images?"""
    return pixels.shape[1:] == (1, 1, 2)


def scatter(
    points: np.ndarray,
    *,
    centres: Sequence[tuple[float, float]] = (),
    radius: float = 0.0,
    ink: str | tuple[int, int, int] = INK,
    mark: str | tuple[int, int, int] = MARK,
) -> np.ndarray:
    """Draw points [N, 1, 1, 2] or [N, 2] as a picture uint8 [SIDE, SIDE, 3], y upwards.

    centres: get a ring of that radius, in the points' units, drawn no smaller than can be seen.
    ink, mark: colours of points and rings.
    """
    side = FINER * SIDE
    picture = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(picture)
    dot = FINER * DOT
    for x, y in placed(points.reshape(-1, 2), side):
        pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=ink)
    ring = max(FINER * RING, radius / (2 * REACH) * side)
    for x, y in placed(np.array(centres).reshape(-1, 2), side):
        pen.ellipse((x - ring, y - ring, x + ring, y + ring), outline=mark, width=2 * FINER)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def placed(points: np.ndarray, side: int) -> list[list[float]]:
    """Give the places [N, 2] of points in a picture of `side` pixels; its rows count downwards."""
    inside = np.nan_to_num(points.astype(np.float64)).clip(-REACH, REACH)
    flipped = inside * (1, -1)
    places: list[list[float]] = ((flipped / REACH + 1) / 2 * side).tolist()
    return places
