"""Pixels <-> images; reading one image with right colours; PNG, grids and GIF."""

import io
import math
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from trilemma.atomic import write_bytes as write_bytes
from trilemma.errors import DataError, MissingExtraError
from trilemma.imagewarnings import without_warnings
from trilemma.scatter import is_points, scatter

Pixels = np.ndarray  # uint8 [N, H, W, C], [H, W, C] for one image; points: float32 [N, 1, 1, 2]

RESIZE = "pillow-lanczos"  # the one rule by which images get their size; part of a score's column
LARGEST_ENLARGEMENT = 8.0  # more than this is no picture any more: "too small"
# Endings of image files; the two groups that need something else first stand alone, too.
HEIC = re.compile(r"\.hei[cf]$", re.IGNORECASE)
RAW = re.compile(r"\.(3fr|arw|cr[23]|dng|erf|nef|nrw|orf|pef|raf|raw|rw2|sr[2w])$", re.IGNORECASE)
PLAIN = re.compile(
    r"\.(avif|bmp|dib|gif|ico|jfif|jp2|jpe?g?|p[bgpn]m|png|tga|tiff?|webp)$", re.IGNORECASE
)
# Only these readers: Pillow's EPS reader, for one, would start another program.
FORMATS = "AVIF BMP DIB GIF HEIF ICO JPEG JPEG2000 MPO PNG PPM TGA TIFF WEBP"
PNG = b"\x89PNG"  # how such a file begins

# What Pillow's readers raise on files that are cut or damaged (SyntaxError for a broken PNG).
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    Warning,  # where somebody has made errors of them
    struct.error,
    zlib.error,
)


class Decoded(NamedTuple):
    """One image, and what a reader must know about it."""

    pixels: Pixels  # uint8 [H, W, C]
    note: str  # such as "first of 5 frames"; "" mostly


def to_images(pixels: Tensor | Pixels) -> Tensor:
    """Turn pixels uint8 [N, H, W, C] into images float32 [N, C, H, W] in [-1, 1]: x / 127.5 - 1.

    Points, float32 [N, 1, 1, 2], keep their values.
    """
    tensor = pixels if isinstance(pixels, Tensor) else torch.from_numpy(np.array(pixels))
    if tensor.dtype == torch.float32:
        return tensor.permute(0, 3, 1, 2).contiguous()
    assert tensor.dtype == torch.uint8, f"pixels are uint8, not {tensor.dtype}"
    return tensor.permute(0, 3, 1, 2).contiguous().float().div_(127.5).sub_(1)


def to_pixels(images: Tensor) -> Tensor:
    """Turn images [N, C, H, W] into pixels uint8 [N, H, W, C], rounding to nearest, clipping.

    Two channels are the coordinates of points: they stay float32.
    """
    if images.shape[1] == 2:
        return images.detach().float().permute(0, 2, 3, 1).contiguous()
    levels = images.detach().float().add(1).mul_(127.5).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def read_image(
    image: str | Path | BinaryIO, *, channels: int, size: tuple[int, int] | None = None
) -> Pixels:
    """Read a file's first frame as uint8 [H, W, C], upright, 8 bits, alpha on white.

    channels: 1 grey, 3 colour. size: (height, width) to cover, then cropped at the centre; None: as
    the file has it. DataError says in one line why a file cannot be used; MissingExtraError: HEIC.
    """
    if not isinstance(image, str | Path):
        return decode(image.read(), channels=channels, size=size).pixels
    path = Path(image)
    with naming(path):
        refuse_by_name(path.name)
        return decode(path.read_bytes(), channels=channels, size=size).pixels


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put a file's name before the reason why it cannot be read: DataError."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def is_image(name: str) -> bool:
    """Does the ending say that this is an image file, readable or not?"""
    return bool(PLAIN.search(name) or HEIC.search(name) or RAW.search(name))


def refuse_by_name(name: str) -> None:
    """Refuse what its ending says we cannot read: camera raw files; HEIC without its package."""
    if RAW.search(name):
        raise DataError(f"camera raw ({Path(name).suffix}); develop it to .jpg, .png or .tif first")
    if HEIC.search(name):
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise MissingExtraError(
                f"{name} is HEIC; install its reader: pip install 'trilemma[heic]'"
            ) from None
        register_heif_opener()


def decode(data: bytes, *, channels: int, size: tuple[int, int] | None = None) -> Decoded:
    """Decode a file's bytes, as `read_image` does. DataError gives the reason without a name."""
    if not data:
        raise DataError("empty file")
    with opened(data) as image:
        frames = getattr(image, "n_frames", 1)
        if size is not None:
            refuse_tiny(image.size, size)
        upright = ImageOps.exif_transpose(image)
        fitted = fit(to_eight_bits(upright, channels), size)
    pixels = np.asarray(fitted).reshape(fitted.height, fitted.width, channels)
    return Decoded(pixels, f"first of {frames} frames" if frames > 1 else "")


