"""True 16-bit pictures through Pillow, which keeps 16 bits of grey alone."""

import io
import re
import sys
from typing import Any

import numpy as np
from PIL import Image

from trilemma.errors import DataError

WHITE = 65535


def sixteen(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Give the values of a true 16-bit file, uint16 [H, W, C]; None: it has 8 bits or fewer.

    data: the file, which is not loaded yet.
    Pillow keeps 16 bits of grey alone; of others it drops the lower byte of each value. Reading the
    file again with the byte order exchanged gives that one. DataError: 32 bits.
    """
    raw = raw_mode(image)
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > WHITE:
            raise DataError("32-bit pixels, whose white is not stated; save it with 8 or 16 bits")
        return values.astype(np.uint16)[..., None]
    if not re.fullmatch(r"(LA|RGB|RGBX|RGBA|RGBa);16[BLN]", raw):
        if ";16" in raw and image.format in ("PNG", "TIFF"):
            raise DataError(f"16 bits stored as {raw}; save it as PNG, or as a plain RGB TIFF")
        return None
    layout, order = raw.split(";16")
    native = {"little": "L", "big": "B"}[sys.byteorder]
    if layout == "LA":  # four bytes a pixel, read as they are: value, then alpha, high byte first
        read_as(image, "RGBA", "RGBA")
        quads = np.asarray(image).astype(np.uint16)
        pairs: np.ndarray = quads[..., 0::2] << 8 | quads[..., 1::2]
        return pairs
    straight = layout.replace("a", "A")
    high = order.replace("N", native)
    low = {"B": "L", "L": "B"}[high]
    again = Image.open(io.BytesIO(data), formats=[str(image.format)])
    read_as(image, image.mode, f"{straight};16{high}")
    read_as(again, again.mode, f"{straight};16{low}")
    both: np.ndarray = np.asarray(image).astype(np.uint16) << 8 | np.asarray(again)
    if layout == "RGBX":
        return both[..., :3]
    return unmultiplied(both) if layout == "RGBa" else both


def raw_mode(image: Image.Image) -> str:
    """Say how Pillow will read the pixels: the raw mode of its first tile, or nothing."""
    tiles = getattr(image, "tile", [])
    arguments = tiles[0].args if tiles else ""
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments or "")


def read_as(image: Image.Image, mode: str, raw: str) -> None:
    """Let Pillow load the pixels in another raw mode than it would choose."""
    holder: Any = image
    holder._mode = mode
    holder.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in holder.tile
    ]
    image.load()


def unmultiplied(values: np.ndarray) -> np.ndarray:
    """Divide the colours of values uint16 [H, W, 4] by their alpha, in the last channel."""
    alpha = np.maximum(values[..., 3:], 1).astype(np.float64)
    colours = np.minimum(np.rint(values[..., :3] * (WHITE / alpha)), WHITE)
    return np.concatenate([colours.astype(np.uint16), values[..., 3:]], 2)
