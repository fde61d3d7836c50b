"""Features kept by content: the same pixels through the same extractor are computed once.

An entry is an .npz in `features/` of the cache folder, named by the sha256 of the pixels and of
what the extractor is. A damaged entry is computed again and replaced.
"""

import hashlib
from pathlib import Path

import numpy as np

from trilemma import processes
from trilemma.errors import DataError, NoSpaceError
from trilemma.features import files
from trilemma.features.extractor import Extractor, Features, Pixels, Progress
from trilemma.places import Say, quiet, wanted_cache_folder, writable

VERSION = 1  # raise it when an extractor's numbers change although its weights do not
CHUNK = 4096  # images hashed at once


def features(
    extractor: Extractor, pixels: Pixels, *, say: Say = quiet, progress: Progress | None = None
) -> Features:
    """Give extractor(pixels), from the cache where it is there.

    Where the cache cannot be written nothing is kept, and `say` gets one line.
    """
    folder = _folder(say)
    entry = folder / f"{key(extractor, pixels)}.npz" if folder else None
    first = processes.rank() == 0  # only its cache counts
    kept: Features | None = processes.share(_kept(entry, len(pixels)) if entry and first else None)
    if kept is not None:
        return kept
    made = extracted(extractor, pixels, progress=progress)
    if entry is not None and first:
        _keep(entry, made, extractor, say)
    return made


def extracted(
    extractor: Extractor, pixels: Pixels, *, progress: Progress | None = None
) -> Features:
    """Give extractor(pixels); of several processes each looks at its share, and all get it."""

    def mine(share: slice) -> np.ndarray:
        seen = extractor(pixels[share], progress=progress)
        return np.concatenate([seen.features, seen.logits], 1)

    if processes.count() == 1:
        return extractor(pixels, progress=progress)
    both = processes.together(mine, len(pixels))
    classes = extractor(pixels[:1]).logits.shape[1]
    return Features(both[:, : both.shape[1] - classes], both[:, both.shape[1] - classes :])


def key(extractor: Extractor, pixels: Pixels) -> str:
    """Give the sha256 of the pixels, their shape, and what the extractor is."""
    what = (VERSION, extractor.id, extractor.weights_sha256, extractor.resize, pixels.shape)
    digest = hashlib.sha256(repr(what).encode())
    for start in range(0, len(pixels), CHUNK):
        digest.update(np.ascontiguousarray(pixels[start : start + CHUNK]).data)
    return digest.hexdigest()


def _folder(say: Say) -> Path | None:
    wanted = wanted_cache_folder()
    if wanted is not None and writable(wanted / "features"):
        return wanted / "features"
    shown = wanted if wanted is not None else "the home folder"
    say(f"{shown} cannot be written; features are not kept (set TRILEMMA_CACHE to one that can)")
    return None


def _kept(entry: Path, n: int) -> Features | None:
    if not entry.is_file():
        return None
    try:
        kept = files.read(entry).features
    except DataError:
        return None
    return kept if len(kept.features) == len(kept.logits) == n else None


def _keep(entry: Path, made: Features, extractor: Extractor, say: Say) -> None:
    """Write an entry; a full disk costs the entry, not the scores."""
    try:
        files.write(entry, made, meta=files.meta_of(extractor))
    except NoSpaceError as error:
        say(f"features are not kept: {error}")
