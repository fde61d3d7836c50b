"""The data sets with a name: where their files may lie, and how they are read."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from trilemma.data.cifar import read_cifar10
from trilemma.data.idx import IMAGES, LABELS, read_idx
from trilemma.data.points import READERS
from trilemma.data.shards import list_shards
from trilemma.data.stacked import NUMBERS, stacked
from trilemma.data.values import Found, Pixels
from trilemma.download import download
from trilemma.errors import DataError
from trilemma.places import Say, cache_folder, is_temporary, quiet

Arrays = tuple[Pixels, np.ndarray]  # uint8 [N, H, W, C] (points: float32), labels [N]
DIGITS = tuple("0123456789")
CC_BY_SA_3 = "CC BY-SA 3.0 (LeCun, Cortes, Burges: MNIST)"
MADE = "own work (made from a seed)"
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
MNIST_MD5: Mapping[str, str] = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """One data set with a name."""

    classes: tuple[str, ...]
    licence: str
    read: Callable[[Path, str], Arrays | None]  # folder, train or test; None: not there
    folder: str = ""  # where torchvision puts the files, below a root
    files: str = ""  # the set whose files it is made of; empty: its own
    mirrors: tuple[str, ...] = ()  # addresses that a file's name is added to
    md5: Mapping[str, str] | None = None  # of the files to download
    system: tuple[str, ...] = ()  # folders where a system's package puts it


def read_idx_split(folder: Path, split: str) -> Arrays | None:
    """Read train or test of an MNIST-like set, from unpacked files or from .gz beside each other.

    None: the folder has not both files.
    """
    start = "train" if split == "train" else "t10k"
    images = _either(folder / f"{start}-images-idx3-ubyte")
    labels = _either(folder / f"{start}-labels-idx1-ubyte")
    if images is None or labels is None:
        return None
    pixels, numbers = read_idx(images, IMAGES)[..., None], read_idx(labels, LABELS)
    if len(pixels) != len(numbers):
        raise DataError(f"{folder}: {len(pixels)} images but {len(numbers)} labels in {split}")
    return pixels, numbers


def read_digits(folder: Path, split: str) -> Arrays:
    """Read the embedded digits; folder is not looked at."""
    with (
        as_file(files("trilemma.data") / "embedded/digits.npz") as path,
        np.load(path, allow_pickle=False) as arrays,
    ):
        return arrays[f"{split}_pixels"], arrays[f"{split}_labels"]


def read_stacked(folder: Path, split: str) -> Arrays | None:
    """Stack the digits of MNIST's train or test files. DataError: a digit is not among them."""
    digits = read_idx_split(folder, split)
    if digits is None:
        return None
    missing = sorted(set(range(10)) - set(digits[1].tolist()))
    if missing:
        raise DataError(f"{folder}: no {missing[0]} among the {split} digits; all ten are stacked")
    return stacked(*digits, split)


