"""Photos: 16 bits, orientation, profiles and notes come through; other programs agree."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from trilemma.errors import DataError
from trilemma.images import read_image
from trilemma.photos import Notes, decode_photo, from_pixels, read_photo, upright, upright_notes
from trilemma.photowriting import JPEG_QUALITY, Sheet, blocks, filtered, sheet_for, write_photo

tifffile = pytest.importorskip("tifffile")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAYOUTS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: PNG's colour type


def some(channels: int, *, kind: type[np.unsignedinteger] = np.uint16) -> np.ndarray:
    rng = np.random.default_rng(channels)
    return rng.integers(0, np.iinfo(kind).max, (70, 19, channels), kind, endpoint=True)


def png(values: np.ndarray) -> bytes:
    """Write a 16-bit PNG without filters, as the specification reads."""
    head = struct.pack(
        ">IIBBBBB", values.shape[1], len(values), 16, LAYOUTS[values.shape[2]], 0, 0, 0
    )
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def whole(photo: Any) -> np.ndarray:
    if photo.alpha is None:
        return np.asarray(photo.values)
    return np.concatenate([photo.values, photo.alpha[..., None]], 2)


@pytest.mark.parametrize("channels", LAYOUTS)
def test_sixteen_bits_of_a_png(channels: int) -> None:
    values = some(channels)
    np.testing.assert_array_equal(whole(decode_photo(png(values))), values)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_of_a_tiff(channels: int, compression: str | None, order: str) -> None:
    values, file = some(channels), io.BytesIO()
    tifffile.imwrite(
        file,
        values if channels > 1 else values[..., 0],
        byteorder=order,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
        compression=compression,
    )
    np.testing.assert_array_equal(whole(decode_photo(file.getvalue())), values)


@pytest.mark.parametrize("kind", ["assocalpha", "unspecified"])
def test_fourth_channel_of_a_tiff(kind: str) -> None:
    """Colours that are multiplied by alpha are divided by it; a channel of no meaning is left."""
    values, file = some(4), io.BytesIO()
    values[..., 3] = np.maximum(values[..., 3], 1)
    values[..., :3] = np.minimum(values[..., :3], values[..., 3:])
    tifffile.imwrite(file, values, photometric="rgb", extrasamples=[kind])
    photo = decode_photo(file.getvalue())
    if kind == "unspecified":
        np.testing.assert_array_equal(whole(photo), values[..., :3])
        return
    np.testing.assert_array_equal(photo.alpha, values[..., 3])
    expected = np.rint(values[..., :3] * (65535 / values[..., 3:]))
    assert np.abs(photo.values - expected).max() <= 1


def test_dark_sixteen_bits_are_sixteen_bits() -> None:
    """By the file's type, not by its values."""
    values = (some(3) % 200).astype(np.uint16)
    photo = decode_photo(png(values))
    assert photo.values.dtype == np.uint16
    np.testing.assert_array_equal(photo.values, values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_as_pillow_turns(orientation: int) -> None:
    pixels = some(3, kind=np.uint8)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(upright(pixels, orientation), expected)


def sheet_of(values: np.ndarray, kind: str) -> Sheet:
    height, width, channels = values.shape
    return Sheet(
        width=width,
        height=height,
        channels=channels,
        sixteen=values.dtype == np.uint16,
        kind=kind,
    )


def in_parts(values: np.ndarray) -> Iterator[np.ndarray]:
    yield values[:5]
    yield values[5:68]
    yield values[68:]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", LAYOUTS)
def test_png_is_written_as_it_was(tmp_path: Path, channels: int, kind: Any) -> None:
    values = some(channels, kind=kind)
    write_photo(tmp_path / "a.png", in_parts(values), sheet_of(values, "PNG"), Notes())
    np.testing.assert_array_equal(whole(read_photo(tmp_path / "a.png")), values)
    if kind is np.uint8:
        np.testing.assert_array_equal(
            np.asarray(Image.open(tmp_path / "a.png")).reshape(values.shape), values
        )


def test_every_filter_of_a_png_is_used_and_undone(tmp_path: Path) -> None:
    """Lines that differ from the one before, from the pixel before, or from both."""
    rng = np.random.default_rng(0)
    ramp = np.arange(64, dtype=np.uint8)
    values = np.concatenate(
        [
            np.tile(rng.integers(0, 256, 64, np.uint8), (4, 1)),
            np.tile(ramp * 4, (1, 1)),
            (ramp * 3)[None] + (ramp * 5)[:, None],
            rng.integers(0, 9, (4, 64), np.uint8),
        ]
    )[..., None]
    used = set(filtered(values.reshape(len(values), -1), np.zeros(64, np.uint8), 1)[:, 0])
    assert used == {0, 1, 2, 4}
    write_photo(tmp_path / "a.png", [values], sheet_of(values, "PNG"), Notes())
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), values[..., 0])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", LAYOUTS)
def test_tiff_is_written_as_another_reader_reads(tmp_path: Path, channels: int, kind: Any) -> None:
    values = some(channels, kind=kind)
    write_photo(tmp_path / "a.tif", in_parts(values), sheet_of(values, "TIFF"), Notes())
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif").reshape(values.shape), values)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_in_blocks_is_pillows_own(tmp_path: Path, channels: int) -> None:
    """1,000 rows are 16 blocks: the restart markers' numbers go round."""
    y, x = np.mgrid[:1000, :333]
    rng = np.random.default_rng(1)
    waves = 128 + 90 * np.sin(x / 17)[..., None] * np.cos(y / 23)[..., None]
    values = (waves + rng.normal(0, 8, (1000, 333, channels))).clip(0, 255).astype(np.uint8)
    write_photo(tmp_path / "a.jpg", in_parts(values), sheet_of(values, "JPEG"), Notes())
    own = io.BytesIO()
    plain = values[..., 0] if channels == 1 else values
    Image.fromarray(plain).save(own, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    with Image.open(tmp_path / "a.jpg") as ours, Image.open(own) as theirs:
        assert ours.mode == theirs.mode
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_blocks() -> None:
    parts = [np.arange(n)[:, None] for n in (3, 1, 9, 2)]
    cut = list(blocks(parts, 4))
    assert [len(block) for block in cut] == [4, 4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(cut), np.concatenate(parts))


def exif_bytes() -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8298] = 6, "A maker", "Somebody"
    exif.get_ifd(0x8769)[0x927C] = b"notes of the maker"
    return exif.tobytes()


