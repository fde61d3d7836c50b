"""The report's single pictures: what they show, and that odd contents still make them."""

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

from report_demo import demo, many, only, score
from trilemma.grouping import averaged
from trilemma.report import bars, plots, words
from trilemma.report.contents import Contents, Curve
from trilemma.report.page import render
from trilemma.report.views import Reader
from trilemma.scores import Scores

A, B = (run.name for run in demo().runs)
ENGLISH = Reader(words=words.read("en"), language="en")
NAMES = ("fid.png", "is.png", "loss.png", "triangle.png")


def ink(path: Path) -> float:
    """Give the share of pixels that are not white."""
    pixels = np.asarray(Image.open(path).convert("L"))
    return float((pixels < 250).mean())


def test_four_pictures_are_written_and_show_something(tmp_path: Path) -> None:
    paths = plots.write_plots(demo(), tmp_path / "new")
    assert [path.name for path in paths] == list(NAMES)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(NAMES)
    for path in paths:
        assert ink(path) > 0.02
        with Image.open(path) as picture:
            assert picture.format == "PNG" and min(picture.size) > 200


def test_bars_have_the_values_their_intervals_and_the_floor() -> None:
    contents = only(score(A, "fd", 21.0, 0.5, 7.5), score(B, "fd", 33.0, 2.0, 7.5))
    (panel,) = plots.bars_figure(contents, "fd", ENGLISH).axes
    assert [bar.get_width() for bar in panel.patches] == [21.0, 33.0]
    segments = panel.collections[1].get_segments()[0]  # the second bar's whisker
    assert sorted(x for x, _ in segments) == pytest.approx([33 - 3.919928, 33 + 3.919928])
    assert 7.5 in [line.get_xdata()[0] for line in panel.lines]
    assert panel.get_xlabel() == "FD[domain] · lower is better"


def whisker(panel: Axes) -> list[float]:
    """Give both ends of the only whisker."""
    (segment,) = panel.collections[0].get_segments()
    return sorted(x for x, _ in segment)


@pytest.mark.parametrize(
    ("metric", "values", "ends"),  # t(2) = 4.302653, error 1/sqrt 3: 2.484139 each way
    [("is", (4, 5, 6), (2.515861, 7.484139)), ("fd", (1, 2, 3), (0, 4.484139))],
)
def test_a_group_of_seeds_has_students_interval_here_and_on_the_page(
    metric: str, values: tuple[float, ...], ends: tuple[float, float]
) -> None:
    group = averaged([score(A, metric, value, 0.1) for value in values], A)
    (panel,) = plots.bars_figure(only(group), metric, ENGLISH).axes
    assert whisker(panel) == pytest.approx(ends)
    axis = bars.scale([group])
    assert axis is not None
    drawn = bars.bar(group, 0, axis, ENGLISH.words, "en")
    xs = re.findall(r'<line x1="([\d.]+)"[^>]* x2="([\d.]+)"[^>]* class="whisker"', drawn)
    assert [float(x) for x in xs[0]] == pytest.approx([axis(end) for end in ends], abs=0.01)


def test_unlike_columns_have_panels_of_their_own() -> None:
    contents = only(score(A, "fd", 21.0, 0.5), score(A, "fd", 3.0, 0.5, column="inception"))
    panels = plots.bars_figure(contents, "fd", ENGLISH).axes
    assert [panel.get_xlabel().split(" · ")[0] for panel in panels] == ["FD[domain]", "FID"]


def test_the_triangle_has_its_corners_where_the_scores_are() -> None:
    contents = only(
        score(A, "precision", 0.4, 0.01, 0.8),
        score(A, "recall", 0.6, 0.01, 0.8),
        score(A, "images_per_second", 100.0, 1.0),
    )
    (panel,) = plots.triangle_figure(contents, ENGLISH).axes
    (line,) = (line for line in panel.lines if line.get_label() == "digits-gan-s0-3fa9c211")
    x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
    np.testing.assert_allclose(np.hypot(x, y), [0.5, 0.75, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose([x[0], y[0]], [0, 0.5], atol=1e-6)  # quality points up
    assert x[1] < 0 and y[1] < 0 and x[2] > 0 and y[2] < 0
    band = panel.patches[-1].get_xy()
    assert np.hypot(*band.T).max() > 0.75 > np.hypot(*band.T).min()


def test_losses_are_drawn_over_images_and_over_seconds() -> None:
    falling = Curve(images_seen=(100, 200, 300), seconds=(1.0, 2.0, 4.0), values=(3.0, 2.0, 1.5))
    run = replace(demo().runs[0], losses={"critic": falling})
    images, seconds = plots.loss_figure(replace(demo(), runs=(run,)), ENGLISH).axes
    np.testing.assert_array_equal(images.lines[0].get_xdata(), [100, 200, 300])
    np.testing.assert_array_equal(seconds.lines[0].get_xdata(), [1, 2, 4])
    np.testing.assert_array_equal(seconds.lines[0].get_ydata(), [3, 2, 1.5])


def odd() -> dict[str, Contents]:
    whole = demo()
    nan = tuple(replace(s, value=math.nan, error=math.nan) for s in whole.scores.scores)
    hostile = replace(whole.runs[0], name=r"<script>猫 $x_$ \frac{%", losses={"_猫 $": EMPTY})
    gaps = replace(whole.runs[0], losses={"a": GAPS, "_hidden": EMPTY})
    return {
        "no runs": replace(whole, runs=(), scores=Scores()),
        "nan": replace(whole, scores=replace(whole.scores, scores=nan)),
        "hostile": replace(whole, runs=(hostile, gaps)),
        "five": many(5),
        "biased": only(score(A, "fd", 90.0, math.nan, biased=True), score(B, "is", 0.0, 0.0)),
    }


EMPTY = Curve(images_seen=(), seconds=(), values=())
GAPS = Curve(images_seen=(1, 2, 3), seconds=(1.0, 2.0, 3.0), values=(math.nan, 1.0, math.inf))


@pytest.mark.parametrize("name", odd())
def test_odd_contents_still_make_pictures(name: str, tmp_path: Path) -> None:
    for path in plots.write_plots(odd()[name], tmp_path, language="pt"):
        assert ink(path) > 0.001


def test_matplotlib_is_imported_late() -> None:
    code = "import sys, trilemma.report.plots; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_unlike_losses_have_frames_of_their_own() -> None:
    """100 to 200 beside 1 to 2: the second would fill a hundredth of the height."""

    def loss(low: float) -> Curve:
        values = tuple(low * (2 - i / 99) for i in range(100))
        return Curve(
            images_seen=tuple(range(100)), seconds=tuple(map(float, range(100))), values=values
        )

    run = replace(demo().runs[0], losses={"critic": loss(100.0), "generator": loss(1.0)})
    contents = replace(demo(), runs=(run,))
    figure = plots.loss_figure(contents, ENGLISH)
    assert [len(panel.lines) for panel in figure.axes] == [1, 1, 1, 1]
    alike = replace(run, losses={"critic": loss(1.0), "generator": loss(1.5)})
    figure = plots.loss_figure(replace(contents, runs=(alike,)), ENGLISH)
    assert [len(panel.lines) for panel in figure.axes] == [2, 2]
    said = [render(one).count("Losses of") for one in (contents, replace(contents, runs=(alike,)))]
    assert said[0] == 2 * said[1] > 0
