"""Hostile and odd files: each behaves as its row in the data's README says."""

import io
import re
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trilemma.data.sources import open_named, open_source
from trilemma.data.values import Source
from trilemma.errors import DataError
from trilemma.images import decode, read_image
from trilemma.recipe.recipe import DataRecipe

REFUSED = {  # file -> what the reason says
    "01_truncated.jpg": "truncated",
    "02_zero_bytes.jpg": "empty file",
    "03_text.png": "not an image",
    "08_1x1.png": "too small",
    "09_bomb_30000x30000.png": "too large",
    "13_corrupt_chunk.png": "broken PNG file",
    "13b_bad_crc.png": "broken PNG file",
}


@pytest.fixture(scope="module")
def bad(shared_data: Path) -> Path:
    return shared_data / "bad"


@pytest.fixture(scope="module")
def scanned(bad: Path) -> Source:
    return open_named(str(bad), size=(48, 64), channels=3)


def nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def read(bad: Path, start: str, channels: int = 3) -> np.ndarray:
    return read_image(next(bad.glob(f"{start}*")), channels=channels).astype(int)


def test_every_row_of_the_readme_is_met(bad: Path, scanned: Source) -> None:
    """Every file is either used or refused; none is lost."""
    rows = re.findall(r"^\| (\d\d\w?)[_ ]", (bad / "README.md").read_text("utf-8"), re.MULTILINE)
    files = {path.name for path in bad.iterdir() if re.match(r"\d\d", path.name)}
    assert {name[:3].rstrip("_ ") for name in files} == {row for row in rows if row != "15"}
    assert {skipped.name for skipped in scanned.skipped} == set(REFUSED)
    assert set(scanned.names) == {nfc(name) for name in files} - set(REFUSED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files_say_why(scanned: Source, name: str) -> None:
    reasons = [skipped.reason for skipped in scanned.skipped if skipped.name == name]
    assert len(reasons) == 1
    assert REFUSED[name] in reasons[0]
    assert "\n" not in reasons[0]


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "08_1x1.png"])
def test_a_single_file_is_one_line(bad: Path, name: str) -> None:
    with pytest.raises(DataError, match=re.escape(name)) as caught:
        read_image(bad / name, channels=3)
    assert "\n" not in str(caught.value)


def test_04_sixteen_bits_are_a_ramp(bad: Path) -> None:
    ramp = read(bad, "04", channels=1)
    assert (ramp.min(), ramp.max()) == (0, 255)
    assert abs(ramp.mean() - 127.5) < 0.1
    expected = np.linspace(0, 65535, 160 * 120).reshape(120, 160) / 257
    assert np.abs(ramp[..., 0] - expected).max() <= 0.51


def test_05_cmyk_is_red_top_left(bad: Path) -> None:
    block = read(bad, "05")[8:24, 8:40]
    assert (block[..., 0] > 240).all()
    assert (block[..., 1:] < 15).all()


def test_06_palette_is_colours_on_white(bad: Path) -> None:
    """Against the palette itself: index 0 is transparent, so white; others keep their colour."""
    with Image.open(bad / "06_palette_transparency.png") as image:
        indices, palette = np.asarray(image), np.reshape(image.getpalette(), (-1, 3))
    expected = palette[indices]
    expected[indices == 0] = 255
    assert (read(bad, "06") == expected).all()


def test_07_animation_is_its_first_frame_and_said_so(bad: Path, scanned: Source) -> None:
    with Image.open(bad / "07_animated.gif") as film:
        first = np.asarray(film.convert("RGB"))
    assert (read(bad, "07") == first).all()
    assert scanned.names.count("07_animated.gif") == 1
    assert any("07_animated.gif: first of 5 frames" in note for note in scanned.notes)


def test_08_one_pixel_is_read_alone(bad: Path) -> None:
    assert read(bad, "08").tolist() == [[[12, 200, 77]]]


def test_09_bomb_is_refused_at_once(bad: Path) -> None:
    start = time.perf_counter()
    with pytest.raises(DataError, match="900000000 pixels"):
        read_image(bad / "09_bomb_30000x30000.png", channels=3)
    assert time.perf_counter() - start < 1  # unpacking it takes seconds and gigabytes


def test_10_no_hidden_magenta(bad: Path) -> None:
    with Image.open(bad / "10_rgba.png") as image:
        rgba = np.asarray(image).astype(float)
    alpha = rgba[..., 3:] / 255
    pixels = read(bad, "10")
    assert np.abs(pixels - (rgba[..., :3] * alpha + 255 * (1 - alpha))).max() <= 1
    assert not (pixels == (255, 0, 255)).all(-1).any()


