"""Shards of many samples, of images that cannot be read, and of HEIC."""

import io
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trilemma.data.shards import list_shards
from trilemma.data.sources import open_named
from trilemma.errors import DataError


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (6, 4), level).save(file, "PNG")
    return file.getvalue()


def packed(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_raw_files_and_samples_without_an_image(tmp_path: Path) -> None:
    """They are named and skipped; the samples behind them keep their own pixels and labels."""
    files = {
        "a.png": png(10),
        "a.cls": b"0",
        "b.nef": png(11),
        "b.cls": b"1",
        "c.txt": b"no image",
        "d.png": png(13),
        "d.cls": b"2",
    }
    source = open_named(str(packed(tmp_path / "x.tar", files)))
    assert list(source.names) == ["x/a", "x/d"]
    assert source.pixels[:][:, 0, 0, 0].tolist() == [10, 13]
    assert source.labels.tolist() == [0, 2]
    reasons = {skipped.name: skipped.reason for skipped in source.skipped}
    assert reasons.keys() == {"x.tar/b", "x.tar/c"}
    assert "camera raw (.nef)" in reasons["x.tar/b"]
    assert reasons["x.tar/c"] == "no image in the sample"


def test_heic_in_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by name without its package, and used as soon as the package is there."""
    heif = pytest.importorskip("pillow_heif")
    grey = np.full((16, 24, 3), 90, np.uint8)
    file = io.BytesIO()
    heif.from_bytes(mode="RGB", size=(24, 16), data=grey.tobytes()).save(file, quality=90)
    shard = packed(tmp_path / "x.tar", {"a.heic": file.getvalue()})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(DataError, match=r"no images in 1 shards .*trilemma\[heic\]"):
            open_named(str(shard))
    assert abs(float(open_named(str(shard)).pixels[:].mean()) - 90) < 3


def test_chunks_are_the_images_of_each_shard(tmp_path: Path) -> None:
    """A shard that has none does not count."""
    shards = [
        packed(tmp_path / "x-0.tar", {"a.png": png(1), "b.png": png(2)}),
        packed(tmp_path / "x-1.tar", {"a.txt": b"no image"}),
        packed(tmp_path / "x-2.tar", {"a.txt": b"no image", "b.png": png(3)}),
    ]
    found = list_shards(shards)
    assert found.chunks == (2, 1)
    assert [found.read(row) for row in (2, 0, 1)] == [png(3), png(1), png(2)]


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz"])
def test_a_shard_that_has_changed_is_one_line(name: str, tmp_path: Path) -> None:
    path = packed(tmp_path / name, {"a.png": png(1), "b.png": png(2)})
    found = list_shards([path])
    packed(path, {"a.png": png(1)})
    with pytest.raises(DataError, match=r"x\.tar(\.gz)? has changed since it was listed"):
        found.read(1)


def test_of_a_plain_shard_only_the_image_itself_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So several processes, each with its part of every batch, share the reading."""
    files = {f"{i}.{ending}": png(i) for i in range(9) for ending in ("png", "txt")}
    path = packed(tmp_path / "x.tar", {**files, "__notes__/a.png": png(99)})
    found = list_shards([path])
    taken: list[tuple[int, int]] = []

    class Counted(io.FileIO):
        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            taken.append((self.tell() - len(content), len(content)))
            return content

    monkeypatch.setattr(Path, "open", lambda path, mode: Counted(path, mode.replace("b", "")))
    assert [found.read(row) for row in (7, 2)] == [png(7), png(2)]
    monkeypatch.undo()
    raw = path.read_bytes()
    assert [raw[start : start + size] for start, size in taken] == [png(7), png(2)]


def test_a_shard_that_is_compressed_under_a_plain_name(tmp_path: Path) -> None:
    """`tar czf x.tar`: what it is decides, not what it is called."""
    path = packed(tmp_path / "x.tar.gz", {"a.png": png(1), "a.cls": b"0", "b.png": png(2)})
    found = list_shards([path.rename(tmp_path / "x.tar")])
    assert [found.read(row) for row in (1, 0)] == [png(2), png(1)]
    assert found.labels.tolist() == [0, -1]
