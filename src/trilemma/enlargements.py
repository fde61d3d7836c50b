"""Held-out images that an upscaler enlarges again, and how near it comes."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trilemma.data.pairs import pairs_of
from trilemma.data.sources import open_source
from trilemma.data.values import Source
from trilemma.images import to_images, to_pixels
from trilemma.maths.fidelity import fidelity
from trilemma.maths.resize import imresize, rounded
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import Recipe, UpscaleRecipe
from trilemma.sampling import Drawer, Pixels

BATCH = 8  # images measured at once

Values = Mapping[str, NDArray[np.float64]]  # metric -> one value an image
Look = Callable[[Tensor, Tensor], Tensor]  # images [N, C, H, W] in [-1, 1], twice -> distances [N]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Large images and the small ones that were made of them."""

    source: Source  # of the large ones
    high: Pixels  # uint8 [N, H, W, C]
    low: Tensor  # float32 [N, C, h, w] in [-1, 1]
    made: str  # how the small ones were made
    scale: int

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.high)

    @cached_property
    def mark(self) -> str:
        """Give the sha256 of both sides."""
        low = self.small.tobytes()
        return hashlib.sha256(np.ascontiguousarray(self.high).tobytes() + low).hexdigest()

    @cached_property
    def small(self) -> Pixels:
        """Give the small images as files hold them, uint8 [N, h, w, C]."""
        return to_pixels(self.low).numpy()

    @cached_property
    def bicubic(self) -> Pixels:
        """Enlarge the small images as MATLAB's imresize does, uint8 [N, H, W, C]."""
        size = (self.high.shape[1], self.high.shape[2])
        parts = torch.split(torch.from_numpy(self.small), BATCH)
        return np.concatenate([bicubic(part.numpy(), size) for part in parts])


def bicubic(small: Pixels, size: tuple[int, int]) -> Pixels:
    """Bring pixels uint8 [N, h, w, C] to a size (height, width) as MATLAB's imresize does."""
    levels = torch.from_numpy(small).permute(0, 3, 1, 2).float()
    return rounded(imresize(levels, size)).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def trials_of(recipe: Recipe, source: Source, n: int = 0, *, say: Say = quiet) -> Trials:
    """Make the small images of a source's first n images, 0: all; always the same ones."""
    family = recipe.family
    assert isinstance(family, UpscaleRecipe), "the recipe's family is another one"
    rows = torch.arange(min(n or len(source), len(source)))
    high = np.asarray(source.pixels[rows.numpy()])
    pairs = pairs_of(recipe, source, say=say)
    assert pairs is not None
    lows = []
    for part in torch.split(rows, BATCH):
        places = range(int(part[0]), int(part[-1]) + 1)
        images = to_images(high[places.start : places.stop])
        lows.append(pairs.small(images, part, name="trial", places=places))
    return Trials(
        source=source, high=high, low=torch.cat(lows), made=recipe.data.low, scale=family.scale
    )


def held_out(recipe: Recipe, n: int = 0, *, say: Say = quiet) -> Trials:
    """Make pairs of the images that are not trained on."""
    return trials_of(recipe, open_source(recipe.data, "test", say=say), n, say=say)


def enlarging(drawer: Drawer, trials: Trials) -> Drawer:
    """Let seed i stand for small image i."""
    return replace(drawer, low=trials.low)


def with_small(drawer: Drawer, n: int, *, say: Say = quiet) -> Drawer:
    """Give an upscaler n held-out images, made small, to draw from; others are as they were."""
    if not isinstance(drawer.recipe.family, UpscaleRecipe):
        return drawer
    return enlarging(drawer, held_out(drawer.recipe, n, say=say))


def measure(
    made: Pixels,
    trials: Trials,
    looks: Mapping[str, Look],
    *,
    device: torch.device | str = "cpu",
    progress: Progress = lambda done, total: None,
) -> Values:
    """Measure enlarged pixels [N, H, W, C] against the first N large ones, one value an image.

    psnr_y, ssim_y, psnr_rgb, ssim_rgb (8 bits, Y not rounded, as many pixels as the scale cut off
    at each border) and what `looks` see, each under its name.
    """
    found: dict[str, list[Tensor]] = {}
    for start in range(0, len(made), BATCH):
        pair = (made[start : start + BATCH], trials.high[start : start + BATCH])
        levels = [torch.from_numpy(np.array(one)).permute(0, 3, 1, 2) for one in pair[:2]]
        levels[1] = levels[1][: len(levels[0])]
        values = fidelity(levels[0], levels[1], border=trials.scale)
        images = [one.to(device).float() / 127.5 - 1 for one in levels] if looks else []
        with torch.inference_mode():
            values |= {name: look(*images).cpu() for name, look in looks.items()}
        for name, value in values.items():
            found.setdefault(name, []).append(value)
        progress(min(start + BATCH, len(made)), len(made))
    return {name: torch.cat(parts).double().numpy() for name, parts in found.items()}
