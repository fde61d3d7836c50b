"""What a training will take here, measured before it is begun: time, memory, disk."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from trilemma import compiling, devices, extracting
from trilemma.average import kept
from trilemma.data.labels import labelled
from trilemma.data.pairs import batches_of
from trilemma.data.sources import open_source
from trilemma.data.values import Source
from trilemma.families import built
from trilemma.families.trial import tried
from trilemma.horizon import asked, horizon, scores_in
from trilemma.measuring import measured, to_plain
from trilemma.measuring_compiled import compiled_if_faster
from trilemma.places import quiet, runs_folder
from trilemma.recipe.naming import run_name
from trilemma.recipe.recipe import Recipe, TrainRecipe
from trilemma.runfolder import RunFolder
from trilemma.sampling import Drawer, drawn
from trilemma.step import Task, prepare
from trilemma.warmstart import warm
from trilemma.watch import FEWEST, watched_options

SOME = 32  # images that are drawn and looked at
BYTES_A_WEIGHT = 4
COPIES = 4  # of every weight in a checkpoint: itself, its average, two moments of Adam


def forecast(
    recipe: Recipe, *, beside: Path | None = None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure the recipe's own step for some seconds and say what the whole will take.

    Where the training would be compiled, so is this, which may take a minute; the training then
    finds it in the cache. Nothing else is written. beside: the recipe's folder. Keys: images,
    epochs, ends_by (minutes, epochs or images), seconds, images_per_second, memory_bytes,
    disk_bytes, compute, device, data.
    """
    device = devices.pick(recipe.speed.device)
    devices.use_threads(recipe.speed.threads)
    source = open_source(recipe.data, "train", say=say)
    recipe = labelled(recipe, source)
    tried(recipe, beside=beside)
    family = built(recipe, source, beside=beside, say=say)
    warm(recipe, family, RunFolder(runs_folder() / run_name(recipe, source.fingerprint)), say=say)
    batches = batches_of(recipe, source, device=device, say=say)
    task = Task(recipe=recipe, family=family, batches=batches, device=device)
    prepare(task)
    task.compute, plain = measured(task)
    compute, seconds_per_image = compiled_if_faster(task, plain, say=say)
    looks = look_seconds(recipe, task, source, say=say)
    before = looks.before + (compiling.WARM if compute.choice.compiled else 0.0)
    images = horizon(
        recipe.train,
        images_in_epoch=len(source),
        seconds_per_image=seconds_per_image,
        seconds_gone=before,
        seconds_a_score=looks.a_score,
        batches_a_round=family.batches_a_round,
        cheap=family.full_from,
    )
    times = scores_in(recipe.train, looks.a_score, images=images)
    most = images * seconds_per_image + before + times * looks.a_score
    weights = sum(p.numel() for p in family.nets.parameters())
    checkpoints = recipe.train.keep + 1
    return {
        "device": str(device),
        "data": f"{source.name}, {len(source):,} images",
        "images": images,
        "epochs": round(images / len(source), 2),
        "ends_by": ends_by(recipe.train, images, len(source)),
        "seconds": round(min(most, 60 * recipe.train.minutes or most)),
        "images_per_second": round(1 / seconds_per_image),
        "memory_bytes": devices.peak_memory(device),
        "disk_bytes": weights * BYTES_A_WEIGHT * COPIES * checkpoints,
        "compute": to_plain(compute),
    }


def ends_by(train: TrainRecipe, images: int, images_in_epoch: int) -> str:
    """Name the recipe's limit that so many images keep to."""
    if train.minutes and images < asked(train, images_in_epoch) - train.batch_size:
        return "minutes"
    return "images" if train.images else "epochs"


class Looks(NamedTuple):
    """Seconds that looking at images takes."""

    before: float  # at training images, before the first step
    a_score: float  # at the images that a score takes, drawn and with the grid


def look_seconds(
    recipe: Recipe, task: Task, source: Source, *, say: Callable[[str], None]
) -> Looks:
    """Draw some watched images and look at them; reckon what all take.

    A classifier that would be trained first is left out of it: that takes the time of few scores.
    """
    nets = kept(task.family).eval()
    options = watched_options(recipe)
    drawer = Drawer(
        recipe=recipe, family=task.family, nets=nets, device=task.device, options=options
    )
    low = task.batches.at(0).low
    drawer = drawer if low is None else replace(drawer, low=low.cpu())
    some = min(SOME, recipe.watch.n)
    start = time.perf_counter()
    pixels = drawn(drawer, range(some))
    drawing = (time.perf_counter() - start) / some * (recipe.watch.n + recipe.watch.grid)
    name = recipe.watch.extractor
    if len(source) < FEWEST or extracting.wants_own(name, recipe.data, source, quiet):
        return Looks(0.0, drawing)
    extractor = extracting.load(name, recipe.data, device=task.device, say=say)
    extractor.extract(pixels[: extractor.batch])  # the first pass of a network is slower
    start = time.perf_counter()
    for first in range(0, some, extractor.batch):
        extractor.extract(pixels[first : first + extractor.batch])
    looking = (time.perf_counter() - start) / some
    count = extracting.reference_size(extractor, source, recipe.train)
    return Looks(looking * count, drawing + looking * recipe.watch.n)
