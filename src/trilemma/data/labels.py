"""What is known of images: their classes, or numbers from a CSV; and a recipe's names for them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trilemma.data.attributes import read_attributes
from trilemma.data.values import Source
from trilemma.errors import RecipeError
from trilemma.recipe.recipe import DataRecipe, Recipe


def labels_of(source: Source) -> Tensor | None:
    """Give the attributes of a source, float32 [N, A], else its classes, int64 [N], if any."""
    if source.attributes is not None:
        return torch.from_numpy(source.attributes)
    return torch.from_numpy(source.labels) if source.classes else None


def beside(data: DataRecipe) -> Path:
    """Find the CSV: from here or, if it is not there, inside the images' folder."""
    here, inside = Path(data.attributes), Path(data.root) / data.attributes
    return inside if not here.is_file() and inside.is_file() else here


def with_attributes(source: Source, path: Path) -> Source:
    """Put a CSV's numbers beside the images; the fingerprint counts them. Errors as it is read."""
    names, values = read_attributes(path, source.names)
    pairs = zip(source.names, values, strict=True)
    lines = sorted(f"{name}\0{row.tolist()}\n" for name, row in pairs)
    mark = "".join((source.fingerprint, *names, *lines))
    return replace(
        source,
        attributes=values,
        attribute_names=names,
        fingerprint=hashlib.sha256(mark.encode()).hexdigest(),
    )


def labelled(recipe: Recipe, source: Source) -> Recipe:
    """Fill in the names of the labels that a conditional recipe's networks are told.

    RecipeError: the source has none, or others than the recipe, which was trained with them, says.
    """
    if recipe.family.condition == "none":
        return recipe
    found, known = source.attributes, recipe.data.labels
    names = source.classes if found is None else source.attribute_names
    if not names:
        raise RecipeError(
            f"family.condition = '{recipe.family.condition}' needs labels, and {source.name} has "
            "none; put the images into a folder for each class, or give --data.attributes FILE.csv"
        )
    if known and known != names:
        raise RecipeError(
            f"the recipe's labels are {', '.join(known)}, those of {source.name} "
            f"{', '.join(names)}; clear data.labels, or name the images it is for"
        )
    if known:
        return recipe
    low, high = ((), ()) if found is None else (_floats(found.min(0)), _floats(found.max(0)))
    return replace(recipe, data=replace(recipe.data, labels=names, label_low=low, label_high=high))


def _floats(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(map(float, numbers))
