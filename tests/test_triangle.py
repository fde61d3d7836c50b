"""The impossible triangle: its places against hand sums, its names and numbers side by side."""

import itertools
import math
import re

import pytest

from report_demo import demo, only, score
from trilemma.report import radar, words
from trilemma.report.front import front, sentences
from trilemma.report.placement import chosen, clear_lead, fraction, triangle
from trilemma.report.views import Reader

A, B = (run.name for run in demo().runs)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(0.1, 0.0), (1, 1 / 6), (10, 2 / 6), (100_000, 1.0), (1e6, 7 / 6), (0.01, -1 / 6), (0, 0)],
)
def test_each_sixth_of_the_speed_axis_is_a_factor_of_ten(rate: float, expected: float) -> None:
    assert fraction(rate) == pytest.approx(expected)


def test_precision_and_recall_are_shares_of_what_real_images_reach() -> None:
    contents = only(
        score(A, "precision", 0.6, 0.02, 0.8),
        score(A, "recall", 0.3, 0.01, 0.75),
        score(A, "ms_per_image", 20.0, 1.0),
    )
    quality, coverage, speed = (axis.place(A) for axis in triangle(contents))
    assert quality is not None and coverage is not None and speed is not None
    assert quality.value == pytest.approx(0.75)
    assert quality.low == pytest.approx((0.6 - 1.959964 * 0.02) / 0.8)
    assert quality.high == pytest.approx((0.6 + 1.959964 * 0.02) / 0.8)
    assert coverage.value == pytest.approx(0.4)
    # 20 ms an image are 50 images a second: log10(50 / 0.1) of six decades.
    assert speed.value == pytest.approx(math.log10(500) / 6)
    assert speed.low == pytest.approx(math.log10(1000 / 21.959964 / 0.1) / 6)
    assert speed.low < speed.value < speed.high


def test_without_precision_the_floor_is_divided_by_the_distance() -> None:
    quality, coverage, _ = triangle(only(score(A, "fd", 20.0, 1.0, 8.0)))
    place = quality.place(A)
    assert place is not None
    assert place.value == pytest.approx(0.4)
    assert place.low == pytest.approx(8 / (20 + 1.959964))
    assert place.high == pytest.approx(8 / (20 - 1.959964))
    assert coverage.metric == ""


def test_a_distance_without_a_floor_is_not_placed() -> None:
    assert triangle(only(score(A, "fd", 20.0, 1.0)))[0].places == ()


def test_an_interval_that_reaches_zero_distance_is_open_above() -> None:
    place = triangle(only(score(A, "fd", 2.0, 2.0, 1.0)))[0].place(A)
    assert place is not None and place.high == math.inf


def test_one_missing_ceiling_leaves_the_whole_axis_undivided() -> None:
    axis = triangle(only(score(A, "recall", 0.3, 0.01, 0.6), score(B, "recall", 0.4, 0.01)))[1]
    assert not axis.ceiling
    assert [place.value for place in axis.places] == [0.3, 0.4]


def test_an_axis_never_mixes_columns() -> None:
    contents = only(
        score(A, "precision", 0.6, 0.02, 0.8, column="inception"),
        score(A, "recall", 0.6, 0.02, 0.8, column="inception"),
        score(A, "recall", 0.5, 0.02, 0.8),
        score(B, "recall", 0.4, 0.02, 0.8),
        score(B, "precision", 0.5, 0.02, 0.8),
    )
    quality, coverage, _ = triangle(contents)
    assert (quality.column, coverage.column) == ("domain", "domain")
    assert [place.run for place in quality.places] == [B]  # A has it in the other column only


def test_the_column_that_fills_both_axes_is_preferred() -> None:
    contents = only(
        score(A, "fd", 20.0, 1.0, 8.0, column="inception"),
        score(A, "precision", 0.6, 0.02, 0.8),
        score(A, "recall", 0.5, 0.02, 0.8),
    )
    quality, coverage, _ = triangle(contents)
    assert (quality.metric, coverage.metric) == ("precision", "recall")


def test_the_metric_that_places_more_runs_is_chosen_then_the_preferred() -> None:
    both = [score(run, m, 1.0, 0.1, 1.0) for m in ("fd", "precision") for run in (A, B)]
    assert {s.metric for s in chosen(both, ("precision", "fd"))} == {"precision"}
    assert {s.metric for s in chosen(both[:3], ("precision", "fd"))} == {"fd"}


