"""Training with scores: the caller of `training.train`, which itself knows none."""

import csv
import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from trilemma import devices, extracting, live, processes, tensorboard, training
from trilemma.checkpoint import State, checkpoints, read_state, write_state
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.data.values import Source
from trilemma.errors import RunError
from trilemma.families import build
from trilemma.families.family import DrawOptions, Family
from trilemma.features import cache
from trilemma.features.extractor import Extractor
from trilemma.images import grid, write_gif, write_png
from trilemma.maths import frechet, kernel
from trilemma.maths.randomness import rng
from trilemma.places import runs_folder
from trilemma.recipe import files
from trilemma.recipe.checking import check
from trilemma.recipe.naming import digest, run_name
from trilemma.recipe.recipe import DiffusionRecipe, Recipe
from trilemma.runfolder import RunFolder, write_json, write_text
from trilemma.runs import find_run
from trilemma.sampling import Drawer, drawn
from trilemma.sitting import Watch

WATCH_SEED = 1_000_000  # first seed of watched samples; reported ones start at 0
REFERENCE = 5_000  # training images that watched samples are compared with, at most
WATCH_STEPS = 20  # of the sampler, at most, unless the recipe says more
GIF_SECONDS = 0.15  # a frame

Show = Callable[[Mapping[str, Any]], None]
Progress = Callable[[int, int], None]

Metric = Callable[[Tensor], float]  # features of drawn images -> a value, lower is better


def frechet_from(real: Tensor) -> Metric:
    """Prepare the Frechet distance from these features: the costly half is done once."""
    reference = frechet.reference(frechet.moments(real))
    return lambda fake: frechet.distance(frechet.moments(fake), reference)


METRICS: Mapping[str, Callable[[Tensor], Metric]] = {  # real features -> the distance from them
    "fd": frechet_from,
    "kid": lambda real: lambda fake: kernel.kid(fake=fake, real=real).value,
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training leaves: its folder and its last state; `state` is None if it was finished."""

    folder: RunFolder
    state: State | None


def train(
    recipe: Recipe,
    *,
    out: Path | None = None,
    show: Show = lambda event: None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Trained:
    """Train a recipe in its run folder, or go on where it stopped.

    RecipeError, DataError: before anything is written. RunError: the folder holds another recipe.
    """
    check(recipe)
    device = devices.pick(recipe.speed.device)
    processes.start(device)
    devices.use_threads(recipe.speed.threads)
    source = open_source(recipe.data, "train", progress=progress, say=say)
    folder = RunFolder(out or runs_folder() / run_name(recipe, source.fingerprint))
    fits(folder, recipe, source)
    if folder.finished():
        write_progress(folder)
        return Trained(folder=folder, state=None)
    for note in notes(source):
        say(note)
    family = build(recipe)
    watch = watching(recipe, family, source, folder, device=device, show=show, say=say)
    claim(folder, recipe, source)
    batches = Batches(
        source,
        recipe.train.batch_size,
        seed=recipe.seed,
        flip=recipe.data.flip,
        device=device,
    )
    state = training.train(
        recipe,
        family,
        batches,
        folder,
        device=device,
        images_in_epoch=len(source),
        watch=watch,
    )
    if processes.rank() == 0:
        write_progress(folder)
    return Trained(folder=folder, state=state)


def continued(
    run: str,
    recipe: Recipe,
    *,
    out: Path | None = None,
    show: Show = lambda event: None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train a finished run on, as a new run that begins at its last checkpoint.

    recipe: the run's own, whose epochs, images or minutes count what is added. RunError: there is
    no such run, it is not finished, or it is a bundle.
    """
    parent = find_run(run)
    if parent.bundle:
        raise RunError(
            f"{run} is a bundle: it has no optimizer to go on with; its recipe can be trained "
            f"anew: --config {parent.place / 'recipe.toml'}"
        )
    if not RunFolder(parent.place).finished():
        raise RunError(f"{run} is not finished; run its own command again to go on")
    last = checkpoints(RunFolder(parent.place))[-1]
    name = f"{parent.name}+{last.name}"
    folder = RunFolder(out or parent.place.with_name(name))
    if not folder.exists():  # it may hold what a kill or a refusal left of an earlier try
        begun = folder.file(f"checkpoints/{last.name}")
        shutil.copytree(last, begun, dirs_exist_ok=True)
        reopen(begun)
        write_text(folder.file("parent.txt"), f"{parent.name} at {last.name} images\n")
    return train(recipe, out=folder.path, show=show, say=say)


def reopen(place: Path) -> None:
    """Let the last state of a finished run begin a new one: without horizon and scores."""
    known = read_state(place)
    choices, rate = known.choices, known.rate
    write_state(place, State(images_seen=known.images_seen, choices=choices, rate=rate))


def fits(folder: RunFolder, recipe: Recipe, source: Source) -> None:
    """Refuse a folder in which another training lies: RunError."""
    if not folder.exists():
        return
    there = files.read(folder.path / "recipe.toml")
    if digest(there, source.fingerprint) != digest(recipe, source.fingerprint):
        raise RunError(
            f"{folder.path} holds another training ({there.preset or 'a recipe'}); "
            "give another --out DIR, or the settings it was begun with"
        )


def notes(source: Source) -> list[str]:
    """Say what somebody who trains on these images must know."""
    said = list(source.notes)
    if source.skipped:
        first = f"{source.skipped[0].name}: {source.skipped[0].reason}"
        said.append(
            f"{source.name}: {len(source.skipped):,} files cannot be used and are left out; the "
            f"run's skipped.csv lists them (first: {first})"
        )
    return said


def claim(folder: RunFolder, recipe: Recipe, source: Source) -> None:
    """Write what a run has from the start; its recipe last, for that makes the folder a run."""
    if folder.exists() or processes.rank():
        return
    for note in notes(source):
        folder.say(note)
    if source.skipped:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("file", "reason"), *source.skipped])
        write_text(folder.file("skipped.csv"), text.getvalue())
    licence = {"what": f"training images {source.name}", "licence": source.licence or "not stated"}
    write_json(folder.file("licence.json"), {"notes": [licence]})
    files.write(folder.file("recipe.toml"), recipe)