def test_jpeg_keeps_its_notes(tmp_path: Path) -> None:
    pixels = some(3, kind=np.uint8)
    before = tmp_path / "a.jpg"
    Image.fromarray(pixels).save(
        before,
        quality=95,
        icc_profile=SRGB,
        exif=exif_bytes(),
        comment=b"a comment",
        xmp=b"<x tiff:Orientation='6'/>",
        dpi=(300, 300),
    )
    photo = read_photo(before)
    assert photo.values.shape == (19, 70, 3)
    write_photo(tmp_path / "b.jpg", [photo.values], sheet_for(photo, 1), photo.notes)
    with Image.open(tmp_path / "b.jpg") as after:
        assert after.size == (70, 19)
        assert after.info["icc_profile"] == SRGB
        assert after.info["comment"] == b"a comment"
        assert after.info["dpi"] == (300, 300)
        assert after.info["xmp"] == b"<x tiff:Orientation='1'/>"
        exif = after.getexif()
        assert (exif[0x0112], exif[0x010F], exif[0x8298]) == (1, "A maker", "Somebody")
        assert exif.get_ifd(0x8769)[0x927C] == b"notes of the maker"


def test_png_keeps_its_notes(tmp_path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Title", "ação")
    notes.add_itxt("Author", "猫")
    Image.fromarray(some(3, kind=np.uint8)).save(
        tmp_path / "a.png", icc_profile=SRGB, exif=exif_bytes(), pnginfo=notes, dpi=(300, 300)
    )
    photo = read_photo(tmp_path / "a.png")
    write_photo(tmp_path / "b.png", [photo.values], sheet_for(photo, 1), photo.notes)
    with Image.open(tmp_path / "b.png") as after:
        after.load()
        assert after.info["icc_profile"] == SRGB
        assert (after.info["Title"], after.info["Author"]) == ("ação", "猫")
        assert after.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        assert after.getexif()[0x0112] == 1
        assert after.size == (70, 19)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_tiff_keeps_its_notes(tmp_path: Path, kind: Any) -> None:
    extra = [
        (274, "H", 1, 6, True),
        (315, "s", 0, "Somebody", True),
        (34675, "B", len(SRGB), SRGB, True),
    ]
    tifffile.imwrite(
        tmp_path / "a.tif",
        some(3, kind=kind),
        photometric="rgb",
        resolution=(300, 300),
        resolutionunit=2,
        description="a picture",
        extratags=extra,
    )
    photo = read_photo(tmp_path / "a.tif")
    write_photo(tmp_path / "b.tif", [photo.values], sheet_for(photo, 1), photo.notes)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        tags = file.pages[0].tags
        assert tags[34675].value == SRGB
        assert tags[315].value == "Somebody"
        assert tags[270].value == "a picture"
        assert tags[282].value == (300, 1)
        assert 274 not in tags
        assert file.pages[0].shape == (19, 70, 3)


def test_webp_keeps_its_notes(tmp_path: Path) -> None:
    pixels = some(4, kind=np.uint8)
    Image.fromarray(pixels).save(
        tmp_path / "a.webp", lossless=True, exact=True, icc_profile=SRGB, exif=exif_bytes()
    )
    photo = read_photo(tmp_path / "a.webp")
    write_photo(tmp_path / "b.webp", [whole(photo)], sheet_for(photo, 1), photo.notes)
    with Image.open(tmp_path / "b.webp") as after:
        assert after.info["icc_profile"] == SRGB
        assert after.getexif()[0x0112] == 1
        seen = pixels[..., 3] > 0
        np.testing.assert_array_equal(
            np.asarray(after)[upright(seen[..., None], 6)[..., 0]],
            upright(pixels, 6)[upright(seen[..., None], 6)[..., 0]],
        )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", b"\0\x01\0\0"),
        (b"<tiff:Orientation>8</tiff:Orientation>", b">1<"),
        (b"MM\0*\0\0", b"MM\0*\0\0"),  # cut: nobody can read it
        (b"no orientation", b"no orientation"),
    ],
)
def test_notes_are_told_upright(before: bytes, after: bytes) -> None:
    told = upright_notes(before)
    assert after in told
    assert len(told) == len(before)


