"""Pixels and images by closed form; reading against colours that are known; PNG, grid, GIF."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from trilemma.errors import DataError, MissingExtraError, NoSpaceError
from trilemma.images import (
    decode,
    fit,
    grid,
    is_image,
    read_image,
    refuse_by_name,
    resized,
    to_images,
    to_pixels,
    write_gif,
    write_png,
)

RAMP = np.arange(256, dtype=np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_levels_to_images_and_back() -> None:
    """x / 127.5 - 1 in float64 is the oracle; every level comes back."""
    pixels = RAMP.reshape(1, 4, 64, 1)
    images = to_images(pixels)
    assert images.shape == (1, 1, 4, 64)
    assert images.dtype == torch.float32
    expected = (RAMP.astype(np.float64) / 127.5 - 1).reshape(1, 1, 4, 64)
    assert np.abs(images.numpy() - expected).max() < 1e-7
    assert (to_pixels(images).numpy() == pixels).all()


def test_axes_are_not_swapped() -> None:
    """One image of height 2, width 3, with another value in every place."""
    pixels = torch.arange(18, dtype=torch.uint8).reshape(1, 2, 3, 3)
    images = to_images(pixels)
    assert images.shape == (1, 3, 2, 3)
    assert images[0, 2, 1, 0] == pixels[0, 1, 0, 2] / 127.5 - 1
    assert torch.equal(to_pixels(images), pixels)


@pytest.mark.parametrize(
    ("value", "level"),
    [
        *((-1.0, 0), (1.0, 255), (-7.0, 0), (7.0, 255), (0.0, 128), (-0.992, 1)),
        *((10.4 / 127.5 - 1, 10), (10.6 / 127.5 - 1, 11), (254.6 / 127.5 - 1, 255)),
    ],
)
def test_rounding_is_to_nearest_and_clips(value: float, level: int) -> None:
    assert to_pixels(torch.full((1, 1, 1, 1), value)).item() == level


def test_memory_maps_are_read(tmp_path: Path) -> None:
    """A map that may not be written to gives no warning and no shared memory."""
    np.save(tmp_path / "x.npy", np.full((2, 3, 3, 1), 255, np.uint8))
    assert to_images(np.load(tmp_path / "x.npy", mmap_mode="r")).min() == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits(channels: int) -> None:
    """Level v of 65535 becomes round(v / 257)."""
    values = np.array([[0, 128, 129, 257, 25700, 65406, 65407, 65535]], np.uint16)
    expected = np.rint(values / 257).astype(np.uint8)[..., None].repeat(channels, 2)
    assert expected.ravel().tolist()[-1] == 255
    assert (decode(encoded(Image.fromarray(values)), channels=channels).pixels == expected).all()


def test_float_pixels_are_refused() -> None:
    image = Image.fromarray(np.array([[0.1, 0.9]], np.float32))
    with pytest.raises(DataError, match="32-bit"):
        decode(encoded(image, "TIFF"), channels=1)


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0, (255, 255, 255)), (255, (10, 200, 30)), (51, (206, 244, 210))]
)
def test_alpha_goes_on_white(alpha: int, expected: tuple[int, int, int]) -> None:
    """c a + 255 (1 - a), here with a = 0, 1 and 1/5."""
    image = Image.new("RGBA", (2, 1), (10, 200, 30, alpha))
    assert tuple(decode(encoded(image), channels=3).pixels[0, 1]) == expected


def test_grey_with_alpha_and_palettes() -> None:
    grey = Image.new("LA", (1, 1), (100, 51))  # 100 / 5 + 255 * 4 / 5
    assert decode(encoded(grey), channels=1).pixels.item() == 224
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([9, 9, 9, 250, 120, 7])
    palette.putpixel((0, 0), 0)
    pixels = decode(encoded(palette, transparency=0), channels=3).pixels
    assert pixels.tolist() == [[[255, 255, 255], [250, 120, 7]]]


def test_colour_becomes_grey_by_luma() -> None:
    """0.299 R + 0.587 G + 0.114 B (ITU-R BT.601)."""
    image = Image.new("RGB", (1, 1), (200, 100, 50))
    assert decode(encoded(image), channels=1).pixels.item() == round(59.8 + 58.7 + 5.7)


def test_one_bit_and_cmyk() -> None:
    assert decode(encoded(Image.new("1", (1, 1), 1)), channels=3).pixels.tolist() == [[[255] * 3]]
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode(encoded(cmyk, "TIFF"), channels=3).pixels[4, 4]
    assert red.tolist() == [255, 0, 0]


ORIENTED = {  # EXIF orientation -> what a viewer shows of the stored [[1, 2, 3], [4, 5, 6]]
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", ORIENTED)
def test_orientation(orientation: int) -> None:
    """By the table of the EXIF standard (2.32, tag 0x0112)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    shown = decode(encoded(stored, exif=exif), channels=1).pixels[..., 0]
    assert shown.tolist() == ORIENTED[orientation]


def test_fit_crops_the_centre_of_the_long_side() -> None:
    """A wide ramp: the middle third of the columns stays, in its order."""
    ramp = np.arange(30, dtype=np.uint8)[None].repeat(10, 0)
    assert np.asarray(fit(Image.fromarray(ramp), (10, 10))).tolist() == ramp[:, 10:20].tolist()
    tall = np.asarray(fit(Image.fromarray(ramp.T.copy()), (5, 10)))
    assert tall.shape == (5, 10)
    assert np.abs(tall.mean(1) - [12.5, 13.5, 14.5, 15.5, 16.5]).max() <= 0.5


