"""The idx files of MNIST and its kin, packed or not, read without writing anything."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from trilemma.errors import DataError

IMAGES, LABELS = 0x0803, 0x0801  # magic numbers: unsigned bytes, 3 or 1 dimensions
LARGEST = 1 << 31  # bytes unpacked; MNIST has 47 million


def read_idx(path: Path, magic: int) -> np.ndarray:
    """Read uint8 [N, H, W] (IMAGES) or [N] (LABELS) from an idx file, gzipped if it ends in .gz.

    DataError where the file is cut, damaged or of another kind.
    Source: the format's description at yann.lecun.com/exdb/mnist.
    """
    try:
        data = _unpacked(path) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); fetch it again") from None
    dimensions = magic & 0xFF
    found = int.from_bytes(data[:4], "big")
    if found != magic:
        raise DataError(f"{path}: begins with {found:#x}, not {magic:#x}; it is no such idx file")
    if len(data) < 4 + 4 * dimensions:
        raise DataError(f"{path}: {len(data)} bytes are no idx file; fetch it again")
    shape = struct.unpack_from(f">{dimensions}I", data, 4)
    if len(data) != 4 + 4 * dimensions + int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path}: {len(data)} bytes for a shape of {list(shape)}; fetch it again")
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _unpacked(path: Path) -> bytes:
    with gzip.open(path) as file:
        data = file.read(LARGEST)
        if file.read(1):
            raise OSError(f"more than {LARGEST} bytes")
    return data