def watching(
    recipe: Recipe,
    family: Family,
    source: Source,
    folder: RunFolder,
    *,
    device: torch.device,
    show: Show,
    say: Callable[[str], None],
) -> Watch:
    """Make the callables that score and picture the averaged networks."""
    options = watched_options(recipe)
    extractor = extracting.prepare(
        recipe.watch.extractor, recipe.data, source, folder, device=device, say=say
    )
    real = reference_features(extractor, source, recipe.seed)
    distances = {name: prepare(real) for name, prepare in METRICS.items()}
    seeds = range(WATCH_SEED, WATCH_SEED + recipe.watch.n)

    def drawer(nets: nn.ModuleDict) -> Drawer:
        return Drawer(recipe=recipe, family=family, nets=nets, device=device, options=options)

    def score(nets: nn.ModuleDict) -> dict[str, float]:
        fake = torch.from_numpy(extractor(drawn(drawer(nets), seeds)).features)
        return {name: distance(fake) for name, distance in distances.items()}

    def picture(nets: nn.ModuleDict, images_seen: int) -> None:
        pixels = drawn(drawer(nets), range(recipe.watch.grid))
        write_png(folder.file(f"samples/{images_seen:09d}.png"), grid(pixels))

    show = both(show, live.plain(live.Status(folder.name), folder.say))
    if recipe.watch.tensorboard:
        show = both(show, tensorboard.writer(folder))
    return Watch(score=score, picture=picture, show=show)


def both(first: Show, second: Show) -> Show:
    """Show an event in two places."""

    def show(event: Mapping[str, Any]) -> None:
        first(event)
        second(event)

    return show


def watched_options(recipe: Recipe) -> DrawOptions:
    """Choose the cheap sampler of watched scores: the recipe's own with at most 20 steps."""
    family = recipe.family
    if not isinstance(family, DiffusionRecipe):
        return DrawOptions()
    steps = recipe.watch.steps or min(family.steps, WATCH_STEPS)
    return DrawOptions(sampler=recipe.watch.sampler or family.sampler, steps=steps)


def reference_features(extractor: Extractor, source: Source, seed: int) -> Tensor:
    """Extract features [M, D] of training images, at most 5,000 of them, drawn by the seed."""
    order = torch.randperm(len(source), generator=rng(seed, "reference", 0)).numpy()
    pixels = source.pixels[np.sort(order[:REFERENCE])]
    return torch.from_numpy(cache.features(extractor, pixels).features)


def write_progress(folder: RunFolder) -> None:
    """Put the grids of all checkpoints into progress.gif, unless it is there."""
    if (folder.path / "progress.gif").is_file():
        return
    frames = [
        np.atleast_3d(np.asarray(Image.open(path)))
        for path in sorted((folder.path / "samples").glob("*.png"))
    ]
    if frames:
        write_gif(folder.file("progress.gif"), frames, GIF_SECONDS)
