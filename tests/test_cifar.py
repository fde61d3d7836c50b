"""CIFAR-10: pickled batches, their archive, or shards; a pickle is never run."""

import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from trilemma.data.cifar import ArraysOnly, read_batch
from trilemma.data.named import NAMED
from trilemma.data.sources import open_named
from trilemma.errors import DataError

RNG = np.random.default_rng(0)


def test_cifar10_checksum_is_torchvisions() -> None:
    theirs = pytest.importorskip("torchvision.datasets").CIFAR10
    assert NAMED["cifar10"].md5 == {theirs.filename: theirs.tgz_md5}
    assert f"{NAMED['cifar10'].mirrors[0]}{theirs.filename}" == theirs.url


def cifar_files(images: np.ndarray, labels: list[int]) -> dict[str, bytes]:
    """Pickle batches as the original does: bytes as keys, [N, 3072], red plane first."""
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    return {
        name: pickle.dumps({b"data": np.roll(rows, turn, 0), b"labels": labels}, protocol=2)
        for turn, name in enumerate(names)
    }


@pytest.mark.parametrize("packed", [False, True])
def test_cifar10(tmp_path: Path, packed: bool) -> None:
    """Unpacked batches, or the archive they came in."""
    images = RNG.integers(0, 256, (3, 32, 32, 3), np.uint8)
    files = cifar_files(images, [3, 9, 0])
    (tmp_path / "cifar-10-batches-py").mkdir()
    if packed:
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    else:
        for name, content in files.items():
            (tmp_path / "cifar-10-batches-py" / name).write_bytes(content)
    train = open_named("cifar10:train", root=str(tmp_path))
    assert train.pixels.shape == (15, 32, 32, 3)
    assert (train.pixels[3:6] == np.roll(images, 1, 0)).all()
    assert train.labels.tolist() == [3, 9, 0] * 5
    assert train.classes[3] == "cat"
    test = open_named("cifar10:test", root=str(tmp_path))
    assert (test.pixels[:] == np.roll(images, 5, 0)).all()


class Hostile:
    """A value whose pickle runs a command when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    batch = pickle.dumps({b"data": Hostile(tmp_path / "owned"), b"labels": [1]}, protocol=2)
    with pytest.raises(DataError, match=r"asks for \w+\.mkdir"):
        read_batch(batch, "test_batch")
    assert not (tmp_path / "owned").exists()
    for content in (b"", b"text", pickle.dumps([1]), pickle.dumps({b"data": b"x", b"labels": []})):
        with pytest.raises(DataError, match="not a CIFAR-10 batch"):
            read_batch(content, "test_batch")


@pytest.mark.parametrize("error", [AttributeError, MemoryError, OverflowError])
def test_whatever_a_pickle_raises(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def load(self: ArraysOnly) -> object:
        raise error("from inside")

    monkeypatch.setattr(ArraysOnly, "load", load)
    with pytest.raises(DataError, match="not a CIFAR-10 batch"):
        read_batch(b"", "test_batch")


def test_labels_for_other_images() -> None:
    batch = {b"data": np.zeros((3, 3072), np.uint8), b"labels": [1, 2]}
    with pytest.raises(DataError, match="3 images but 2 labels"):
        read_batch(pickle.dumps(batch, protocol=2), "test_batch")


def test_real_cifar10_shards(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class counts that the data's README states."""
    monkeypatch.setenv("TRILEMMA_DATA", str(shared_data))
    test = open_named("cifar10:test")
    assert np.bincount(test.labels).tolist() == [196, 198, 195, 199, 198, 185, 216, 193, 217, 203]
    assert test.classes[0] == "airplane"
    assert test.pixels.shape == (2000, 32, 32, 3)
