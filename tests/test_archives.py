"""Zips, numpy files and shards become sources."""

import io
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trilemma.data.archives import list_zip
from trilemma.data.batches import Batches
from trilemma.data.pixelcache import LazyPixels
from trilemma.data.sources import open_named, open_source
from trilemma.errors import DataError
from trilemma.recipe.recipe import DataRecipe


def picture(path: Path, level: int) -> None:
    """Write a grey picture, 12 wide and 10 high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (12, 10), level).save(path)


def test_zip(tmp_path: Path) -> None:
    """The folder around all does not count; hidden entries neither; a damaged entry is skipped."""
    for level, name in enumerate(["cat/a b.png", "dog/猫.png", "dog/c.png"], start=10):
        picture(tmp_path / "pets" / name, level)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in sorted((tmp_path / "pets").rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path).as_posix())
        archive.writestr("__MACOSX/pets/cat/._a b.png", b"junk")
        archive.writestr("pets/read me.txt", b"text")
        archive.writestr("pets/dog/bad.png", b"not one")
    source = open_named(str(tmp_path / "pets.zip"))
    assert source.classes == ("cat", "dog")
    assert source.names == ["cat/a b.png", "dog/c.png", "dog/猫.png"]
    folder = open_named(str(tmp_path / "pets"))
    assert (source.pixels[:] == folder.pixels[:]).all()
    assert [tuple(skipped) for skipped in source.skipped] == [("dog/bad.png", "not an image")]


def test_zip_damage(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK no")
    with pytest.raises(DataError, match="no zip file"):
        open_named(str(tmp_path / "x.zip"))
    picture(tmp_path / "a.bmp", 10)
    picture(tmp_path / "b.bmp", 11)
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.write(tmp_path / "a.bmp", "a.bmp")
        archive.write(tmp_path / "b.bmp", "b.bmp")
    content = bytearray((tmp_path / "y.zip").read_bytes())
    content[60] ^= 0xFF  # inside the first picture
    (tmp_path / "y.zip").write_bytes(content)
    source = open_named(str(tmp_path / "y.zip"))
    assert source.names == ["b.bmp"]
    assert "damaged in the zip" in source.skipped[0].reason
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("a.txt", b"")
    with pytest.raises(DataError, match="holds no image files"):
        open_named(str(tmp_path / "z.zip"))


def test_zips_that_python_cannot_read_are_one_line(tmp_path: Path) -> None:
    """Names that are no UTF-8, versions and ways of packing to come, broken LZMA: by hand."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("é.png", bytes(1000))
        archive.writestr("b.png", b"")
    content = (tmp_path / "a.zip").read_bytes()
    entry = content.index(b"PK\x01\x02")
    path = tmp_path / "b.zip"
    for start, new in ((entry + 46, b"\xff"), (entry + 6, b"\xff\x00")):
        path.write_bytes(content[:start] + new + content[start + len(new) :])
        with pytest.raises(DataError, match="no zip file"):
            open_named(str(path))
    packed = 30 + len("é.png".encode())
    for start, new in (
        (entry + 10, b"\x63\x00"),  # a way of packing
        (packed + 4, b"\xff"),  # LZMA's settings
        (30, b"\xff"),  # the name in front of the bytes
        (entry + 8, b"\x20\x08"),  # patched data
    ):
        path.write_bytes(content[:start] + new + content[start + len(new) :])
        read = list_zip(path).read
        with pytest.raises(DataError, match="damaged in the zip"):
            read(list_zip(path).names.index("é.png"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("c.png", bytes(1000))
    broken = path.read_bytes().replace(b"BZh", b"BZz", 1)
    path.write_bytes(broken)
    with pytest.raises(DataError, match="damaged in the zip"):
        list_zip(path).read(0)


def test_npz_and_npy(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), np.uint8)
    labels = np.array([2, 0, 1, 1, 0, 2])
    np.savez(tmp_path / "ours.npz", images=pixels, labels=labels, seeds=np.arange(6))
    np.savez(tmp_path / "other.npz", pixels)
    np.save(tmp_path / "plain.npy", pixels)
    np.save(tmp_path / "grey.npy", pixels[..., 0])
    ours = open_named(str(tmp_path / "ours.npz"))
    assert (ours.pixels[:] == pixels).all()
    assert (ours.labels == labels).all()
    assert ours.classes == ("0", "1", "2")
    for name in ("other.npz", "plain.npy"):
        source = open_named(str(tmp_path / name))
        assert (source.pixels[:] == pixels).all()
        assert source.labels.tolist() == [-1] * 6
        assert source.classes == ()
    assert (open_named(str(tmp_path / "grey.npy")).pixels[:] == pixels[..., :1]).all()
    small = open_named(str(tmp_path / "plain.npy"), size=(4, 6), channels=1)
    assert small.pixels.shape == (6, 4, 6, 1)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 4, 4, 3), np.float32)}, "float32"),
        ({"images": np.zeros((2, 3, 4, 5), np.uint8)}, r"\[2, 3, 4, 5\]"),
        ({"images": np.zeros((2, 4, 4, 1), np.uint8), "labels": np.zeros(3, int)}, "labels are"),
        ({"images": np.array([{}, []], dtype=object)}, "no .npz file of numbers"),
        ({"x": np.zeros(3)}, r"no array 'images' or 'arr_0', only \['x'\]"),
    ],
)
def test_arrays_that_are_no_images(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_named(str(tmp_path / "x.npz"))


def shard(path: Path, levels: list[int], *, packed: bool = False) -> None:
    """Write samples 000000, 000001, ...: a picture, a class (level % 3), a text."""
    with tarfile.open(path, "w:gz" if packed else "w") as archive:
        for number, level in enumerate(levels):
            image = io.BytesIO()
            Image.new("L", (6, 4), level).save(image, "PNG")
            for ending, content in {
                "png": image.getvalue(),
                "cls": str(level % 3).encode(),
                "txt": b"a caption",
            }.items():
                info = tarfile.TarInfo(f"{number:06d}.{ending}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("packed", [False, True])
def test_shards(tmp_path: Path, packed: bool) -> None:
    ending = "tar.gz" if packed else "tar"
    levels = [[10, 11], [12, 13, 14], [15]]
    for number, part in enumerate(levels):
        shard(tmp_path / f"set 猫-{number:03d}.{ending}", part, packed=packed)
    source = open_named(str(tmp_path / ("set 猫-{000..002}." + ending)))
    assert source.pixels[:][:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 15]
    assert source.labels.tolist() == [1, 2, 0, 1, 2, 0]
    assert source.name == "set 猫"
    assert source.names[2] == "set 猫-001/000000"
    assert open_named(str(tmp_path)).fingerprint == source.fingerprint
    with pytest.raises(DataError, match="no such file"):
        open_named(str(tmp_path / ("set 猫-{000..004}." + ending)))


def test_shards_larger_than_memory_stream_by_file(tmp_path: Path) -> None:
    for number, part in enumerate([[10, 11], [12, 13, 14], [15]]):
        shard(tmp_path / f"x-{number}.tar.gz", part, packed=True)
    data = DataRecipe(root=str(tmp_path), size="6x4", channels=1, memory=1e-8, held_out=0.0)
    source = open_source(data, "train")
    assert isinstance(source.pixels, LazyPixels)
    assert source.chunks == (2, 3, 1)
    seen = Batches(source, 6, seed=0).at(0).images[:, 0, 0, 0]
    levels = [round((value + 1) * 127.5) for value in seen.tolist()]
    assert sorted(levels) == [10, 11, 12, 13, 14, 15]
    files = [0 if level < 12 else 1 if level < 15 else 2 for level in levels]
    assert sum(a != b for a, b in pairwise(files)) == 2


def test_splits_in_the_names_of_shards(tmp_path: Path) -> None:
    shard(tmp_path / "x-train-000.tar", [10, 11])
    shard(tmp_path / "x-test-000.tar", [12])
    assert open_named(f"{tmp_path}:test").pixels[:].max() == 12
    assert len(open_named(f"{tmp_path}:train")) == 2
    assert open_named(str(tmp_path)).name == "x"
    assert open_named(str(tmp_path / "x-test-000.tar")).name == "x-test"


def test_a_cut_shard_keeps_what_is_whole(tmp_path: Path) -> None:
    shard(tmp_path / "x.tar", [10, 11, 12, 13])
    content = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(content[: 1536 * 4 + 700])
    source = open_named(str(tmp_path / "x.tar"))
    assert source.pixels[:][:, 0, 0, 0].tolist() == list(range(10, 10 + len(source)))
    assert 1 <= len(source) < 4
    assert [skipped.name for skipped in source.skipped] == ["x.tar"]
    assert "damaged after" in source.skipped[0].reason


def test_shards_from_elsewhere_are_refused() -> None:
    for pattern in ("http://host/x.tar", "pipe:cat x.tar"):
        with pytest.raises(DataError, match="files only"):
            open_named(pattern)
