"""Which extractor a run is scored with: its own, one that ships, or a general one."""

from collections.abc import Callable
from pathlib import Path

import torch

from trilemma.features import extractors
from trilemma.features.extractor import Extractor
from trilemma.recipe.recipe import DataRecipe, parse_size
from trilemma.runs import Found

OWN = "extractor.safetensors"  # of a run on labelled images for which none ships


def extractor_for(
    found: Found, name: str, *, device: torch.device, say: Callable[[str], None]
) -> Extractor:
    """Load the extractor of a run by name; `auto`: its own, else what fits its data."""
    own = found.place / OWN
    if name in ("auto", "domain") and own.is_file():
        name = str(own)
    return load(name, found.recipe.data, device=device, say=say)


def load(
    name: str, data: DataRecipe, *, device: torch.device, say: Callable[[str], None]
) -> Extractor:
    """Load an extractor for a recipe's images; MPS has no float64, so the CPU stands in for it."""
    return extractors.load(
        name,
        source=data.source if data.source != "folder" else Path(data.root).name,
        shape=(*parse_size(data.size), data.channels),
        say=say,
        device=torch.device("cpu") if device.type == "mps" else device,
    )