@pytest.mark.parametrize(
    ("first", "second", "leader"),
    [
        ((0.9, 0.01), (0.8, 0.01), A),
        ((0.8, 0.01), (0.9, 0.01), B),
        ((0.9, 0.03), (0.8, 0.03), ""),  # 0.841..0.959 and 0.741..0.859
        ((0.9, math.nan), (0.2, 0.01), ""),
        ((1.0, 0.0), (0.2, 0.01), ""),  # no hit of many, or all: not an error of nothing
        ((0.9, 0.01), (0.2, math.nan), ""),
    ],
)
def test_a_lead_needs_intervals_apart(
    first: tuple[float, float], second: tuple[float, float], leader: str
) -> None:
    contents = only(score(A, "recall", *first), score(B, "recall", *second))
    assert clear_lead(triangle(contents)[1]) == leader


def test_a_corners_error_is_the_standard_error_even_where_the_interval_is_wide() -> None:
    wide = {"low": 0.1, "high": 1.4}  # of few seeds
    contents = only(
        score(A, "precision", 0.6, 0.02, 0.8, **wide), score(A, "recall", 0.5, 0.01, **wide)
    )
    quality, coverage, _ = (axis.place(A) for axis in triangle(contents))
    assert quality is not None and coverage is not None
    assert radar.value_text(quality, "en") == "75.0 ± 2.5 %"  # both divided by 0.8
    assert radar.value_text(coverage, "en") == "50.0 ± 1.0 %"
    distance = triangle(only(score(A, "fd", 20.0, 1.0, 8.0)))[0].place(A)
    assert distance is not None
    assert radar.value_text(distance, "en") == "40.0 ± 2.0 %"  # 8 / 20; 8 x 1 / 20^2


SIZES = {"tick": 10.5, "corner": 17.0, "small corner": 30.0}  # as page.css has them, pixels


def boxes(drawing: str, *, small: bool) -> list[tuple[float, float, float, float]]:
    """Give left, top, right, bottom of every text; a letter is taken as 0.58 of its height wide."""
    found = []
    for x, y, style, anchor, said in re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" class="(\w+)" text-anchor="(\w+)">([^<]+)<', drawing
    ):
        size = SIZES["small corner" if small else style]
        width = 0.58 * size * len(said)
        left = float(x) - width * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        found.append((left, float(y) - 0.75 * size, left + width, float(y) + 0.2 * size))
    return found


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_triangles_names_and_numbers_lie_apart(language: str, small: bool) -> None:
    reader, axes, runs = words.read(language), triangle(demo()), (A, B)
    drawing = (
        radar.small_triangle(axes, runs, 0, reader, language)
        if small
        else radar.triangle(axes, runs, reader, language)
    )
    found = boxes(drawing, small=small)
    assert len(found) == (3 if small else 10)
    for left, top, right, bottom in found:
        assert left >= 0 and right <= 400 and top >= 0
        assert not any(left < x < right and top < y < bottom for x, y in outer_edge())
    for one, other in itertools.combinations(found, 2):
        assert one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def outer_edge() -> list[tuple[float, float]]:
    """Give points a pixel apart on the triangle of 100 %, where corners may be marked."""
    tips = [radar.on_axis(name, 1.0) for name in radar.DIRECTIONS]
    return [
        (x + (u - x) * i / 300, y + (v - y) * i / 300)
        for (x, y), (u, v) in zip(tips, [*tips[1:], tips[0]], strict=True)
        for i in range(300)
    ]


def test_the_front_is_whom_nobody_beats_in_all_three() -> None:
    """B is as quick as A and worse in the rest; a run without a speed is neither."""
    a = [
        score(A, "precision", 0.8, 0.1),
        score(A, "recall", 0.7, 0.1),
        score(A, "ms_per_image", 2.0, 0.1),
    ]
    b = [
        score(B, "precision", 0.7, 0.1),
        score(B, "recall", 0.6, 0.1),
        score(B, "ms_per_image", 2.0, 0.1),
    ]
    found = front(triangle(only(*a, *b)))
    assert (found.runs, found.behind) == ((A,), ((B, A),))
    b[1] = score(B, "recall", 0.9, 0.1)
    both = front(triangle(only(*a, *b)))
    assert (both.runs, both.behind) == ((A, B), ())
    alone = triangle(only(*a, *b[:2]))
    assert front(alone) == ((A,), ())
    reader = Reader(words=words.read("en"), language="en")
    assert sentences(alone, reader) == []
    b[1] = score(B, "recall", 0.6, 0.1)
    said = sentences(triangle(only(*a, *b)), reader)
    assert said[1] == f"Behind it: {B}; {A} is as good or better in all three."
