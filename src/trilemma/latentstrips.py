"""Tables of a generator's pictures: towards the mean, with mixed styles, along directions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from trilemma.directionfiles import Direction
from trilemma.directions import Known, moved
from trilemma.latents import centre, pictures_of, points_of, styles_of
from trilemma.report.strips import Strip
from trilemma.sampling import Pixels

PSI = (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)  # of the truncation strip
STEPS = (-3, -2, -1, 0, 1, 2, 3)  # along a direction, in standard deviations
PARTS = 3  # of the layers, in which styles are mixed: coarse, middle, fine
EDITS = 4  # pictures from the one that was found to the edited one


@dataclass(frozen=True, kw_only=True)
class Middle:
    """The picture that is moved: of a seed, or one that was looked for."""

    name: str
    points: Tensor  # [1, rows, D]
    noise: dict[str, Tensor] = field(default_factory=dict)


def truncation(place: Known, seeds: Sequence[int], move: Tensor | float = 0.0) -> Strip:
    """Go from each seed through the mean point to its opposite: mean + psi (point - mean).

    move: added to every point, [rows, D]. Of z the mean is 0, so that psi shortens z.
    Source: Karras et al. 2019, arXiv:1812.04948, appendix B.
    """
    points, told = points_of(place.drawer, place.space, seeds, psi=1.0)
    mean = centre(place.drawer, place.space).to(points)
    psi = torch.tensor(PSI).to(points)[None, :, None, None]
    ways = (mean + psi * (points - mean)[:, None] + move).flatten(0, 1)
    told = None if told is None else told.repeat_interleave(len(PSI), 0)
    pixels = drawn(place, ways, told=told)
    return Strip(
        name="truncation",
        rows=tuple(f"seed {seed}" for seed in seeds),
        columns=tuple(f"psi {p:g}" for p in PSI),
        pixels=pixels.reshape(len(seeds), len(PSI), *pixels.shape[1:]),
    )


def mixing(
    place: Known,
    seeds: Sequence[int],
    lent: Sequence[int],
    rows: tuple[int, ...],
    move: Tensor | float = 0.0,
) -> list[Strip]:
    """Give each seed the styles of each lent one in some layers; rows: these; (): thirds of all.

    RunError: the network has no styles. Source: Karras et al. 2019, arXiv:1812.04948, section 3.1.
    """
    space = styles_of(place.drawer, place.found.name, "--mix")
    below = points_of(place.drawer, space, seeds)[0] + move
    above = points_of(place.drawer, space, lent)[0] + move
    every = np.array_split(np.arange(space.rows), PARTS)
    cuts = [rows] if rows else [tuple(part.tolist()) for part in every if len(part)]
    own = [drawn(place, points) for points in (below, above)]
    return [mixed(place, seeds, lent, (below, above), own, cut) for cut in cuts]


def mixed(
    place: Known,
    seeds: Sequence[int],
    lent: Sequence[int],
    points: tuple[Tensor, Tensor],
    own: Sequence[Pixels],
    cut: tuple[int, ...],
) -> Strip:
    """Lay out one table; own: the pictures of both, which stand before and above."""
    below, above = points
    both = below[:, None].repeat(1, len(lent), 1, 1)
    both[:, :, list(cut)] = above[None][:, :, list(cut)]
    inner = drawn(place, both.flatten(0, 1))
    inner = inner.reshape(len(seeds), len(lent), *inner.shape[1:])
    corner = np.full_like(own[1][:1], 255)
    top = np.concatenate([corner, own[1]])[None]
    span = f"{cut[0]}-{cut[-1]}"
    return Strip(
        name=f"mix-{span}",
        rows=(f"layers {span} of", *(f"seed {seed}" for seed in seeds)),
        columns=("", *(f"seed {seed}" for seed in lent)),
        pixels=np.concatenate([top, np.concatenate([own[0][:, None], inner], 1)]),
    )


def along(place: Known, middle: Middle, ways: Sequence[Direction]) -> Strip:
    """Go along directions, a row each, from one picture: -3 to 3 standard deviations."""
    steps = [moved(place.space, way, step) for way in ways for step in STEPS]
    points = middle.points + torch.stack(steps)
    pixels = drawn(place, points, noise=middle.noise)
    return Strip(
        name="directions",
        rows=tuple(way.name for way in ways),
        columns=tuple(f"{step:+d}" if step else middle.name for step in STEPS),
        pixels=pixels.reshape(len(ways), len(STEPS), *pixels.shape[1:]),
    )


def edited(place: Known, middle: Middle, move: Tensor, words: Sequence[str]) -> Strip:
    """Go from a picture that was found to the edited one, evenly."""
    shares = torch.linspace(0, 1, EDITS).to(move)[:, None, None]
    pixels = drawn(place, middle.points + shares * move, noise=middle.noise)
    return Strip(
        name="edited",
        rows=(" ".join(words),),
        columns=tuple(f"{share:.0%}" for share in shares.flatten().tolist()),
        pixels=pixels[None],
    )


def drawn(
    place: Known,
    points: Tensor,
    *,
    told: Tensor | None = None,
    noise: dict[str, Tensor] | None = None,
) -> Pixels:
    """Draw points [N, rows, D] as `latents.pictures_of` does, and count them."""
    return pictures_of(
        place.drawer, place.space, points, told=told, noise=noise, progress=place.progress
    )
