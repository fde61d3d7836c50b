"""Which extractor a run is scored with: its own, one that ships, or a general one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from trilemma.data.values import Source
from trilemma.features import domain, extractors
from trilemma.features.domain_training import train_domain
from trilemma.features.extractor import Extractor
from trilemma.places import cache_folder
from trilemma.recipe.recipe import DataRecipe, parse_size
from trilemma.runfolder import RunFolder, write_bytes
from trilemma.runs import Found

OWN = "extractor.safetensors"  # of a run on labelled images for which none ships; a .json beside it
ENOUGH = 20  # labelled images a class: `auto` takes pixels where there are fewer to learn from

Say = Callable[[str], None]


def extractor_for(found: Found, name: str, *, device: torch.device, say: Say) -> Extractor:
    """Load the extractor of a run by name; `auto`: its own, else what fits its data."""
    own = found.place / OWN
    if name in ("auto", "domain") and own.is_file():
        name = str(own)
    return load(name, found.recipe.data, device=device, say=say)


def load(name: str, data: DataRecipe, *, device: torch.device, say: Say) -> Extractor:
    """Load an extractor for a recipe's images; MPS has no float64, so the CPU stands in for it."""
    return extractors.load(
        name,
        source=name_of(data),
        shape=(*parse_size(data.size), data.channels),
        say=say,
        device=torch.device("cpu") if device.type == "mps" else device,
    )


def prepare(
    name: str,
    data: DataRecipe,
    source: Source,
    folder: RunFolder,
    *,
    device: torch.device,
    say: Say,
) -> Extractor:
    """Load the extractor of a run that begins; train one where its labelled images need their own.

    That is: `domain` was asked for, or `auto` found nothing better than pixels and 20 images a
    class; none ships for the source; and it has two classes or more. What was trained once is kept
    by the fingerprint of the images, so that all runs on them share a column, and copied into the
    run, which goes on with its own for ever.
    """
    if not wants_own(name, data, source):
        return load(name, data, device=device, say=say)
    if not (folder.path / OWN).is_file():
        kept = trained(source, device=device, say=say)
        for ending in (".json", ".safetensors"):  # where the second is, both are whole
            own = folder.file(OWN).with_suffix(ending)
            write_bytes(own, kept.with_suffix(ending).read_bytes())
    return load(str(folder.path / OWN), data, device=device, say=say)


def wants_own(name: str, data: DataRecipe, source: Source) -> bool:
    """Is a classifier to be trained on these images?"""
    if name_of(data) in domain.EMBEDDED or len(source.classes) < 2:
        return False
    if name != "auto":
        return name == "domain"
    shape = (*parse_size(data.size), data.channels)
    labelled = int((source.labels >= 0).sum())
    general = extractors.choose(name_of(data), shape)
    return general == "pixels" and labelled >= ENOUGH * len(source.classes)


def trained(source: Source, *, device: torch.device, say: Say) -> Path:
    """Train a classifier on labelled images, or find the one that was; give its weights' file."""
    kept = cache_folder(say=say) / "extractors" / f"{source.fingerprint[:16]}.safetensors"
    if not (kept.is_file() and kept.with_suffix(".json").is_file()):
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
    return kept


def name_of(data: DataRecipe) -> str:
    """Name a recipe's images: the set, or the folder they lie in (never taken for a set)."""
    return data.source if data.source != "folder" else f"folder {Path(data.root).name}"
