"""The report's curve of few steps: which way is enough, where its points stand, what it says."""

import math
import re
from dataclasses import replace
from typing import Any

import pytest

from report_demo import DOMAIN, NAN, demo, score
from test_report import Page
from trilemma.report import page, steps, steps_chart, words
from trilemma.report.contents import Contents, StepCurve, StepPoint

GAN, RUN = (run.name for run in demo().runs)
FLOOR = 0.5


def point(sampler: str, evaluations: int, fd: float, error: float = 0.1, **other: Any) -> StepPoint:
    """Make a point; its KID is a tenth of its FD unless `kid` says otherwise."""
    kid = other.pop("kid", fd / 10)
    made = StepPoint(
        run=RUN if sampler else GAN,
        sampler=sampler,
        steps=evaluations if sampler else 0,
        evaluations=evaluations,
        fd=score(RUN, "fd", fd, error, FLOOR, n=512, biased=math.isnan(error)),
        kid=score(RUN, "kid", kid, 0.01, 0.0, n=512),
    )
    return replace(made, **other)


FAR, NEAR, BEST = point("ddim", 5, 9.0), point("ddim", 20, 2.25), point("ddim", 100, 2.0)
HEUN = point("heun", 19, 2.1)


def curve(*points: StepPoint, own: StepPoint = BEST) -> StepCurve:
    return StepCurve(
        run=RUN,
        drawn=RUN,
        called=f"my runs/{RUN}",
        own=own,
        points=points,
        beside=(point("", 1, 3.0),),
        column=replace(DOMAIN, n_fake=512),
    )


def shown(made: StepCurve) -> Contents:
    return replace(demo(), few_steps=(made,))


def text(made: StepCurve, language: str = "en") -> str:
    return re.sub(r"\s+", " ", " ".join(Page(page.render(shown(made), language=language)).text))


@pytest.mark.parametrize(
    ("points", "fewest"),  # errors of 0.1: the interval of a difference is ± 0.277
    [
        ((FAR, NEAR, BEST), NEAR),  # 0.25 apart
        ((FAR, BEST, NEAR, HEUN), HEUN),
        ((FAR, point("ddim", 20, 2.3), BEST), BEST),  # 0.30 apart
        ((BEST, FAR), BEST),
        ((point("ddim", 10, 2.2), point("ddim", 10, 2.1), BEST), point("ddim", 10, 2.1)),
        ((point("ddim", 5, NAN), BEST), BEST),
    ],
)
def test_the_fewest_evaluations_that_are_not_distinguishable_from_the_best(
    points: tuple[StepPoint, ...], fewest: StepPoint
) -> None:
    found = steps.choice(points)
    assert found is not None
    assert (found.by, found.best, found.fewest) == ("fd", BEST, fewest)


def test_without_errors_of_the_frechet_distance_the_kernel_distance_decides() -> None:
    """The interval of a difference is ± 0.0277: 0.225 is near 0.20, and 0.30 is not."""
    points = (
        point("ddim", 5, 2.0, NAN, kid=0.30),
        point("ddim", 20, 3.0, NAN, kid=0.225),
        point("ddim", 50, 4.0, NAN, kid=0.20),
    )
    found = steps.choice(points)
    assert found is not None
    assert (found.by, found.best, found.fewest) == ("kid", points[2], points[1])
    said = text(curve(*points, own=points[0]))
    assert "the kernel distance (KID) decides what is enough" in said
    assert "Enough: ddim with 20 steps (20 evaluations). KID[domain] 0.225 ± 0.010 is not" in said


def test_nothing_is_said_to_be_enough_where_that_cannot_be_known() -> None:
    blind = replace(BEST, fd=replace(BEST.fd, error=NAN), kid=replace(BEST.kid, error=NAN))
    assert steps.choice((blind,)) is None
    assert steps.choice(()) is None
    nowhere = point("ddim", 5, NAN, kid=NAN)
    said = text(curve(nowhere, own=nowhere))
    assert "How few steps are enough cannot be told" in said
    assert "trilemma sample" not in said


