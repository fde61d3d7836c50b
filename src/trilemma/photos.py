"""A photo with all that its file holds: alpha, 16 bits, colour profile, notes, upright."""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

from trilemma.errors import DataError
from trilemma.images import naming, opened, refuse_by_name
from trilemma.sixteenbits import sixteen

ORIENTATION = 0x0112  # the EXIF and TIFF tag
CHUNKS = (b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sRGB", b"tEXt", b"tIME",
          b"zTXt")  # of a PNG, kept to the byte  # fmt: skip
ADOBE, COMMENT, SCAN = 0xEE, 0xFE, 0xDA  # markers of a JPEG
MULTI = b"MPF\0"  # a segment that says where a camera's further pictures lie in the file
PROFILE = b"ICC_PROFILE\0"
# Of a TIFF: description, maker, model, resolution, software, date, artist, computer, XMP,
# copyright, IPTC, EXIF, GPS, profile.
TAGS = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 700, 33432, 33723, 34665, 34853, 34675)
NESTED = (34665, 34853)


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What a file says beside its pixels, upright already."""

    segments: tuple[tuple[int, bytes], ...] = ()  # of a JPEG: marker and content
    chunks: tuple[tuple[bytes, bytes], ...] = ()  # of a PNG: name and content
    tags: Mapping[int, tuple[int, Any]] = field(default_factory=dict)  # of a TIFF: type and value
    saved: Mapping[str, Any] = field(default_factory=dict)  # of others: what Pillow's save takes


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One picture, and how its file keeps it."""

    values: np.ndarray  # uint8 or uint16 [H, W, C]; 1 channel: grey, 3: colour
    alpha: np.ndarray | None = None  # of the same type, [H, W]
    grey: bool = False  # three channels that are equal everywhere
    kind: str = "PNG"  # Pillow's name of the file type
    notes: Notes = field(default_factory=Notes)
    remark: str = ""  # such as "first of 5 frames"; mostly empty

    @property
    def white(self) -> int:
        """The largest value."""
        return int(np.iinfo(self.values.dtype).max)


def read_photo(path: Path) -> Photo:
    """Read a picture as its file has it: 8 or 16 bits, grey or colour, alpha apart, upright.

    What decides is the file's type, never its values. Palettes and CMYK become RGB. DataError says
    in one line why a file cannot be used; MissingExtraError: HEIC.
    """
    with naming(path):
        refuse_by_name(path.name)
        return decode_photo(path.read_bytes())


def decode_photo(data: bytes) -> Photo:
    """Decode a file's bytes as `read_photo` does. DataError gives the reason without a name."""
    if not data:
        raise DataError("empty file")
    with opened(data) as image:
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        frames = getattr(image, "n_frames", 1)
        notes = notes_of(data, image, kind)
        pixels, remark = sixteen(image, data), ""
        if pixels is None:
            pixels, remark = eight(image)
        turn = image.getexif().get(ORIENTATION, 1)  # of a PNG this loads the pixels
    pixels = upright(pixels, turn)
    if frames > 1:
        remark = f"first of {frames} frames"
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    values = np.ascontiguousarray(pixels[..., :channels])
    return Photo(
        values=values,
        alpha=np.ascontiguousarray(pixels[..., -1]) if pixels.shape[2] in (2, 4) else None,
        grey=channels == 3 and bool((values == values[..., :1]).all()),
        kind=kind,
        notes=notes,
        remark=remark,
    )


def from_pixels(pixels: np.ndarray) -> Photo:
    """Make a photo of pixels uint8 or uint16 [H, W, C]; 2 or 4 channels: the last one is alpha."""
    if pixels.ndim != 3 or pixels.shape[2] > 4 or pixels.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"pixels are {pixels.dtype} {list(pixels.shape)}; allowed: uint8 or uint16 [H, W, C] "
            "with 1 to 4 channels"
        )
    channels = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    alpha = pixels[..., -1] if channels < pixels.shape[2] else None
    return Photo(values=pixels[..., :channels], alpha=alpha)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels [H, W, C] as EXIF's orientation says, 1 to 8; others are no orientation."""
    turned = pixels.swapaxes(0, 1) if orientation in (5, 6, 7, 8) else pixels
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return turned[:, ::-1] if orientation in (2, 3, 6, 7) else turned


