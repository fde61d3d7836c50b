"""Seeds -> latents -> points -> pictures: what lies between a seed and its image, to be moved."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from trilemma.devices import autocast
from trilemma.errors import RunError
from trilemma.families import conditions
from trilemma.families.spaces import Space
from trilemma.images import to_pixels
from trilemma.runs import Found
from trilemma.sampling import BATCH, Drawer, Pixels

SAMPLES = 10_000  # seeds whose points say what is usual; an image is drawn of none

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


def latents_of(drawer: Drawer, seeds: Sequence[int]) -> Tensor:
    """Give the latents of seeds [N, ...]: those that their images are drawn from."""
    return drawer.family.latents([Generator().manual_seed(seed) for seed in seeds])


def space_of(drawer: Drawer, run: str, what: str) -> Space:
    """Give where the pictures of a run are points. RunError: they are none; what: is asked for."""
    if drawer.family.space is None:
        kind = drawer.recipe.family.kind
        raise RunError(
            f"{run}: {kind} runs begin with a whole image, not with a point that can be moved; "
            f"{what}: of GANs alone; between seeds of diffusion runs explore walks as it is"
        )
    return drawer.family.space(drawer.nets)


def styles_of(drawer: Drawer, run: str, what: str) -> Space:
    """Give the styles of a run. RunError: its network has none."""
    space = space_of(drawer, run, what)
    if space.name != "w":
        name = getattr(drawer.recipe.family.generator, "name", "")  # type: ignore[union-attr]
        raise RunError(
            f"{run}: its generator, {name}, has no w; {what}: style-based networks alone, such as "
            "stylegan2 and stylegan3"
        )
    return space


@torch.inference_mode()
def points_of(
    drawer: Drawer, space: Space, seeds: Sequence[int], *, psi: float | None = None
) -> tuple[Tensor, Tensor | None]:
    """Give the points of seeds [N, rows, D], not moved, and what their images are told [N, A].

    psi: None: as the drawer truncates them.
    """
    rngs = [Generator().manual_seed(seed) for seed in seeds]
    z = drawer.family.latents(rngs)
    asked = torch.tensor([drawer.asked] * len(z)) if drawer.asked else None
    told = conditions.told(space.generator, rngs, asked)
    psi = drawer.options.truncation if psi is None else psi
    return space.points(z, told, psi=psi), told


@torch.inference_mode()
def usual(drawer: Drawer, space: Space) -> Tensor:
    """Give points as they come, not truncated, a row each: [SAMPLES, D]."""
    return points_of(drawer, space, range(SAMPLES), psi=1.0)[0][:, 0]


def centre(drawer: Drawer, space: Space) -> Tensor:
    """Give the mean point [D]: the network's own, else that of `usual` ones."""
    kept = space.centre()
    return usual(drawer, space).mean(0) if kept is None else kept


def pictures_of(
    drawer: Drawer,
    space: Space,
    points: Tensor,
    *,
    told: Tensor | None = None,
    noise: dict[str, Tensor] | None = None,
    progress: Progress = lambda done, total: None,
) -> Pixels:
    """Draw the images of points [N, rows, D], uint8 [N, H, W, C].

    told: conditions [N, A]; None: what every image is asked for. noise: of style-based layers.
    """
    parts: list[Pixels] = []
    if told is None and drawer.asked:
        told = torch.tensor([drawer.asked]).to(points).expand(len(points), -1)
    for start in range(0, len(points), BATCH):
        some = slice(start, start + BATCH)
        with torch.inference_mode(), autocast(drawer.choice, drawer.device):
            images = space.images(points[some], None if told is None else told[some], noise)
        parts.append(to_pixels(images).cpu().numpy())
        progress(sum(map(len, parts)), len(points))
    return np.concatenate(parts)


class Known(NamedTuple):
    """A run whose points can be moved: what directions are found in."""

    found: Found
    drawer: Drawer
    space: Space
    sides: tuple[str, ...]  # two: seeds 1,4,7, or a folder of pictures of seeds; else none
    say: Say
    progress: Progress  # of pictures


def known(
    found: Found,
    drawer: Drawer,
    *,
    sides: Sequence[str] = (),
    say: Say,
    progress: Progress = lambda done, total: None,
) -> Known:
    """Look where a run's directions are found. RunError: it has none."""
    space = space_of(drawer, found.name, "directions")
    return Known(found, drawer, space, tuple(sides), say, progress)
