"""Numbers beside numbers: errors that hold under load, memory of one run, verdicts over seeds."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from handmade import noise
from trilemma import speed
from trilemma.cli.compare import Arguments
from trilemma.data.values import Source
from trilemma.evaluation import METRICS, STANDARD
from trilemma.families.family import DrawOptions
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.maths.copying import copying
from trilemma.maths.statistics import Z95, median_error, paired, t_quantile, unpaired
from trilemma.recipe import presets
from trilemma.report import metrics
from trilemma.scores import Score
from trilemma.scoring import (
    Reference,
    copy_score,
    look,
    quality,
    sampler_of_recipe,
    searched,
    tensor,
)


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
    math.isnan(speed.forget_peak(torch.device("cpu"))), reason="no /proc/self/clear_refs, no glibc"
)
def test_memory_of_a_run_is_its_own() -> None:
    """A small run after a large one is small, and the order does not matter."""
    small, large, again = holding(20), holding(200), holding(20)
    assert 15e6 < small < 40e6
    assert 190e6 < large < 230e6
    assert 15e6 < again < 40e6


def test_weights_are_counted_by_hand() -> None:
    """3 x 5 weights and 5 biases, float32; running mean and variance of 5, and a 64-bit count."""
    nets = nn.ModuleDict({"generator": nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5))})

    drawer = SimpleNamespace(nets=nets)
    assert speed.weights_bytes(drawer) == 4 * (15 + 5 + 5 + 5 + 5 + 5) + 8  # type: ignore[arg-type]


def test_a_device_that_does_not_tell_has_no_number() -> None:
    assert math.isnan(speed.forget_peak(torch.device("mps")))
    assert math.isnan(speed.peak(torch.device("mps")))


def test_standard_metrics_are_one_list() -> None:
    """The verb must not load torch for its help, so it has a copy."""
    assert Arguments().metrics == STANDARD
    assert set(STANDARD) <= METRICS.keys()


def toy_source(pixels: Pixels, mark: str) -> Source:
    return Source(
        name="toy",
        split="test",
        pixels=pixels,
        labels=np.full(len(pixels), -1),
        classes=(),
        names=[str(row) for row in range(len(pixels))],
        fingerprint=mark * 32,
    )


def toy_reference(*, held_out: bool) -> Reference:
    """300 training pictures of noise, and 200 others that are held out, or the same."""
    train, other = noise(300, 4, seed=1), noise(200, 4, seed=2)
    source = toy_source(other, "ab") if held_out else toy_source(train, "cd")
    return look(source, toy_source(train, "cd"), pixels_extractor(), progress=lambda *_: None)


def pixels_extractor() -> Extractor:
    return Extractor(
        name="pixels",
        id="pixels",
        weights_sha256="",
        resize="none",
        features=16,
        extract=lambda pixels: Features(
            pixels.reshape(len(pixels), -1).astype(np.float32), np.zeros((len(pixels), 0), "f4")
        ),
    )


def copied(reference: Reference, fake: Pixels) -> Score:
    features = reference.extractor(fake)
    copies = copying(
        fake=tensor(features), train=tensor(reference.seen), held_out=tensor(reference.real)
    )
    columns, score = copy_score("r", copies, reference)
    assert columns.keys() == {score.column}
    return score


def test_copies_are_a_score_with_wilsons_interval() -> None:
    """50 of 200 samples are training images; the rest is other noise."""
    reference = toy_reference(held_out=True)
    fake = np.concatenate([reference.train.pixels[:50], noise(150, 4, seed=3)])
    score = copied(reference, fake)
    assert (score.metric, score.n, score.floor) == ("copies", 200, 0.01)
    hits = round(200 * score.value)
    assert 50 <= hits <= 56
    expected = stats.binomtest(hits, 200).proportion_ci(0.95, method="wilson")
    assert metrics.interval(score) == pytest.approx((expected.low, expected.high), rel=1e-9)
    none = copied(reference, noise(200, 4, seed=5) // 2 + 128)
    assert none.value == 0
    expected = stats.binomtest(0, 200).proportion_ci(0.95, method="wilson")
    assert metrics.interval(none) == pytest.approx((0, expected.high), abs=1e-9)


def test_copies_stand_in_the_column_of_the_distance() -> None:
    reference = toy_reference(held_out=True)
    fake = noise(200, 4, seed=3)
    distance = quality("r", reference.extractor(fake), reference, ("fd",)).scores[0]
    assert copied(reference, fake).column == distance.column


def test_without_held_out_images_there_is_no_floor_and_no_share_of_copies() -> None:
    """Every image would be held against itself: a floor of 0, and a mark of 0."""
    apart, same = toy_reference(held_out=True), toy_reference(held_out=False)
    fake = noise(200, 4, seed=3)
    floors = [
        quality("r", one.extractor(fake), one, ("precision",)).scores[0].floor
        for one in (apart, same)
    ]
    assert 0 < floors[0] <= 1
    assert math.isnan(floors[1])
    assert math.isnan(copied(same, fake).value)


def test_slow_extractors_look_at_fewer_training_images() -> None:
    names = {"domain": 20_000, "pixels": 20_000, "dinov2": 2_000, "inception": 2_000}
    found = {name: searched(replace(pixels_extractor(), name=name)) for name in names}
    assert found == names


def test_a_sampler_is_named_without_its_networks() -> None:
    recipe = presets.find("digits-diffusion").recipe
    options = DrawOptions(sampler="ddim", steps=7)
    assert sampler_of_recipe(recipe, options) == "ddim-7"
    assert sampler_of_recipe(recipe) == f"{recipe.family.sampler}-{recipe.family.steps}"  # type: ignore[union-attr]
    assert sampler_of_recipe(presets.find("digits-gan").recipe) == ""
