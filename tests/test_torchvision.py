"""Torchvision's own folders read as torchvision reads them: it is the oracle."""

import gzip
import hashlib
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest

from trilemma.data.sources import open_named

datasets = pytest.importorskip("torchvision.datasets")
RNG = np.random.default_rng(0)


def packed_idx(values: np.ndarray) -> bytes:
    """Write the idx format by its description: 0, 0, 8 (bytes), dimensions, each as big-endian."""
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(bytes([0, 0, 8, values.ndim]) + shape + values.tobytes())


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("kmnist", "KMNIST")],
)
def test_mnist_and_its_kin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, theirs: str
) -> None:
    """Its reader unpacks local .gz files into its layout; both read from the folder it made."""
    kind = getattr(datasets, theirs)
    raw = tmp_path / theirs / "raw"
    raw.mkdir(parents=True)
    sums = []
    for start, count in (("train", 12), ("t10k", 5)):
        for what, values in {
            "images-idx3": RNG.integers(0, 256, (count, 28, 28), np.uint8),
            "labels-idx1": RNG.integers(0, 10, count).astype(np.uint8),
        }.items():
            file, content = f"{start}-{what}-ubyte.gz", packed_idx(values)
            (raw / file).write_bytes(content)
            sums.append((file, md5(content)))
    monkeypatch.setattr(kind, "resources", sums)
    for split in ("train", "test"):
        before = open_named(f"{name}:{split}", root=str(tmp_path))  # from the .gz
        wanted = kind(tmp_path, train=split == "train", download=True)
        after = open_named(f"{name}:{split}", root=str(tmp_path))  # from what it unpacked
        for ours in (before, after):
            assert (ours.pixels[:][..., 0] == wanted.data.numpy()).all()
            assert ours.labels.tolist() == wanted.targets.tolist()
        image, label = wanted[3]
        assert (np.asarray(image) == after.pixels[3:4][0, ..., 0]).all()
        assert label == after.labels[3]
    assert after.classes == tuple(text.partition(" - ")[0] for text in kind.classes)  # "7 - seven"


class Python2(pickle._Pickler):
    """Pickle bytes as Python 2 did its strings, as the original batches are."""

    def save_string(self, text: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(text)) + text)
        self.memoize(text)

    dispatch = {**pickle._Pickler.dispatch, bytes: save_string}  # noqa: RUF012


def pickled(batch: object) -> bytes:
    file = io.BytesIO()
    Python2(file, protocol=2).dump(batch)
    return file.getvalue()


def test_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small set of batches, pickled as the original is, with torchvision's own list of sums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    sums = {}
    for file in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        rows = RNG.integers(0, 256, (4, 3072), np.uint8)
        content = pickled({b"data": rows, b"labels": RNG.integers(0, 10, 4).tolist()})
        (folder / file).write_bytes(content)
        sums[file] = md5(content)
    names = open_named("cifar10", root=str(tmp_path)).classes
    meta = pickled({b"label_names": [name.encode() for name in names]})
    (folder / "batches.meta").write_bytes(meta)
    kind = datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [(file, sums[file]) for file in list(sums)[:5]])
    monkeypatch.setattr(kind, "test_list", [("test_batch", sums["test_batch"])])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})
    for split in ("train", "test"):
        wanted = kind(tmp_path, train=split == "train")
        ours = open_named(f"cifar10:{split}", root=str(tmp_path))
        assert (ours.pixels[:] == wanted.data).all()
        assert ours.labels.tolist() == wanted.targets
        image, label = wanted[2]
        assert (np.asarray(image) == ours.pixels[2:3][0]).all()
        assert wanted.classes[label] == ours.classes[ours.labels[2]]
