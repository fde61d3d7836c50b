"""Pairs for an upscaler: large images of a source, and small ones that are made or ready."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trilemma.data.batches import Batches, Taken
from trilemma.data.degrade import Matched, Size, as_generated, bicubic, second_order
from trilemma.data.sources import open_named
from trilemma.data.values import PixelRows, Source
from trilemma.errors import DataError
from trilemma.images import to_images
from trilemma.maths.randomness import rng
from trilemma.places import Say, quiet
from trilemma.recipe.checking_upscale import BICUBIC, GENERATOR, REAL
from trilemma.recipe.recipe import Recipe, UpscaleRecipe, parse_size

LISTED = 3  # names in a message


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """How the small image of a pair is made; the values of both are in [-1, 1]."""

    scale: int
    crop: int  # side of the small crops, pixels; 0: whole images
    seed: int
    low: str  # as the recipe's data.low
    matched: Matched = field(default_factory=Matched)
    ready: PixelRows | None = None  # small pixels, row by row as the source's

    def __call__(self, images: Tensor, taken: Taken) -> tuple[Tensor, Tensor]:
        """Give large and small crops of images [N, C, H, W], drawn by the images' places."""
        low = self.small(images, taken.rows, name="degrade", places=taken.places)
        if self.ready is not None:
            turned = taken.mirrored.to(low.device)[:, None, None, None]
            low = torch.where(turned, low.flip(3), low)
        if not self.crop:
            return images, low
        high, small = [], []
        for index, place in enumerate(taken.places):
            corner = [
                int(torch.randint(side - self.crop + 1, (), generator=generator))
                for generator in [rng(self.seed, "crop", place)]
                for side in low.shape[2:]
            ]
            small.append(cut(low[index], corner, self.crop))
            large = [self.scale * start for start in corner]
            high.append(cut(images[index], large, self.scale * self.crop))
        return torch.stack(high), torch.stack(small)

    def small(self, images: Tensor, rows: Tensor, *, name: str, places: range) -> Tensor:
        """Make the small image of each, whole; what is drawn depends on `name` and its place."""
        if self.ready is not None:
            return to_images(np.asarray(self.ready[rows.numpy()])).to(images.device)
        size = (images.shape[2] // self.scale, images.shape[3] // self.scale)
        unit = (images + 1) / 2
        if self.low == BICUBIC:
            return bicubic(unit, size) * 2 - 1
        lows = [
            self.one(image, size, rng(self.seed, name, place))
            for image, place in zip(unit.cpu(), places, strict=True)
        ]
        return torch.stack(lows).to(images.device) * 2 - 1

    def one(self, image: Tensor, size: Size, generator: torch.Generator) -> Tensor:
        """Make the small image of one in [0, 1]."""
        if self.low == REAL:
            return second_order(image, size, generator)
        return as_generated(image, size, generator, self.matched)


def batches_of(
    recipe: Recipe, source: Source, *, device: torch.device, say: Say = quiet
) -> Batches:
    """Make the batches of a recipe, as pairs where it enlarges. Errors: as `pairs_of`."""
    return Batches(
        source,
        recipe.train.batch_size,
        seed=recipe.seed,
        flip=recipe.data.flip,
        device=device,
        pair=pairs_of(recipe, source, say=say),
    )


def cut(image: Tensor, corner: list[int], side: int) -> Tensor:
    """Cut a square out of an image [C, H, W]."""
    return image[:, corner[0] : corner[0] + side, corner[1] : corner[1] + side]


def pairs_of(recipe: Recipe, source: Source, *, say: Say = quiet) -> Pairs | None:
    """Make the pairing of a recipe; None for families that take no small images.

    DataError: a folder of small images lacks some, or they are of another size.
    """
    family = recipe.family
    if not isinstance(family, UpscaleRecipe):
        return None
    low = recipe.data.low
    made = low in (BICUBIC, REAL) or low.startswith(GENERATOR)
    gain, offset = family.matched_gain, family.matched_offset
    return Pairs(
        scale=family.scale,
        crop=family.crop,
        seed=recipe.seed,
        low=low,
        matched=Matched(  # values in [0, 1]: g (2 x - 1) + o = 2 (g x + (o + 1 - g) / 2) - 1
            blur=family.matched_blur,
            noise=family.matched_noise / 2,
            gain=gain,
            offset=tuple((o + 1 - g) / 2 for g, o in zip(gain, offset, strict=True)),
        ),
        ready=None if made else ready(recipe, source, say=say).pixels,
    )


def ready(recipe: Recipe, source: Source, *, say: Say = quiet) -> Source:
    """Open the folder of small images that belong to a source's, in its order.

    They have the large ones' names, whatever their ending; `x4` behind a name is allowed.
    """
    folder, family = recipe.data.low, recipe.family
    assert isinstance(family, UpscaleRecipe), "other families have no small images"
    if not Path(folder).exists():
        raise DataError(
            f"data.low is '{folder}', and there is no such folder; allowed: {BICUBIC}, {REAL}, "
            f"{GENERATOR}RUN, or a folder with a small image for each large one"
        )
    found = open_named(folder, channels=recipe.data.channels, say=say)
    height, width = (side // family.scale for side in parse_size(recipe.data.size))
    if found.pixels.shape[1:3] != (height, width):
        raise DataError(
            f"data.low {folder}: images of {found.pixels.shape[2]}x{found.pixels.shape[1]} pixels; "
            f"data.size and family.scale = {family.scale} want {width}x{height}"
        )
    known = {stem(name, family.scale): row for row, name in enumerate(found.names)}
    if len(known) < len(found):
        raise DataError(
            f"data.low {folder}: two of its images have one name but for folder and ending; "
            "rename one"
        )
    rows = rows_of(source, known, folder)
    return replace(found, pixels=found.pixels[rows], labels=found.labels[rows])


def rows_of(source: Source, known: Mapping[str, int], folder: str) -> np.ndarray:
    """Find the row of each large image's small one."""
    missing = [name for name in source.names if stem(name, 1) not in known]
    if missing:
        raise DataError(
            f"data.low {folder}: {len(missing):,} of {len(source):,} images have no small one "
            f"(first: {', '.join(missing[:LISTED])}); their names must be the same"
        )
    return np.array([known[stem(name, 1)] for name in source.names])


def stem(name: str, scale: int) -> str:
    """Give a file's name without its folders, ending and scale: Set5/babyx4.png -> baby."""
    return re.sub(rf"x{scale}$", "", Path(name).stem)


def paired(recipe: Recipe, source: Source, *, weights: str = "", say: Say = quiet) -> Source:
    """Let the fingerprint of a source count how its small images are made.

    weights: sha256 of the generator whose samples they are matched to.
    """
    if not isinstance(recipe.family, UpscaleRecipe):
        return source
    low = recipe.data.low
    if low.startswith(GENERATOR):
        low = f"{GENERATOR}{weights}"
    elif low not in (BICUBIC, REAL):
        low = ready(recipe, source, say=say).fingerprint
    mark = hashlib.sha256(f"{source.fingerprint}\n{low}".encode()).hexdigest()
    return replace(source, fingerprint=mark)
