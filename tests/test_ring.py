"""Points from the training to the report, by a training of a second."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load

from tiny import events
from trilemma import drawing
from trilemma.checkpoint import checkpoints
from trilemma.comparison import compare
from trilemma.data.sources import open_named
from trilemma.errors import DataError, RecipeError, RunError
from trilemma.recipe.checking import check
from trilemma.recipe.networks import PerceptronCritic, PerceptronGenerator
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    OptimizerRecipe,
    Recipe,
    SpeedRecipe,
    TrainRecipe,
    WatchRecipe,
)
from trilemma.scatter import SIDE
from trilemma.watch import train

RECIPE = Recipe(
    preset="tiny-ring",
    data=DataRecipe(source="ring", size="1x1", channels=2),
    family=AdversarialRecipe(
        loss="relativistic",
        r1=0.1,
        generator=PerceptronGenerator(latent=2, width=8, depth=1),
        critic=PerceptronCritic(width=8, depth=1),
    ),
    train=TrainRecipe(batch_size=32, epochs=0.0, images=256, ema_images=50),
    watch=WatchRecipe(every=64, n=50, grid=40),
    speed=SpeedRecipe(device="cpu", precision="reference", threads=1),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("ring") / "tiny-ring"
    yield train(RECIPE, out=folder).folder.path


def test_the_log_counts_modes_and_the_distance_is_that_of_coordinates(run: Path) -> None:
    scores = [event["scalars"] for event in events(run, "score")]
    assert len(scores) == 5
    for one in scores:
        assert {"fd", "kid", "modes", "quality_share"} <= one.keys()
        assert 0 <= one["modes"] <= 8
    told = json.loads((run / "watched.json").read_text("utf-8"))
    assert told["extractor"] == "points"


def test_the_last_score_s_weights_are_kept_where_a_recipe_wants_them(tmp_path: Path) -> None:
    """With a rate at which nothing improves: the best by score is an earlier one."""
    family = replace(RECIPE.family, generator_optimizer=OptimizerRecipe(lr=0.3))
    watch = replace(RECIPE.watch, metric="kid")
    for best in ("score", "last"):
        recipe = replace(RECIPE, family=family, watch=replace(watch, best=best))
        folder = train(recipe, out=tmp_path / best).folder
        last = checkpoints(folder)[-1]
        kept = (folder.path / "best" / "average.safetensors").read_bytes()
        equal = unpacked(kept) == unpacked((last / "average.safetensors").read_bytes())
        assert equal == (best == "last")


def unpacked(data: bytes) -> dict[str, list[float]]:
    return {name: tensor.flatten().tolist() for name, tensor in load(data).items()}


def test_the_film_is_of_scatter_plots(run: Path) -> None:
    with Image.open(run / "progress.gif") as film:
        assert film.size == (SIDE, SIDE)
        assert getattr(film, "n_frames", 1) >= 3
    assert len(list((run / "samples").glob("*.png"))) >= 4


def test_sample_writes_points_or_their_picture_but_no_folder(run: Path, tmp_path: Path) -> None:
    (file,) = drawing.sample([str(run)], n=7, kind="npz", out=tmp_path / "points.npz", device="cpu")
    with np.load(file) as arrays:
        assert arrays["images"].shape == (7, 1, 1, 2)
        assert arrays["images"].dtype == np.float32
    assert len(open_named(str(file))) == 7
    (picture,) = drawing.sample([str(run)], n=7, out=tmp_path / "points.png", device="cpu")
    with Image.open(picture) as opened:
        assert opened.size == (SIDE, SIDE)
    with pytest.raises(RunError, match="draws points, no images; allowed: --format npz"):
        drawing.sample([str(run)], kind="folder", out=tmp_path / "many", device="cpu")


def test_compare_shows_the_modes(run: Path, tmp_path: Path) -> None:
    made = compare([str(run)], n=300, device="cpu")
    found = {score.metric: score for score in made.contents.scores.scores}
    assert found["modes"].floor == 8
    assert found["modes"].n == 300
    assert found["fd"].column == found["modes"].column, "one table"
    assert [view.run for view in made.contents.modes] == ["tiny-ring", ""]
    page = made.write(tmp_path / "report").read_text(encoding="utf-8")
    assert 'id="modes"' in page
    assert 'id="pictures"' not in page, "a point is no picture"
    fewer = compare([str(run)], n=9, metrics=("kid",), device="cpu").contents
    assert "modes" not in {score.metric for score in fewer.scores.scores}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (DataRecipe(source="ring", size="28x28", channels=2), "data.size 1x1, data.channels 2"),
        (DataRecipe(source="grid", size="1x1", channels=3), "data.size 1x1, data.channels 2"),
        (DataRecipe(source="digits", size="28x28", channels=2), "allowed: 1 .grey., 3 .colour."),
    ],
)
def test_points_have_one_shape_and_images_another(data: DataRecipe, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(replace(RECIPE, data=data))


def test_an_extractor_of_images_is_refused_before_the_training(tmp_path: Path) -> None:
    recipe = replace(RECIPE, watch=replace(RECIPE.watch, extractor="domain"))
    with pytest.raises(DataError, match="domain does not look at points"):
        train(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
