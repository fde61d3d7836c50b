"""Which extractor a run is scored with: its own, one that ships, or a general one."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from trilemma import processes
from trilemma.atomic import write_bytes
from trilemma.data.values import Source
from trilemma.features import cache, domain, extractors
from trilemma.features.domain_training import train_domain
from trilemma.features.extractor import Extractor, Features
from trilemma.maths.randomness import rng
from trilemma.places import cache_folder
from trilemma.recipe.recipe import DataRecipe, TrainRecipe, parse_size
from trilemma.runfolder import RunFolder
from trilemma.runs import Found

OWN = "extractor.safetensors"  # of a run on labelled images for which none ships; a .json beside it
ENOUGH = 20  # labelled images a class: `auto` takes pixels where there are fewer to learn from
REFERENCE = 5_000  # training images that watched samples are compared with, at most
A_MINUTE, FEWEST = 200, 1_000  # of them, where a slow extractor would eat up the minutes
PATIENCE = 5.0  # seconds that may pass without a word

Say = Callable[[str], None]


def extractor_for(found: Found, name: str, *, device: torch.device, say: Say) -> Extractor:
    """Load the extractor of a run by name; `auto`: its own, else what fits its data."""
    own = found.place / OWN
    if name in ("auto", "domain") and own.is_file():
        name = str(own)
    return load(name, found.recipe.data, device=device, say=say)


def classifier(found: Found, *, device: torch.device, say: Say) -> Extractor | None:
    """Load what tells the classes of a run's images: its own, or the one that ships; else None."""
    ships = name_of(found.recipe.data) in domain.EMBEDDED
    if not ships and not (found.place / OWN).is_file():
        return None
    return extractor_for(found, "domain", device=device, say=say)


def load(name: str, data: DataRecipe, *, device: torch.device, say: Say) -> Extractor:
    """Load an extractor for a recipe's images; MPS has no float64, so the CPU stands in for it."""
    return extractors.load(
        name,
        source=name_of(data),
        shape=(*parse_size(data.size), data.channels),
        say=say,
        device=torch.device("cpu") if device.type == "mps" else device,
    )


class Prepared(NamedTuple):
    """The extractor of a run, and the file that `settle` copies into the run."""

    extractor: Extractor
    kept: Path | None  # None: there is nothing to copy


def prepare(
    name: str,
    data: DataRecipe,
    source: Source,
    folder: RunFolder,
    *,
    device: torch.device,
    say: Say,
) -> Prepared:
    """Load the extractor of a run: its own, where it has one; train one where it needs its own.

    That is: `domain` was asked for, or `auto` found nothing better than pixels and 20 images a
    class; none ships for the source; and it has two classes or more. What was trained once is kept
    by the fingerprint of the images, so that all runs on them share a column, and copied into the
    run by `settle`, which goes on with its own for ever. Nothing is written into the run here.
    """
    own = folder.path / OWN
    if name in ("auto", "domain") and own.is_file():
        return Prepared(load(str(own), data, device=device, say=say), None)
    if not wants_own(name, data, source, say):
        general = load(name, data, device=device, say=say)
        if line := without_classes(general, data, source):
            say(line)
        return Prepared(general, None)
    kept = trained(source, device=device, say=say)
    return Prepared(load(str(kept), data, device=device, say=say), kept)


def settle(kept: Path, folder: RunFolder) -> None:
    """Copy an extractor's two files into a run: where the second is, both are whole."""
    for ending in (".json", ".safetensors"):
        own = (folder.path / OWN).with_suffix(ending)
        write_bytes(own, kept.with_suffix(ending).read_bytes())


def wants_own(name: str, data: DataRecipe, source: Source, say: Say) -> bool:
    """Is a classifier to be trained on these images? A line where `auto` has too few for one."""
    if name_of(data) in domain.EMBEDDED or len(source.classes) < 2:
        return False
    if data.channels == 2 or data.source == "stacked-mnist":
        return False
    if name != "auto":
        return name == "domain"
    shape = (*parse_size(data.size), data.channels)
    labelled = int((source.labels >= 0).sum())
    if extractors.choose(name_of(data), shape) != "pixels":
        return False
    needed = ENOUGH * len(source.classes)
    if labelled < needed:
        say(
            f"{source.name}: {labelled:,} labelled images of {len(source.classes)} classes are too "
            f"few for a classifier ({needed:,}); scores compare pixels"
        )
    return labelled >= needed


def without_classes(extractor: Extractor, data: DataRecipe, source: Source) -> str:
    """Say of labelled images that nothing will tell their classes, and what would; else empty."""
    several = len(source.classes) > 1 and data.channels != 2 and data.source != "stacked-mnist"
    if not several or set(source.classes) <= set(extractor.classes):
        return ""
    labelled, needed = int((source.labels >= 0).sum()), ENOUGH * len(source.classes)
    said = (
        f"{source.name}: {len(source.classes)} classes that {extractor.name} does not tell: the "
        "report will have no section on them, and asked classes are not counted"
    )
    if labelled < needed or name_of(data) in domain.EMBEDDED:
        return said
    return f"{said}; --watch.extractor domain trains a classifier on them, once, in some minutes"


def trained(source: Source, *, device: torch.device, say: Say) -> Path:
    """Train a classifier on labelled images, or find the one that was; give its weights' file.

    The first process trains, the others wait.
    """
    kept = cache_folder(say=say) / "extractors" / f"{source.fingerprint[:16]}.safetensors"
    kept = Path(processes.share(str(kept)))
    there = kept.is_file() and kept.with_suffix(".json").is_file()
    if processes.rank() == 0 and not there:
        say(f"{source.name}: training a classifier on these images, once; scores use its features")
        train_domain(
            np.asarray(source.pixels[:]),
            source.labels,
            source.classes,
            out=kept.with_suffix(""),
            source=source.name,
            licence=source.licence,
            device=device,
        )
    processes.barrier()
    return kept


def name_of(data: DataRecipe) -> str:
    """Name a recipe's images: the set, or the folder they lie in (never taken for a set)."""
    return data.source if data.source != "folder" else f"folder {Path(data.root).name}"


def reference_size(extractor: Extractor, source: Source, train: TrainRecipe) -> int:
    """Say with how many training images watched samples are compared: few where minutes are."""
    most = REFERENCE
    if extractor.slow and train.minutes:
        most = min(REFERENCE, max(FEWEST, round(A_MINUTE * train.minutes)))
    return min(len(source), most)


def reference_features(
    extractor: Extractor, source: Source, seed: int, *, count: int = REFERENCE, say: Say
) -> Features:
    """Look at training images, at most `count` of them, drawn by the seed.

    Where it takes a while, its first batch tells how long, and `say` gets a line.
    """
    begin, told = time.monotonic(), False

    def progress(done: int, total: int) -> None:
        nonlocal told
        expected = (time.monotonic() - begin) / done * total
        if not told and expected > PATIENCE:
            told = True
            say(
                f"{extractor.name}: looks at {total:,} training images before the first step, for "
                f"the scores on the way; once, about {expected:.0f} s"
            )

    order = torch.randperm(len(source), generator=rng(seed, "reference", 0)).numpy()
    pixels = source.pixels[np.sort(order[:count])]
    return cache.features(extractor, pixels, progress=progress)
