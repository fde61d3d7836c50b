"""Columns of pictures side by side, each under words that say what it is."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from trilemma.images import Pixels

GAP = 8  # pixels of white between two pictures
LETTERS = (9, 36)  # pixels: the smallest and the largest size of captions
SHARE = 12  # of the size of letters go into a column's width, where the words leave room for it
WIDEST = 200  # pixels to which a column of narrower pictures is widened for its caption

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def under_captions(columns: Sequence[tuple[str, Pixels]]) -> Pixels:
    """Lay out columns of captions and pictures uint8 [N, H, W, C] as one picture [H', W', 3].

    All have the same N, H and W; the pictures of a column stand below each other, 1 channel as
    grey. The captions have one size, in which the longest still fits; narrow columns become wider
    for it, and one that is longer than that is cut.
    """
    assert len({pictures.shape[:3] for _, pictures in columns}) == 1, "columns of unlike pictures"
    captions = [shown(caption) for caption, _ in columns]
    width = columns[0][1].shape[2]
    needed = max(length(words, font_of(LETTERS[0])) for words in captions)
    width = max(width, min(WIDEST, math.ceil(needed)))
    laid: list[Pixels] = []
    for (_, pictures), words in zip(columns, heads(captions, width), strict=True):
        parts = [words]
        for picture in pictures:
            parts += [centred(coloured(picture), width), white(GAP, width)]
        column = np.concatenate(parts[:-1])
        laid += [column, white(len(column), GAP)]
    return np.concatenate(laid[:-1], axis=1)


def white(height: int, width: int) -> Pixels:
    """Make an empty piece."""
    return np.full((height, width, 3), 255, np.uint8)


def heads(captions: Sequence[str], width: int) -> list[Pixels]:
    """Draw captions black on white, all of one height and so wide, uint8 [h, width, 3]."""
    size = fitting(captions, width)
    font = font_of(size)
    return [head(cut(words, font, width), font, width, size + size // 2) for words in captions]


def shown(caption: str) -> str:
    """Replace letters that the font has no picture of."""
    return caption.encode("latin-1", "replace").decode("latin-1")


def fitting(captions: Sequence[str], width: int) -> int:
    """Give the largest size of letters in which every caption is no wider than that, pixels."""
    small, large = LETTERS
    size = min(large, max(small, width // SHARE))
    while size > small and max(length(words, font_of(size)) for words in captions) > width:
        size -= 1
    return size


def cut(words: str, font: Font, width: int) -> str:
    """Leave out the end of a caption that is wider."""
    if length(words, font) <= width:
        return words
    while words and length(f"{words}...", font) > width:
        words = words[:-1]
    return f"{words}..."


def head(words: str, font: Font, width: int, height: int) -> Pixels:
    """Draw a caption in the middle of a white strip."""
    strip = Image.new("RGB", (width, height), "white")
    left = (width - length(words, font)) / 2
    ImageDraw.Draw(strip).text((left, height // 8), words, fill="black", font=font)
    return np.asarray(strip)


def length(words: str, font: Font) -> float:
    """Give how wide words are, pixels."""
    return float(font.getlength(words))


def font_of(size: int) -> Font:
    """Load the font that comes with Pillow; without FreeType it has one size."""
    return ImageFont.load_default(size if features.check("freetype2") else None)


def centred(picture: Pixels, width: int) -> Pixels:
    """Put white to the left and the right of a picture that is narrower."""
    spare = width - picture.shape[1]
    left, height = spare // 2, len(picture)
    return np.concatenate([white(height, left), picture, white(height, spare - left)], axis=1)


def coloured(picture: Pixels) -> Pixels:
    """Give a picture [H, W, C] three channels."""
    return picture.repeat(3, axis=2) if picture.shape[2] == 1 else picture


def tile(words: str, height: int, width: int) -> Pixels:
    """Write words in the middle of an empty piece uint8 [height, width, 3], a line a word."""
    lines = shown(words).split() or [""]
    size = fitting(lines, width)
    font, tall = font_of(size), min(height // len(lines), size + size // 2)
    piece = white(height, width)
    top = (height - tall * len(lines)) // 2
    for number, line in enumerate(lines):
        at = top + number * tall
        piece[at : at + tall] = head(cut(line, font, width), font, width, tall)
    return piece
