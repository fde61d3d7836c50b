import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from test_pairs import photos
from test_upscale_family import recipe
from trilemma.assessing import assess
from trilemma.comparison import compare
from trilemma.enlargements import Trials, enlarging, held_out, measure
from trilemma.errors import RunError
from trilemma.pairscores import looks, pair_scores, worst_median_best
from trilemma.runs import find_run
from trilemma.sampling import draw, load_generator
from trilemma.scores import HIGHER, better, joined
from trilemma.upscalers import load_upscaler
from trilemma.watch import train

PAIRED = {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "perceptual", "psnr_gain"}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairscores")
    one = recipe(photos(folder / "high", 16))
    train(replace(one, data=replace(one.data, held_out=0.4)), out=folder / "run")
    return folder / "run"


def test_which_of_two_scores_is_better() -> None:
    assert better("psnr_y", 30.0, 29.0)
    assert not better("psnr_y", 29.0, 29.0)
    assert better("fd", 29.0, 30.0)
    assert better("perceptual", 0.1, 0.2)
    assert "perceptual" not in HIGHER


def test_bicubic_against_itself_gains_nothing_and_a_level_costs_what_it_does(run: Path) -> None:
    trials = held_out(find_run(str(run)).recipe)
    scores, values = pair_scores(
        "bicubic", trials.bicubic, trials, seen_by=looks(device=CPU), device=CPU
    )
    found = {score.metric: score for score in scores.scores}
    assert found.keys() == PAIRED
    assert found["psnr_gain"].value == 0
    assert all(math.isnan(score.floor) for score in scores.scores)
    assert found["psnr_y"].error == pytest.approx(
        np.std(values["psnr_y"], ddof=1) / math.sqrt(len(trials))
    )
    off = np.where(trials.high < 255, trials.high + 1, 254).astype(np.uint8)  # one level everywhere
    one = measure(off, trials, {})
    assert one["psnr_rgb"] == pytest.approx(20 * math.log10(255), abs=1e-9)


def test_the_same_small_images_whatever_their_number(run: Path) -> None:
    made = find_run(str(run)).recipe
    few, many = held_out(made, 2), held_out(made)
    assert len(few) == 2 < len(many)
    assert torch.equal(few.low, many.low[:2])
    assert few.mark != many.mark


def test_worst_median_best() -> None:
    values = {"psnr_y": np.array([30.0, 20.0, 25.0, 40.0, 27.0])}
    assert worst_median_best(values) == (1, 4, 3)


def test_evaluate_and_compare_hold_an_upscaler_against_its_own_pairs(run: Path) -> None:
    scores = assess(str(run), extractor="pixels", device="cpu")
    found = {score.metric: score for score in scores.scores}
    trials: Trials = held_out(find_run(str(run)).recipe)
    assert found.keys() >= {"fd", "kid", *PAIRED}
    assert {found[name].n for name in PAIRED} == {len(trials)}
    assert all(score.column in scores.columns for score in scores.scores)
    compared = compare([str(run)], extractor="pixels", device="cpu").contents.scores
    again = {score.metric: score for score in compared.scores}
    assert again.keys() >= {"seconds_per_megapixel", "ms_per_image", *PAIRED}
    for name in PAIRED:
        assert again[name].value == pytest.approx(found[name].value)
    assert again["seconds_per_megapixel"].value == pytest.approx(
        again["ms_per_image"].value / 1000 / (64 * 48 / 1e6)
    )


def test_an_upscaler_makes_no_images_of_seeds(run: Path) -> None:
    drawer = load_generator(str(run), device=CPU)
    with pytest.raises(RunError, match="of small ones, not of seeds; trilemma upscale"):
        next(draw(drawer, [0]))


def test_scores_of_the_same_images_are_joined(run: Path) -> None:
    trials = held_out(find_run(str(run)).recipe)
    scores, _ = pair_scores(
        "bicubic", trials.bicubic, trials, seen_by=looks(device=CPU), device=CPU
    )
    assert joined(scores, scores).columns == scores.columns
    assert len(joined(scores, scores).scores) == 2 * len(PAIRED)


def test_a_run_is_a_model_for_upscaling_and_one_of_another_kind_is_refused(
    run: Path, tmp_path: Path
) -> None:
    """The loaded network makes what the run's own drawing makes."""
    upscaler = load_upscaler(str(run), device=CPU)
    trials = held_out(find_run(str(run)).recipe)
    made = next(draw(enlarging(load_generator(str(run), device=CPU), trials), [0, 1]))
    with torch.inference_mode():
        levels = (upscaler.net((trials.low[:2] + 1) / 2) * 255).round().clamp(0, 255)
    difference = levels.permute(0, 2, 3, 1) - torch.from_numpy(made).float()
    assert difference.abs().max() <= 1
    assert (upscaler.scale, upscaler.name) == (4, "run")
    tiny_run = train(tiny.recipe(tiny.digits(tmp_path / "d.npz", 40)), out=tmp_path / "gan")
    with pytest.raises(RunError, match="gan is of kind adversarial, and no upscaler"):
        load_upscaler(str(tiny_run.folder.path), device=CPU)
