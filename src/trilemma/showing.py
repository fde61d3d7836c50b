"""Pictures that show themselves in a notebook."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trilemma.images import grid
from trilemma.sampling import Pixels


@dataclass(frozen=True)
class Images:
    """Pictures, uint8 [N, H, W, C]; a notebook shows them as a grid."""

    pixels: Pixels

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.pixels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Give the pixels to numpy."""
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def save(self, path: str | Path) -> Path:
        """Write the grid as a picture; its ending says which kind."""
        picture(self.pixels).save(path)
        return Path(path)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        shown_large(picture(self.pixels)).save(file, "PNG")
        return file.getvalue()


def picture(pixels: Pixels) -> Image.Image:
    """Make one picture of many."""
    whole = grid(pixels)
    return Image.fromarray(whole[:, :, 0] if whole.shape[2] == 1 else whole)


def shown_large(image: Image.Image) -> Image.Image:
    """Enlarge small pictures by whole pixels."""
    times = max(1, 480 // max(image.size))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
