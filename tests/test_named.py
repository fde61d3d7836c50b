"""Named sets: found in every layout, downloaded and checked, never run."""

import gzip
import hashlib
import os
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from trilemma.data import named
from trilemma.data.named import NAMED, places
from trilemma.data.sources import open_named, open_source
from trilemma.errors import DataError, OfflineError
from trilemma.places import cache_folder
from trilemma.recipe.recipe import DataRecipe

RNG = np.random.default_rng(0)
SETS = {
    start: (RNG.integers(0, 256, (n, 28, 28), np.uint8), RNG.integers(0, 10, n).astype(np.uint8))
    for start, n in {"train": 12, "t10k": 5}.items()
}
SYSTEM = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no system folders, and a mirror at which nobody answers."""
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRILEMMA_MIRROR", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TRILEMMA_DATA", raising=False)


def idx(values: np.ndarray) -> bytes:
    """Write the idx format by its description: 0, 0, 8 (bytes), dimensions, each as big-endian."""
    shape = struct.pack(f">{values.ndim}I", *values.shape)
    return bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()


def put_idx(folder: Path, *, packed: bool) -> Path:
    folder.mkdir(parents=True)
    for start, (images, labels) in SETS.items():
        for kind, values in {"images-idx3": images, "labels-idx1": labels}.items():
            path = folder / f"{start}-{kind}-ubyte"
            if packed:
                path.with_name(path.name + ".gz").write_bytes(gzip.compress(idx(values)))
            else:
                path.write_bytes(idx(values))
    return folder


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", ["MNIST/raw", "mnist/MNIST/raw", "mnist", "."])
def test_layouts(tmp_path: Path, below: str, packed: bool) -> None:
    """Torchvision's unpacked files or plain .gz, in a root that stays as it was."""
    put_idx(tmp_path / "root" / below, packed=packed)
    before = files_below(tmp_path / "root")
    source = open_source(
        DataRecipe(source="mnist", root=str(tmp_path / "root"), size="28x28", channels=1), "test"
    )
    assert (source.pixels[:] == SETS["t10k"][0][..., None]).all()
    assert (source.labels == SETS["t10k"][1]).all()
    assert source.names[0] == "test/00000"
    assert source.classes == tuple("0123456789")
    assert "CC BY-SA" in source.licence
    assert files_below(tmp_path / "root") == before


def test_split_and_whole(tmp_path: Path) -> None:
    """Train is whole, nothing more is held out of it."""
    root = str(put_idx(tmp_path / "x", packed=True))
    counts = [len(open_named(f"mnist{split}", root=root)) for split in (":train", ":test", "")]
    assert counts == [12, 5, 17]


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one = open_named("mnist:test", root=str(put_idx(tmp_path / "one", packed=True)))
    two = open_named("mnist:test", root=str(put_idx(tmp_path / "two", packed=False)))
    assert one.fingerprint == two.fingerprint
    assert open_named("mnist:train", root=str(tmp_path / "two")).fingerprint != one.fingerprint


def test_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root of the user's, the environment, the cache, the system."""
    monkeypatch.setenv("TRILEMMA_DATA", str(tmp_path / "data"))
    order = [str(path) for path in places("fashion-mnist", "/own")]
    firsts = [
        next(place for place, path in enumerate(order) if path.startswith(start))
        for start in (os.sep + "own", str(tmp_path / "data"), str(cache_folder()))
    ]
    assert firsts == sorted(firsts)
    assert order[-1] == str(Path("/usr/share/datasets/fashion-mnist"))


