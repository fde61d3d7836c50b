"""The Python names: train, sample, evaluate, compare; what a notebook shows."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tiny
import trilemma as tr
from handmade import make_run, noise, write_folder
from trilemma.errors import RecipeError, RunError
from trilemma.recipe import files
from trilemma.recipe.recipe import AdversarialRecipe
from trilemma.scores import Scores

SETTINGS = {
    "family.generator.width": 4,
    "family.critic.width": 4,
    "train.batch_size": 8,
    "watch.n": 16,
    "watch.every": 16,
    "watch.grid": 4,
    "watch.extractor": "pixels",
    "speed.device": "cpu",
    "speed.precision": "reference",
    "speed.threads": 1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.digits(tmp_path_factory.mktemp("data") / "digits.npz")


def train(data: Path, out: Path, **more: Any) -> tr.Run:
    """Train as a notebook does: a preset, a length, a root, settings."""
    settings = {**SETTINGS, "data.source": "folder", "data.held_out": 0.25}
    return tr.train("tiny-gan", images=32, root=str(data), out=out, settings=settings, **more)


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tr.Run:
    return train(data, tmp_path_factory.mktemp("runs") / "one")


def test_importing_trilemma_loads_no_torch() -> None:
    code = (
        "import sys, trilemma as tr; assert 'torch' not in sys.modules; "
        "assert {'train', 'sample', 'compare'} <= set(tr.__all__); "
        "tr.Run; assert 'torch' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_is_there_and_no_other() -> None:
    for name in tr.__all__:
        assert getattr(tr, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'upscale2'"):
        _ = tr.upscale2  # type: ignore[attr-defined]


def test_a_training_takes_dotted_settings_and_lengths(run: tr.Run) -> None:
    recipe = files.read(run.path / "recipe.toml")
    assert isinstance(recipe.family, AdversarialRecipe)
    assert (recipe.family.generator.width, recipe.family.critic.width) == (4, 4)
    assert (recipe.train.images, recipe.train.epochs, recipe.train.minutes) == (32, 0.0, 0.0)
    assert (recipe.preset, recipe.seed, recipe.data.source) == ("tiny-gan", 0, "folder")
    assert (run.log[0]["event"], run.log[-1]["event"]) == ("start", "end")
    assert run.log[-1]["images_seen"] == 32


def test_the_same_call_again_gives_the_run_that_is_there(run: tr.Run, data: Path) -> None:
    before = tiny.snapshot(run.path)
    again = train(data, run.path)
    assert again == run
    assert tiny.snapshot(run.path) == before
    with pytest.raises(RunError, match="holds another training"):
        train(data, run.path, seed=1)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"preset": "tiny-gann"}, "closest: tiny-gan, "),
        ({"settings": {"family.generator.widht": 4}}, r"family\.generator\.width"),
        ({"settings": {"trian.images": 4}}, "did you mean train"),
        ({"settings": {"train.images": "many"}}, r"settings: train\.images is 'many' \(text\)"),
        ({"settings": {"train.images": 4.5}}, r"train\.images is 4\.5"),
        ({"settings": {"family.loss": "hinje"}}, r"family\.loss"),
        ({"settings": {"train": 4}}, r"train is 4 .*a table"),
        ({"images": -4}, r"train\.images is -4"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_closest(
    how: dict[str, Any], said: str, tmp_path: Path
) -> None:
    how = {"preset": "tiny-gan", "out": tmp_path / "new", **how}
    with pytest.raises(RecipeError, match=said) as caught:
        tr.train(how.pop("preset"), **how)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_images_show_themselves_as_a_picture(run: tr.Run, tmp_path: Path) -> None:
    images = run.sample(5, seed=3, device="cpu")
    assert (len(images), images.pixels.shape) == (5, (5, 28, 28, 1))
    assert np.asarray(images).dtype == np.uint8
    assert np.array_equal(np.asarray(images, dtype=np.float32), images.pixels.astype(np.float32))
    assert np.array_equal(images.pixels, tr.sample(run, 5, seed=3, device="cpu").pixels)
    assert np.array_equal(images.pixels[2], tr.sample(run.name, 1, seed=5, device="cpu").pixels[0])
    sheet = np.asarray(Image.open(images.save(tmp_path / "five.png")))
    assert sheet.shape == (2 * 28, 3 * 28)
    assert np.array_equal(sheet[28:, 28:56], images.pixels[4, :, :, 0])
    shown = np.asarray(Image.open(io.BytesIO(images._repr_png_())))
    times = shown.shape[1] // sheet.shape[1]
    assert times > 1
    assert np.array_equal(shown[::times, ::times], sheet)


def test_colour_stays_colour(tmp_path: Path) -> None:
    pixels = noise(4, 8, channels=3)
    sheet = np.asarray(Image.open(tr.Images(pixels).save(tmp_path / "four.png")))
    assert np.array_equal(sheet[:8, 8:], pixels[1])


def test_a_run_shows_itself(run: tr.Run) -> None:
    page = run._repr_html_()
    assert page.startswith("<b>one</b> 32 images, ")
    (data,) = re.findall(r'src="data:image/gif;base64,([^"]+)"', page)
    assert base64.b64decode(data) == (run.path / "progress.gif").read_bytes()
    assert "alt=" in page


def test_a_run_that_has_not_drawn_yet_and_an_odd_name_show_themselves(tmp_path: Path) -> None:
    place = make_run(tmp_path / "a<b>").path
    assert tr.Run(str(place))._repr_html_() == "<b>a&lt;b&gt;</b> 640 images, 11 s"


def test_evaluate_scores_against_held_out_images_or_any_others(run: tr.Run, tmp_path: Path) -> None:
    scores = run.evaluate(n=30, extractor="pixels")
    assert isinstance(scores, Scores)
    (column,) = {score.column for score in scores.scores if score.metric == "kid"}
    assert scores.columns[column].reference == "digits:test"
    assert (scores.columns[column].n_real, scores.columns[column].n_fake) == (30, 30)
    folder = write_folder(tmp_path / "noise", noise(30, 28))
    other = tr.evaluate(str(folder), "digits:test", n=30, extractor="pixels")
    by_metric = {score.metric: score.value for score in other.scores}
    assert by_metric["kid"] > 0.05
    assert by_metric["precision"] < 0.2


def test_compare_shows_itself_and_writes(run: tr.Run, data: Path, tmp_path: Path) -> None:
    other = train(data, tmp_path / "two", seed=1)
    made = tr.compare([run, other.name], n=30, device="cpu")
    assert isinstance(made, tr.Comparison)
    assert [view.name for view in made.contents.runs] == ["tiny-gan (2 seeds)"]
    page = made.to_html(tmp_path / "new" / "page.html")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    frame = made._repr_html_()
    assert frame.startswith('<iframe srcdoc="')
    assert "<" not in frame.removeprefix("<").removesuffix("</iframe>")
    assert len(tr.compare([run, other], n=30, group=False).contents.runs) == 2


def test_one_run_alone_is_no_list(run: tr.Run) -> None:
    for wrong in (run, run.name):
        with pytest.raises(RunError, match=r"compare takes a list of runs: compare\(\[one, other"):
            tr.compare(wrong)  # type: ignore[arg-type]
