"""Models as sides: held against folders of images of any size, and beside a run."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from test_pairs import photos
from test_upscale_family import recipe
from trilemma.baselines import Baseline, enlarged, is_model, open_baseline
from trilemma.cli.main import main
from trilemma.comparison import Comparison, compare
from trilemma.cropviews import busiest
from trilemma.enlargements import held_out, measure
from trilemma.errors import DataError, RunError
from trilemma.images import write_png
from trilemma.maths.resize import imresize, rounded
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.pairassessing import assessed_pairs
from trilemma.pairscores import PAIRED
from trilemma.report import words
from trilemma.report.page import render
from trilemma.runs import find_run
from trilemma.scores import Scores
from trilemma.sides import How
from trilemma.watch import train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sides")
    one = recipe(photos(folder / "high", 16))
    train(replace(one, data=replace(one.data, held_out=0.4)), out=folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "mine.safetensors"
    save_file(SRVGGNetCompact(features=8, convs=1, scale=4).state_dict(), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write large images of three sizes, one of them grey, and one file that is none."""
    rng = np.random.default_rng(3)
    for number, shape in enumerate([(48, 64, 3), (50, 43, 3), (33, 40)]):
        coarse = rng.uniform(0, 255, (1, 1, 7, 9))
        smooth = imresize(torch.from_numpy(coarse), shape[:2])[0, 0].clamp(0, 255)
        pixels = rounded(smooth).numpy().astype(np.uint8)
        pixels = pixels if len(shape) == 2 else np.stack([pixels, pixels.T[::-1].T, pixels], 2)
        (tmp_path / "high").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "high" / f"{number}.png")
    (tmp_path / "high" / "broken.png").write_bytes(b"\x89PNG nothing")
    return tmp_path / "high"


def values(scores: Scores) -> dict[str, float]:
    return {score.metric: score.value for score in scores.scores}