@contextmanager
def opened(data: bytes) -> Iterator[Image.Image]:
    """Give a file's bytes as Pillow's image; DataError, too, for what the block meets in it.

    It gives the reason without a name.
    """
    try:
        with without_warnings():
            if data.startswith(PNG):  # load() accepts wrong checksums; verify() spends the object
                with _open(data) as image:
                    image.verify()
            with _open(data) as image:
                yield image
    except UnidentifiedImageError:
        raise DataError("not an image") from None
    except Image.DecompressionBombError as error:
        raise DataError(f"too large: {str(error).rstrip('.')}") from None
    except BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"broken image: {reason}") from None


def _open(data: bytes) -> Image.Image:
    Image.init()
    return Image.open(
        io.BytesIO(data), formats=[kind for kind in FORMATS.split() if kind in Image.OPEN]
    )


def to_eight_bits(image: Image.Image, channels: int) -> Image.Image:
    """Give any Pillow image as mode L (channels 1) or RGB (channels 3); alpha goes on white."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _from_sixteen_bits(image)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, colours)
    if image.mode in ("P", "CMYK"):
        image = image.convert("RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _from_sixteen_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise DataError("32-bit pixels, whose white is not stated; save it with 8 or 16 bits")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))


def fit(image: Image.Image, size: tuple[int, int] | None) -> Image.Image:
    """Crop the largest centred box of the shape of size (height, width); resize it (RESIZE)."""
    if size is None or (image.height, image.width) == size:
        return image
    height, width = size
    scale = min(image.height / height, image.width / width)
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    left, top = max(0.0, left), max(0.0, top)  # rounding may put an edge just outside
    right, bottom = left + width * scale, top + height * scale
    box = (left, top, min(right, image.width), min(bottom, image.height))
    return image.resize((width, height), Image.Resampling.LANCZOS, box=box)


def refuse_tiny(found: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Refuse an image whose smaller side would be enlarged beyond LARGEST_ENLARGEMENT."""
    if min(found) * LARGEST_ENLARGEMENT < min(wanted):
        raise DataError(f"too small: {found[0]}x{found[1]} pixels for {wanted[1]}x{wanted[0]}")


def resized(pixels: Pixels, *, channels: int, size: tuple[int, int]) -> Pixels:
    """Give pixels [H, W, C] the size (height, width) and channels of a recipe, by the same rule."""
    if pixels.shape == (*size, channels):
        return pixels
    refuse_tiny((pixels.shape[1], pixels.shape[0]), size)
    return np.asarray(fit(to_eight_bits(to_picture(pixels), channels), size)).reshape(
        *size, channels
    )


def write_png(path: Path, pixels: Pixels, *, software: str = "") -> None:
    """Write pixels [H, W, C] (or [H, W]) beside `path`, then move the file into place.

    software: the program's name for the picture's own notes; empty: no note.
    """
    picture, notes = io.BytesIO(), PngInfo()
    if software:
        notes.add_text("Software", software)
    to_picture(pixels).save(picture, "PNG", pnginfo=notes)
    write_bytes(path, picture.getvalue())


def grid(pixels: Pixels, columns: int = 0) -> Pixels:
    """Lay pixels [N, H, W, C] out in rows, as [H', W', C]; empty places are white.

    columns: 0 makes the grid as square as can be. Points become one scatter plot.
    """
    if is_points(pixels):
        return scatter(pixels)
    count, height, width, channels = pixels.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height, width, channels), 255, np.uint8)
    cells[:count] = pixels
    cells = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return cells.reshape(rows * height, columns * width, channels)


def write_gif(path: Path, frames: Iterable[Pixels], seconds: float) -> None:
    """Write frames [H, W, C] of one shape as an endless GIF with one palette, atomically.

    seconds: how long each frame stays (a GIF counts hundredths). Grey frames keep every level;
    colours are cut to 256 for the whole film, chosen from all frames, with dithering.
    """
    pictures = [to_picture(frame) for frame in frames]
    assert pictures, "a GIF needs a frame"
    if pictures[0].mode == "RGB":
        palette = _shared_palette(pictures)
        pictures = [picture.quantize(palette=palette) for picture in pictures]
    film = io.BytesIO()
    pictures[0].save(
        film,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=round(seconds * 100) * 10,
        loop=0,
    )
    write_bytes(path, film.getvalue())


def _shared_palette(pictures: list[Image.Image]) -> Image.Image:
    """Choose 256 colours from a strip of all pictures, thinned to about a million pixels."""
    area = sum(picture.width * picture.height for picture in pictures)
    step = max(1, math.isqrt(area // 1_000_000))
    thinned = [np.asarray(picture)[::step, ::step] for picture in pictures]
    return Image.fromarray(np.concatenate(thinned)).quantize(256)


def to_picture(pixels: Pixels) -> Image.Image:
    """Give pixels [H, W, C] or [H, W] as a Pillow image."""
    flat = np.ascontiguousarray(pixels)
    return Image.fromarray(flat[..., 0] if flat.ndim == 3 and flat.shape[-1] == 1 else flat)
