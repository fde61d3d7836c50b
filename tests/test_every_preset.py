"""Every preset that ships takes two rounds on pictures of its kind, and draws one."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from handmade import noise
from trilemma import watch
from trilemma.recipe import presets
from trilemma.recipe.following import begun
from trilemma.recipe.recipe import DataRecipe, Recipe, UpscaleRecipe, parse_size
from trilemma.runs import find_run
from trilemma.sampling import drawn, load_generator

IMAGES, BATCH = 12, 4  # of which style-based critics look at four together
ALONE = [p.name for p in presets.presets() if not p.stages[0].name]  # stages are of these


def pictures(path: Path, data: DataRecipe) -> Path:
    """Write noise of the recipe's shape, of two classes."""
    height, width = parse_size(data.size)
    pixels = noise(IMAGES, height, channels=data.channels)
    assert pixels.shape[1:3] == (height, width)
    np.savez(path, images=pixels, labels=np.arange(IMAGES) % 2)
    return path


def small(recipe: Recipe, folder: Path) -> Recipe:
    """Keep networks, losses and penalties; take tiny data and two rounds of few images."""
    data, family = recipe.data, recipe.family
    if isinstance(family, UpscaleRecipe):  # of smaller pictures; vgg19 would be a download
        data = replace(data, size="64x64")
        recipe = replace(
            recipe, family=replace(family, features="lite0", crop=min(family.crop, 16))
        )
    if data.channels != 2:
        root = str(pictures(folder / "pictures.npz", data))
        data = replace(data, source="folder", root=root, held_out=0.25, classes=())
    images = 2 * BATCH * getattr(recipe.family, "critic_updates", 1)
    train = replace(recipe.train, batch_size=BATCH, epochs=0.0, minutes=0.0, images=images)
    looks = "points" if data.channels == 2 else "pixels"
    watched = replace(recipe.watch, n=3, grid=1, extractor=looks, steps=0)
    speed = replace(recipe.speed, device="cpu", precision="reference", threads=1)
    return replace(recipe, data=data, train=train, watch=watched, speed=speed)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALONE if name != "onestep"])
def test_two_rounds_of_every_preset(name: str, tmp_path: Path) -> None:
    recipe = small(presets.find(name).recipe, tmp_path)
    run = watch.train(recipe, out=tmp_path / "run").folder
    steps = [event for event in tiny.events(run.path) if event["event"] == "step"]
    assert len(steps) >= 1
    losses = [value for event in steps for value in event["losses"].values()]
    assert losses and all(math.isfinite(value) for value in losses)
    if isinstance(recipe.family, UpscaleRecipe):
        return
    drawer = load_generator(str(run.path), device=torch.device("cpu"))
    height, width = parse_size(recipe.data.size)
    assert drawn(drawer, [0]).shape == (1, height, width, recipe.data.channels)


@pytest.mark.slow
def test_one_step_from_a_preset_takes_two_rounds(tmp_path: Path) -> None:
    before = small(presets.find("mnist-diffusion-labels").recipe, tmp_path)
    parent = str(watch.train(before, out=tmp_path / "before").folder.path)
    recipe = begun(presets.find("onestep").recipe, find_run(parent).recipe, parent)
    recipe = small(recipe, tmp_path)
    run = watch.train(recipe, out=tmp_path / "run").folder
    drawer = load_generator(str(run.path), device=torch.device("cpu"))
    assert drawn(drawer, [0]).shape == (1, 28, 28, 1)
