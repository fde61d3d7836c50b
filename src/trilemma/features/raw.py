"""`pixels`: the image itself as its features; always there."""

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


def _extract(pixels: Pixels) -> Features:
    height, width = pixels.shape[1:3]
    scale = min(1.0, LARGEST / max(height, width))
    small = resized(
        pixels, height=max(1, round(height * scale)), width=max(1, round(width * scale))
    )
    flat = small.reshape(len(small), -1).astype(np.float32) / np.float32(127.5) - 1
    return Features(flat, np.empty((len(flat), 0), dtype=np.float32))
