"""Numbers beside numbers: errors that hold under load, memory of one run, verdicts over seeds."""

import inspect
import json
import math
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
from scipy import stats
from torch import nn

import handmade
import tiny
from trilemma import scoring, speed
from trilemma.again import DEFAULTS, spelled
from trilemma.cli.compare import Arguments
from trilemma.comparison import Comparison, compare
from trilemma.evaluation import METRICS, STANDARD, write_scores
from trilemma.families.family import DrawOptions
from trilemma.grouping import averaged
from trilemma.maths.kernel import kid_difference
from trilemma.maths.statistics import Z95, median_error, paired, t_quantile, unpaired
from trilemma.recipe import presets
from trilemma.report import metrics
from trilemma.report.page import render
from trilemma.sampling import sampler_of_recipe
from trilemma.scorefile import facts
from trilemma.scores import Score
from trilemma.scoring import tensor


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))


TIMES = [1.02, 0.98, 1.0, 1.05, 0.97, 1.01, 80.0]  # ms, the last while another program worked


def test_one_wild_time_does_not_make_an_error() -> None:
    """By SciPy: the scaled median absolute deviation, times sqrt(pi / 2 n)."""
    scaled = stats.median_abs_deviation(TIMES, scale="normal")
    expected = scaled * math.sqrt(math.pi / 2 / len(TIMES))
    assert median_error(TIMES) == pytest.approx(expected, rel=1e-9)
    assert median_error(TIMES) < 0.03 < 10 < np.std(TIMES) / math.sqrt(len(TIMES))


def test_the_error_is_that_of_the_median_of_normal_times() -> None:
    """Simulated: medians of 21 values scatter as their mean error says, within 10 %."""
    samples = np.random.default_rng(0).normal(3.0, 0.7, size=(4000, 21))
    told = float(np.mean([median_error(row.tolist()) for row in samples]))
    assert told == pytest.approx(np.median(samples, axis=1).std(), rel=0.1)


@pytest.mark.parametrize("freedom", [1.0, 1.37, 2.5, 7.9, 63.2, 900.5])
@pytest.mark.parametrize("inside", [0.5, 0.95, 0.999])
def test_t_of_broken_degrees_is_scipys(freedom: float, inside: float) -> None:
    expected = stats.t.ppf((1 + inside) / 2, freedom)
    assert t_quantile(freedom, inside=inside) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 2.5, 4.0], [2.0, 2.2, 1.9, 2.6, 2.4]),
        ([0.1, 0.3], [0.5, 0.2]),
        ([1.0, 2.0, 9.0], [4.0, 4.5]),
    ],
)
def test_groups_of_other_seeds_are_compared_as_welch_does(
    first: list[float], second: list[float]
) -> None:
    found = unpaired(first=first, second=second)
    oracle = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(np.mean(first) - np.mean(second))
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), rel=1e-7)


def test_pairs_of_one_seed_see_what_groups_do_not() -> None:
    first, second = [1.0, 5.0, 9.0], [0.9, 4.8, 8.7]
    assert paired(first=first, second=second).low > -0.06
    assert unpaired(first=first, second=second).low < -5


def test_one_number_for_the_width_of_an_interval() -> None:
    """The report must not load torch, so it has a copy."""
    assert math.isclose(metrics.Z95, Z95, rel_tol=1e-15)


def holding(megabytes: int) -> float:
    """Give what the watch for memory sees while so much is held and let go."""
    before = speed.forget_peak(torch.device("cpu"))
    kept = torch.ones(megabytes * 250_000)
    del kept
    return speed.peak(torch.device("cpu")) - before


@pytest.mark.skipif(
    math.isnan(speed.forget_peak(torch.device("cpu"))),
    reason="no peak that is kept and can be forgotten",
)
def test_memory_of_a_run_is_its_own() -> None:
    """A small run after a large one is small, and the order does not matter.

    Tried three times: a system that takes pages back meanwhile hides what is held.
    """
    tries = [(holding(20), holding(200), holding(20)) for _ in range(3)]
    assert any(
        15e6 < small < 40e6 and 190e6 < large < 230e6 and 15e6 < again < 40e6
        for small, large, again in tries
    ), tries


