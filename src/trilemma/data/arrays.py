"""Images in one numpy file: .npy, or .npz with labels."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from trilemma.data.values import Found, Pixels
from trilemma.errors import DataError
from trilemma.scatter import is_points

IMAGE_KEYS = ("images", "arr_0")  # ours, and what numpy calls an array without a name
SHAPES = (
    "give uint8 [N, height, width, channels] with 1 or 3 channels, or [N, height, width]; of "
    "points float32 [N, 1, 1, 2]"
)


def list_arrays(path: Path) -> Found:
    """List the images of a .npy (mapped, not loaded) or .npz file; DataError says what is wrong."""
    pixels, labels = _load(path)
    points = pixels.dtype == np.float32 and is_points(pixels)
    if not points and (pixels.dtype != np.uint8 or pixels.ndim not in (3, 4)):
        raise DataError(f"{path} holds {pixels.dtype} {list(pixels.shape)}; {SHAPES}")
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if not (points or pixels.shape[3] in (1, 3, 4)) or 0 in pixels.shape:
        raise DataError(f"{path} holds {pixels.dtype} {list(pixels.shape)}; {SHAPES}")
    if labels.shape != (len(pixels),) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{path}: labels are {labels.dtype} {list(labels.shape)} for {len(pixels)} images; "
            "give one integer an image"
        )
    return Found(
        name=path.stem,
        names=[f"{row:06d}" for row in range(len(pixels))],
        labels=labels.astype(np.int64),
        splits=[""] * len(pixels),
        classes=tuple(str(number) for number in range(int(labels.max()) + 1)),
        read=lambda row: pixels[row],
        digest=lambda row: hashlib.sha256(pixels[row].tobytes()).hexdigest(),
        pixels=pixels,
    )


def _load(path: Path) -> tuple[Pixels, np.ndarray]:
    try:
        if path.suffix.lower() == ".npy":
            pixels = np.load(path, mmap_mode="r", allow_pickle=False)
            return pixels, np.full(len(pixels), -1)
        with np.load(path, allow_pickle=False) as arrays:
            keys = [key for key in IMAGE_KEYS if key in arrays]
            if not keys:
                raise DataError(f"{path} has no array 'images' or 'arr_0', only {arrays.files}")
            pixels = arrays[keys[0]]
            return pixels, arrays["labels"] if "labels" in arrays else np.full(len(pixels), -1)
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no {path.suffix} file of numbers ({error}); {SHAPES}") from None