def test_sets_with_equal_file_names_do_not_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MNIST beside nothing else in TRILEMMA_DATA is not taken for KMNIST."""
    put_idx(tmp_path / "data" / "MNIST" / "raw", packed=True)
    monkeypatch.setenv("TRILEMMA_DATA", str(tmp_path / "data"))
    assert len(open_named("mnist:test")) == 5
    with pytest.raises(OfflineError):
        open_named("kmnist:test")


def test_offline_says_where_files_go(tmp_path: Path) -> None:
    with pytest.raises(
        OfflineError, match=r"^kmnist: 127\.0\.0\.1:9 cannot be reached \("
    ) as caught:
        open_named("kmnist")
    line = str(caught.value)
    assert not any(part in line for part in ("\n", "http:", "Errno"))
    assert len(line.replace(str(cache_folder()), "")) < 200
    assert str(cache_folder() / "data" / "KMNIST" / "raw") in line
    assert "TRILEMMA_DATA" in line


def test_damaged_files(tmp_path: Path) -> None:
    root = put_idx(tmp_path / "x", packed=True)
    images = root / "t10k-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    for content, message in {
        whole[: len(whole) // 2]: "cannot be unpacked",
        gzip.compress(idx(SETS["t10k"][0])[:-1]): "bytes for a shape of",
        gzip.compress(idx(SETS["t10k"][1])): "begins with 0x801, not 0x803",
        gzip.compress(idx(SETS["t10k"][0])[:9]): "9 bytes are no idx file",
        gzip.compress(idx(SETS["train"][0])): "12 images but 5 labels",
    }.items():
        images.write_bytes(content)
        with pytest.raises(DataError, match=message):
            open_named("mnist:test", root=str(root))


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that is served as TRILEMMA_MIRROR."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("TRILEMMA_MIRROR", f"http://127.0.0.1:{server.server_port}")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def checksums(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in folder.iterdir()
    }


def test_download(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing files come once, into torchvision's layout in the cache."""
    served = put_idx(mirror / "kmnist", packed=True)
    own = {**vars(NAMED["kmnist"]), "md5": checksums(served)}
    monkeypatch.setitem(named.NAMED, "kmnist", named.NamedSet(**own))  # type: ignore[arg-type]
    said: list[str] = []
    source = open_named("kmnist:test", say=said.append)
    assert (source.pixels[:] == SETS["t10k"][0][..., None]).all()
    assert len(said) == 4
    assert files_below(cache_folder() / "data" / "KMNIST" / "raw") == set(checksums(served))
    monkeypatch.setenv("TRILEMMA_MIRROR", "http://127.0.0.1:9/")
    assert len(open_named("kmnist:train")) == 12


def test_a_download_that_is_not_the_file(mirror: Path) -> None:
    """A login page in place of the file is told by its md5, and not kept."""
    (mirror / "kmnist").mkdir()
    (mirror / "kmnist" / "train-images-idx3-ubyte.gz").write_text("<html>log in")
    with pytest.raises(OfflineError, match=r"another file \(md5 .* must be bdb82020997e"):
        open_named("kmnist")
    assert not (cache_folder() / "data" / "KMNIST" / "raw" / "train-images-idx3-ubyte.gz").exists()


TORCHVISION = {"fashion-mnist": "FashionMNIST", "kmnist": "KMNIST", "mnist": "MNIST"}


@pytest.mark.parametrize("name", TORCHVISION)
def test_checksums_are_torchvisions(name: str) -> None:
    """Oracle: torchvision's own tables."""
    datasets = pytest.importorskip("torchvision.datasets")
    theirs = getattr(datasets, TORCHVISION[name])
    assert NAMED[name].md5 == dict(theirs.resources)
    assert set(NAMED[name].mirrors) <= set(theirs.mirrors)
    assert NAMED[name].folder == f"{TORCHVISION[name]}/raw"


def test_embedded_digits() -> None:
    """4,000 and 1,000, stratified, no digit twice."""
    train, test = open_named("digits:train"), open_named("digits:test")
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    both = np.concatenate([train.pixels[:], test.pixels[:]])
    assert len(np.unique(both.reshape(5000, -1), axis=0)) == 5000
    assert len(set(train.labels[:100].tolist())) == 10  # shuffled


def test_embedded_digits_are_mnists(shared_data: Path) -> None:
    """Oracle: MNIST's own training set holds every one of them, with its label."""
    mnist = open_named("mnist:train", root=str(shared_data / "mnist"))
    assert len(mnist) == 60_000
    known = {
        image.tobytes(): int(label)
        for image, label in zip(mnist.pixels[:], mnist.labels, strict=True)
    }
    digits = open_named("digits")
    pairs = zip(digits.pixels[:], digits.labels.tolist(), strict=True)
    assert all(known[image.tobytes()] == label for image, label in pairs)


def test_real_mnist(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and first labels as in the original; mean and deviation as everyone uses them."""
    monkeypatch.setenv("TRILEMMA_DATA", str(shared_data))
    train = open_named("mnist:train")
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    values = train.pixels[:] / np.float32(255)
    assert (round(float(values.mean()), 4), round(float(values.std()), 4)) == (0.1307, 0.3081)


@pytest.mark.skipif(not SYSTEM.is_dir(), reason=f"no {SYSTEM}")
def test_system_fashion_mnist() -> None:
    test = open_named("fashion-mnist:test")
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert test.labels[:5].tolist() == [9, 2, 1, 1, 6]


def test_a_folder_of_a_sets_own_files_is_no_folder_of_images(tmp_path: Path) -> None:
    """What to type instead stands in the line."""
    put_idx(tmp_path / "x" / "MNIST" / "raw", packed=True)
    with pytest.raises(DataError, match=r"name the set that lies there \(mnist, ...\) and .*x as"):
        open_named(str(tmp_path / "x"))
