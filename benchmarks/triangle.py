"""The best GAN, a diffusion model at several numbers of steps, and the one-step model made of it.

All on the same images, for the same minutes of training: the GAN has what the denoiser and its
post-training have together. Each over several seeds; then one report in each feature space. What is
done already in the folder is not done again, so that a run that was cut goes on.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from minutes import TINY_N
from side_by_side import SMALLEST, Row
from trilemma import machine
from trilemma.comparison import compare
from trilemma.errors import RecipeError
from trilemma.live import counted, say, shown
from trilemma.recipe import overrides, presets
from trilemma.recipe.following import begun
from trilemma.recipe.recipe import Recipe
from trilemma.report.tables import terminal
from trilemma.runfolder import finite
from trilemma.runs import find_run
from trilemma.scores import Scores
from trilemma.watch import train

STEPS = (5, 10, 20, 50)  # of the sampler, at which the denoiser is placed


class Trio(NamedTuple):
    """Presets that are held against each other."""

    gan: str
    denoiser: str
    onestep: str
    minutes: float  # of the denoiser, and of its post-training


TRIOS: Mapping[str, Trio] = {
    "digits": Trio("digits-gan", "digits-diffusion", "onestep", 1.0),
    "mnist": Trio("mnist-cgan", "mnist-diffusion-labels", "onestep", 5.0),
    "mnist-unlabelled": Trio("mnist-gan-fast", "mnist-diffusion-fast", "onestep", 5.0),
    "fashion-mnist": Trio("fashion-mnist-gan-fast", "fashion-mnist-edm", "onestep", 5.0),
    "cifar10": Trio("cifar10-gan-fast", "cifar10-diffusion-fast", "onestep", 10.0),
    "cats": Trio("folder-gan", "cats-edm", "onestep", 15.0),
}


def recipe_of(preset: str, seed: int, minutes: float, asked: argparse.Namespace) -> Recipe:
    """Give a preset's recipe its seed, data, minutes and threads."""
    recipe = replace(presets.find(preset).recipe, seed=seed)
    if asked.tiny:
        smaller = {
            **SMALLEST,
            "train": {"batch_size": 4, "minutes": 0.0, "images": 8},
            "watch": {"n": TINY_N, "grid": 4, "extractor": "pixels"},
        }
        return overrides.apply(recipe, smaller, where="--tiny")
    settings = {"train": {"minutes": minutes, "images": 0, "epochs": 0.0}}
    recipe = overrides.apply(recipe, settings, where="--minutes")
    return overrides.apply(recipe, {"speed": {"threads": asked.threads}}, where="--threads")


def trained(name: str, recipe: Recipe, asked: argparse.Namespace) -> str:
    """Train, or find what was trained; give the folder."""
    with shown(name) as event:
        done = train(recipe, out=asked.out / name, show=event, say=say)
    return str(done.folder.path)


def of_seed(trio: Trio, seed: int, asked: argparse.Namespace) -> tuple[str, str, str]:
    """Train the three of one seed: folders of the GAN, the denoiser and the one-step model."""
    minutes = asked.minutes or trio.minutes

    def rooted(recipe: Recipe) -> Recipe:
        return replace(recipe, data=replace(recipe.data, root=asked.root))

    denoiser = trained(
        f"denoiser-{seed}", rooted(recipe_of(trio.denoiser, seed, minutes, asked)), asked
    )
    following = recipe_of(trio.onestep, seed, minutes, asked)
    following = begun(following, find_run(denoiser).recipe, denoiser)
    onestep = trained(f"onestep-{seed}", following, asked)
    gan = trained(f"gan-{seed}", rooted(recipe_of(trio.gan, seed, 2 * minutes, asked)), asked)
    return gan, denoiser, onestep


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trio", choices=TRIOS, nargs="?", default="digits")
    parser.add_argument("--tiny", action="store_true", help="a step or two of each")
    parser.add_argument("--root", default="", help="where the images lie")
    parser.add_argument("--minutes", type=float, default=0.0, help="of each half; 0: as preset")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: as many as cores")
    parser.add_argument("--n", type=int, default=0, help="images of each; 0: as compare takes")
    parser.add_argument("--extractors", nargs="*", default=["auto", "pixels"])
    parser.add_argument("--out", type=Path, default=Path("runs/triangle"), help="new, or to go on")
    asked = parser.parse_args(arguments)
    if asked.tiny:
        asked.seeds, asked.n, asked.extractors = [0, 1], TINY_N, ["pixels"]
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, compare, write the reports, print the tables."""
    asked = parsed(arguments)
    trio = TRIOS[asked.trio]
    if asked.minutes < 0:
        raise RecipeError(f"--minutes {asked.minutes:g}; allowed: 0 (the trio's) or more")
    asked.out = asked.out / asked.trio
    asked.out.mkdir(parents=True, exist_ok=True)
    three = [of_seed(trio, seed, asked) for seed in asked.seeds]
    gans, denoisers, onesteps = map(list, zip(*three, strict=True))
    steps = [f"{run}@steps={count}" for count in STEPS for run in denoisers]
    rows = []
    for extractor in asked.extractors:
        with counted("images") as progress:
            made = compare(
                [*gans, *steps, *onesteps],
                n=asked.n,
                extractor=extractor,
                say=say,
                progress=progress,
            )
        print(f"report: {made.write(asked.out / f'report-{extractor}')}")
        Console(width=160).print(terminal(made.contents, language="en", width=160))
        rows += [row_of(view.name, made.contents.scores, asked) for view in made.contents.runs]
    for row in rows:
        print(json.dumps(finite(row)))


def row_of(name: str, scores: Scores, asked: argparse.Namespace) -> Row:
    """Give what a group of runs scored, as a line of JSON."""
    mine = [score for score in scores.scores if score.run == name]
    return {
        "bench": "triangle",
        "trio": asked.trio,
        "seeds": asked.seeds,
        "name": name,
        "extractor": next(iter(scores.columns.values())).extractor,
        "scores": {s.metric: {"value": s.value, "error": s.error, "floor": s.floor} for s in mine},
        "date": datetime.now(tz=UTC).date().isoformat(),
        "machine": machine.describe(),
    }


if __name__ == "__main__":
    main()
