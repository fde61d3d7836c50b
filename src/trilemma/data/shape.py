"""The size and the channels that every image of a source is given."""

from typing import NamedTuple

import numpy as np

from trilemma.data.values import Found
from trilemma.errors import DataError
from trilemma.images import decode
from trilemma.scatter import is_points

PROBED = 64  # images, evenly spaced, that stand for a set when its own size is wanted


class Shape(NamedTuple):
    """What every image of a source is made to be."""

    height: int
    width: int
    channels: int


def shape_of(
    found: Found, rows: np.ndarray, *, size: tuple[int, int] | None, channels: int
) -> Shape:
    """Fill in what is not stated from the images themselves. Points have one shape alone.

    size: height, width; None: the images' own; DataError if they have several. channels: 0 gives 1
    where all images are grey, else 3.
    """
    if found.pixels is not None and is_points(found.pixels):
        return points_shape(found.name, size, channels)
    if channels == 2:
        raise DataError(f"{found.name} holds images, no points; set data.channels to 1 or 3")
    if size is None or channels == 0:
        probed = [_probe(found, int(row)) for row in rows[:: max(1, len(rows) // PROBED)]]
        good = [pixels for pixels in probed if pixels is not None]
        if not good:
            good = [np.zeros((1, 1, 3), np.uint8)]
        channels = channels or (1 if all(map(is_grey, good)) else 3)
        sizes = sorted({pixels.shape[:2] for pixels in good})
        if size is None and len(sizes) > 1:
            (h, w), (height, width) = sizes[0], sizes[-1]
            raise DataError(
                f"{found.name} has images of several sizes ({w}x{h}, {width}x{height}, ...); name "
                "the size they shall have, such as --data.size 64x64"
            )
        size = size or sizes[0]
    return Shape(*size, channels)


def points_shape(name: str, size: tuple[int, int] | None, channels: int) -> Shape:
    """Give the shape of points. DataError where another one is wanted."""
    if size not in (None, (1, 1)) or channels not in (0, 2):
        raise DataError(f"{name} holds points, no images; set data.size to 1x1, data.channels to 2")
    return Shape(1, 1, 2)


def _probe(found: Found, row: int) -> np.ndarray | None:
    try:
        content = found.read(row)
        return decode(content, channels=3).pixels if isinstance(content, bytes) else content
    except (DataError, OSError):
        return None


def is_grey(pixels: np.ndarray) -> bool:
    """Are the channels of an image [H, W, C] equal everywhere?"""
    return bool((pixels == pixels[..., :1]).all())
