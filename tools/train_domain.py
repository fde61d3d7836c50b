"""Train the two domain classifiers that ship in the package.

    python tools/train_domain.py --mnist FOLDER --fashion FOLDER [--out FOLDER] [--threads 2]

Both folders hold the four files of their set, packed or not. The digits' classifier never sees the
5,000 embedded digits: all of them come from MNIST's training images, and are found there by their
pixels. Its accuracy is that on the 10,000 test images. Not equal to the bit over thread counts.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from trilemma.data.named import NAMED, Arrays
from trilemma.features.domain_training import Training, train_domain

PACKAGE = Path(__file__).parents[1] / "src" / "trilemma" / "features" / "embedded"
TRAININGS = {
    "digits": Training(epochs=12, degrees=10, zoom=0.1, shift=2, bf16=True),
    "fashion-mnist": Training(epochs=10, degrees=0, zoom=0, shift=0, flip=True, bf16=True),
}


def read(name: str, folder: Path, split: str) -> Arrays:
    """Read one split of a named set; stop with one line where it is not."""
    arrays = NAMED[name].read(folder, split)
    if arrays is None:
        raise SystemExit(f"{folder}: not the four files of {name}")
    return arrays


def without_embedded(arrays: Arrays) -> Arrays:
    """Leave out the images that are embedded; all of those must be found."""
    pixels, labels = arrays
    taken = {
        image.tobytes() for split in ("train", "test") for image in read("digits", Path(), split)[0]
    }
    mine = [image.tobytes() for image in pixels]
    if missing := taken - set(mine):
        raise SystemExit(f"{len(missing)} of the embedded digits are not among these images")
    keep = np.array([image not in taken for image in mine])
    return pixels[keep], labels[keep]


def train(name: str, known: Arrays, test: Arrays, *, out: Path, threads: int) -> None:
    """Train one classifier, show its progress and what is written beside it."""
    start = time.monotonic()

    def show(step: int, steps: int) -> None:
        if step % 100 == 0 or step == steps:
            print(f"{name}: step {step} of {steps}, {time.monotonic() - start:.0f} s", flush=True)

    training = TRAININGS[name]
    path = train_domain(
        known[0],
        known[1].astype(np.int64),
        NAMED[name].classes,
        out=out / name,
        source=name,
        licence=NAMED[name].licence,
        held_out=(test[0], test[1].astype(np.int64)),
        training=training,
        progress=show,
        how=f"tools/train_domain.py, {training}, torch {torch.__version__}, threads {threads}",
    )
    print(path.with_suffix(".json").read_text(encoding="utf-8"))


def main() -> None:
    """Parse, then train what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's four files")
    parser.add_argument("--fashion", type=Path, help="folder with Fashion-MNIST's four files")
    parser.add_argument("--out", type=Path, default=PACKAGE)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.mnist:
        known, test = (read("mnist", args.mnist, split) for split in ("train", "test"))
        train("digits", without_embedded(known), test, out=args.out, threads=args.threads)
    if args.fashion:
        known, test = (read("fashion-mnist", args.fashion, split) for split in ("train", "test"))
        train("fashion-mnist", known, test, out=args.out, threads=args.threads)


if __name__ == "__main__":
    main()
