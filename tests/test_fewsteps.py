"""Few steps: the ladder of evaluations, what is drawn and kept, the numbers, who stands beside."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stepped
from stepped import FEW, Drawn, N, drawer_of, of
from trilemma import fewsteps
from trilemma.data.named import read_digits
from trilemma.errors import DataError
from trilemma.evaluation import column_id, evaluate_pixels
from trilemma.fewsteps import LADDER, Way, dearest, images, ladder, own_way
from trilemma.maths.samplers import SAMPLERS
from trilemma.report import place


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stepped.make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped.leave_out_timing(monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    return stepped.heard(monkeypatch)


@pytest.mark.parametrize(
    ("run", "sampler", "steps"),  # heun takes 2 a step, but 1 in the last; a guide doubles all
    [
        ("diffusion", "ddim", (5, 10, 20, 50, 100)),
        ("diffusion", "heun", (3, 5, 10, 25, 50)),
        ("guided", "ancestral", (2, 5, 10, 25, 50)),
        ("guided", "heun", (1, 3, 5, 13, 25)),
    ],
)
def test_a_sampler_takes_as_many_steps_as_its_evaluations_allow(
    runs: Path, run: str, sampler: str, steps: tuple[int, ...]
) -> None:
    drawer = drawer_of(runs, run)
    ways = [way for way in ladder(drawer) if way.sampler == sampler]
    assert tuple(way.steps for way in ways) == steps
    guide = 2 if run == "guided" else 1
    for way, most in zip(ways, LADDER, strict=True):
        assert way.evaluations == guide * SAMPLERS[sampler].evaluations(way.steps) <= most
        assert guide * SAMPLERS[sampler].evaluations(way.steps + 1) > most


def test_every_sampler_of_the_table_is_tried_and_none_beyond_its_rung(runs: Path) -> None:
    ways = ladder(drawer_of(runs, "diffusion"))
    assert {way.sampler for way in ways} == SAMPLERS.keys()
    assert len(ways) == len(set(ways)) == len(SAMPLERS) * len(LADDER)
    assert dearest(drawer_of(runs, "guided"), "ddim", 1) is None
    assert own_way(drawer_of(runs, "diffusion")) == Way("heun", 3, 5)
    assert own_way(drawer_of(runs, "gan")) == Way("", 0, 1)


def test_each_point_is_scored_as_its_images_are(runs: Path, asked: list[Drawn]) -> None:
    """Oracle: the same pixels through `evaluate_pixels`; the recipe's own way is one of the points.

    It takes the images that were drawn for the table: nothing is drawn for it.
    """
    made = of(runs, "diffusion", "gan")
    (curve,) = made.contents.few_steps
    assert (curve.run, curve.drawn, curve.called) == (
        "diffusion",
        "diffusion",
        str(runs / "diffusion"),
    )
    assert (curve.own.sampler, curve.own.steps, curve.own.evaluations) == ("heun", 3, 5)
    assert any(point is curve.own for point in curve.points)
    reference = made.scored[0].reference
    pixels, _ = read_digits(Path(), "train")
    for point in (curve.points[0], curve.own):
        fake = pixels[:FEW].copy()
        spoilt = (N if point is curve.own else FEW) // (1 + point.evaluations // 5)
        fake[:spoilt] = 255 - fake[:spoilt]
        held = replace(reference.source, pixels=np.asarray(reference.source.pixels[reference.rows]))
        scores = evaluate_pixels(
            fake, held, None, reference.extractor, run="x", metrics=("fd", "kid")
        ).scores
        assert [s.value for s in scores] == pytest.approx([point.fd.value, point.kid.value])
        assert scores[1].error == pytest.approx(point.kid.error)
        assert point.fd.column == column_id(curve.column)
    drawn = [one for one in asked if one.n == FEW]
    assert {one.run for one in drawn} == {"diffusion"}
    assert ("heun", 3) not in {(one.options.sampler, one.options.steps) for one in drawn}
    assert len(drawn) == len(SAMPLERS) * len(LADDER) - 1
    assert {score.metric for score in made.contents.scores.scores} >= {"kid"}
    assert {score.n for score in made.contents.scores.scores if score.metric == "kid"} == {N}


def test_a_gan_of_the_same_images_is_one_point_at_one_evaluation(
    runs: Path, asked: list[Drawn]
) -> None:
    (curve,) = of(runs, "gan", "diffusion", "elsewhere").contents.few_steps
    (point,) = curve.beside
    assert (point.run, point.sampler, point.evaluations, point.fd.n) == ("gan", "", 1, FEW)


def test_a_group_is_drawn_from_its_first_run(runs: Path, asked: list[Drawn]) -> None:
    (curve,) = of(runs, "diffusion", "other-seed").contents.few_steps
    assert (curve.run, curve.drawn) == ("tiny-diffusion (2 seeds)", "diffusion")
    apart = of(runs, "diffusion", "other-seed", group=False).contents.few_steps
    assert [curve.run for curve in apart] == ["diffusion", "other-seed"]


def test_what_a_process_cannot_do_is_left_out_quietly(runs: Path) -> None:
    """16 timesteps: ways with more steps are not there; with all of them they are."""
    said: list[str] = []
    (curve,) = of(runs, "ddpm", few_steps_n=3, say=said.append).contents.few_steps
    ways = {(p.sampler, p.steps) for p in curve.points}
    assert ways == {(s, n) for s in SAMPLERS for n in (5, 10, 16) if s != "heun"} | {
        ("heun", 3),
        ("heun", 5),
        ("heun", 10),
        ("heun", 16),
    }
    assert not any("timesteps" in line for line in said)


def test_the_guidance_of_the_run_stays(runs: Path, asked: list[Drawn]) -> None:
    (curve,) = of(runs, "guided").contents.few_steps
    assert {one.options.guidance for one in asked} == {0.0}  # 0: the recipe's own
    assert max(point.evaluations for point in curve.points) == 100


@pytest.mark.parametrize("names", [("gan",), ("gan", "elsewhere")])
def test_without_a_diffusion_run_there_is_nothing_to_vary(
    runs: Path, asked: list[Drawn], names: tuple[str, ...], tmp_path: Path
) -> None:
    said: list[str] = []
    made = of(runs, *names, say=said.append)
    assert said.count(fewsteps.NOTHING) == 1
    assert made.contents.few_steps == ()
    page = made.write(tmp_path)
    assert 'id="steps"' not in page.read_text(encoding="utf-8")
    assert not (tmp_path / place.STEPS).exists()


def test_images_of_a_point(runs: Path, asked: list[Drawn]) -> None:
    """A quarter of the run's, from 200 to 512; 512 where that gives 64 features an error."""
    (scored,) = of(runs, "gan", few_steps=False, few_steps_n=0).scored

    def drawn(n: int, dimensions: int, real: int = 5_000) -> int:
        blank = np.zeros((n, dimensions), np.float32)
        reference = replace(scored.reference, rows=np.arange(real))
        seen = scored.features._replace(features=blank)
        return images(replace(scored, features=seen, reference=reference))

    assert [drawn(n, 784) for n in (100, 1_000, 1_200, 9_000)] == [200, 250, 300, 512]
    assert [drawn(n, 64) for n in (500, 512, 2_000)] == [200, 512, 512]
    assert drawn(2_000, 65) == 500
    assert drawn(1_000, 64, real=300) == 250