def test_a_system_that_keeps_no_peak_has_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the peak is always what is held now, a run would seem to need nothing."""
    now = speed.process_bytes
    speed.keeps_peak.cache_clear()
    monkeypatch.setattr(speed, "process_bytes", lambda name: now("VmRSS"))
    assert math.isnan(speed.forget_peak(torch.device("cpu")))
    speed.keeps_peak.cache_clear()


def test_weights_are_counted_by_hand() -> None:
    """3 x 5 weights and 5 biases, float32; running mean and variance of 5, and a 64-bit count."""
    nets = nn.ModuleDict({"generator": nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))})

    assert speed.weights_bytes(list(nets.values())) == 4 * (15 + 5 + 5 + 5 + 5 + 5) + 8


def test_a_device_that_does_not_tell_has_no_number() -> None:
    assert math.isnan(speed.forget_peak(torch.device("mps")))
    assert math.isnan(speed.peak(torch.device("mps")))


def test_standard_metrics_are_those_that_help_names() -> None:
    """The verb must not load torch for its help, so that has a copy."""
    assert Arguments().metrics == ()
    assert f"empty: {' '.join(STANDARD)}\n" in inspect.getsource(Arguments)
    assert set(STANDARD) <= METRICS.keys()


def test_a_sampler_is_named_without_its_networks() -> None:
    recipe = presets.find("digits-diffusion").recipe
    options = DrawOptions(sampler="ddim", steps=7)
    assert sampler_of_recipe(recipe, options) == "ddim-7-guided-2"
    assert sampler_of_recipe(recipe, DrawOptions(guidance=1.0)) == "dpm++2m-14"
    assert sampler_of_recipe(presets.find("digits-gan").recipe) == ""
    low = replace(recipe, family=replace(recipe.family, guide_below=0.7))  # type: ignore[call-arg]
    assert sampler_of_recipe(low) == "dpm++2m-14-guided-2-below-0.7"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time nothing: the same speed for every run; look for copies among few images."""
    made = speed.Speed(
        ms_per_image=1.5,
        ms_error=0.25,
        images_per_second=700.0,
        rate_error=9.0,
        memory_bytes=math.nan,
        runs=3,
        runs_alone=8,
    )
    monkeypatch.setattr(scoring, "measure", lambda drawer: made)
    monkeypatch.setattr(scoring, "SEARCHED", 200)


def compared(*runs: Path, group: bool = True) -> Comparison:
    names = [str(run) for run in runs]
    return compare(names, n=24, extractor="pixels", metrics=("kid",), group=group)


def test_a_verdict_says_whether_it_is_over_images_or_seeds(tmp_path: Path, quick: None) -> None:
    """Two seeds against the same two: pairs; against two others: Welch; one alone: images."""
    other = replace(handmade.RECIPE, train=replace(handmade.RECIPE.train, batch_size=7))
    for seed in (0, 1, 2):
        handmade.make_run(tmp_path / f"a{seed}", handmade.seeded(handmade.RECIPE, seed))
        handmade.make_run(tmp_path / f"b{seed}", handmade.seeded(other, seed + 3 * (seed == 2)))
    a0, a1, b0, b1, b5 = (tmp_path / name for name in ("a0", "a1", "b0", "b1", "b2"))
    singles = compared(a0, a1, b0, b1, b5, group=False).contents.scores.scores
    kids = {one.run: one.value for one in singles if one.metric == "kid"}
    (pairs,) = compared(a0, a1, b1, b0).contents.differences
    assert (pairs.over, pairs.trainings) == ("pairs", (2, 2))
    apart = [kids["a0"] - kids["b0"], kids["a1"] - kids["b1"]]
    oracle = stats.ttest_1samp(apart, 0).confidence_interval(0.95)
    assert (pairs.low, pairs.high) == pytest.approx((oracle.low, oracle.high), rel=1e-6)
    (welch,) = compared(a0, a1, b0, b5).contents.differences
    assert (welch.over, welch.trainings) == ("seeds", (2, 2))
    groups = [[kids["a0"], kids["a1"]], [kids["b0"], kids["b2"]]]
    oracle = stats.ttest_ind(*groups, equal_var=False).confidence_interval(0.95)
    assert (welch.low, welch.high) == pytest.approx((oracle.low, oracle.high), rel=1e-6)
    alone = compared(a0, a1, b5)
    (images,) = alone.contents.differences
    assert (images.over, images.trainings) == ("images", (1, 1))
    first, second = (tensor(alone.scored[i].features) for i in (0, 2))
    real = tensor(alone.scored[0].reference.real)
    told = kid_difference(first=first, second=second, real=real, same_seeds=True)
    assert (images.low, images.high) == pytest.approx((told.low, told.high))
    for contents, said in (
        (alone.contents, ("these two trainings, not these two methods", "estes dois treinos")),
        (replace(alone.contents, differences=(pairs,)), ("over 2 pairs", "2 pares de treinos")),
        (replace(alone.contents, differences=(welch,)), ("2 and 2 trainings", "2 e 2 treinos")),
    ):
        for language, words in zip(("en", "pt"), said, strict=True):
            assert words in render(contents, language=language)


