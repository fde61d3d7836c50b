"""Rows of pixels -> a file of a photo's own type, written while they come.

PNG, JPEG and TIFF need memory for a few rows alone; the other types are put together first.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from trilemma.atomic import moved
from trilemma.errors import DataError
from trilemma.images import PNG as PNG_BEGINS
from trilemma.photos import Notes, Photo

Rows = Iterable[np.ndarray]  # uint8 or uint16 [h, W, C], from the top
BLOCK = 64  # rows that are compressed at once
PNG_LEVEL = 6  # of zlib
JPEG_QUALITY = 95  # without halving the colours' resolution (4:4:4)
MCU = 8  # pixels: a side of what a JPEG codes at once in 4:4:4
MCUS = 65535  # between two restart markers, at most
LARGEST: Mapping[str, int] = {"JPEG": 65535, "WEBP": 16383, "GIF": 65535}  # pixels a side
TIFF_BYTES = 2**32 - 2**20  # that its pointers reach
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> PNG's number
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What is written."""

    width: int
    height: int
    channels: int  # 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha
    sixteen: bool = False
    kind: str = "PNG"
    quality: int = JPEG_QUALITY


Writer = Callable[[BinaryIO, Rows, Sheet, Notes], None]


def sheet_for(photo: Photo, scale: int, *, quality: int = JPEG_QUALITY) -> Sheet:
    """Say what a photo's enlarged file is. DataError: its type cannot hold so many pixels."""
    height, width, channels = photo.values.shape
    sheet = Sheet(
        width=width * scale,
        height=height * scale,
        channels=channels + (photo.alpha is not None),
        sixteen=photo.values.dtype == np.uint16,
        kind=photo.kind,
        quality=quality,
    )
    largest = LARGEST.get(sheet.kind, 2**31 - 1)
    if max(sheet.width, sheet.height) > largest:
        raise DataError(
            f"{sheet.width}x{sheet.height} pixels: a {sheet.kind} holds at most {largest:,} a "
            "side; take a smaller --scale, or save it as .png first"
        )
    pixels = sheet.width * sheet.height * sheet.channels * (1 + sheet.sixteen)
    if sheet.kind == "TIFF" and pixels > TIFF_BYTES:
        raise DataError(
            "a TIFF of more than 4 GB; take a smaller --scale, or save it as .png first"
        )
    return sheet


def write_photo(path: Path, rows: Rows, sheet: Sheet, notes: Notes) -> None:
    """Write rows as a file that is complete or absent. NoSpaceError, DataError as one line."""
    with moved(path) as beside, beside.open("wb") as file:
        WRITERS.get(sheet.kind, write_whole)(file, rows, sheet, notes)


def blocks(rows: Rows, height: int) -> Iterator[np.ndarray]:
    """Cut rows anew: blocks of so many rows, the last one may be shorter."""
    held: list[np.ndarray] = []
    count = 0
    for part in rows:
        held.append(part)
        count += len(part)
        if count < height:
            continue
        whole = np.concatenate(held) if held[1:] else held[0]
        full = count // height * height
        yield from (whole[at : at + height] for at in range(0, full, height))
        held, count = [whole[full:]], count - full
    if count:
        yield np.concatenate(held)


