from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from test_pairs import photos
from test_upscale_family import SMALL, recipe
from trilemma.data.named import read_digits
from trilemma.data.sources import open_source
from trilemma.errors import RecipeError
from trilemma.images import write_png
from trilemma.matching import matched
from trilemma.recipe import files
from trilemma.recipe.recipe import Recipe, UpscaleRecipe
from trilemma.watch import train

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matching")
    return train(tiny.recipe(tiny.digits(folder / "d.npz", 60)), out=folder / "gan").folder.path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits with every pixel repeated four times: 112x112."""
    folder = tmp_path_factory.mktemp("large")
    for number, picture in enumerate(read_digits(Path(), "train")[0][:20]):
        write_png(folder / f"{number:02d}.png", picture.repeat(4, 0).repeat(4, 1))
    return folder


def as_drawn_by(gan: Path, large: Path, size: str = "112x112", channels: int = 1) -> Recipe:
    one = recipe(large, replace(SMALL, crop=8), images=8)
    low = f"generator={gan}"
    return replace(one, data=replace(one.data, size=size, channels=channels, low=low))


def test_a_training_on_small_images_as_a_generator_draws_them(
    gan: Path, large: Path, tmp_path: Path
) -> None:
    """What was measured is written into the run's recipe; the run goes on without the generator."""
    lines: list[str] = []
    asked = as_drawn_by(gan, large)
    run = train(asked, out=tmp_path / "run", say=lines.append).folder.path
    family = files.read(run / "recipe.toml").family
    assert isinstance(family, UpscaleRecipe)
    assert len(family.matched_gain) == len(family.matched_offset) == 1
    assert family.matched_noise > 0  # untrained, it draws specks
    assert any(line.startswith("small images as gan draws: blur") for line in lines)
    source = open_source(asked.data, "train")
    first, again = (matched(asked, source, device=CPU) for _ in range(2))
    assert first[0].family == again[0].family == family
    assert first[1].fingerprint == again[1].fingerprint != source.fingerprint
    assert np.array_equal(first[1].pixels[:1], source.pixels[:1])


def test_a_generator_of_another_size_is_refused(gan: Path, large: Path, tmp_path: Path) -> None:
    asked = as_drawn_by(gan, photos(tmp_path / "photos", 8), size="64x48", channels=3)
    with pytest.raises(RecipeError, match="gan draws 28x28 pixels of 1 channels"):
        train(asked, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
