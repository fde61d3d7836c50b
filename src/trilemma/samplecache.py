"""Drawn images kept by what made them, so that no verb draws what another has drawn already."""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from trilemma import processes
from trilemma.atomic import moved
from trilemma.errors import NoSpaceError
from trilemma.places import wanted_cache_folder, writable
from trilemma.sampling import Drawer, Pixels, drawn_together

VERSION = 2  # raise it when the same weights and seeds give other images
LARGEST = 256 * 2**20  # bytes of pixels; larger sets are drawn again

Progress = Callable[[int, int], None]


def remembered(
    drawer: Drawer,
    weights: Path,
    seeds: Sequence[int],
    *,
    progress: Progress = lambda done, total: None,
) -> Pixels:
    """Draw images from seeds, uint8 [N, H, W, C], or take them from the cache."""
    folder = cache()
    entry = folder / f"{key(drawer, weights, seeds)}.npy" if folder else None
    first = processes.rank() == 0  # only its cache counts
    kept: Pixels | None = processes.share(there(entry, len(seeds)) if entry and first else None)
    if kept is not None:
        return kept
    pixels = drawn_together(drawer, seeds, progress=progress)
    if entry is not None and first and pixels.nbytes <= LARGEST:
        keep(entry, pixels)
    return pixels


def there(entry: Path, n: int) -> Pixels | None:
    """Read an entry of n images; None where there is none, and a broken one goes."""
    if not entry.is_file():
        return None
    try:
        kept: Pixels = np.load(entry, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        entry.unlink(missing_ok=True)
        return None
    return kept if len(kept) == n else None


def key(drawer: Drawer, weights: Path, seeds: Sequence[int]) -> str:
    """Name a set of images by the weights' sha256, the sampler, the device and the seeds."""
    digest = hashlib.sha256(weights.read_bytes())
    how = (VERSION, drawer.recipe.family, drawer.recipe.data.size, drawer.options, drawer.choice)
    digest.update(repr((*how, drawer.asked, drawer.device.type, list(seeds))).encode())
    for tensor in (drawer.low, drawer.move):
        if tensor is not None:
            digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def cache() -> Path | None:
    """Give the folder of kept images; None where nothing can be kept."""
    wanted = wanted_cache_folder()
    return wanted / "images" if wanted is not None and writable(wanted / "images") else None


def keep(entry: Path, pixels: Pixels) -> None:
    """Write an entry; a full disk costs the entry, not the images."""
    with contextlib.suppress(NoSpaceError), moved(entry) as part, part.open("wb") as file:
        np.save(file, pixels)
