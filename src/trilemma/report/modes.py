"""The modes that runs reach: points around their centres, or a map of a thousand numbers."""

from collections.abc import Mapping

import numpy as np

from trilemma.report import numbers, pictures
from trilemma.report.contents import Contents, ModesView
from trilemma.report.svg import HEX as COLOURS
from trilemma.report.views import Named, Reader, View
from trilemma.scatter import INK, MARK, PAPER, scatter

CELL, GAP = 7, 8  # pixels of a number on the map, and between two blocks of a hundred
REAL, RING = "#1d2126", "#8a8f96"  # real points, and rings: the colours of no run
LEAST, FULL = 0.2, 2.0  # darkness of one sample; times its share at which a number is darkest


def figures(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Show of every run that has modes which of them it reaches, and of the real samples."""
    return [figure(view, runs, reader) for view in contents.modes]


def figure(view: ModesView, runs: Mapping[str, Named], reader: Reader) -> View:
    """Draw one run's samples, or their counts, and say in words what they reach."""
    words, language = reader.words, reader.language
    met, near = sum(count > 0 for count in view.counts), sum(view.counts)
    said = {
        "met": numbers.count(met, language=language),
        "modes": numbers.count(len(view.counts), language=language),
        "n": numbers.count(view.n, language=language),
        "share": numbers.percent(near / view.n, language=language, places=1),
    }
    points = view.centres != ()
    if points:
        run = runs.get(view.run)
        picture = scatter(
            view.points,
            centres=view.centres,
            radius=view.radius,
            ink=COLOURS[run.index % len(COLOURS)] if run else REAL,
            mark=RING,
        )
    else:
        picture = number_map(np.array(view.counts), view.n)
    name = view.run or words["real_images"]
    alternative = words["modes_points" if points else "modes_map"]
    return {
        "run": runs.get(view.run),
        "src": pictures.png(picture),
        "small": False,
        "alt": alternative.format(run=name),
        "text": words["modes_near" if points else "modes_met"].format(**said),
        "lost": met < len(view.counts),
    }


def number_map(counts: np.ndarray, n: int) -> np.ndarray:
    """Draw the counts [1000] of n samples: ten blocks, one a first digit, in two rows of five.

    In a block the second digit is the row and the third the column; a number that is not met is
    marked. Gives uint8 [H, W, 3].
    """
    assert counts.shape == (1000,), "a number has three digits"
    dark = (LEAST + (1 - LEAST) * counts / (FULL * n / len(counts))).clip(0, 1)[:, None]
    colours = np.array(PAPER) + dark * (np.array(INK) - PAPER)
    colours[counts == 0] = MARK
    blocks = colours.reshape(2, 5, 10, 10, 3)
    side = 10 * CELL
    height, width = 2 * side + GAP, 5 * side + 4 * GAP
    picture = np.full((height, width, 3), PAPER, dtype=np.uint8)
    for row in range(2):
        for column in range(5):
            large = blocks[row, column].repeat(CELL, axis=0).repeat(CELL, axis=1)
            top, left = row * (side + GAP), column * (side + GAP)
            picture[top : top + side, left : left + side] = large.round()
    return picture
