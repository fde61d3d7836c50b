"""What `explore` draws of a run, as plain values: filled by `exploring`, shown by this folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trilemma.report.contents import Pixels


class Place(NamedTuple):
    """A place on the walk."""

    start: int  # seed
    end: int  # seed
    share: float  # of the way between them


@dataclass(frozen=True, kw_only=True)
class Walk:
    """Pictures on the way from seed to seed."""

    pixels: Pixels
    places: Sequence[Place]
    degrees: Sequence[float]  # between the latents of each pair of seeds, in their order
    fps: float  # pictures a second, when it plays
    space: str = "z"  # w: straight on, in the styles of a style-based network


@dataclass(frozen=True, kw_only=True)
class Around:
    """A square grid of pictures around a seed: rows and columns are two directions."""

    seed: int
    pixels: Pixels  # row by row
    side: int  # odd; the seed is in the middle
    step: float  # degrees from a row or column to the next


@dataclass(frozen=True, kw_only=True)
class Likes:
    """The training images nearest to pictures, in what an extractor sees."""

    seeds: Sequence[int]
    pixels: Pixels  # of the seeds
    neighbours: Pixels  # [N, K, H, W, C], nearest first
    distances: Sequence[Sequence[float]]
    held_out: float  # middle distance of held-out images to their nearest one; nan: there are none
    among: int  # training images that were looked through
    extractor: str


@dataclass(frozen=True, kw_only=True)
class Knob:
    """Something that the network is told, in several positions."""

    name: str  # class, or an attribute
    words: tuple[str, ...]  # of each position
    pixels: Pixels  # [positions, seeds, H, W, C]
    at: int  # the position of all other pictures, or the nearest to it


@dataclass(frozen=True, kw_only=True)
class Told:
    """The same seeds, told otherwise: one knob with all classes, or one for each attribute."""

    seeds: tuple[int, ...]
    knobs: tuple[Knob, ...]
    left_out: int  # classes or attributes beyond those


@dataclass(frozen=True, kw_only=True)
class Explored:
    """What was drawn of a run."""

    run: str
    kind: str  # of the family
    facts: str  # which weights, drawn how
    numbers: int  # of a latent
    walk: Walk
    around: Around
    likes: Likes | None
    missing: str  # why there are no likes
    told: Told | None = None  # None: the network is told nothing, or no page was asked for


def seed_at(place: Place) -> int:
    """Name the seed that a place at an end of the way is at."""
    return place.end if place.share == 1 else place.start


def said(place: Place) -> str:
    """Say where a place is."""
    if place.share in (0, 1):
        return f"seed {seed_at(place)}"
    return f"{place.share:.0%} of the way from seed {place.start} to seed {place.end}"