def test_11_orientation_is_applied(bad: Path) -> None:
    upright = read(bad, "11")
    assert upright.shape == (240, 160, 3)
    assert (upright[8:30, 8:20, 0] > 240).all()
    assert (upright[8:30, 8:20, 1:] < 15).all()


def test_12_grey_stays_grey(bad: Path) -> None:
    assert read(bad, "12", channels=1).shape == (150, 200, 1)
    colour = read(bad, "12")
    assert (colour == colour[..., :1]).all()


def test_14_names_come_through(scanned: Source) -> None:
    assert "14 fotografia nº 1 – ação é à ñ 猫.jpg" in scanned.names


def test_15_circles_of_links(tmp_path: Path) -> None:
    """Two links that point at each other, and a folder that holds itself; the scan ends."""
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "good.png")
    (tmp_path / "d").mkdir()
    try:
        (tmp_path / "loop_a.png").symlink_to("loop_b.png")
        (tmp_path / "loop_b.png").symlink_to("loop_a.png")
        (tmp_path / "d" / "up").symlink_to("..", target_is_directory=True)
    except OSError as error:
        pytest.skip(f"links cannot be made here: {error}")
    source = open_named(str(tmp_path))
    assert source.names == ["good.png"]
    reasons = {skipped.name: skipped.reason for skipped in source.skipped}
    assert reasons.keys() == {"d/up", "loop_a.png", "loop_b.png"}
    assert "link" in reasons["d/up"]


def test_stop_names_the_first(bad: Path) -> None:
    with pytest.raises(DataError, match=r"bad: \d of 1\d files .*01_truncated.jpg") as caught:
        open_source(DataRecipe(root=str(bad), on_error="stop", held_out=0), "train")
    assert "\n" not in str(caught.value)


def test_only_bad_files(bad: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes((bad / "01_truncated.jpg").read_bytes())
    (tmp_path / "y.NEF").write_bytes(b"II*")
    with pytest.raises(DataError, match="none of its 2 image files"):
        open_named(str(tmp_path), size=(8, 8), channels=3)


def test_what_was_skipped_is_remembered(bad: Path, scanned: Source) -> None:
    """The second time nothing is decoded, and the same is skipped and noted."""
    calls: list[int] = []
    again = open_named(
        str(bad), size=(48, 64), channels=3, progress=lambda done, total: calls.append(done)
    )
    assert not calls
    assert (again.skipped, again.notes) == (scanned.skipped, scanned.notes)
    assert (again.pixels[:] == scanned.pixels[:]).all()


def samples_to_spoil() -> list[bytes]:
    """Encode one small picture in many formats and modes."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    colour = Image.fromarray(pixels)
    palette = colour.quantize(16)
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    wanted: list[tuple[Image.Image, str, dict[str, object]]] = [
        *((colour, kind, {}) for kind in ("BMP", "GIF", "ICO", "PPM", "TGA", "TIFF")),
        *((colour, kind, {"exif": exif}) for kind in ("JPEG", "PNG", "WEBP")),
        *((palette, "PNG", {"transparency": value}) for value in (0, bytes([0, 50, 255]))),
        (colour, "TIFF", {"compression": "tiff_adobe_deflate"}),
        (colour, "GIF", {"save_all": True, "append_images": [colour.rotate(90)] * 2}),
        *((colour.convert("CMYK"), "JPEG", {}), (colour.convert("LA"), "PNG", {})),
        *((grey16, kind, {}) for kind in ("PNG", "TIFF")),
    ]
    files = []
    for image, kind, options in wanted:
        file = io.BytesIO()
        image.save(file, kind, **options)
        files.append(file.getvalue())
    return files


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_files_are_read_or_refused(seed: int) -> None:
    """Bytes changed at random and files cut short: pixels of the right shape, or one reason."""
    rng = np.random.default_rng(seed)
    files = samples_to_spoil()
    outcomes = {True: 0, False: 0}
    for turn in range(2000):
        spoiled = bytearray(files[turn % len(files)])
        for place in rng.integers(0, len(spoiled), rng.choice([1, 2, 8])):
            spoiled[place] = rng.integers(0, 256)
        if rng.random() < 0.2:
            del spoiled[rng.integers(0, len(spoiled)) :]
        try:
            pixels = decode(bytes(spoiled), channels=3, size=(16, 12)).pixels
            assert (pixels.shape, pixels.dtype) == ((16, 12, 3), np.uint8)
            outcomes[True] += 1
        except DataError as error:
            assert "\n" not in str(error)
            outcomes[False] += 1
    assert min(outcomes.values()) > 100
