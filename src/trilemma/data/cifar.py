"""CIFAR-10 as torchvision keeps it: pickled batches, read without running what is in them."""

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trilemma.errors import DataError

BROKEN = (  # what a pickle that is cut, damaged or of something else may raise
    *(pickle.UnpicklingError, LookupError, TypeError, ValueError, EOFError),
    *(AttributeError, OverflowError, MemoryError),
)
ARCHIVE, FOLDER = "cifar-10-python.tar.gz", "cifar-10-batches-py"
BATCHES = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}


def read_cifar10(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Read train or test: pixels uint8 [N, 32, 32, 3] and labels [N]; None: not in this folder.

    The folder holds the batches or the archive they came in; the archive is not unpacked.
    """
    contents = _batches(folder, BATCHES[split])
    if contents is None:
        return None
    parts = [read_batch(content, f"{folder}: {split} batches") for content in contents]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _batches(folder: Path, names: tuple[str, ...]) -> list[bytes] | None:
    for place in (folder, folder / FOLDER):
        if all((place / name).is_file() for name in names):
            return [(place / name).read_bytes() for name in names]
    if not (folder / ARCHIVE).is_file():
        return None
    try:
        with tarfile.open(folder / ARCHIVE) as archive:
            members = [archive.extractfile(f"{FOLDER}/{name}") for name in names]
            return [member.read() for member in members if member is not None]
    except (tarfile.TarError, OSError, EOFError, KeyError, zlib.error) as error:
        raise DataError(f"{folder / ARCHIVE}: damaged ({error}); fetch it again") from None


def read_batch(content: bytes, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one pickled batch; DataError if it holds anything but numbers, bytes and arrays."""
    try:
        batch = ArraysOnly(io.BytesIO(content), encoding="bytes").load()
        rows, labels = batch[b"data"], np.asarray(batch[b"labels"], np.uint8)
        pixels = np.asarray(rows, np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        if labels.shape != pixels.shape[:1]:
            raise ValueError(f"{len(pixels)} images but {labels.size} labels")
    except BROKEN as error:
        raise DataError(f"{place}: not a CIFAR-10 batch ({error}); fetch it again") from None
    return np.ascontiguousarray(pixels), labels


class ArraysOnly(pickle.Unpickler):
    """Unpickle numpy arrays and plain values; refuse every other name a pickle may ask for."""

    def find_class(self, module: str, name: str) -> Any:
        """Give one of the four callables that an array is rebuilt with."""
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
            ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _latin1,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return allowed[module, name]


def _latin1(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")
