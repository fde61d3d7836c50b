"""Folders, zips, arrays and shards become sources: splits, classes, sizes, fingerprints."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from trilemma.data.batches import Batches
from trilemma.data.pixelcache import LazyPixels
from trilemma.data.sources import open_named, open_source
from trilemma.errors import DataError
from trilemma.images import RESIZE
from trilemma.recipe.recipe import DataRecipe


def picture(path: Path, level: int, *, size: tuple[int, int] = (12, 10), mode: str = "L") -> None:
    """Write a picture of one level (L), or of a red of that level (RGB); size: width, height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, level if mode == "L" else (level, 0, 0)).save(path)


def filled(folder: Path, names: list[str]) -> Path:
    """Put pictures of level 10, 11, ... under the names."""
    for number, name in enumerate(names):
        picture(folder / name, 10 + number)
    return folder


def recipe(root: Path, **changes: object) -> DataRecipe:
    settings = {"root": str(root), "size": "8x8", "channels": 1, **changes}
    return DataRecipe(**settings)  # type: ignore[arg-type]


def test_flat_folder_in_the_order_of_names(tmp_path: Path) -> None:
    source = open_named(str(filled(tmp_path, ["b.png", "a.jpg", "ç 猫 1.bmp", "c.txt.gif"])))
    assert source.names == ["a.jpg", "b.png", "c.txt.gif", "ç 猫 1.bmp"]
    assert source.classes == ()
    assert source.labels.tolist() == [-1] * 4
    assert source.pixels[:][:, 0, 0, 0].tolist() == [11, 10, 13, 12]
    assert source.pixels.shape == (4, 10, 12, 1)


def test_a_folder_a_class_and_splits_are_none(tmp_path: Path) -> None:
    names = ["train/cat/a.png", "train/dog/deep/b.png", "VALID/cat/c.png", "test/dog/d.png"]
    source = open_named(str(filled(tmp_path, names)))
    assert source.classes == ("cat", "dog")
    assert dict(zip(source.names, source.labels.tolist(), strict=True)) == {
        "train/cat/a.png": 0,
        "train/dog/deep/b.png": 1,
        "VALID/cat/c.png": 0,
        "test/dog/d.png": 1,
    }
    for split, expected in {
        "train": ["train/cat/a.png", "train/dog/deep/b.png"],
        "test": ["test/dog/d.png"],
        "val": ["VALID/cat/c.png"],
    }.items():
        assert open_named(f"{tmp_path}:{split}").names == expected


def test_val_stands_in_for_test(tmp_path: Path) -> None:
    filled(tmp_path, ["train/a.png", "train/b.png", "val/c.png"])
    assert open_source(recipe(tmp_path), "test").names == ["val/c.png"]


def test_a_class_below_the_split_or_above(tmp_path: Path) -> None:
    source = open_named(str(filled(tmp_path, ["cat/train/a.png", "dog/test/b.png"])))
    assert source.classes == ("cat", "dog")
    assert open_named(f"{tmp_path}:test").names == ["dog/test/b.png"]


def test_kept_classes_are_counted_anew(tmp_path: Path) -> None:
    filled(tmp_path, ["ant/a.png", "bee/b.png", "cat/c.png", "cat/d.png"])
    kept = open_source(recipe(tmp_path, classes=("cat", "bee"), held_out=0.0), "train")
    assert kept.classes == ("bee", "cat")
    assert kept.names == ["bee/b.png", "cat/c.png", "cat/d.png"]
    assert kept.labels.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match="no class 'dog'; its classes are: ant, bee, cat"):
        open_source(recipe(tmp_path, classes=("dog",)), "train")


def test_held_out_share(tmp_path: Path) -> None:
    """Train and test part the set, by the names alone: order and place change nothing."""
    names = [f"{number:02d}.png" for number in range(40)]
    filled(tmp_path / "one", names)
    for name in reversed(names):
        picture(tmp_path / "two" / name, 99)
    parts = {
        split: open_source(recipe(tmp_path / "one", held_out=0.25), split).names
        for split in ("train", "test")
    }
    assert sorted([*parts["train"], *parts["test"]]) == names
    assert len(parts["test"]) == 10
    assert parts["test"] != names[:10]
    assert parts["test"] != names[-10:]
    again = open_source(recipe(tmp_path / "two", held_out=0.25), "test")
    assert again.names == parts["test"]