def test_a_second_report_draws_nothing(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path))
    said: list[str] = []
    monkeypatch.setattr(fewsteps, "LADDER", (2, 5))
    first = of(runs, "diffusion", say=said.append).contents.few_steps
    assert sum("few steps of diffusion: about" in line for line in said) == 1
    monkeypatch.setattr(
        "trilemma.samplecache.drawn_together", lambda *_, **__: pytest.fail("drawn again")
    )
    said.clear()
    assert repr(of(runs, "diffusion", say=said.append).contents.few_steps) == repr(first)
    assert not any("about" in line for line in said)


def test_how_long_the_rest_takes_grows_with_its_evaluations() -> None:
    """10 evaluations took 2 s, judging 0.5 s: 40 more take 8 s, judging two more ways 1 s."""
    step = fewsteps.Step(None, 2.0, 0.5)  # type: ignore[arg-type]
    rest = [Way("ddim", 30, 30), Way("ddim", 10, 10)]
    assert fewsteps.left(step, Way("heun", 5, 10), rest) == pytest.approx(9.0)


def test_progress_counts_all_images_and_ends(runs: Path, asked: list[Drawn]) -> None:
    told: list[tuple[int, int]] = []
    of(runs, "diffusion", progress=lambda done, total: told.append((done, total)))
    whole = FEW * (len(SAMPLERS) * len(LADDER) - 1)
    mine = [done for done, total in told if total == whole]
    assert mine == sorted(mine) and mine[-1] == whole


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"few_steps": False, "few_steps_n": 9}, "--few-steps-n 9 is for --few-steps"),
        ({"few_steps_n": -1}, "--few-steps-n -1; allowed: 0"),
        ({"few_steps_n": 2}, "at least 3"),
    ],
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_drawn(
    runs: Path, asked: list[Drawn], how: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        of(runs, "diffusion", **how)
    assert asked == []