def eight(image: Image.Image) -> tuple[np.ndarray, str]:
    """Give the values of any other file, uint8 [H, W, C] with C from 1 to 4, and a remark."""
    remark = ""
    if image.mode == "CMYK":
        image, remark = from_cmyk(image)
    alpha = image.has_transparency_data
    grey = image.mode in ("1", "L", "LA", "La")
    wanted = ("LA" if alpha else "L") if grey else ("RGBA" if alpha else "RGB")
    if image.mode == "La":
        image = image.convert("LA")
    pixels = np.asarray(image if image.mode == wanted else image.convert(wanted))
    return pixels if pixels.ndim == 3 else pixels[..., None], remark


def from_cmyk(image: Image.Image) -> tuple[Image.Image, str]:
    """Turn CMYK into sRGB: by the profile in the file, else by Pillow's rule; say if it is bad."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert("RGB"), ""
    try:
        inks = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        turned = ImageCms.profileToProfile(
            image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB"), "its CMYK profile cannot be used; colours by the plain rule"
    assert turned is not None
    return turned, ""


def notes_of(data: bytes, image: Image.Image, kind: str) -> Notes:
    """Collect what a file says beside its pixels; its orientation is told as upright."""
    cmyk = image.mode == "CMYK"  # whose profile fits no RGB
    if kind == "JPEG":
        kept = [(marker, upright_notes(content)) for marker, content in segments(data)]
        return Notes(
            segments=tuple(each for each in kept if not (cmyk and each[1].startswith(PROFILE)))
        )
    if kind == "PNG":
        return Notes(chunks=tuple((name, upright_notes(content)) for name, content in chunks(data)))
    if kind == "TIFF" and isinstance(image, TiffImagePlugin.TiffImageFile):
        return Notes(tags=tags_of(image, cmyk=cmyk))
    saved = {"exif": image.info.get("exif"), "xmp": image.info.get("xmp")}
    known: dict[str, Any] = {
        name: upright_notes(content) for name, content in saved.items() if content
    }
    for name in ("icc_profile", "dpi"):
        if name in image.info and not (cmyk and name == "icc_profile"):
            known[name] = image.info[name]
    if kind == "WEBP" and b"VP8L" in riff_names(data):
        known |= {"lossless": True, "exact": True}
    return Notes(saved=known)


def tags_of(image: TiffImagePlugin.TiffImageFile, *, cmyk: bool) -> dict[int, tuple[int, Any]]:
    """Collect the tags of a TIFF that say something of the picture: type and value."""
    known = image.tag_v2
    nested = {tag: (4, dict(image.getexif().get_ifd(tag))) for tag in NESTED if tag in known}
    plain = {tag: (known.tagtype[tag], known[tag]) for tag in TAGS if tag in known}
    found = plain | nested
    return {tag: kept for tag, kept in found.items() if not (cmyk and tag == 34675)}


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the notes of a JPEG up to its scan: application segments and comments."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        if marker == SCAN:
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        content = data[place + 4 : place + 2 + length]
        notes = 0xE0 <= marker <= 0xEF or marker == COMMENT
        if notes and marker != ADOBE and not content.startswith(MULTI):
            yield marker, content
        place += 2 + length


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Walk the notes of a PNG."""
    place = 8
    while place + 8 <= len(data):
        length, name = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if name in CHUNKS:
            yield name, data[place + 8 : place + 8 + length]
        place += 12 + length


def riff_names(data: bytes) -> Iterator[bytes]:
    """Walk the names of a WebP's parts."""
    place = 12
    while place + 8 <= len(data):
        yield data[place : place + 4]
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + length + length % 2


def upright_notes(content: bytes) -> bytes:
    """Tell orientation 1 in EXIF or XMP, whose other bytes stay; anything else stays whole."""
    start = 6 if content.startswith(b"Exif\0\0") else 0
    if content[start : start + 4] in (b"II*\0", b"MM\0*"):
        return content[:start] + upright_exif(content[start:])
    if b"tiff:Orientation" not in content:
        return content
    by_attribute = rb'(tiff:Orientation\s*=\s*["\'])[2-8]'
    by_element = rb"(<tiff:Orientation>\s*)[2-8]"
    return re.sub(by_element, rb"\g<1>1", re.sub(by_attribute, rb"\g<1>1", content))


def upright_exif(exif: bytes) -> bytes:
    """Tell orientation 1 in EXIF's own bytes, in place: nothing else moves."""
    changed = bytearray(exif)
    order = "<" if exif.startswith(b"II") else ">"
    try:
        (place,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, place)
        for at in range(place + 2, place + 2 + 12 * entries, 12):
            if struct.unpack_from(f"{order}H", exif, at) == (ORIENTATION,):
                struct.pack_into(f"{order}H", changed, at + 8, 1)
    except struct.error:  # damaged, so that nobody reads an orientation from it
        return exif
    return bytes(changed)