def test_one_image_trains(tmp_path: Path) -> None:
    """There is nothing to hold out, which is said; a batch is that image again and again."""
    picture(tmp_path / "only one.png", 77)
    source = open_source(recipe(tmp_path), "train")
    assert not source.notes
    assert Batches(source, 5, seed=0).at(10).images.shape == (5, 1, 8, 8)
    test = open_source(recipe(tmp_path), "test")
    assert test.names == source.names
    assert "no image is held out: these are the training images" in test.notes


def test_two_images_are_one_and_one(tmp_path: Path) -> None:
    filled(tmp_path, ["a.png", "b.png"])
    parts = [open_source(recipe(tmp_path), split).names for split in ("train", "test")]
    assert sorted(map(len, parts)) == [1, 1]
    assert parts[0] != parts[1]


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "is empty"), (["a.txt", "b.csv"], r"is only 2 other files \(1 .csv, 1 .txt\)")],
)
def test_nothing_to_read(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=message):
        open_named(str(tmp_path))


def test_no_such_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^digits has no split 'tset'; .* mean digits:test\?$"):
        open_named("digits:tset")
    with pytest.raises(DataError, match=r"no file, folder or known set; sets are .*mnist"):
        open_named(str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"data\.root is empty"):
        open_source(DataRecipe(), "train")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(DataError, match=r"x\.txt is no folder"):
        open_named(str(tmp_path / "x.txt"))


def test_other_files_are_counted_and_hidden_ones_are_not(tmp_path: Path) -> None:
    filled(tmp_path, ["a.png", ".hidden.png", ".git/b.png"])
    (tmp_path / "notes.md").write_text("x")
    source = open_named(str(tmp_path))
    assert source.names == ["a.png"]
    assert source.notes == ("left aside: 1 other files (1 .md)",)


def test_width_times_height_of_a_recipe(tmp_path: Path) -> None:
    filled(tmp_path, ["a.png", "b.png"])
    source = open_source(recipe(tmp_path, size="12x6", held_out=0.0), "train")
    assert source.pixels.shape == (2, 6, 12, 1)


def test_grey_and_colour_are_kept(tmp_path: Path) -> None:
    filled(tmp_path / "grey", ["a.png", "b.png"])
    assert open_named(str(tmp_path / "grey")).pixels.shape[3] == 1
    shutil.copytree(tmp_path / "grey", tmp_path / "both")
    picture(tmp_path / "both" / "c.png", 200, mode="RGB")
    both = open_named(str(tmp_path / "both"))
    assert both.pixels.shape[3] == 3
    assert both.pixels[:][:, 0, 0].tolist() == [[10] * 3, [11] * 3, [200, 0, 0]]


def test_several_sizes_need_one(tmp_path: Path) -> None:
    filled(tmp_path, ["a.png"])
    picture(tmp_path / "b.png", 5, size=(20, 30))
    with pytest.raises(DataError, match=r"several sizes \(12x10, 20x30, ...\)"):
        open_named(str(tmp_path))
    assert open_named(str(tmp_path), size=(10, 10)).pixels.shape == (2, 10, 10, 1)


