"""Training with scores: the caller of `training.train`, which itself knows none."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trilemma import counting, devices, extracting, live, processes, signs, tensorboard, training
from trilemma.asking import pictured
from trilemma.beginning import begin_from, claim, continues, fits, no_file, notes
from trilemma.checkpoint import State, checkpoints
from trilemma.data.labels import labelled
from trilemma.data.pairs import batches_of
from trilemma.data.sources import open_source
from trilemma.data.values import Source
from trilemma.errors import MachineError, MemoryTooSmallError, RecipeError, RunError
from trilemma.extracting import Prepared
from trilemma.families import built, own
from trilemma.families.family import DrawOptions, Family
from trilemma.families.trial import tried
from trilemma.features.cache import extracted
from trilemma.images import write_png
from trilemma.matching import matched
from trilemma.places import cache_folder, runs_folder
from trilemma.recipe.checking import check
from trilemma.recipe.naming import run_name
from trilemma.recipe.recipe import DiffusionRecipe, Recipe, UpscaleRecipe
from trilemma.runfolder import RunFolder, write_progress
from trilemma.runs import find_run, parted, undrawn
from trilemma.sampling import Drawer, drawn_together
from trilemma.sitting import Watch
from trilemma.warmstart import warm
from trilemma.watchpairs import DISTANCES, watching_pairs

WATCH_SEED = 1_000_000  # first seed of watched samples; reported ones start at 0
FEWEST = 3  # training images that a distance takes
WATCH_STEPS = 20  # of the sampler, at most, unless the recipe says more

Show = Callable[[Mapping[str, Any]], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training leaves: its folder and its last state; `state` is None if it was finished."""

    folder: RunFolder
    state: State | None


def train(
    recipe: Recipe,
    *,
    out: Path | None = None,
    beside: Path | None = None,
    show: Show = lambda event: None,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Trained:
    """Train a recipe in its run folder, or go on where it stopped.

    beside: the recipe's folder, where code of the user's own may lie. progress: images decoded, of
    all. RecipeError, DataError, MissingExtraError: before anything is
    written into the run. RunError: the folder holds another recipe, or `out` is a file.
    """
    check(recipe)
    recipe = own.recorded(recipe, beside)
    no_file(out)
    device = devices.pick(recipe.speed.device)
    processes.start(device)
    devices.use_threads(recipe.speed.threads)
    said = [live.device_line(recipe.speed.device)]  # goes into train.log once there is a run

    def tell(line: str) -> None:
        if processes.rank() == 0:
            said.append(line)
            say(line)

    if recipe.speed.shard and processes.count() == 1:
        tell("speed.shard: there is one process, so nothing is split; torchrun starts several")
    cache_folder(say=tell)  # says so where nothing can be kept
    source = processes.first_one(
        lambda: open_source(recipe.data, "train", progress=progress, say=tell)
    )
    recipe, source = matched(labelled(recipe, source), source, device=device, say=tell)
    folder = RunFolder(out or runs_folder() / run_name(recipe, source.fingerprint))
    fits(folder, recipe, source)
    if folder.finished():
        if processes.rank() == 0:
            write_progress(folder)
        return Trained(folder=folder, state=None)
    for note in notes(source):
        tell(note)
    tried(recipe, beside=beside)
    family = built(recipe, source, beside=beside, say=tell)
    started = warm(recipe, family, folder, say=tell)
    scorer = scoring(recipe, source, folder, device=device, say=tell)
    watch = watching(
        recipe, family, source, folder, scorer=scorer, device=device, show=show, say=tell
    )
    fresh = not folder.path.exists()
    if processes.rank() == 0:
        facts, kept = watched(recipe, source, scorer), scorer.kept if scorer else None
        code = own.kept(recipe, beside)
        claim(folder, recipe, source, watched=facts, extractor=kept, started=started, code=code)
        for line in said:
            folder.say(line)
    batches = batches_of(recipe, source, device=device, say=tell)
    try:
        state = training.train(
            recipe,
            family,
            batches,
            folder,
            device=device,
            images_in_epoch=len(source),
            watch=watch,
        )
    except (RecipeError, MemoryTooSmallError, MachineError):
        if fresh and processes.rank() == 0 and not checkpoints(folder):
            shutil.rmtree(folder.path)  # refused before its first step: nothing to go on with
        raise
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
    progress: Progress = lambda done, total: None,
) -> Trained:
    """Train a finished run on, as a new run that begins at its last checkpoint, or at RUN@IMAGES.

    recipe: the run's own, whose epochs, images or minutes count what is added. RunError: there is
    no such run or checkpoint, it is not finished, it is a bundle, or RUN@best: it has no optimizer.
    """
    no_file(out)
    parent, which = undrawn(find_run(run), "--continue"), parted(run)[1]
    if parent.bundle:
        raise RunError(
            f"{run} is a bundle: it has no optimizer to go on with; its recipe can be trained "
            f"anew: --config {parent.place / 'recipe.toml'}"
        )
    if not RunFolder(parent.place).finished():
        raise RunError(f"{run} is not finished; run its own command again to go on")
    kept = {place.name: place for place in checkpoints(RunFolder(parent.place))}
    start = list(kept.values())[-1] if kept and which in ("", "last") else kept.get(which)
    if start is None:
        raise RunError(
            f"{run}: no optimizer is kept there to go on with; allowed: {parent.name}@IMAGES with "
            f"IMAGES one of {', '.join(kept) or 'none'}"
        )
    continues(recipe, parent)
    folder = RunFolder(out or parent.place.with_name(f"{parent.name}+{start.name}"))
    processes.start(devices.pick(recipe.speed.device))
    if processes.rank() == 0 and not folder.exists():
        begin_from(start, parent, folder)
    processes.barrier()
    return train(
        recipe, out=folder.path, beside=parent.place, show=show, say=say, progress=progress
    )


