"""What lies between a run's seeds: a walk, a grid around one of them, the nearest training images.

Only samplers that draw nothing on the way can be used: with others no picture belongs to a latent.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from trilemma import directions, telling, video
from trilemma.betweenseeds import settled
from trilemma.devices import autocast
from trilemma.errors import DataError, OfflineError, RunError
from trilemma.extracting import extractor_for
from trilemma.families.family import DrawOptions
from trilemma.families.spaces import Space
from trilemma.features import cache
from trilemma.images import to_pixels
from trilemma.latents import latents_of, pictures_of, points_of, styles_of
from trilemma.maths.copying import nearest, nearest_few
from trilemma.maths.interpolation import LEAST, angles, slerp, tangents, turned
from trilemma.maths.randomness import rng
from trilemma.report import films
from trilemma.report.explored import Around, Explored, Likes, Place, Walk, seed_at
from trilemma.runs import Found
from trilemma.sampling import BATCH, Drawer, Pixels, check_seeds, rendered
from trilemma.scoring import SEARCHED, opened, searched, some

SIDE = 7  # rows of the grid; odd, so that the seed is in the middle
STEP = 15.0  # degrees between two rows: an edge is half as far from the seed as another seed is
KEPT = 3  # training images shown for a seed
SHOWN = 10  # seeds whose nearest training images are looked for, at most
HELD_OUT = 1_000  # held-out images whose distances are the measure, at most
FASTEST = 50  # frames a second: a GIF counts hundredths of seconds, and viewers slow 1 down

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What is asked for."""

    seeds: tuple[int, ...] = (1, 2, 3, 4)
    frames: int = 60
    fps: float = 20.0
    around: int = -1  # seed; -1: the first of the seeds
    one_way: bool = False  # end at the last seed, in place of coming back to the first
    among: int = SEARCHED  # training images that are looked through; 0: none
    mp4: bool = False
    html: bool = False
    shows: str = ""  # class of every image, where the networks are told classes; "": the first
    attributes: tuple[str, ...] = ()  # of every image, such as smile=1
    space: Literal["w", "z"] = "z"  # that the walk goes through: z on a sphere, w straight on
    move: tuple[str, ...] = ()  # directions that every image is moved along, such as smile=2.0
    layers: str = ""  # that they move, such as 4-7; "": all
    options: DrawOptions = field(default_factory=DrawOptions)


