"""Pictures inside the page: pixels as PNG data, animations as GIF data."""

import base64
import io
import math

import numpy as np
from PIL import Image, UnidentifiedImageError

from trilemma import images
from trilemma.report.contents import Pixels

LARGEST = 1_200_000  # pixels of a grid, all together: the page stays below a few megabytes
SMALL = 96  # a side below which single pixels are shown as squares


def drawable(pixels: Pixels) -> bool:
    """Can these be shown as pictures? Grey or colour, at least one."""
    return pixels.ndim == 4 and len(pixels) > 0 and pixels.shape[3] in (1, 3)


def fitting(pixels: Pixels, wanted: int) -> int:
    """Say how many images a grid may hold without making the page heavy: a full square."""
    one = max(1, pixels.shape[1] * pixels.shape[2])
    n = min(wanted, len(pixels), max(4, LARGEST // one))
    return n if n < 4 else math.isqrt(n) ** 2


def png(pixels: np.ndarray) -> str:
    """Write uint8 [H, W, C] as a data URI."""
    grey = pixels.shape[2] == 1
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if grey else pixels).save(buffer, "PNG", optimize=True)
    return data_uri("image/png", buffer.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Write bytes so that they can stand in an attribute."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def columns(n: int) -> int:
    """Say how many images of a grid stand side by side."""
    return max(1, math.ceil(math.sqrt(n)))


def grid(pixels: Pixels, wanted: int = 64) -> str:
    """Write the first images as one square grid."""
    n = fitting(pixels, wanted)
    return png(images.grid(pixels[:n], columns(n)))


def last_frame(gif: bytes) -> str:
    """Write an animation's last frame, for readers who want nothing to move; "" if unreadable."""
    try:
        with Image.open(io.BytesIO(gif), formats=["GIF"]) as picture:
            picture.seek(getattr(picture, "n_frames", 1) - 1)
            pixels = np.asarray(picture.convert("RGB"))
    except (UnidentifiedImageError, OSError, EOFError, ValueError):
        return ""
    return png(pixels)