@pytest.mark.parametrize(
    ("mode", "channels", "alpha"),
    [("1", 1, False), ("L", 1, False), ("LA", 1, True), ("P", 3, False), ("RGBA", 3, True)],
)
def test_modes(tmp_path: Path, mode: str, channels: int, alpha: bool) -> None:
    colours = some(3 + alpha, kind=np.uint8)
    image = Image.fromarray(colours).convert(mode)
    image.save(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    assert photo.values.shape[2] == channels
    assert (photo.alpha is not None) == alpha


def test_equal_channels_are_seen() -> None:
    file = io.BytesIO()
    Image.fromarray(some(1, kind=np.uint8).repeat(3, 2)).save(file, "PNG")
    photo = decode_photo(file.getvalue())
    assert photo.grey
    assert photo.values.shape[2] == 3


def test_hostile_files(shared_data: Path) -> None:
    """What training refuses is refused here; the rest has the colours that are read there."""
    refused = []
    for path in sorted((shared_data / "bad").glob("[0-9]*.*")):
        try:
            photo = read_photo(path)
        except DataError as error:
            assert "\n" not in str(error)
            refused.append(path.name[:2])
            continue
        if photo.values.dtype == np.uint8 and photo.alpha is None:
            expected = read_image(path, channels=photo.values.shape[2])
            np.testing.assert_array_equal(photo.values, expected, err_msg=path.name)
    assert refused == ["01", "02", "03", "09", "13", "13"]


@pytest.mark.parametrize(("kind", "side"), [("JPEG", 65536), ("WEBP", 16384)])
def test_too_large_for_a_type_is_refused_before(kind: str, side: int) -> None:
    photo = replace(from_pixels(np.zeros((1, side // 4, 3), np.uint8)), kind=kind)
    with pytest.raises(DataError, match=f"{kind} holds at most {side - 1:,} a side"):
        sheet_for(photo, 4)