def test_a_report_says_when_other_programs_computed(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run of two was timed beside a program that took 80 % of a core."""
    for name in ("alone", "crowded"):
        handmade.make_run(tmp_path / name, handmade.RECIPE)
    calm = scoring.measure(None)  # type: ignore[arg-type]
    taken = iter((0.0, 0.8))
    monkeypatch.setattr(scoring, "measure", lambda drawer: replace(calm, crowding=next(taken)))
    heard: list[str] = []
    names = [str(tmp_path / name) for name in ("alone", "crowded")]
    made = compare(names, n=24, extractor="pixels", metrics=("kid",), group=False, say=heard.append)
    told = [line for line in heard if "its speed is too low" in line]
    assert told == ["crowded: timed while other programs computed, so its speed is too low"]
    page = render(made.contents, language="en")
    assert page.count("other programs took 80 % of a core while crowded was timed") == 1
    assert "ocuparam 80 % de um núcleo" in render(made.contents, language="pt")


def test_the_same_images_at_two_places_are_one_reference(tmp_path: Path, quick: None) -> None:
    runs = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        pictures = tiny.digits(tmp_path / name / "d.npz")
        data = replace(handmade.RECIPE.data, source="folder", root=str(pictures), held_out=0.25)
        runs.append(tmp_path / f"run-{name}")
        handmade.make_run(runs[-1], replace(handmade.RECIPE, data=data))
    made = compared(*runs)
    assert made.scored[0].reference is made.scored[1].reference
    assert len(made.contents.differences) == 1


def test_json_is_what_the_file_holds(tmp_path: Path, quick: None) -> None:
    handmade.make_run(tmp_path / "one")
    made = compared(tmp_path / "one")
    write_scores(tmp_path / "scores.json", made.contents.scores)
    assert facts(made.contents.scores) == json.loads((tmp_path / "scores.json").read_text("utf-8"))
    rows = {row["metric"]: row for row in facts(made.contents.scores)["scores"]}
    assert rows.keys() == {"kid", "copies", "ms_per_image", "images_per_second", "memory_bytes"}
    assert rows["memory_bytes"]["value"] is None
    assert (rows["ms_per_image"]["n"], rows["images_per_second"]["n"]) == (8, 3)
    assert made.contents.command == spelled(
        [str(tmp_path / "one")], {"n": 24, "extractor": "pixels", "metrics": ["kid"]}
    )


def test_the_command_holds_every_option_that_was_given() -> None:
    typed = "trilemma compare 'a b' c --out x --n 50 --metrics fd kid --ungroup --lang pt"
    _, verb, *words = shlex.split(typed)
    assert verb == "compare"
    arguments = tyro.cli(Arguments, args=words)
    assert spelled(arguments.runs, asdict(arguments)) == typed
    plain = asdict(Arguments(metrics=STANDARD))  # as the verb fills it in
    assert spelled(("a",), plain) == "trilemma compare a"
    assert {name: plain[name] for name in DEFAULTS} == DEFAULTS
    shown = {"runs", "json", "open"}  # they do not change what is in the report
    assert DEFAULTS.keys() == {field.name for field in fields(Arguments)} - shown


@pytest.mark.parametrize(
    ("facts_", "name"),
    [('{"extractor": "lite0", "n": 9}', "FD[lite0]"), ("", "FD (watched)")],
)
def test_watched_scores_are_named_after_what_watched(
    tmp_path: Path, quick: None, facts_: str, name: str
) -> None:
    """Not after the extractor of the comparison, which is pixels."""
    folder = handmade.make_run(tmp_path / "one")
    if facts_:
        (folder.path / "watched.json").write_text(facts_, encoding="utf-8")
    (view,) = compared(folder.path).contents.runs
    assert list(view.watched) == [name]
    assert view.watched[name].values == (9.0, 1.5, 2.5)


def test_the_interval_of_a_group_is_students() -> None:
    """Values 1, 2, 3: mean 2, error 1/sqrt 3, t(2) = 4.3027: 2 ± 2.484, not ± 1.96 errors."""
    score = Score(run="a", metric="kid", value=0, error=0, n=9, column="", floor=math.nan)
    group = averaged([replace(score, value=value) for value in (1.0, 2.0, 3.0)], "group")
    assert metrics.interval(group) == pytest.approx((2 - 2.48414, 2 + 2.48414), rel=1e-5)


@pytest.mark.parametrize(("held_out", "known"), [(40, True), (12, False)])
def test_copies_among_few_held_out_images_have_no_number(
    tmp_path: Path, quick: None, held_out: int, known: bool
) -> None:
    """The nearest 1 % of a dozen images says nothing."""
    pictures = tiny.digits(tmp_path / "d.npz", 4 * held_out)
    data = replace(handmade.RECIPE.data, source="folder", root=str(pictures), held_out=0.25)
    handmade.make_run(tmp_path / "run", replace(handmade.RECIPE, data=data))
    rows = {
        row["metric"]: row for row in facts(compared(tmp_path / "run").contents.scores)["scores"]
    }
    assert (rows["copies"]["value"] is not None) == known