def write_png(file: BinaryIO, rows: Rows, sheet: Sheet, notes: Notes) -> None:
    """Write a PNG with 8 or 16 bits, its rows filtered by the least sum of differences."""
    depth, colours = 8 * (1 + sheet.sixteen), COLOUR_TYPES[sheet.channels]
    head = struct.pack(">IIBBBBB", sheet.width, sheet.height, depth, colours, 0, 0, 0)
    file.write(PNG_BEGINS + b"\r\n\x1a\n" + chunk(b"IHDR", head))
    for name, content in notes.chunks:
        file.write(chunk(name, content))
    packer = zlib.compressobj(PNG_LEVEL, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    above = np.zeros(sheet.width * sheet.channels * depth // 8, np.uint8)
    for block in blocks(rows, BLOCK):
        lines = block.astype(">u2").view(np.uint8) if sheet.sixteen else block
        lines = lines.reshape(len(block), -1)
        packed = packer.compress(filtered(lines, above, sheet.channels * depth // 8).tobytes())
        above = lines[-1]
        if packed:
            file.write(chunk(b"IDAT", packed))
    file.write(chunk(b"IDAT", packer.flush()) + chunk(b"IEND", b""))


def chunk(name: bytes, content: bytes) -> bytes:
    """Give a PNG's chunk: length, name, content, checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def filtered(lines: np.ndarray, above: np.ndarray, step: int) -> np.ndarray:
    """Filter lines uint8 [h, n] as PNG's specification has it; the filter's number goes first.

    above: the line before; step: bytes of a pixel. Of none, Sub, Up and Paeth each line takes the
    one with the least sum of absolute differences.
    """
    up = np.concatenate([above[None], lines[:-1]])
    left, corner = np.zeros_like(lines), np.zeros_like(lines)
    left[:, step:], corner[:, step:] = lines[:, :-step], up[:, :-step]
    tried = np.stack([lines, lines - left, lines - up, lines - paeth(left, up, corner)])
    best = np.abs(tried.view(np.int8).astype(np.int16)).sum(2, dtype=np.int64).argmin(0)
    chosen = tried[best, np.arange(len(lines))]
    return np.concatenate([np.array([0, 1, 2, 4], np.uint8)[best][:, None], chosen], 1)


def paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Give of each three the one nearest to left + up - corner; ties: in that order."""
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, np.where(to_b <= to_c, up, corner))


def write_jpeg(file: BinaryIO, rows: Rows, sheet: Sheet, notes: Notes) -> None:
    """Write a baseline JPEG in 4:4:4: blocks of rows, each coded alone, restart markers between.

    After a restart marker nothing is known of before, as at the start of a picture (ITU T.81, E.1.4
    and F.1.1.5.1); with one set of tables the blocks' scans are then one scan.
    """
    across = math.ceil(sheet.width / MCU)
    lines = max(1, min(BLOCK // MCU, MCUS // across))
    for number, block in enumerate(blocks(rows, lines * MCU)):
        coded = io.BytesIO()
        picture(block).save(coded, "JPEG", quality=sheet.quality, subsampling=0)
        head, scan = parted(coded.getvalue())
        if number == 0:
            write_head(file, head, sheet, notes, restart=lines * across)
        else:
            file.write(bytes((0xFF, 0xD0 + (number - 1) % 8)))
        file.write(scan)
    file.write(b"\xff\xd9")


def parted(coded: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Part a JPEG of Pillow's into its segments, the scan's head the last, and the scan."""
    place, found = 2, []
    while True:
        marker, length = coded[place + 1], int.from_bytes(coded[place + 2 : place + 4], "big")
        found.append((marker, coded[place + 4 : place + 2 + length]))
        place += 2 + length
        if marker == 0xDA:
            return found, coded[place:-2]


def write_head(
    file: BinaryIO, head: list[tuple[int, bytes]], sheet: Sheet, notes: Notes, *, restart: int
) -> None:
    """Write a JPEG up to its scan: the photo's own notes, Pillow's tables, the whole height."""
    own = [marker for marker, _ in notes.segments]
    file.write(b"\xff\xd8")
    jfif = [each for each in head if each[0] == 0xE0 and 0xE0 not in own]
    rest = [each for each in head if each[0] != 0xE0]
    for marker, content in [*jfif, *notes.segments, *rest]:
        if marker == 0xC0:  # its frame: precision, height, width, ...
            content = content[:1] + struct.pack(">H", sheet.height) + content[3:]
        if marker == 0xDA:
            file.write(b"\xff\xdd" + struct.pack(">HH", 4, restart))
        file.write(bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content)


def write_tiff(file: BinaryIO, rows: Rows, sheet: Sheet, notes: Notes) -> None:
    """Write a TIFF with 8 or 16 bits: strips, each deflated after its differences (predictor 2)."""
    count = math.ceil(sheet.height / BLOCK)
    places, lengths = [0] * count, [0] * count
    head = b"II*\0" + struct.pack("<I", 8)
    begin = len(head + directory(sheet, notes, places, lengths))
    file.seek(begin)  # what stands before is written when all is known
    for number, block in enumerate(blocks(rows, BLOCK)):
        lines = block.astype("<u2") if sheet.sixteen else block.copy()
        lines[:, 1:] -= block[:, :-1]
        packed = zlib.compress(lines.tobytes(), PNG_LEVEL)
        places[number], lengths[number] = file.tell() - begin, len(packed)
        file.write(packed + b"\0" * (len(packed) % 2))
    file.seek(0)
    file.write(head + directory(sheet, notes, places, lengths))


def directory(sheet: Sheet, notes: Notes, places: list[int], lengths: list[int]) -> bytes:
    """Give the tags of a TIFF, which begin at its byte 8; places: of strips, behind the tags."""
    made: Any = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, (kind, value) in notes.tags.items():
        made.tagtype[tag] = kind
        made[tag] = value
    structure: dict[int, int | tuple[int, ...]] = {
        256: sheet.width,
        257: sheet.height,
        258: (8 * (1 + sheet.sixteen),) * sheet.channels,
        259: 8,  # deflate
        262: 2 if sheet.channels >= 3 else 1,  # RGB, or black is 0
        277: sheet.channels,
        278: BLOCK,
        284: 1,  # interleaved
        317: 2,  # differences
    }
    if sheet.channels in (2, 4):
        structure[338] = 2  # alpha, colours not multiplied by it
    for tag, number in structure.items():
        made[tag] = number
    for tag, numbers in ((273, places), (279, lengths)):
        made.tagtype[tag] = 4  # 32 bits; Pillow adds to the places where the tags end
        made[tag] = tuple(numbers)
    return bytes(made.tobytes(8))


def write_whole(file: BinaryIO, rows: Rows, sheet: Sheet, notes: Notes) -> None:
    """Put the picture together, then let Pillow write it. DataError: it cannot."""
    size = (sheet.width, sheet.height)
    mode = "I;16" if sheet.sixteen and sheet.channels == 1 else MODES[sheet.channels]
    whole, top = Image.new(mode, size), 0
    for block in rows:
        whole.paste(picture(block), (0, top))
        top += len(block)
    settings = {"quality": sheet.quality, **notes.saved}
    try:
        whole.save(file, sheet.kind, **settings)
    except (KeyError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"a {sheet.kind} of {size[0]}x{size[1]} pixels cannot be written ({error}); save it as "
            ".png first"
        ) from None


def picture(block: np.ndarray) -> Image.Image:
    """Give pixels [h, W, C] as a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(block[..., 0] if block.shape[2] == 1 else block))


WRITERS: Mapping[str, Writer] = {"JPEG": write_jpeg, "PNG": write_png, "TIFF": write_tiff}
