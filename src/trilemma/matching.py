"""Small images that look as a trained generator's samples do: what is measured of those, once."""

import torch

from trilemma.data.pairs import paired
from trilemma.data.values import Source
from trilemma.places import Say, quiet
from trilemma.recipe.checking_upscale import GENERATOR
from trilemma.recipe.recipe import Recipe, UpscaleRecipe


def matched(
    recipe: Recipe, source: Source, *, device: torch.device, say: Say = quiet
) -> tuple[Recipe, Source]:
    """Fill in how a recipe's small images are made; let the source's fingerprint count that."""
    if not isinstance(recipe.family, UpscaleRecipe) or not recipe.data.low.startswith(GENERATOR):
        return recipe, paired(recipe, source, say=say)
    raise NotImplementedError
