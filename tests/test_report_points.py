"""A page about points: no word of images, colours of its runs, modes in the triangle."""

import re
from dataclasses import replace

import numpy as np
import pytest

from report_demo import demo, only, score
from trilemma.report import placement, words
from trilemma.report.contents import Contents, ModesView
from trilemma.report.modes import REAL, RING
from trilemma.report.page import render
from trilemma.report.svg import HEX
from trilemma.report.words_points import AS_THEY_ARE
from trilemma.scatter import scatter

A, B = (run.name for run in demo().runs)
WRONG = {  # what a word of the other gender would leave
    "en": r"\bimages?\b|pointss|\ban point",
    "pt": (
        r"imag|\b(?:das|as|às|outras|poucas|muitas|uma|nenhuma|estas?) pontos?\b|pontos? \w+adas\b"
    ),
}


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_no_word_says_images(language: str) -> None:
    plain, said = words.read(language), words.read(language, points=True)
    assert plain.keys() == said.keys()
    for key, text in said.items():
        if key not in AS_THEY_ARE:
            assert not re.search(WRONG[language], text, re.IGNORECASE), (key, text)
        blanks = [sorted(re.findall(r"{\w+}", one)) for one in (plain[key], text)]
        assert blanks[0] == blanks[1]


def points(contents: Contents) -> Contents:
    runs = tuple(
        replace(run, samples=np.zeros((8, 1, 1, 2), np.float32), nearest=None)
        for run in contents.runs
    )
    return replace(contents, runs=runs, real=np.zeros((8, 1, 1, 2), np.float32))


def test_a_page_is_of_points_where_every_run_draws_them() -> None:
    assert not demo().points
    made = points(only(score(A, "precision", 0.9, 0.01, 0.95)))
    assert made.points
    page = render(made)
    assert "generator of points" in page or "generators of points" in page
    assert "real points" in page and "real images" not in page
    mixed = replace(made, runs=(made.runs[0], demo().runs[1]))
    assert "real images" in render(mixed)


def test_points_have_the_colour_of_their_run_and_rings_of_none() -> None:
    assert {REAL, RING}.isdisjoint(HEX)
    one = np.array([[0.3, 0.3]], np.float32)
    picture = scatter(one, centres=[(-0.5, -0.5)], radius=0.2, ink=HEX[1], mark=RING)
    seen = {"#{:02x}{:02x}{:02x}".format(*rgb) for rgb in picture.reshape(-1, 3).tolist()}
    assert {HEX[1], RING, "#ffffff"} <= seen
    assert HEX[0] not in seen


def test_modes_are_the_triangles_coverage_where_all_are_counted() -> None:
    rows = [score(run, "precision", 0.9, 0.01, 0.95) for run in (A, B)]
    rows += [score(run, "recall", 0.5, 0.01, 0.9) for run in (A, B)]
    counted = [score(A, "modes", 6.0, 0.5, 8.0), score(B, "modes", 4.0, 0.5, 8.0)]
    _, coverage, _ = placement.triangle(only(*rows, *counted))
    assert (coverage.metric, coverage.ceiling) == ("modes", True)
    assert [place.value for place in coverage.places] == [0.75, 0.5]
    assert "Modes met, of those that as many real samples meet" in render(only(*rows, *counted))
    _, coverage, _ = placement.triangle(only(*rows, counted[0]))
    assert coverage.metric == "recall"


def test_the_map_of_numbers_is_as_it_was() -> None:
    """Its words name its colours."""
    counts = (0,) * 999 + (5,)
    view = ModesView(run=A, counts=counts, n=5, points=np.empty((0, 2), np.float32))
    assert "orange is never" in render(replace(demo(), modes=(view,)))
