"""Small runs, and a drawing that is heard, for the tests of the curve of few steps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import tiny
from handmade import RECIPE, make_run, seeded
from trilemma import fewsteps, scoring
from trilemma.comparison import Comparison, compare
from trilemma.data.named import read_digits
from trilemma.families.family import DrawOptions
from trilemma.recipe import presets
from trilemma.recipe.recipe import Recipe
from trilemma.sampling import Drawer, load_generator
from trilemma.speed import Speed

N, FEW = 40, 12
CPU = torch.device("cpu")
DIFFUSION = presets.find("tiny-diffusion").recipe


def guided(recipe: Recipe) -> Recipe:
    """Train with a guide, which doubles what an image costs."""
    return replace(recipe, family=replace(recipe.family, guidance=2.0))  # type: ignore[type-var]


def make_runs(folder: Path) -> Path:
    make_run(folder / "gan", RECIPE)
    make_run(folder / "diffusion", DIFFUSION)
    make_run(folder / "other-seed", seeded(DIFFUSION, 1))
    make_run(folder / "guided", guided(replace(DIFFUSION, preset="guided")))
    short = replace(DIFFUSION.family, process="ddpm", timesteps=16)  # type: ignore[type-var]
    make_run(folder / "ddpm", replace(DIFFUSION, preset="ddpm", family=short))
    tiny.digits(folder / "other.npz", 90, start=2000)
    data = replace(RECIPE.data, source="folder", root=str(folder / "other.npz"), held_out=0.3)
    make_run(folder / "elsewhere", replace(RECIPE, preset="elsewhere", data=data))
    return folder


def leave_out_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the timing of draws: two seconds a run."""
    speed = Speed(
        ms_per_image=1.0,
        ms_error=0.1,
        images_per_second=9.0,
        rate_error=0.1,
        memory_bytes=1.0,
        runs=3,
    )
    monkeypatch.setattr(scoring, "measure", lambda drawer: speed)


class Drawn(NamedTuple):
    """What was asked of a network."""

    run: str
    options: DrawOptions
    n: int


def heard(monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    """Let every way draw digits: the more evaluations, the fewer of them are spoilt."""
    told: list[Drawn] = []
    pixels, _ = read_digits(Path(), "train")

    def remembered(
        drawer: Drawer, weights: Path, seeds: Sequence[int], *, progress: Any = None
    ) -> np.ndarray:
        told.append(Drawn(weights.parents[1].name, drawer.options, len(seeds)))
        spoilt = len(seeds) // (1 + drawer.evaluations // 5)
        made = pixels[list(seeds)].copy()
        made[:spoilt] = 255 - made[:spoilt]
        if progress is not None:
            progress(len(seeds), len(seeds))
        return np.asarray(made)

    monkeypatch.setattr(fewsteps, "remembered", remembered)
    monkeypatch.setattr(scoring, "remembered", remembered)
    return told


def of(runs: Path, *names: str, **how: Any) -> Comparison:
    asked_ = {"n": N, "extractor": "pixels", "metrics": ("kid",), "few_steps": True}
    return compare([str(runs / name) for name in names], **{**asked_, "few_steps_n": FEW, **how})


def drawer_of(runs: Path, name: str) -> Drawer:
    return load_generator(str(runs / name), device=CPU)