def watched(recipe: Recipe, source: Source, scorer: Prepared | None) -> dict[str, Any]:
    """Say what the scores of a training are made with; extractor is empty where there are none."""
    extractor = scorer.extractor if scorer else None
    options = watched_options(recipe)
    return {
        "extractor": extractor.name if extractor else "",
        "id": extractor.id if extractor else "",
        "weights_sha256": extractor.weights_sha256 if extractor else "",
        "sampler": options.sampler,
        "steps": options.steps,
        "guidance": options.guidance,
        "n": recipe.watch.n if extractor else 0,
        "reference": extracting.reference_size(extractor, source, recipe.train) if extractor else 0,
    }


def scoring(
    recipe: Recipe,
    source: Source,
    folder: RunFolder,
    *,
    device: torch.device,
    say: Callable[[str], None],
) -> Prepared | None:
    """Prepare the extractor that watches; None, with a line, where a distance takes more images."""
    if len(source) < FEWEST:
        say(
            f"{source.name}: {len(source)} training images; scores take {FEWEST}, so there are none"
        )
        return None
    if isinstance(recipe.family, UpscaleRecipe) and recipe.watch.metric not in DISTANCES:
        return None  # which are measured image by image
    name = recipe.watch.extractor
    return extracting.prepare(name, recipe.data, source, folder, device=device, say=say)


def watching(
    recipe: Recipe,
    family: Family,
    source: Source,
    folder: RunFolder,
    *,
    scorer: Prepared | None,
    device: torch.device,
    show: Show,
    say: Callable[[str], None],
) -> Watch:
    """Make the callables that score and picture the averaged networks."""
    show = both(show, live.plain(live.Status(folder.name), folder.say))
    if recipe.watch.tensorboard:
        show = both(show, tensorboard.writer(folder))
    if isinstance(recipe.family, UpscaleRecipe):
        looker = scorer.extractor if scorer else None
        rating, pictured_pairs = watching_pairs(
            recipe, family, source, folder, extractor=looker, device=device, say=say
        )
        return Watch(score=rating, picture=pictured_pairs, show=show)
    options = watched_options(recipe)
    look = None
    kept = signs.held_out(recipe, source, say)
    if scorer is not None:
        looker = scorer.extractor
        count = reference_count(folder) or extracting.reference_size(looker, source, recipe.train)
        real = extracting.reference_features(looker, source, recipe.seed, count=count, say=say)
        look = signs.looks(looker, real, kept, recipe.seed)
    seeds = range(WATCH_SEED, WATCH_SEED + recipe.watch.n)

    def drawer(nets: nn.ModuleDict) -> Drawer:
        return Drawer(recipe=recipe, family=family, nets=nets, device=device, options=options)

    def score(nets: nn.ModuleDict) -> dict[str, float]:
        if scorer is None or look is None:
            return {}
        pixels = drawn_together(drawer(nets), seeds)
        found = look(extracted(scorer.extractor, pixels))
        return found | counting.scalars(recipe.data, pixels, device=device)

    def picture(nets: nn.ModuleDict, images_seen: int) -> None:
        if counting.in_the_plane(recipe.data):
            points = drawn_together(drawer(nets), range(recipe.watch.grid))
            shown = counting.pictured(recipe.data, points)
        else:
            shown = pictured(drawer(nets), recipe.watch.grid)
        if processes.rank() == 0:
            write_png(folder.file(f"samples/{images_seen:09d}.png"), shown)

    judged = signs.judged(recipe, source, kept, seeds, device=device)
    asked = signs.critic(family, judged, drawer)
    return Watch(score=score, signs=asked, picture=picture, show=show)


def reference_count(folder: RunFolder) -> int:
    """Say with how many images a run that was begun is compared; 0: not begun, or not known."""
    try:
        known = json.loads((folder.path / "watched.json").read_text("utf-8"))
    except (OSError, ValueError):
        return 0
    return int(known.get("reference", 0))


def both(first: Show, second: Show) -> Show:
    """Show an event in two places."""

    def show(event: Mapping[str, Any]) -> None:
        first(event)
        second(event)

    return show


def watched_options(recipe: Recipe) -> DrawOptions:
    """Choose the cheap sampler of watched scores: the recipe's, without guide, at most 20 steps."""
    family = recipe.family
    if not isinstance(family, DiffusionRecipe):
        return DrawOptions()
    steps = recipe.watch.steps or min(family.steps, WATCH_STEPS)
    sampler = recipe.watch.sampler or family.sampler
    return DrawOptions(sampler=sampler, steps=steps, guidance=1.0)