def explore(
    run: str,
    asked: Journey,
    *,
    out: Path | None = None,
    device: torch.device,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Draw a run's walk, grid and nearest training images; return the files that were written.

    out: their folder; None: explore-RUN. RunError: a walk that cannot be. RecipeError: a sampler
    that cannot be used. MissingExtraError: an MP4 without the extra `video`.
    """
    check(asked)
    if asked.mp4:
        video.ffmpeg()
    found, drawer, shows, words = telling.around(
        run,
        asked.shows,
        asked.attributes,
        options=lambda found: settled(found, asked.options, say),
        device=device,
        say=say,
    )
    drawer = directions.moving(found, drawer, asked.move, asked.layers, say=say)
    if asked.move:
        moved = directions.said(asked.move).capitalize()
        words = f"{words}. {moved}" if words else moved
    shown = explored(found, drawer, asked, words, say=say, progress=progress)
    if asked.html:
        told = telling.otherwise(drawer, shows, asked.seeds, progress)
        shown = replace(shown, told=told)
    folder = out or Path(f"explore-{found.label}")
    return films.write(shown, folder, mp4=asked.mp4, html=asked.html)


def check(asked: Journey) -> None:
    """Refuse a journey that cannot be. RunError says what is allowed."""
    check_seeds([*asked.seeds, max(asked.around, 0)])
    if len(asked.seeds) < 2:
        raise RunError(f"--seeds has {len(asked.seeds)}; allowed: 2 or more, to walk between them")
    least = len(asked.seeds)
    if asked.frames < least:
        raise RunError(f"--frames is {asked.frames}; allowed: {least} or more, one for each seed")
    if not 1 <= asked.fps <= FASTEST:
        raise RunError(f"--fps is {asked.fps:g}; allowed: 1 to {FASTEST}")
    if asked.around < -1:
        raise RunError(f"--around is {asked.around}; allowed: a seed, or -1 for the first")
    if asked.among < 0:
        raise RunError(f"--among is {asked.among}; allowed: 0 or more")


def explored(
    found: Found, drawer: Drawer, asked: Journey, shows: str = "", *, say: Say, progress: Progress
) -> Explored:
    """Draw everything that is asked for. shows: what every image does, in words."""
    places = walked(asked.seeds, asked.frames, one_way=asked.one_way)
    middle = asked.seeds[0] if asked.around == -1 else asked.around
    latents, degrees = between(drawer, places)
    near = surrounding(drawer, middle)
    how, count = drawer.family.how(drawer.options), len(places) + len(near)
    say(f"{found.name}: {count} images from {found.checkpoint}{'; ' + how if how else ''}")
    if asked.space == "w":
        space = styles_of(drawer, found.name, "--space w")
        points = straight(drawer, space, places)
        on_the_way = pictures_of(drawer, space, points, progress=progress)
    else:
        on_the_way = pictures(drawer, latents, progress)
    walk = Walk(pixels=on_the_way, places=places, degrees=degrees, fps=asked.fps, space=asked.space)
    around = Around(seed=middle, pixels=pictures(drawer, near, progress), side=SIDE, step=STEP)
    likes, missing = alike(found, drawer, walk, among=asked.among, say=say, progress=progress)
    return Explored(
        run=found.name,
        kind=found.recipe.family.kind,
        facts=facts(found, how, shows),
        numbers=latents[0].numel(),
        walk=walk,
        around=around,
        likes=likes,
        missing=missing,
    )


def facts(found: Found, how: str, shows: str) -> str:
    """Say which weights drew, how, and what every image shows."""
    which = "" if found.checkpoint.isdigit() else found.checkpoint
    after = f"after {found.images_seen:,} images" if found.images_seen else ""
    weights = "Weights: " + ", ".join(filter(None, (which, after)))
    return ". ".join(filter(None, ("; ".join(filter(None, (weights, how))), shows)))


def walked(seeds: Sequence[int], frames: int, *, one_way: bool) -> list[Place]:
    """Part frames evenly among the ways from seed to seed; every seed has its own frame.

    The walk comes back to the first seed, just before it is there, unless it is one way.
    """
    legs = list(pairwise(seeds if one_way else [*seeds, seeds[0]]))
    counts = [len(part) for part in np.array_split(np.arange(frames - one_way), len(legs))]
    places = [
        Place(start, end, step / count)
        for (start, end), count in zip(legs, counts, strict=True)
        for step in range(count)
    ]
    return [*places, Place(*legs[-1], 1.0)] if one_way else places


def between(drawer: Drawer, places: Sequence[Place]) -> tuple[Tensor, list[float]]:
    """Give the latents at places [N, ...], and how many degrees each way is, in their order."""
    starts = latents_of(drawer, [place.start for place in places])
    ends = latents_of(drawer, [place.end for place in places])
    share = torch.tensor([place.share for place in places], dtype=torch.float64)
    there = slerp(starts.flatten(1), ends.flatten(1), share).reshape(starts.shape)
    ways = angles(starts.flatten(1), ends.flatten(1)).rad2deg().tolist()
    pairs = {(p.start, p.end): far for p, far in zip(places, ways, strict=True)}
    return there, list(pairs.values())


def straight(drawer: Drawer, space: Space, places: Sequence[Place]) -> Tensor:
    """Give the points at places [N, rows, D], on straight lines, moved as all images are."""
    start = points_of(drawer, space, [place.start for place in places])[0]
    end = points_of(drawer, space, [place.end for place in places])[0]
    share = torch.tensor([place.share for place in places]).to(start)
    there = torch.lerp(start, end, share[:, None, None])
    return there if drawer.move is None else there + drawer.move


def surrounding(drawer: Drawer, seed: int) -> Tensor:
    """Give the latents of a grid around a seed [SIDE * SIDE, ...], row by row.

    RunError: latents that have too few numbers for two directions.
    """
    latent = latents_of(drawer, [seed])
    centre = latent.flatten()
    if len(centre) < LEAST:
        raise RunError(f"its latents have {len(centre)} numbers; a grid takes at least {LEAST}")
    steps = math.radians(STEP) * (torch.arange(SIDE, dtype=torch.float64) - SIDE // 2)
    turns = torch.cartesian_prod(steps, steps)
    points = turned(centre, tangents(centre, rng(seed, "directions", 0)), turns)
    return points.reshape(-1, *latent.shape[1:])


def pictures(drawer: Drawer, latents: Tensor, progress: Progress) -> Pixels:
    """Draw the images of latents, uint8 [N, H, W, C]."""
    parts: list[Pixels] = []
    for start in range(0, len(latents), BATCH):
        part = latents[start : start + BATCH]
        with torch.inference_mode(), autocast(drawer.choice, drawer.device):
            shows = torch.tensor([drawer.asked] * len(part)) if drawer.asked else None
            images = rendered(drawer, part, (), shows)
        parts.append(to_pixels(images).cpu().numpy())
        progress(sum(map(len, parts)), len(latents))
    return np.concatenate(parts)


def alike(
    found: Found, drawer: Drawer, walk: Walk, *, among: int, say: Say, progress: Progress
) -> tuple[Likes | None, str]:
    """Look for the training images nearest to the seeds' pictures; without them, say why."""
    if not among:
        return None, "None were looked for (--among 0)."
    try:
        held_out, train = opened(found, say=say, progress=progress)
        extractor = extractor_for(found, "auto", device=drawer.device, say=say)
    except (DataError, OfflineError) as error:
        say(f"{found.name}: no nearest training images: {error}")
        return None, f"They cannot be shown: {error}."

    def seen(pixels: Pixels) -> Tensor:
        made = cache.features(extractor, np.asarray(pixels), progress=progress)
        return torch.from_numpy(made.features)

    rows = some(len(train), min(among, searched(extractor)))
    known = seen(train.pixels[rows])
    usual = math.nan
    if held_out.fingerprint != train.fingerprint:
        others = seen(held_out.pixels[some(len(held_out), HELD_OUT)])
        usual = nearest(others, known)[0].median().item()
    seeds, drawn = at_seeds(walk)
    distances, indices = nearest_few(seen(drawn), known, count=min(KEPT, len(rows)))
    chosen = rows[indices.numpy()]
    likes = Likes(
        seeds=seeds,
        pixels=drawn,
        neighbours=np.stack([[train.pixels[r : r + 1][0] for r in near] for near in chosen]),
        distances=distances.tolist(),
        held_out=usual,
        among=len(rows),
        extractor=extractor.name,
    )
    return likes, ""


def at_seeds(walk: Walk) -> tuple[list[int], Pixels]:
    """Give the first seeds of a walk, each once, and their pictures."""
    at = {seed_at(place): i for i, place in enumerate(walk.places) if place.share in (0, 1)}
    seeds = list(at)[:SHOWN]
    return seeds, walk.pixels[[at[seed] for seed in seeds]]
