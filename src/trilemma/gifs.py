"""A moving GIF -> its frames with alpha, and back, at its own pace."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trilemma.atomic import write_bytes
from trilemma.errors import DataError
from trilemma.images import opened
from trilemma.photos import Photo

CLEAR = 255  # the palette's place for what is not seen
KEY = (1, 254, 2)  # its colour, which no other place may have: Pillow leaves out what looks like it
HALF = 128  # alpha from which on a pixel is seen: a GIF knows no more


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How a GIF moves."""

    milliseconds: tuple[int, ...]  # each frame stays
    loop: int | None  # times it is repeated, 0: for ever; None: it is shown once
    clear: bool  # has it pixels that are not seen?


def open_gif(path: Path) -> Motion:
    """Look through a GIF. DataError: it cannot be read."""
    stays, clear, loop = [], False, None
    for frame, info in _frames(path):
        stays.append(int(info.get("duration", 0)))
        clear = clear or bool((np.asarray(frame)[..., 3] < HALF).any())
        loop = info.get("loop", loop)
    return Motion(milliseconds=tuple(stays), loop=loop, clear=clear)


def read_frames(path: Path) -> Iterator[Photo]:
    """Read its frames as they are shown, whole, with alpha. DataError: one cannot be read."""
    for frame, _ in _frames(path):
        pixels = np.asarray(frame)
        values = pixels[..., :3]
        grey = bool((values == values[..., :1]).all())
        yield Photo(values=values, alpha=pixels[..., 3], kind="GIF", grey=grey)


def _frames(path: Path) -> Iterator[tuple[Image.Image, dict[Any, Any]]]:
    try:
        with opened(path.read_bytes()) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                info: dict[Any, Any] = image.info
                yield image.convert("RGBA"), dict(info)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def write(path: Path, frames: Iterable[np.ndarray], motion: Motion) -> None:
    """Write frames uint8 [H, W, 4], each with the 256 colours that suit it best, atomically."""
    pictures = (indexed(frame, clear=motion.clear) for frame in frames)
    film, first = io.BytesIO(), next(pictures)
    settings: dict[str, Any] = {"duration": list(motion.milliseconds), "disposal": 1}
    if motion.clear:
        settings |= {"transparency": CLEAR, "disposal": 2}
    if motion.loop is not None:
        settings["loop"] = motion.loop
    if len(motion.milliseconds) == 1:
        settings["duration"] = motion.milliseconds[0]
    first.save(film, "GIF", save_all=True, append_images=pictures, optimize=False, **settings)
    write_bytes(path, film.getvalue())


def indexed(frame: np.ndarray, *, clear: bool) -> Image.Image:
    """Give a frame a palette; clear: with a place for what is not seen."""
    colours = Image.fromarray(np.ascontiguousarray(frame[..., :3]))
    flat = colours.quantize(CLEAR if clear else CLEAR + 1)
    if clear:
        flat.putpalette(keyed(flat.getpalette() or []))
        flat.paste(CLEAR, mask=Image.fromarray((frame[..., 3] < HALF).astype(np.uint8) * 255))
    return flat


def keyed(palette: list[int]) -> list[int]:
    """Fill a palette up, and give what is not seen a colour of its own."""
    colours = [tuple(palette[at : at + 3]) for at in range(0, len(palette), 3)][:CLEAR]
    others = [(1, 253, 2) if colour == KEY else colour for colour in colours]
    filled = [*others, *[(0, 0, 0)] * (CLEAR - len(others)), KEY]
    return [level for colour in filled for level in colour]