def test_shrinking_is_antialiased() -> None:
    """A chequerboard of single pixels becomes its mean; picking pixels would keep 0 or 255."""
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    small = np.asarray(fit(Image.fromarray(board), (16, 16))).astype(int)
    assert np.abs(small - 127.5).max() < 5


def test_height_comes_before_width() -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    assert resized(pixels, channels=1, size=(32, 48)).shape == (32, 48, 1)


def test_too_small_for_the_size() -> None:
    """Eightfold enlarging is the limit."""
    image = encoded(Image.new("L", (8, 20), 7))
    assert decode(image, channels=1, size=(64, 64)).pixels.mean() == 7
    with pytest.raises(DataError, match="too small: 8x20 pixels for 65x65"):
        decode(image, channels=1, size=(65, 65))


def test_reading_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a b 猫.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a b 猫\.png: not an image"):
        read_image(tmp_path / "a b 猫.png", channels=3)
    with pytest.raises(DataError, match="no such file"):
        read_image(tmp_path / "absent.png", channels=3)
    with pytest.raises(DataError, match=tmp_path.name):
        read_image(tmp_path, channels=3)


def test_reading_a_stream() -> None:
    assert read_image(io.BytesIO(encoded(Image.new("L", (5, 3)))), channels=1).shape == (3, 5, 1)


def test_raw_files_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "DSC_1.NEF").write_bytes(encoded(Image.new("L", (5, 3)), "TIFF"))
    with pytest.raises(DataError, match=r"camera raw \(.NEF\)"):
        read_image(tmp_path / "DSC_1.NEF", channels=3)


def test_heic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    grey = np.full((16, 24, 3), 90, np.uint8)
    heif = pillow_heif.from_bytes(mode="RGB", size=(24, 16), data=grey.tobytes())
    heif.save(tmp_path / "a.heic", quality=90)
    read = read_image(tmp_path / "a.heic", channels=3)
    assert read.shape == (16, 24, 3)
    assert abs(float(read.mean()) - 90) < 3
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingExtraError, match=r"trilemma\[heic\]"):
        read_image(tmp_path / "a.heic", channels=3)


def test_other_programs_are_not_started() -> None:
    """Pillow reads EPS by running Ghostscript; a file's content never decides that it does."""
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(DataError, match="not an image"):
        decode(eps, channels=3)


def test_endings() -> None:
    assert all(map(is_image, ["a.JPG", "b.jpeg", "c.pgm", "d.webp", "e.heic", "f.cr3", "g.tif"]))
    assert not any(map(is_image, ["a.txt", "jpg", "b.png.csv", "c.npy", ".pngx"]))
    refuse_by_name("good.png")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_bomb_is_refused_before_it_is_unpacked() -> None:
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(DataError, match="too large"):
        decode(bomb, channels=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_keeps_every_level(tmp_path: Path, channels: int) -> None:
    """A folder that is missing is made; nothing else stays beside the file."""
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5, channels), np.uint8)
    path = tmp_path / "new" / "x.png"
    write_png(path, pixels)
    assert (read_image(path, channels=channels) == pixels).all()
    assert [file.name for file in path.parent.iterdir()] == ["x.png"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NoSpaceError, match="a file stands where its folder should be"):
        write_png(tmp_path / "file" / "x.png", np.zeros((2, 2, 1), np.uint8))


def test_grid() -> None:
    pixels = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    square = grid(pixels)
    assert square.shape == (4, 9, 1)
    assert square[::2, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 255]]
    assert grid(pixels, columns=2)[::2, ::3, 0].tolist() == [[0, 1], [2, 3], [4, 255]]


def test_gif_of_grey_frames_is_exact(tmp_path: Path) -> None:
    frames = [np.roll(RAMP, 40 * turn).reshape(16, 16, 1) for turn in range(3)]
    write_gif(tmp_path / "x.gif", frames, 0.25)
    with Image.open(tmp_path / "x.gif") as film:
        assert film.info["loop"] == 0
        read = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film)]
        assert film.info["duration"] == 250
    assert all((f[..., 0] == seen).all() for f, seen in zip(frames, read, strict=True))


def test_gif_of_colours_shares_one_palette(tmp_path: Path) -> None:
    """A red, a green and a blue scene, each with shades: every frame stays near its own colours."""
    shade = np.linspace(0, 255, 32).astype(np.uint8)[None].repeat(32, 0)
    frames = []
    for axis in range(3):
        frame = np.zeros((32, 32, 3), np.uint8)
        frame[..., axis] = shade
        frames.append(frame)
    write_gif(tmp_path / "x.gif", frames, 0.1)
    with Image.open(tmp_path / "x.gif") as film:
        read = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    errors = [np.abs(f.astype(int) - g).mean() for f, g in zip(frames, read, strict=True)]
    assert max(errors) < 4


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [
        (438, 250, 60),
        (300, 123, 28),
        (489, 248, 60),
        (374, 250, 60),
        (249, 262, 60),
        (504, 248, 60),
        (225, 502, 28),
        (270, 249, 60),
    ],
)
def test_a_rounded_edge_stays_in_the_picture(width: int, height: int, side: int) -> None:
    """Sizes at which the crop's edges, computed in floats, left the picture by rounding."""
    image = Image.new("RGB", (width, height))
    assert fit(image, (side, side)).size == (side, side)
