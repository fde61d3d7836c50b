"""Run folders made by hand in milliseconds, without training: for the tests of the verbs."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from trilemma.average import kept as kept_of
from trilemma.checkpoint import State, save_best, save_checkpoint
from trilemma.families import build
from trilemma.images import write_png
from trilemma.recipe import files, presets
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder, write_json

RECIPE = presets.find("tiny-gan").recipe


def make_run(
    place: Path, recipe: Recipe = RECIPE, *, kept: Sequence[int] = (320, 640), end: str = "done"
) -> RunFolder:
    """Write a run folder: a best network, checkpoints, a log; end: why it ended, or nothing."""
    folder = RunFolder(place)
    files.write(folder.file("recipe.toml"), recipe)
    nets = kept_of(build(recipe))
    for images_seen in kept:
        with torch.no_grad():
            for parameter in nets.parameters():
                parameter.mul_(1.1)  # every checkpoint is another network
        state = State(images_seen=images_seen, images_total=640)
        weights = nets.state_dict()
        save_checkpoint(folder, state, nets=weights, average=weights, optimizers={}, keep=9)
    save_best(folder, kept_of(build(recipe)).state_dict(), images_seen=320, value=1.5)
    write_json(folder.file("machine.json"), {"cpu": "toy", "cores": 3, "images_total": 640})
    for images_seen, fd in ((0, 9.0), (320, 1.5), (640, 2.5)):
        event = {"event": "score", "images_seen": images_seen, "seconds": images_seen / 64}
        folder.append({**event, "scalars": {"fd": fd}})
    if end:
        folder.append({"event": "end", "images_seen": 640, "seconds": 11.0, "why": end})
    return folder


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """Give a recipe another seed."""
    return replace(recipe, seed=seed)


def noise(n: int, side: int, *, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Draw n random pictures with values of 0 to 199."""
    shape = (n, side, side, channels)
    return np.random.default_rng(seed).integers(0, 200, shape, dtype=np.uint8)


def write_folder(place: Path, pixels: np.ndarray) -> Path:
    """Write pictures as PNGs."""
    place.mkdir(parents=True)
    for number, picture in enumerate(pixels):
        write_png(place / f"{number:03d}.png", picture)
    return place


def aged(path: Path, seconds: float) -> Path:
    """Make a file look as old as that."""
    old = path.stat().st_mtime - seconds
    os.utime(path, (old, old))
    return path
