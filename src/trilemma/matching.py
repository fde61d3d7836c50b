"""Small images that look as a trained generator's samples do: what is measured of those, once."""

from dataclasses import replace

import numpy as np
import torch

from trilemma import weights
from trilemma.data.pairs import paired
from trilemma.data.values import Source
from trilemma.errors import RecipeError
from trilemma.images import to_images
from trilemma.maths.resize import imresize
from trilemma.maths.spectra import Difference, difference
from trilemma.places import Say, quiet
from trilemma.recipe.checking_upscale import GENERATOR
from trilemma.recipe.recipe import Recipe, UpscaleRecipe, parse_size
from trilemma.runs import Found, find_run
from trilemma.samplecache import remembered
from trilemma.sampling import load_generator

SAMPLES = 512  # of the generator, and as many real images: shrunk to the small side
FIRST_SEED = 2_000_000  # others than those of scores


def matched(
    recipe: Recipe, source: Source, *, device: torch.device, say: Say = quiet
) -> tuple[Recipe, Source]:
    """Fill in how a recipe's small images are made; let the source's fingerprint count that.

    With data.low = "generator=RUN" the run's samples are held against the source's images, shrunk
    by bicubic: `maths.spectra.difference` says which blur, which white noise and which colours tell
    them apart, and the small images of the training get them. That is all: what a generator draws
    wrong in shape (an ear too many) is nothing an upscaler could undo. RecipeError: the run draws
    another size or other channels.
    """
    family, low = recipe.family, recipe.data.low
    if not isinstance(family, UpscaleRecipe) or not low.startswith(GENERATOR):
        return recipe, paired(recipe, source, say=say)
    run = find_run(low.removeprefix(GENERATOR), say=say)
    if not family.matched_gain:
        found = measured(recipe, source, run, device=device)
        say(
            f"small images as {run.name} draws: blur {found.blur:.2f} px, noise {found.noise:.3f}, "
            f"gain {spelled(found.gain)}, offset {spelled(found.offset)}"
        )
        family = replace(
            family,
            matched_blur=found.blur,
            matched_noise=found.noise,
            matched_gain=found.gain,
            matched_offset=found.offset,
        )
    recipe = replace(recipe, family=family)
    sha256 = weights.sha256_of(run.weights)
    return recipe, paired(recipe, source, weights=sha256, say=say)


def measured(recipe: Recipe, source: Source, run: Found, *, device: torch.device) -> Difference:
    """Hold a generator's samples against real images of the small side; values in [-1, 1]."""
    assert isinstance(recipe.family, UpscaleRecipe)
    refuse_unlike(recipe, run.recipe, run.name)
    height, width = small_size(recipe, recipe.family)
    drawer = load_generator(run, device=device)
    seeds = range(FIRST_SEED, FIRST_SEED + SAMPLES)
    made = to_images(remembered(drawer, run.weights, seeds))
    real = to_images(np.asarray(source.pixels[: min(SAMPLES, len(source))]))
    return difference(made, imresize(real, (height, width)))


def refuse_unlike(recipe: Recipe, generator: Recipe, name: str) -> None:
    """Refuse a generator that draws another size or other channels than are enlarged."""
    assert isinstance(recipe.family, UpscaleRecipe)
    height, width = small_size(recipe, recipe.family)
    drawn, channels = parse_size(generator.data.size), generator.data.channels
    if drawn != (height, width) or channels != recipe.data.channels:
        raise RecipeError(
            f"data.low: {name} draws {drawn[1]}x{drawn[0]} pixels of {channels} channels; "
            f"data.size and family.scale want {width}x{height} of {recipe.data.channels}"
        )


def small_size(recipe: Recipe, family: UpscaleRecipe) -> tuple[int, int]:
    """Give the height and width of the small images, pixels."""
    height, width = parse_size(recipe.data.size)
    return height // family.scale, width // family.scale


def spelled(numbers: tuple[float, ...]) -> str:
    """Write numbers with two digits."""
    return " ".join(f"{number:.2f}" for number in numbers)
