"""Modes as scores, in a training's log, in a report: of points that are placed by hand."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from report_demo import demo
from trilemma import counting
from trilemma.assessing import assess
from trilemma.data.points import POINT_SETS
from trilemma.data.sources import open_named
from trilemma.errors import DataError
from trilemma.evaluation import STANDARD
from trilemma.images import grid
from trilemma.recipe.recipe import DataRecipe
from trilemma.report.contents import ModesView
from trilemma.report.modes import CELL, GAP, number_map
from trilemma.report.page import render
from trilemma.scatter import MARK, PAPER

RING = DataRecipe(source="ring", size="1x1", channels=2)
RADIUS = 0.024  # three times 0.008
CPU = torch.device("cpu")


def by_hand() -> np.ndarray:
    """Four points at the ring's first centre, two at its third, one near it, one between."""
    places = [(0.8, 0.0)] * 4 + [(0.0, 0.8)] * 2 + [(0.0, 0.8 - 0.99 * RADIUS), (0.1, 0.1)]
    return np.array(places, np.float32).reshape(-1, 1, 1, 2)


def test_counts_of_points_by_hand() -> None:
    known = counting.of(RING)
    assert known is not None
    made = counting.count(known, by_hand().reshape(-1, 2))
    assert (made.counts.tolist(), made.n) == ([4, 0, 3, 0, 0, 0, 0, 0], 8)
    shares = np.array([4 / 7, 3 / 7])
    assert counting.scalars(RING, by_hand(), device=CPU) == {
        "modes": 2,
        "mode_kl": pytest.approx(float((shares * np.log(8 * shares)).sum())),
        "quality_share": 7 / 8,
    }


def test_a_log_leaves_out_what_cannot_be_had() -> None:
    far = np.zeros((3, 1, 1, 2), np.float32)
    assert counting.scalars(RING, far, device=CPU) == {"modes": 0, "quality_share": 0}
    assert counting.scalars(DataRecipe(source="digits"), far, device=CPU) == {}


def test_modes_are_those_of_whole_sets() -> None:
    assert counting.of(DataRecipe(source="ring", classes=("0", "1"))) is None
    assert counting.of(DataRecipe(source="mnist")) is None
    rows = {name: (one.modes, one.n) for name, one in counting.MODE_SETS.items()}
    assert rows == {"grid": (25, 0), "ring": (8, 0), "stacked-mnist": (1000, 26_000)}


def test_metrics_are_parted() -> None:
    ring, digits = counting.MODE_SETS["ring"], counting.MODE_SETS["stacked-mnist"]
    assert counting.parted(STANDARD, None) == (STANDARD, ())
    assert counting.parted(STANDARD, ring) == (STANDARD, counting.NAMES)
    assert counting.parted(STANDARD, digits) == (STANDARD, ("modes", "mode_kl"))
    assert counting.parted(("kid", "modes"), ring) == (("kid",), ("modes",))
    assert counting.parted(("kid",), ring) == (("kid",), ())
    with pytest.raises(DataError, match=r"unknown metric 'mods'.*did you mean modes"):
        counting.parted(("mods",), ring)
    with pytest.raises(DataError, match="allowed: grid, ring, stacked-mnist"):
        counting.parted(("modes",), None)
    with pytest.raises(DataError, match=r"allowed: grid, ring$"):
        counting.parted(("quality_share",), digits)


def test_evaluate_counts_the_modes_of_points_in_a_file(tmp_path: Path) -> None:
    """Real points less three modes; the floors are those of as many real ones."""
    source = open_named("ring:test")
    kept = np.asarray(source.pixels[:])[source.labels < 5][:1_000]
    np.savez(tmp_path / "five.npz", images=kept)
    scores = assess(str(tmp_path / "five.npz"), "ring:test")
    found = {score.metric: score for score in scores.scores}
    assert found["modes"].value == 5
    assert found["modes"].floor == 8
    assert found["mode_kl"].value == pytest.approx(math.log(8 / 5), abs=0.01)
    assert found["mode_kl"].floor < 0.01
    near = 1 - math.exp(-4.5)
    assert found["quality_share"].value == pytest.approx(near, abs=0.011)
    assert found["quality_share"].error == pytest.approx(
        math.sqrt(near * (1 - near) / 1000), rel=0.4
    )
    column = scores.columns[found["modes"].column]
    assert (column.extractor, column.n_fake) == ("points", 1_000)
    # The plane's own distance: the mean moves by that of five centres of eight.
    centres = np.array(POINT_SETS["ring"].centres)[:5]
    moved = (centres.mean(axis=0) ** 2).sum()
    assert found["fd"].value > moved
    assert found["fd"].value == pytest.approx(moved, rel=0.7)


def test_points_are_held_against_points(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=by_hand())
    with pytest.raises(DataError, match="points against points"):
        assess(str(tmp_path / "mine.npz"), "digits:test")


def test_a_picture_of_points_shows_their_centres() -> None:
    shown = counting.pictured(RING, by_hand())
    assert (shown != grid(by_hand())).any()
    digits = np.zeros((4, 28, 28, 1), np.uint8)
    assert (counting.pictured(DataRecipe(source="digits"), digits) == grid(digits)).all()


def test_the_map_has_a_place_for_every_number() -> None:
    """736 is in the third block below, row 3, column 6; nothing else is met."""
    counts = np.zeros(1000, int)
    counts[736] = 1
    picture = number_map(counts, 1)
    top, left = 10 * CELL + GAP + 3 * CELL, 2 * (10 * CELL + GAP) + 6 * CELL
    cell = picture[top : top + CELL, left : left + CELL].reshape(-1, 3)
    assert len(set(map(tuple, cell.tolist()))) == 1
    assert tuple(cell[0].tolist()) not in (MARK, PAPER)
    lost = (picture == MARK).all(axis=2).sum()
    assert lost == 999 * CELL**2


@pytest.mark.parametrize(("language", "said"), [("en", "2 of 8 modes"), ("pt", "2 de 8 modos")])
def test_the_report_shows_them(language: str, said: str) -> None:
    whole = demo()
    places = POINT_SETS["ring"]
    view = ModesView(
        run=whole.runs[0].name,
        counts=(4, 0, 3, 0, 0, 0, 0, 0),
        n=8,
        points=by_hand().reshape(-1, 2),
        centres=places.centres,
        radius=places.radius,
    )
    real = replace(view, run="", counts=(1,) * 8)
    page = render(replace(whole, modes=(view, real)), language=language)
    assert said in page
    assert 'id="modes"' in page
    assert 'id="modes"' not in render(whole, language=language)
    numbers = replace(view, counts=(0,) * 999 + (5,), n=5, centres=())
    assert "1" in render(replace(whole, modes=(numbers,)), language=language)