NAMED: Mapping[str, NamedSet] = {
    "cifar10": NamedSet(
        classes=(
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
        licence="none stated (Krizhevsky 2009: CIFAR-10)",
        read=read_cifar10,
        mirrors=("https://www.cs.toronto.edu/~kriz/",),
        md5={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    ),
    "digits": NamedSet(classes=DIGITS, licence=CC_BY_SA_3, read=read_digits),
    "fashion-mnist": NamedSet(
        classes=(
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
        licence="MIT (Zalando: Fashion-MNIST)",
        read=read_idx_split,
        folder="FashionMNIST/raw",
        mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        md5={
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        system=("/usr/share/datasets/fashion-mnist",),
    ),
    "grid": NamedSet(
        classes=tuple(str(number) for number in range(25)), licence=MADE, read=READERS["grid"]
    ),
    "kmnist": NamedSet(
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        licence="CC BY-SA 4.0 (ROIS-DS CODH: KMNIST)",
        read=read_idx_split,
        folder="KMNIST/raw",
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        md5={
            "train-images-idx3-ubyte.gz": "bdb82020997e1d708af4cf47b453dcf7",
            "train-labels-idx1-ubyte.gz": "e144d726b3acfaa3e44228e80efcd344",
            "t10k-images-idx3-ubyte.gz": "5c965bf0a639b31b8f53240b1b52f4d7",
            "t10k-labels-idx1-ubyte.gz": "7320c461ea6c1c855c0b718fb2a4b134",
        },
    ),
    "mnist": NamedSet(
        classes=DIGITS,
        licence=CC_BY_SA_3,
        read=read_idx_split,
        folder="MNIST/raw",
        mirrors=MNIST_MIRRORS,
        md5=MNIST_MD5,
    ),
    "ring": NamedSet(
        classes=tuple(str(number) for number in range(8)), licence=MADE, read=READERS["ring"]
    ),
    "stacked-mnist": NamedSet(
        classes=NUMBERS,
        licence=CC_BY_SA_3,
        read=read_stacked,
        folder="MNIST/raw",
        files="mnist",
        mirrors=MNIST_MIRRORS,
        md5=MNIST_MD5,
    ),
}


def list_named(name: str, split: str, *, root: str = "", say: Say = quiet) -> Found:
    """List train, test or all of a named set, downloading it if it lies nowhere.

    Looked at in this order: root, `TRILEMMA_DATA`, the cache, the system's places; in each for the
    set's own files, then for shards called NAME-train-* and NAME-test-*. OfflineError where it
    cannot be had; DataError where its files are damaged.
    """
    wanted = ("train", "test") if split == "all" else (split,)
    if root and not Path(root).exists():
        say(f"{root} does not exist; looking for {name} elsewhere")
    for folder in places(name, root):
        try:
            found = _list(name, folder, wanted)
        except PermissionError:
            raise DataError(f"{folder} may not be read; change its permissions") from None
        if found is not None:
            return found
    named = NAMED[name]
    store = cache_folder(say=say) / "data" / named.folder
    fetch(name, store, say=say)
    found = _list(name, store, wanted)
    assert found is not None, f"{store} was just filled"
    return found


def fetch(name: str, store: Path, *, say: Say = quiet) -> None:
    """Download the files of a set that `store` lacks. OfflineError: no mirror gave one of them.

    `TRILEMMA_MIRROR` names another base address: the files are at BASE/NAME/FILE.
    """
    put = "" if is_temporary(cache_folder()) else f"put its files into {store}, or "
    own = os.environ.get("TRILEMMA_MIRROR", "").rstrip("/")
    mirrors = (f"{own}/{NAMED[name].files or name}/",) if own else NAMED[name].mirrors
    for file, checksum in (NAMED[name].md5 or {}).items():
        if not (store / file).is_file():
            download(
                name, [mirror + file for mirror in mirrors], store / file,
                checksum=checksum, say=say,
                instead=f"{put}name the folder of its files: --root (of train --data.root), "
                "TRILEMMA_DATA",
            )  # fmt: skip


def _list(name: str, folder: Path, wanted: Sequence[str]) -> Found | None:
    """List the splits of a set in one folder; None: they are not there."""
    named = NAMED[name]
    parts = {part: named.read(folder, part) for part in wanted}
    if None in parts.values():
        shards = [path for part in wanted for path in sorted(folder.glob(f"{name}-{part}-*.tar*"))]
        if not shards:
            return None
        return replace(list_shards(shards, classes=named.classes), name=name, licence=named.licence)
    arrays = {part: pair for part, pair in parts.items() if pair is not None}
    pixels = np.concatenate([pixels for pixels, _ in arrays.values()])
    labels = np.concatenate([labels for _, labels in arrays.values()])
    return Found(
        name=name,
        names=[f"{part}/{row:05d}" for part, pair in arrays.items() for row in range(len(pair[1]))],
        labels=labels.astype(np.int64),
        splits=[part for part, pair in arrays.items() for _ in pair[1]],
        classes=named.classes,
        read=lambda row: pixels[row],
        digest=lambda row: hashlib.sha256(pixels[row].tobytes()).hexdigest(),
        pixels=pixels,
        own_split=True,
        licence=named.licence,
    )


def places(name: str, root: str) -> Iterator[Path]:
    """Give the folders where a set may lie, best first.

    The files of MNIST and its kin have the same names: only `root`, which the user gave for this
    set, may hold them without a folder of the set's own.
    """
    named = NAMED[name]
    own = named.files or name
    roots = [root, os.environ.get("TRILEMMA_DATA", "")]
    for base in (Path(text) for text in roots if text):
        yield from (base / named.folder, base / own / named.folder, base / own)
    if root:
        yield Path(root)
    yield cache_folder() / "data" / named.folder
    yield from map(Path, named.system)


def _either(path: Path) -> Path | None:
    packed = path.with_name(path.name + ".gz")
    return path if path.is_file() else packed if packed.is_file() else None