def test_points_stand_where_their_logarithms_do() -> None:
    """Equal factors are equal ways; the lines of two samplers are a little apart."""
    box = steps_chart.frame([FAR, NEAR, BEST, point("", 1, 3.0)])
    assert box is not None
    xs = [box.at(x, 3.0)[0] for x in (1, 10, 100)]
    ys = [box.at(1, y)[1] for y in (2.0, 4.0, 8.0)]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1])
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2]) and ys[0] > ys[1]
    assert box.y_low < FLOOR < 9.196 < box.y_high
    drawn = steps_chart.chart(curve(NEAR, BEST, HEUN), "FD", words.read("en"), "en")
    whiskers = re.findall(
        r'<line x1="([\d.]+)" y1="([\d.]+)"[^>]* y2="([\d.]+)" class="reach"', drawn
    )
    box = steps_chart.frame([NEAR, BEST, HEUN, point("", 1, 3.0)])
    assert box is not None
    ends = [box.at(20, 2.25 + half)[1] for half in (-0.195996, 0.195996)]
    assert [float(y) for y in whiskers[0][1:]] == pytest.approx(ends, abs=0.01)
    moved = [float(whiskers[0][0]) - box.at(20, 1)[0], float(whiskers[2][0]) - box.at(19, 1)[0]]
    assert moved[1] - moved[0] == pytest.approx(steps_chart.APART, abs=0.02)
    goal = re.findall(r'<line [^>]*y1="([\d.]+)"[^>]*class="goal"', drawn)
    assert [float(y) for y in goal] == pytest.approx([box.at(1, FLOOR)[1]], abs=0.01)
    assert drawn.count('class="own"') == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 115, [1, 2, 5, 10, 20, 50, 100]),
        (1.8, 12, [2, 5, 10]),
        (1e-4, 1e4, [1e-4, 1e-2, 1, 100, 1e4]),
    ],
)
def test_ticks_are_those_of_a_logarithmic_axis(
    low: float, high: float, expected: list[float]
) -> None:
    assert steps_chart.ticks(low, high) == pytest.approx(expected)


def test_an_interval_down_to_zero_does_not_stretch_the_axis() -> None:
    box = steps_chart.frame([point("ddim", 5, 9.0), point("ddim", 9, 2.0, 1.5)])
    assert box is not None and 0.4 < box.y_low < FLOOR
    assert box.at(9, 0.0)[1] == steps_chart.BOTTOM


def test_the_section_says_it_all() -> None:
    said = text(curve(FAR, NEAR, BEST, HEUN))
    for part in (
        "Enough: heun with 19 steps (19 evaluations).",
        "FD[domain] 2.10 ± 0.10 is not distinguishable from the best, 2.00 ± 0.10 by ddim with 100",
        "trilemma sample",
        f"'my runs/{RUN}'",
        "--sampler heun",
        "--steps 19",
        "Ring: as its recipe draws, ddim with 100 steps (100 evaluations).",
        "512 images a point, against 2,000 real ones.",
    ):
        assert part in said, part
    alone = text(curve(FAR, BEST))
    assert "2.00 ± 0.10 is the best, and distinguishable from all with fewer" in alone
    drawing = next(
        a["aria-label"]
        for a in Page(page.render(shown(curve(FAR, BEST)))).all("svg")
        if a.get("aria-label", "").startswith("Few steps of")
    )
    assert "ddim from 9.00 at 5 to 2.00 at 100 evaluations" in drawing
    assert f"{GAN} 3.00 at 1" in drawing and "real images 0.500" in drawing


def test_a_group_names_the_run_that_was_drawn_from() -> None:
    members = ("digits-s0", "digits-s1")
    group = replace(demo().runs[1], name="digits (2 seeds)", members=members, seeds=(0, 1))
    made = replace(curve(FAR, BEST), run=group.name, drawn="digits-s0")
    contents = replace(demo(), runs=(demo().runs[0], group), few_steps=(made,))
    assert "Drawn from the first run of the group, digits-s0." in page.render(contents)
    assert "Drawn from the first run" not in text(curve(FAR, BEST))


def test_a_run_called_like_a_sampler_is_a_point_of_its_own() -> None:
    made = replace(curve(FAR, BEST), beside=(replace(point("", 1, 3.0), run="ddim"),))
    assert [(name, len(points)) for name, points in steps_chart.lines(made)] == [
        ("ddim", 2),
        ("ddim", 1),
    ]


ODD = {
    "nan": (point("ddim", 5, NAN), BEST),
    "zero": (point("ddim", 5, 0.0, 0.0), BEST),
    "one": (BEST,),
    "infinite": (point("ddim", 5, math.inf), BEST),
    "no floor": (replace(BEST, fd=replace(BEST.fd, floor=NAN)),),
}


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("name", ODD)
def test_odd_points_still_make_a_page(name: str, language: str) -> None:
    points = ODD[name]
    raw = page.render(shown(curve(*points, own=points[-1])), language=language)
    assert words.read(language)["steps_title"] in " ".join(Page(raw).text)
    drawn = re.sub(r"aria-label=\"[^\"]*\"", "", raw)
    assert not re.search(r'(d|x|y|x1|x2|y1|y2|width|height)="[^"]*(nan|inf)', drawn)


def test_portuguese_says_it_in_portuguese() -> None:
    said = text(curve(FAR, NEAR, BEST), "pt")
    assert "Poucos passos" in said and "FD[domain] 2,25 ± 0,10 não se distingue do melhor" in said
    assert "Few steps" not in said and "Enough" not in said
