"""Features in a file, so that anyone can check our scores with other code.

An .npz with `features` and `logits` float32 [N, D], [N, K], `labels` int64 [N] (-1 unknown),
`names` [N] and `meta`, a JSON text. No pickles.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trilemma.atomic import moved
from trilemma.errors import DataError
from trilemma.features.extractor import Extractor, Features


class FeatureFile(NamedTuple):
    """What an .npz of features holds."""

    features: Features
    labels: NDArray[np.int64]  # [N]; -1 unknown
    names: tuple[str, ...]  # of the images; may be empty
    meta: Mapping[str, object]


def meta_of(extractor: Extractor) -> dict[str, object]:
    """Describe an extractor as `meta` does."""
    return {
        "extractor": extractor.id,
        "weights_sha256": extractor.weights_sha256,
        "resize": extractor.resize,
        "classes": list(extractor.classes),
    }


def write(
    path: Path,
    features: Features,
    *,
    labels: NDArray[np.int64] | None = None,
    names: Sequence[str] = (),
    meta: Mapping[str, object],
) -> None:
    """Write an .npz, complete or not at all. NoSpaceError: it cannot be written."""
    if labels is None:
        labels = np.full(len(features.features), -1, dtype=np.int64)
    with moved(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            features=features.features.astype(np.float32, copy=False),
            logits=features.logits.astype(np.float32, copy=False),
            labels=labels,
            names=np.array(list(names), dtype=np.str_),
            meta=np.array(json.dumps(meta, ensure_ascii=False)),
        )


def read(path: Path) -> FeatureFile:
    """Read an .npz of features, ours or another's: only `features` must be there."""
    try:
        arrays = _arrays(path)
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError) as error:
        raise DataError(
            f"{path}: no .npz of features ({error}); write one with our verb"
        ) from error
    if "features" not in arrays or arrays["features"].ndim != 2:
        raise DataError(
            f"{path}: no two-dimensional array 'features', only {', '.join(arrays) or 'nothing'}; "
            "make it with `trilemma features`"
        )
    n = len(arrays["features"])
    logits = arrays.get("logits", np.empty((n, 0), dtype=np.float32))
    labels = arrays.get("labels", np.full(n, -1))
    return FeatureFile(
        Features(arrays["features"].astype(np.float32), logits.astype(np.float32)),
        labels.astype(np.int64),
        tuple(str(name) for name in arrays.get("names", ())),
        json.loads(str(arrays["meta"])) if "meta" in arrays else {},
    )


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read all arrays; a bare .npy counts as `features`."""
    with path.open("rb") as file:  # opened here: numpy forgets to close what it cannot read
        held = np.load(file, allow_pickle=False)
        if isinstance(held, np.ndarray):
            return {"features": held}
        return {name: held[name] for name in held.files}
