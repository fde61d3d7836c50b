"""The report's numbers: rounding, intervals and drawings against hand sums."""

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from report_demo import DOMAIN, INCEPTION, demo, score
from trilemma.report import bars, curves, metrics, numbers, pictures, svg, words

A, B = (run.name for run in demo().runs)


# --- names and numbers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "drawn"),
    [
        ("precision", (0.0, 1.0)),
        ("copies", (0.0, 1.0)),
        ("fd", (0.0, 1.3)),
        ("density", (0.0, 1.3)),
        ("kid", (-0.2, 1.3)),
        ("fd_corrected", (-0.2, 1.3)),
    ],
)
def test_an_interval_is_drawn_as_far_as_the_metrics_range(
    metric: str, drawn: tuple[float, float]
) -> None:
    assert metrics.interval(score(A, metric, 0.5, 0.1, low=-0.2, high=1.3)) == drawn
    assert metrics.interval(score(A, metric, 0.5, 0.01, low=0.4, high=0.6)) == (0.4, 0.6)


def test_fid_is_only_said_of_inception() -> None:
    english = words.read("en")
    assert metrics.label("fd", DOMAIN, english) == "FD[domain]"
    assert metrics.label("fd", INCEPTION, english) == "FID"
    path = replace(DOMAIN, extractor=r"C:\nets\my.safetensors")
    assert metrics.label("kid", path, english) == "KID[my.safetensors]"
    assert metrics.label("recall", DOMAIN, english) == "Recall"
    assert metrics.label("toy", DOMAIN, english) == "toy"


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [  # the first three are the examples of the Particle Data Group's rounding rules
        (0.827, 0.119, "0.83 ± 0.12"),
        (0.827, 0.367, "0.8 ± 0.4"),
        (0.827, 0.0967, "0.83 ± 0.10"),
        (21.13, 0.844, "21.1 ± 0.8"),
        (8210.4, 246.0, "8,210 ± 250"),
        (-0.0021, 0.0042, "−0.002 ± 0.004"),
        (0.0000123, 0.0000021, "1.23e−5 ± 0.21e−5"),
        (3.14159, math.nan, "3.14"),
        (math.nan, 0.1, "—"),
        (math.inf, 0.1, "∞"),
        (0.95, 0.0, "0.950"),
    ],
)
def test_numbers_are_rounded_to_their_error(value: float, error: float, expected: str) -> None:
    assert numbers.with_error(value, error, language="en") == expected


def test_portuguese_has_its_own_marks() -> None:
    assert numbers.with_error(1234.56, 12.3, language="pt") == "1.235 ± 12"
    assert numbers.with_error(0.827, 0.119, language="pt") == "0,83 ± 0,12"
    assert numbers.count(16200, language="pt") == "16.200"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.25, "0.25 s"), (42.4, "42 s"), (303, "5 min 3 s"), (7805, "2 h 10 min"), (math.nan, "—")],
)
def test_durations(seconds: float, expected: str) -> None:
    assert numbers.duration(seconds, language="en") == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2.5, 5, 7.5, 10]), (0, 1, [0, 0.25, 0.5, 0.75, 1]), (-0.3, 0.3, [-0.2, 0, 0.2])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_log_ticks_are_powers_of_ten_inside() -> None:
    assert svg.log_ticks(0.5, 2e3) == pytest.approx([1, 10, 100, 1000])
    assert svg.log_ticks(3, 60) == pytest.approx([5, 10, 20, 50])


# --- drawings -------------------------------------------------------------------------------------


def test_bars_start_at_zero_and_scale_with_the_value() -> None:
    axis = bars.scale([score(A, "fd", 10.0, 0.5, 5.0), score(B, "fd", 20.0, 0.5, 5.0)])
    assert axis is not None and not axis.log
    zero = axis(0.0)
    assert (axis(20.0) - zero) == pytest.approx(2 * (axis(10.0) - zero))
    assert axis(20.0 + 1.96 * 0.5) < bars.PLOT[1]


def test_a_bar_reaches_its_value_and_a_logarithmic_axis_has_none() -> None:
    english = words.read("en")
    few = [score(A, "fd", 10.0, 0.5), score(B, "fd", 20.0, 0.5)]
    axis = bars.scale(few)
    assert axis is not None
    drawn = bars.bar(few[0], 0, axis, english, "en")
    (found,) = re.findall(r'<rect x="([\d.]+)"[^>]* width="([\d.]+)"', drawn)
    assert float(found[0]) + float(found[1]) == pytest.approx(axis(10.0), abs=0.02)
    far = [score(A, "ms_per_image", 0.2, 0.01), score(B, "ms_per_image", 90.0, 1.0)]
    wide = bars.scale(far)
    assert wide is not None and wide.log
    assert wide(9.0) - wide(0.9) == pytest.approx(wide(90.0) - wide(9.0))
    assert "<rect" not in bars.bar(far[1], 1, wide, english, "en")


def test_thinning_keeps_the_mean_and_the_range() -> None:
    values = np.random.default_rng(0).normal(3, 1, 16 * curves.POINTS)
    x = np.arange(len(values), dtype=float)
    thin = curves.thinned("loss", 0, x.tolist(), values.tolist())
    assert len(thin.y) == curves.POINTS
    np.testing.assert_allclose(thin.y, values.reshape(-1, 16).mean(1))
    np.testing.assert_allclose(thin.low, values.reshape(-1, 16).min(1))
    np.testing.assert_allclose(thin.x, x.reshape(-1, 16).mean(1))


def test_nan_is_a_gap_in_a_curve() -> None:
    path = svg.outline([(0, 1), (1, 2), (2, math.nan), (3, 4), (4, 5)])
    assert path == "M0 1L1 2M3 4L4 5"


def test_a_grid_is_the_pixels_themselves() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 5, 4, 3), dtype=np.uint8)
    head, _, data = pictures.grid(pixels, 9).partition(",")
    assert head == "data:image/png;base64"
    back = np.asarray(Image.open(io.BytesIO(pictures.base64.b64decode(data))))
    assert back.shape == (15, 12, 3)
    np.testing.assert_array_equal(back[5:10, 8:12], pixels[5])


def test_large_images_come_in_smaller_grids() -> None:
    assert pictures.fitting(np.zeros((64, 28, 28, 1), np.uint8), 64) == 64
    assert pictures.fitting(np.zeros((64, 512, 512, 3), np.uint8), 64) == 4
    assert pictures.fitting(np.zeros((60, 28, 28, 1), np.uint8), 64) == 49