def test_fingerprint(tmp_path: Path) -> None:
    """Equal for equal names and contents anywhere; another for any change."""
    filled(tmp_path / "a", ["x/1.png", "y/2.png"])
    shutil.copytree(tmp_path / "a", tmp_path / "elsewhere")
    mark = open_named(str(tmp_path / "a")).fingerprint
    assert len(mark) == 64
    assert open_named(str(tmp_path / "elsewhere")).fingerprint == mark
    assert open_named(str(tmp_path / "a"), size=(5, 5)).fingerprint != mark
    assert open_named(str(tmp_path / "a"), channels=3).fingerprint != mark
    picture(tmp_path / "elsewhere/y/2.png", 99)
    assert open_named(str(tmp_path / "elsewhere")).fingerprint != mark
    (tmp_path / "a/y/2.png").rename(tmp_path / "a/y/3.png")
    assert open_named(str(tmp_path / "a")).fingerprint != mark


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    filled(tmp_path, ["a.png"])
    assert open_named(str(tmp_path)).pixels[:].max() == 10
    picture(tmp_path / "a.png", 200)
    assert open_named(str(tmp_path)).pixels[:].max() == 200


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes exist on Linux only")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    """Latin-1 bytes can be printed; two spellings of one accent are two files, and one is said."""
    for name in (b"a\xff.png", "é.png".encode(), "e\u0301.png".encode()):
        picture(tmp_path / "x.png", 10)
        (tmp_path / "x.png").rename(tmp_path / os.fsdecode(name))
    source = open_named(str(tmp_path))
    assert source.names == ["a\\xff.png", "é.png"]
    assert [skipped.name for skipped in source.skipped] == ["é.png"]


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pixels go to a temporary folder, and one line says so."""
    filled(tmp_path / "set", ["a.png", "b.png"])
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "file"))
    said: list[str] = []
    source = open_named(str(tmp_path / "set"), say=said.append)
    assert source.pixels[:][:, 0, 0, 0].tolist() == [10, 11]
    assert len(said) == 1
    assert "TRILEMMA_CACHE" in said[0]


def test_progress_counts_every_image(tmp_path: Path) -> None:
    filled(tmp_path, [f"{number}.png" for number in range(5)])
    calls: list[tuple[int, int]] = []
    open_named(str(tmp_path), progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5)
    assert calls == sorted(calls)


def test_a_set_larger_than_memory(tmp_path: Path) -> None:
    """Decoded on demand: the same pixels, the broken file found before training."""
    filled(tmp_path, [f"{number}.png" for number in range(6)])
    (tmp_path / "3.png").write_bytes(b"cut")
    settings = {"held_out": 0.0, "size": "12x10"}
    mapped = open_source(recipe(tmp_path, **settings), "train")
    lazy = open_source(recipe(tmp_path, memory=1e-7, **settings), "train")
    assert isinstance(lazy.pixels, LazyPixels)
    assert not isinstance(mapped.pixels, LazyPixels)
    assert lazy.names == mapped.names
    assert [skipped.name for skipped in lazy.skipped] == ["3.png"]
    assert any("read on demand" in note for note in lazy.notes)
    rows = np.array([4, 0, 0, 2])
    assert (lazy.pixels[rows] == mapped.pixels[rows]).all()
    first = Batches(mapped, 3, seed=0).at(4).images
    assert (Batches(lazy, 3, seed=0).at(4).images == first).all()


def test_heic_without_its_reader_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    filled(tmp_path, ["a.png"])
    (tmp_path / "b.HEIC").write_bytes(b"x")
    source = open_named(str(tmp_path))
    assert [skipped.name for skipped in source.skipped] == ["b.HEIC"]
    assert "trilemma[heic]" in source.skipped[0].reason


def test_real_photos(shared_data: Path) -> None:
    """291 photos of 140 sizes: all are used, against Pillow's own fit of one of them."""
    source = open_named(str(shared_data / "photos"), size=(48, 64), channels=3)
    assert len(source) == 291
    assert not source.skipped
    assert RESIZE == "pillow-lanczos"
    row = next(row for row, name in enumerate(source.names) if name.endswith(".png"))
    with Image.open(shared_data / "photos" / source.names[row]) as image:
        expected = ImageOps.fit(image.convert("RGB"), (64, 48), Image.Resampling.LANCZOS)
    difference = np.abs(source.pixels[row : row + 1][0].astype(int) - np.asarray(expected))
    assert difference.max() <= 1


def test_real_cats_bring_their_split(shared_data: Path) -> None:
    cats = shared_data / "afhq-cats"
    source = open_source(recipe(cats, size="16x16", channels=3), "test")
    assert len(source) == 200
    assert {name.split("/")[0] for name in source.names} == {"val"}
    assert source.classes == ()