def small_ones(folder: Path, target: Path) -> Path:
    """Shrink by hand: cut to multiples of 4, MATLAB's imresize, names with x4."""
    target.mkdir()
    for path in sorted(folder.glob("[0-9].png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        height, width = pixels.shape[0] // 4, pixels.shape[1] // 4
        levels = torch.from_numpy(pixels[: 4 * height, : 4 * width].copy()).permute(2, 0, 1)
        low = rounded(imresize(levels[None].double(), (height, width)))[0].clamp(0, 255)
        write_png(target / f"{path.stem}x4.png", low.permute(1, 2, 0).numpy().astype(np.uint8))
    return target


def test_bicubic_against_a_folder_is_what_is_computed_by_hand(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    made = values(assessed_pairs("bicubic", str(folder), how=How(say=said.append)))
    psnr = []
    for path in sorted(folder.glob("[0-9].png")):
        high = np.asarray(Image.open(path).convert("RGB"))
        height, width = (side // 4 * 4 for side in high.shape[:2])
        real = torch.from_numpy(high[:height, :width].copy()).permute(2, 0, 1)[None].double()
        low = rounded(imresize(real, (height // 4, width // 4))).clamp(0, 255)
        large = rounded(imresize(low, (height, width))).clamp(0, 255)
        inner = (large - real)[..., 4:-4, 4:-4]
        psnr.append(10 * math.log10(255**2 / float(inner.square().mean())))
    assert made["psnr_rgb"] == pytest.approx(np.mean(psnr), abs=1e-3)
    assert made["psnr_gain"] == 0
    assert any("broken.png is left out" in line for line in said)
    low = small_ones(folder, tmp_path / "low")
    again = values(assessed_pairs("bicubic", str(folder), low=str(low), how=How()))
    assert again["psnr_y"] == pytest.approx(made["psnr_y"], abs=1e-3)


def test_the_column_does_not_depend_on_where_the_folders_lie(folder: Path, tmp_path: Path) -> None:
    low = small_ones(folder, tmp_path / "low")
    first = assessed_pairs("bicubic", str(folder), low=str(low), how=How())
    moved = tmp_path / "elsewhere" / "high"
    moved.parent.mkdir()
    folder.rename(moved)
    low.rename(tmp_path / "elsewhere" / "small")
    other = str(tmp_path / "elsewhere" / "small")
    second = assessed_pairs("bicubic", str(moved), low=other, how=How())
    assert first.columns == second.columns
    fewer = assessed_pairs("bicubic", str(moved), n=2, how=How())
    assert not fewer.columns.keys() & first.columns.keys()


def test_one_size_for_all_and_metrics_that_are_named(folder: Path) -> None:
    made = assessed_pairs(
        "bicubic", str(folder), metrics=("ssim_y",), scale=2, how=How(size="32x32")
    )
    assert [score.metric for score in made.scores] == ["ssim_y", "seconds_per_megapixel"]
    (column,) = made.columns.values()
    assert (column.n_real, column.resize[:2]) == (3, "x2")


def test_a_model_against_a_run_sees_the_runs_own_pairs(run: Path, model: Path) -> None:
    trials = held_out(find_run(str(run)).recipe)
    made = values(assessed_pairs("bicubic", str(run), how=How()))
    by_hand = measure(trials.bicubic, trials, {})
    assert made["psnr_y"] == pytest.approx(by_hand["psnr_y"].mean())
    own = values(assessed_pairs(str(run), str(run), how=How()))
    assert own["psnr_y"] != made["psnr_y"]
    assert assessed_pairs(str(model), str(run), how=How()).scores[0].run == "mine"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "--against FOLDER"),
        ({"against": "run", "scale": 2}, "its own small images, x4"),
        ({"against": "high", "low": "nowhere"}, "no such folder"),
        ({"against": "high", "low": "high"}, r"0.png has a small one of 64x48 pixels; x4 wants"),
        ({"against": "high", "metrics": ("fid",)}, "unknown metric of enlarged images 'fid'"),
    ],
)
def test_what_cannot_be_is_one_line(
    options: dict[str, str], said: str, run: Path, folder: Path
) -> None:
    places = {"run": str(run), "high": str(folder)}
    given = {key: places.get(str(value), value) for key, value in options.items()}
    with pytest.raises(DataError, match=said):
        assessed_pairs("bicubic", **{"against": "", **given}, how=How())  # type: ignore[arg-type]


def test_which_words_are_models(tmp_path: Path) -> None:
    assert is_model("bicubic")
    assert is_model("realesrgan-x4plus")
    assert is_model("weights/mine.pth")
    assert not is_model("runs/mine")
    (tmp_path / "old.pt").mkdir()
    assert not is_model(str(tmp_path / "old.pt"))


def test_what_a_model_made_is_remembered(run: Path, model: Path) -> None:
    trials = held_out(find_run(str(run)).recipe)
    one = open_baseline(str(model), scale=4, device=CPU)
    first = enlarged(one, trials)

    def never(small: np.ndarray) -> np.ndarray:
        raise AssertionError("enlarged again")

    assert np.array_equal(enlarged(replace(one, enlarge=never), trials), first)
    other = replace(one, enlarge=never, sha256="another")
    with pytest.raises(AssertionError, match="enlarged again"):
        enlarged(other, trials)


def test_a_model_is_brought_to_another_scale(model: Path) -> None:
    said: list[str] = []
    one: Baseline = open_baseline(str(model), scale=2, device=CPU, say=said.append)
    assert one.enlarge(np.zeros((5, 6, 3), np.uint8)).shape == (10, 12, 3)
    assert any("brought to x2 by Lanczos" in line for line in said)


@pytest.fixture(scope="module")
def compared(run: Path, model: Path) -> Comparison:
    texts = [str(run), "bicubic", str(model)]
    return compare(texts, extractor="pixels", device="cpu")


def test_compare_puts_models_into_the_runs_columns(compared: Comparison, run: Path) -> None:
    scores = compared.contents.scores
    columns = {
        name: {score.column for score in scores.scores if score.metric == name}
        for name in ("psnr_y", "perceptual", "fd")
    }
    assert [len(found) for found in columns.values()] == [1, 1, 1]
    named = {score.run for score in scores.scores if score.metric == "psnr_y"}
    assert named == {"run", "bicubic", "mine"}
    gains = {score.run: score.value for score in scores.scores if score.metric == "psnr_gain"}
    assert gains["bicubic"] == 0
    assert {s.run for s in scores.scores if s.metric == "seconds_per_megapixel"} == named
    assert set(PAIRED) - {"lpips", "lpips_vgg"} <= {score.metric for score in scores.scores}
    assert compared.contents.command.startswith(f"trilemma compare {run} bicubic ")


def test_crops_are_cut_from_what_they_say(compared: Comparison, run: Path) -> None:
    shown = compared.contents.crops
    assert shown is not None
    trials = held_out(find_run(str(run)).recipe)
    assert shown.columns == ("bicubic", "mine", "run")
    assert [row.rank for row in shown.rows] == ["worst", "median", "best"]
    mine = [row.values["psnr_y"][2] for row in shown.rows]
    assert mine == sorted(mine)
    for row in shown.rows:
        index = list(trials.source.names).index(row.image)
        top, left = busiest(trials.high[index], 48, 4)
        real = trials.high[index][top : top + 48, left : left + 48]
        assert np.array_equal(row.pixels[-1], real)
        assert np.array_equal(
            row.pixels[1], trials.bicubic[index][top : top + 48, left : left + 48]
        )
        low = row.pixels[0]
        assert np.array_equal(low[::4, ::4].repeat(4, 0).repeat(4, 1), low)
        assert low[0, 0].tolist() == trials.small[index][top // 4, left // 4].tolist()
        by_hand = measure(trials.bicubic[index : index + 1], replaced(trials, index), {})
        assert row.values["psnr_y"][0] == pytest.approx(by_hand["psnr_y"][0])


def replaced(trials: object, index: int) -> object:
    """Give the trials with one image alone."""
    return replace(
        trials,  # type: ignore[type-var]
        high=trials.high[index : index + 1],  # type: ignore[attr-defined]
        low=trials.low[index : index + 1],  # type: ignore[attr-defined]
    )


def test_the_square_with_most_detail() -> None:
    """Noise stands in a corner of a smooth picture: at 40 to 56 across, 20 to 36 down."""
    pixels = np.full((64, 80, 3), 90, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    pixels[20:36, 40:56] = noise
    assert busiest(pixels, 16, 4) == (20, 40)
    assert busiest(pixels[:16, :16], 16, 4) == (0, 0)


@pytest.mark.parametrize("language", ["en", "pt"])
def test_the_page_shows_the_crops(compared: Comparison, language: str) -> None:
    page = render(compared.contents, language=language)
    section = re.search(r'<section aria-labelledby="crops">.*?</section>', page, re.DOTALL)
    assert section is not None
    assert section[0].count("<img ") == 3 * 5
    assert words.read(language)["crop_worst"] in section[0]
    numbers = [re.sub(r"[^\d]", "", text) for text in re.findall(r"\d[\d.,]* dB", section[0])]
    assert len(numbers) == 9
    assert all(numbers)
    without = render(replace(compared.contents, crops=None), language=language)
    assert 'aria-labelledby="crops"' not in without


def test_models_without_a_run_are_refused(run: Path) -> None:
    with pytest.raises(RunError, match="trilemma evaluate bicubic --against FOLDER"):
        compare(["bicubic"], device="cpu")


def test_the_verb(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "bicubic", "--against", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {score["metric"] for score in found["scores"]} >= {"psnr_y", "ssim_y", "perceptual"}
    assert main(["evaluate", "bicubic", "--against", str(folder)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"PSNR \(Y\), dB +\d+\.\d\d ± ", out)
    assert "Seconds per megapixel" in out


def test_bicubic_has_the_figure_of_the_literature(shared_data: Path) -> None:
    """28.42 dB on rounded Y; Y is not rounded here: 28.43."""
    low = str(shared_data / "sr-test" / "Set5" / "LR_bicubic_X4")
    high = str(shared_data / "sr-test" / "Set5" / "HR")
    made = assessed_pairs("bicubic", high, low=low, metrics=("psnr_y",), how=How())
    assert made.scores[0].value == pytest.approx(28.43, abs=0.005)
