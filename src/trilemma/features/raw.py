"""`pixels` and `points`: the image itself, or the point, as its features; always there."""

import numpy as np

from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.features.inputs import resized

LARGEST = 32  # pixels


def load() -> Extractor:
    """Give it."""
    return Extractor(
        name="pixels",
        id=f"pixels-{LARGEST}",
        weights_sha256="",
        resize=f"own channels, bicubic (Pillow, 8 bit) to at most {LARGEST} on the longer side",
        features=0,
        extract=_extract,
    )


def points() -> Extractor:
    """Give the coordinates of points of the plane: the Frechet distance is the true one of 2-D."""
    return Extractor(
        name="points",
        id="points",
        weights_sha256="",
        resize="coordinates as they are",
        features=2,
        batch=65_536,
        extract=lambda pixels: Features(
            pixels.reshape(len(pixels), 2), np.empty((len(pixels), 0), dtype=np.float32)
        ),
    )


def _extract(pixels: Pixels) -> Features:
    height, width = pixels.shape[1:3]
    scale = min(1.0, LARGEST / max(height, width))
    small = resized(
        pixels, height=max(1, round(height * scale)), width=max(1, round(width * scale))
    )
    flat = small.reshape(len(small), -1).astype(np.float32) / np.float32(127.5) - 1
    return Features(flat, np.empty((len(flat), 0), dtype=np.float32))
