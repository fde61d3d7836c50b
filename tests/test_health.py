"""The health of a data set, against what was put into it."""

import shlex
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trilemma.data.health import Duplicate, health, near_duplicates
from trilemma.data.sources import open_named
from trilemma.errors import DataError

RNG = np.random.default_rng(0)


def noise(path: Path, *, size: tuple[int, int] = (70, 64), grey: bool = False) -> np.ndarray:
    """Write a picture whose 16x16 thumbnail is all its own; size: width, height."""
    coarse = Image.fromarray(RNG.integers(0, 256, (8, 8, 1 if grey else 3), np.uint8).squeeze())
    picture = np.asarray(coarse.resize(size, Image.Resampling.NEAREST))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return picture


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Five pictures in two classes and two splits, one grey, one copied, and one broken file."""
    original = noise(tmp_path / "train/cat/a.png")
    noise(tmp_path / "train/dog/b.png", size=(90, 80))
    noise(tmp_path / "train/dog/c.png", grey=True)
    noise(tmp_path / "test/dog/d.png")
    near = np.clip(original.astype(int) + 3, 0, 255).astype(np.uint8)
    (tmp_path / "test/cat").mkdir()
    Image.fromarray(near).resize((140, 128)).save(tmp_path / "test/cat/copy of a.png")
    (tmp_path / "train/cat/broken.png").write_bytes(b"")
    return tmp_path


def test_counts(zoo: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = health(str(zoo), progress=lambda done, total: calls.append((done, total)))
    assert found.images == 5
    assert found.classes == {"cat": 2, "dog": 3}
    assert found.splits == {"test": 2, "train": 3}
    assert found.sizes == {(70, 64): 3, (90, 80): 1, (140, 128): 1}
    assert (found.smallest, found.largest) == ((70, 64), (140, 128))
    assert found.grey == 1
    assert [tuple(skipped) for skipped in found.skipped] == [("train/cat/broken.png", "empty file")]
    assert calls[-1] == (6, 6)


@pytest.mark.parametrize("size", [None, (16, 24), (100, 600)])
def test_what_a_training_skips_is_counted_as_skipped(
    zoo: Path, size: tuple[int, int] | None
) -> None:
    """A picture of a pixel is too small for one that is to be 64 wide, and is read all the same."""
    noise(zoo / "train/cat/dot.png", size=(1, 1))
    noise(zoo / "train/cat/thin.png", size=(90, 3))
    taken = open_named(str(zoo), size=size or (64, 64))
    found = health(str(zoo), size=size)
    assert {one.name: one.reason for one in found.skipped} == {
        one.name: one.reason for one in taken.skipped
    }
    assert found.images == len(taken)
    assert sum(found.classes.values()) == sum(found.sizes.values()) == len(taken)
    assert any(one.reason.startswith("too small: 1x1") for one in found.skipped)


def test_pictures_that_are_all_too_small_are_one_line(tmp_path: Path) -> None:
    noise(tmp_path / "dot.png", size=(1, 1))
    with pytest.raises(DataError, match=r"no image of 1 can be used \(first: dot\.png: too small"):
        health(str(tmp_path))


def test_one_split(zoo: Path) -> None:
    found = health(f"{zoo}:test")
    assert found.images == 2
    assert found.splits == {"test": 2}


def test_a_copy_is_found_in_another_size(zoo: Path) -> None:
    (duplicate,) = health(str(zoo)).duplicates
    assert (duplicate.like, duplicate.name) == ("test/cat/copy of a.png", "train/cat/a.png")
    assert 2 < duplicate.rms < 10


def test_near_duplicates_by_double_loop() -> None:
    """The literal definition, across the borders of the chunks."""
    thumbs = RNG.integers(0, 256, (2100, 12)).astype(np.uint8)
    for row, like, change in [(1500, 3, 5), (2099, 2098, 9), (40, 39, 10), (2000, 1999, 0)]:
        thumbs[row] = np.clip(thumbs[like].astype(int) // 2 + 40 + change, 0, 255)
        thumbs[like] = thumbs[like] // 2 + 40
    names = [str(row) for row in range(len(thumbs))]
    expected = []
    values = thumbs.astype(float)
    for row in range(1, len(values)):
        rms = np.sqrt(((values[:row] - values[row]) ** 2).mean(1))
        if rms.min() < 10:
            expected.append(Duplicate(names[row], names[int(rms.argmin())], float(rms.min())))
    found = near_duplicates(names, thumbs)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    assert np.allclose([pair.rms for pair in found], [pair.rms for pair in expected], atol=0.05)
    assert ("40", "39") not in [pair[:2] for pair in found]  # 10 is not below 10
    assert len(found) >= 3


def test_sheet_shows_the_pictures(zoo: Path) -> None:
    """Five pictures of 64x64 in rows of three; the first is the first by name, cropped."""
    sheet = health(str(zoo)).sheet
    assert sheet.shape == (128, 192, 3)
    first = np.asarray(Image.open(zoo / "test/cat/copy of a.png").resize((70, 64)))[:, 3:67]
    assert np.abs(sheet[:64, :64].astype(int) - first).mean() < 12
    assert (sheet[64:, 128:] == 255).all()


@pytest.mark.parametrize(
    ("side", "grey", "expected"),
    [
        (70, False, ["folder-gan"]),
        (70, True, ["folder-gan", "--data.channels", "1"]),
        (30, False, ["folder-gan", "--data.size", "28x28"]),
    ],
)
def test_what_to_train(tmp_path: Path, side: int, grey: bool, expected: list[str]) -> None:
    folder = tmp_path / "my photos"
    for name in ("a.png", "b.png"):
        noise(folder / name, size=(side + 9, side), grey=grey)
    words = shlex.split(health(str(folder)).command)
    assert words[:2] == ["trilemma", "train"]
    assert words[words.index("--data.root") + 1] == str(folder)
    rest = words[2:]
    del rest[rest.index("--data.root") : rest.index("--data.root") + 2]
    assert rest == expected


def test_presets_that_are_named_exist() -> None:
    digits = health("digits")
    assert digits.images == 5000
    assert digits.grey == 5000
    assert digits.command == "trilemma train digits-gan"
    assert not digits.advice
    assert (files("trilemma.recipe") / "presets/digits-gan.toml").is_file()
    for preset in ("folder-gan", "mnist-gan-fast", "cifar10-gan-fast"):
        assert (files("trilemma.recipe") / f"presets/{preset}.toml").is_file()


def test_few_and_mixed_are_said(zoo: Path) -> None:
    few, *_, mixed, held_out = health(str(zoo)).advice
    assert "5 images are very few" in few
    assert held_out == (
        "2 of them are held out: the run cannot be scored or compared (that takes 3); "
        "add test images"
    )
    assert "1 images are grey among 4 in colour" in mixed


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        (
            100,
            0,
            "10 of them are held out: too few to tell copies, and for narrow errors; "
            "hold out more with --data.held-out 0.2",
        ),
        (
            30,
            0,
            "3 of them are held out: scores are not shown (that takes 10), and copies not told; "
            "hold out more with --data.held-out 0.34",
        ),
        (195, 0, ""),  # 20 are held out
        (90, 20, ""),  # all of val are
        (
            90,
            10,
            "10 of them are held out: too few to tell copies, and for narrow errors; "
            "add test images",
        ),
    ],
)
def test_too_few_held_out_images_are_said(
    tmp_path: Path, train: int, val: int, expected: str
) -> None:
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            folder = tmp_path / split if val else tmp_path
            folder.mkdir(exist_ok=True)
            Image.new("L", (16, 16), number % 256).save(folder / f"{number}.png")
    advice = [line for line in health(str(tmp_path)).advice if "held out" in line]
    assert advice == ([expected] if expected else [])


def test_a_source_can_be_looked_at() -> None:
    source = open_named("digits:test")
    found = health(source)
    assert found.images == 1000
    assert found.splits == {"test": 1000}
    assert found.command == "trilemma train digits-gan"


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(DataError, match="no image of 1 can be used"):
        health(str(tmp_path))
