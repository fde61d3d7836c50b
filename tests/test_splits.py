"""Images that lie outside of a set's split folders are not lost."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from trilemma.data.health import health
from trilemma.data.sources import open_named, open_source
from trilemma.recipe.recipe import DataRecipe

NOTE = "2 images lie in no folder called train, test or val: they count as train"


def filled(folder: Path, names: list[str]) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(folder / name)
    return folder


def opened(folder: Path, split: str) -> list[str]:
    data = DataRecipe(root=str(folder), size="8x8", channels=1)
    return list(open_source(data, split).names)


@pytest.mark.parametrize("more", [[], ["train/cat/e.png"]])
def test_loose_folders_beside_test_are_train(tmp_path: Path, more: list[str]) -> None:
    folder = filled(tmp_path, ["cat/a.png", "dog/b.png", "test/cat/c.png", *more])
    assert opened(folder, "train") == ["cat/a.png", "dog/b.png", *more]
    assert opened(folder, "test") == ["test/cat/c.png"]
    whole = open_named(str(folder))
    assert len(whole) == 3 + len(more)
    assert NOTE in whole.notes
    assert health(str(folder)).splits == {"train": 2 + len(more), "test": 1}


def test_loose_folders_beside_train_share_what_is_held_out(tmp_path: Path) -> None:
    """Without test images every image is in train or in what is held out of all."""
    names = [f"{place}/{number}.png" for place in ("train/cat", "dog") for number in range(10)]
    folder = filled(tmp_path, names)
    assert sorted(opened(folder, "train") + opened(folder, "test")) == sorted(names)


def test_nothing_is_said_where_all_have_a_split_or_none(tmp_path: Path) -> None:
    both = filled(tmp_path / "both", ["train/a.png", "val/b.png"])
    none = filled(tmp_path / "none", ["cat/a.png", "dog/b.png"])
    assert open_named(str(both)).notes == open_named(str(none)).notes == ()


def test_a_name_that_is_twice_in_a_zip(tmp_path: Path) -> None:
    """As after `zip` was asked to add: what an unpacker leaves is used, and the other is told."""
    filled(tmp_path, ["old.png", "new.png"])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "old.png", "a.png")
        archive.write(tmp_path / "old.png", "b.png")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.write(tmp_path / "new.png", "a.png")
    source = open_named(str(tmp_path / "x.zip"))
    assert list(source.names) == ["a.png", "b.png"]
    assert source.pixels[:][:, 0, 0, 0].tolist() == [1, 0]
    assert [tuple(skipped) for skipped in source.skipped] == [
        ("a.png", "in the zip more than once; the last one is used")
    ]
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        archive.extractall(tmp_path / "unpacked")  # the oracle
    with Image.open(tmp_path / "unpacked" / "a.png") as picture:
        assert picture.getpixel((0, 0)) == 1
