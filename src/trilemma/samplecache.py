"""Drawn images kept by what made them, so that no verb draws what another has drawn already."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from trilemma.atomic import moved
from trilemma.errors import NoSpaceError
from trilemma.places import wanted_cache_folder, writable
from trilemma.sampling import Drawer, Pixels, draw

VERSION = 1  # raise it when the same weights and seeds give other images
LARGEST = 256 * 2**20  # bytes of pixels; larger sets are drawn again

Progress = Callable[[int, int], None]


def remembered(
    drawer: Drawer, weights: Path, seeds: Sequence[int], *, progress: Progress | None = None
) -> Pixels:
    """Draw images from seeds, uint8 [N, H, W, C], or take them from the cache."""
    folder = cache()
    entry = folder / f"{key(drawer, weights, seeds)}.npy" if folder else None
    if entry is not None and entry.is_file():
        try:
            kept: Pixels = np.load(entry, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            entry.unlink(missing_ok=True)
        else:
            if len(kept) == len(seeds):
                return kept
    parts = []
    for part in draw(drawer, seeds):
        parts.append(part)
        if progress is not None:
            progress(sum(map(len, parts)), len(seeds))
    pixels = np.concatenate(parts)
    if entry is not None and pixels.nbytes <= LARGEST:
        keep(entry, pixels)
    return pixels


def key(drawer: Drawer, weights: Path, seeds: Sequence[int]) -> str:
    """Name a set of images by the weights' sha256, the sampler, the device and the seeds."""
    digest = hashlib.sha256(weights.read_bytes())
    how = (VERSION, drawer.recipe.family, drawer.recipe.data.size, drawer.options)
    digest.update(repr((*how, drawer.device.type, list(seeds))).encode())
    return digest.hexdigest()


def cache() -> Path | None:
    """Give the folder of kept images; None where nothing can be kept."""
    wanted = wanted_cache_folder()
    return wanted / "images" if wanted is not None and writable(wanted / "images") else None


def keep(entry: Path, pixels: Pixels) -> None:
    """Write an entry; a full disk costs the entry, not the images."""
    with contextlib.suppress(NoSpaceError), moved(entry) as part, part.open("wb") as file:
        np.save(file, pixels)
