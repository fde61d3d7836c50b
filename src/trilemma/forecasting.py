"""What a training will take here, measured before it is begun: time, memory, disk."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from trilemma import devices
from trilemma.average import kept
from trilemma.data.labels import labelled
from trilemma.data.pairs import batches_of
from trilemma.data.sources import open_source
from trilemma.families import built
from trilemma.families.trial import tried
from trilemma.measuring import asked, horizon, measured, scores_in, to_plain
from trilemma.recipe.recipe import Recipe, TrainRecipe
from trilemma.sampling import Drawer, drawn
from trilemma.step import Task, prepare
from trilemma.warmstart import freeze
from trilemma.watch import watched_options

BYTES_A_WEIGHT = 4
COPIES = 4  # of every weight in a checkpoint: itself, its average, two moments of Adam


def forecast(
    recipe: Recipe, *, beside: Path | None = None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Measure the recipe's own step for some seconds and say what the whole will take.

    Nothing is written. beside: the recipe's folder. Keys: images, epochs, ends_by (minutes, epochs
    or images), seconds, images_per_second, memory_bytes, disk_bytes, compute, device, data.
    """
    device = devices.pick(recipe.speed.device)
    devices.use_threads(recipe.speed.threads)
    source = open_source(recipe.data, "train", say=say)
    recipe = labelled(recipe, source)
    tried(recipe, beside=beside)
    family = built(recipe, source, beside=beside, say=say)
    freeze(family, recipe)
    batches = batches_of(recipe, source, device=device, say=say)
    task = Task(recipe=recipe, family=family, batches=batches, device=device)
    prepare(task)
    compute, seconds_per_image = measured(task)
    a_score = score_seconds(recipe, task)
    images = horizon(
        recipe.train,
        images_in_epoch=len(source),
        seconds_per_image=seconds_per_image,
        seconds_gone=0.0,
        seconds_a_score=a_score,
        batches_a_round=family.batches_a_round,
    )
    weights = sum(p.numel() for p in family.nets.parameters())
    checkpoints = recipe.train.keep + 1
    return {
        "device": str(device),
        "data": f"{source.name}, {len(source):,} images",
        "images": images,
        "epochs": round(images / len(source), 2),
        "ends_by": ends_by(recipe.train, images, len(source)),
        "seconds": round(images * seconds_per_image + scores_in(recipe.train, a_score) * a_score),
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


def score_seconds(recipe: Recipe, task: Task) -> float:
    """Time drawing a few watched images; seconds for all of them."""
    nets = kept(task.family).eval()
    options = watched_options(recipe)
    drawer = Drawer(
        recipe=recipe, family=task.family, nets=nets, device=task.device, options=options
    )
    low = task.batches.at(0).low
    drawer = drawer if low is None else replace(drawer, low=low.cpu())
    some = min(32, recipe.watch.n)
    start = time.perf_counter()
    drawn(drawer, range(some))
    return (time.perf_counter() - start) / some * (recipe.watch.n + recipe.watch.grid)
