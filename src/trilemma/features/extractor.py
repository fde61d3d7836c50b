"""The value every extractor is: a function from pixels to features, and what it is called."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trilemma.devices import exactly
from trilemma.scatter import is_points

Pixels = np.ndarray  # uint8 [N, H, W, C], points float32 [N, 1, 1, 2]; a memory map serves as well
Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]  # (images done, images in all)


class Features(NamedTuple):
    """What an extractor saw in N images."""

    features: Floats  # [N, D]
    logits: Floats  # [N, K]; K = 0 where the extractor knows no classes


@dataclass(frozen=True, kw_only=True)
class Extractor:
    """Pixels in, features and logits out, and all that must be equal between two columns."""

    name: str  # as it was asked for, such as domain, lite0, points; labels FD[name]
    id: str  # name, variant and the first 8 digits of the weights' sha256
    weights_sha256: str  # of the file of weights; "" for pixels
    resize: str  # the rule by which an image gets the extractor's size and channels
    features: int  # D; 0: depends on the images (pixels)
    classes: tuple[str, ...] = ()  # names of the K logits; may be empty although K > 0
    accuracy: float = float("nan")  # on held-out images of its own source; nan: not known
    licence: str = ""  # of the weights
    batch: int = 256  # images computed at once
    slow: bool = False  # a CPU takes minutes for some thousand images
    extract: Callable[[Pixels], Features]  # of one batch

    def __call__(self, pixels: Pixels, *, progress: Progress | None = None) -> Features:
        """Extract from pixels uint8 [N, H, W, C], C 1 or 3, or points, N >= 1, in batches.

        In float32 as it is, not in the short one (TF32) of some GPUs: a column of scores has one
        ruler, whatever computed it.
        """
        kind = np.float32 if is_points(pixels) else np.uint8
        assert pixels.dtype == kind, f"pixels are {pixels.dtype}, not {np.dtype(kind)}"
        assert pixels.ndim == 4, f"pixels have shape {pixels.shape}, not [N, H, W, C]"
        parts = []
        for start in range(0, len(pixels), self.batch):
            # Memory maps and arrays made from bytes are read-only, which torch warns about.
            part = np.require(pixels[start : start + self.batch], requirements=["C", "W", "A"])
            with exactly("reference"):
                parts.append(self.extract(part))
            if progress is not None:
                progress(start + len(part), len(pixels))
        return Features(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.logits for part in parts]),
        )
