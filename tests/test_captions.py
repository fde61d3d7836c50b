"""Pictures under words: where each lies, what becomes of words that are too long."""

import numpy as np
import pytest

from trilemma.captions import GAP, LETTERS, WIDEST, fitting, font_of, under_captions
from trilemma.images import Pixels


def column(level: int, side: int, channels: int = 3, count: int = 2) -> Pixels:
    return np.full((count, side, side, channels), level, np.uint8)


def below(picture: Pixels, side: int, count: int = 2) -> Pixels:
    """Leave the captions away: what lies under them is as high as the pictures."""
    return picture[-(count * side + (count - 1) * GAP) :]


def test_every_picture_lies_in_its_column_and_row() -> None:
    side, one, other = 300, column(10, 300), column(200, 300, channels=1)
    one[1] = 90
    laid = under_captions([("one", one), ("other", other)])
    assert laid.dtype == np.uint8
    assert laid.shape[1:] == (2 * side + GAP, 3)
    rows = below(laid, side)
    right = slice(side + GAP, None)
    assert (rows[:side, :side] == 10).all()
    assert (rows[side + GAP :, :side] == 90).all()
    assert (rows[:side, right] == 200).all(), "grey is shown in colour"
    assert (rows[side : side + GAP] == 255).all()
    assert (rows[:, side : side + GAP] == 255).all()


def test_words_are_drawn_above_and_in_the_middle() -> None:
    pictures = column(255, 200)
    laid = under_captions([("generator", pictures), ("", pictures)])
    dark = laid < 128
    head = len(laid) - len(below(laid, 200))
    assert dark[:head, :200].sum() > 0
    assert not dark[head:].any()
    assert not dark[:, 200:].any(), "no words, no ink"
    places = np.flatnonzero(dark.any(axis=(0, 2)))
    assert abs(places.mean() - 100) < 5


@pytest.mark.parametrize("caption", ["a" * 400, "猫" * 300, "é" * 90, "", "\n"])
def test_any_words_fit(caption: str) -> None:
    """Narrow columns become wider, up to a limit; the pictures stay in the middle."""
    laid = under_captions([(caption, column(0, 16)), ("x", column(0, 16))])
    width = (laid.shape[1] - GAP) // 2
    assert 16 <= width <= WIDEST
    rows = below(laid, 16)[:16, :width]
    ink = np.flatnonzero((rows == 0).all(axis=(0, 2)))
    assert len(ink) == 16
    assert abs(ink.mean() - (width - 1) / 2) <= 0.5


def test_the_longest_caption_decides_the_size_of_all() -> None:
    sizes = [fitting(["bicubic", "b" * count], 256) for count in (3, 20, 40, 200)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == LETTERS[0]
    assert font_of(sizes[1]).getlength("b" * 20) <= 256
