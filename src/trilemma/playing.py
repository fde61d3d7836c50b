"""What `explore` shows of the points that a run's pictures are made of, where it is asked to.

Truncation, mixed styles, directions, a picture that is looked for. A walk is `exploring`'s.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from trilemma import directionfiles, directions, latentstrips, projectionfiles, telling
from trilemma.errors import RunError
from trilemma.images import read_image, write_png
from trilemma.latents import Known, known, points_of
from trilemma.latentstrips import Middle
from trilemma.projecting import project
from trilemma.recipe.recipe import parse_size
from trilemma.report import strips
from trilemma.report.strips import Strip
from trilemma.sampling import check_seeds

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Play:
    """What is asked for."""

    seeds: tuple[int, ...] = (1, 2, 3, 4)
    truncation: bool = False
    mix: tuple[int, ...] = ()  # seeds that lend their styles
    layers: str = ""  # 4-7: that are mixed, or that directions move
    directions: tuple[str, ...] = ()  # pca:5, sefa:3, class:7, sides, smile
    sides: tuple[str, ...] = ()  # two: seeds, or folders of their pictures
    save: tuple[str, ...] = ()  # smile=pca:2
    move: tuple[str, ...] = ()  # smile=2.0
    project: str = ""  # picture that is looked for
    steps: int = 300  # of that
    latent: str = ""  # file of an earlier projection
    shows: str = ""  # class of every image
    attributes: tuple[str, ...] = ()

    @property
    def wanted(self) -> bool:
        """Is anything asked for that a walk has not?"""
        tools = (self.truncation, self.mix, self.directions, self.save, self.project, self.latent)
        return any(tools)


def check(asked: Play) -> None:
    """Refuse words that would do nothing. RunError names the first, and what it belongs to."""
    moves = asked.move, asked.directions, asked.save
    drawn = asked.truncation, asked.mix, asked.directions, asked.project, asked.latent
    named = [*asked.directions, *(word for _, _, word in (w.partition("=") for w in asked.save))]
    if asked.wanted:  # a walk knows no sides
        named += [word.rpartition("=")[0] for word in asked.move]
    if asked.project and asked.latent:
        raise RunError(
            "--project looks for a picture and --latent takes up one that was found; ask for one"
        )
    if asked.latent and not (asked.move or asked.directions):
        raise RunError(
            "--latent alone draws nothing; say what moves the picture: --direction, --directions"
        )
    if asked.move and asked.wanted and not any(drawn):
        raise RunError("--direction has no picture to move beside --save-direction; leave it out")
    if asked.sides and "sides" not in named:
        raise RunError(
            "--sides is for the direction sides; ask for it: --directions sides, or "
            "--save-direction NAME=sides, which a walk takes as --direction NAME=1"
        )
    if asked.layers and not (any(moves) or asked.mix):
        raise RunError(
            "--layers is for --direction, --directions, --save-direction and --mix, none of which "
            "was asked for"
        )
    if asked.steps != Play.steps and not asked.project:
        raise RunError("--project-steps is for --project, which was not asked for")


def play(
    run: str,
    asked: Play,
    *,
    out: Path | None = None,
    device: torch.device,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Draw what is asked for; return the files that were written, in `out`, or explore-RUN.

    progress: of pictures, or of the steps of a projection. RunError: the run has no such points, or
    a word of what is asked for cannot be.
    """
    check(asked)
    check_seeds([*asked.seeds, *asked.mix])
    names = parted(asked.save)
    if not asked.seeds:
        raise RunError("--seeds has none; allowed: 1 or more")
    place = opened(run, asked, device=device, say=say, progress=progress)
    rows = directions.layers(place.space, asked.layers, place.found.name)
    folder = out or Path(f"explore-{place.found.label}")
    ways = [directions.only(way, rows) for way in directions.several(place, asked.directions)]
    there = {way.name: way for way in ways}  # class:7 takes a while
    kept = {
        name: there.get(word) or directions.only(directions.one(place, word), rows)
        for name, word in names
    }
    move = directions.move(place, asked.move, rows)
    made = tables(place, asked, rows, move)
    middle, files, more = middled(place, asked, folder, move, progress)
    made += more
    if ways:
        made.append(latentstrips.along(place, middle, ways))
    shelf = out or directionfiles.shelves(place.found)[0]
    files += [directionfiles.save(place.found, way, name, shelf) for name, way in kept.items()]
    return [*strips.write(made, folder), *files]


def opened(run: str, asked: Play, *, device: torch.device, say: Say, progress: Progress) -> Known:
    """Load a run where directions are known. RunError: it draws points, or from images of noise."""
    found, drawer, _, _ = telling.around(
        run,
        asked.shows,
        asked.attributes,
        options=lambda found: found.options,
        device=device,
        say=say,
    )
    return known(
        found,
        drawer,
        sides=asked.sides,
        say=say,
        progress=(lambda done, total: None) if asked.project else progress,
    )


def parted(words: Sequence[str]) -> list[tuple[str, str]]:
    """Read smile=pca:2 as a name and what it is for. RunError: no name, or nothing behind it."""
    pairs = [(name, word) for name, _, word in (text.partition("=") for text in words)]
    for text, (name, word) in zip(words, pairs, strict=True):
        if not name or not word:
            raise RunError(f"--save-direction {text}; allowed: a name and what, such as a=pca:2")
    return pairs


def tables(place: Known, asked: Play, rows: tuple[int, ...], move: Tensor) -> list[Strip]:
    """Draw what is asked for of seeds."""
    made = [latentstrips.truncation(place, asked.seeds, move)] if asked.truncation else []
    if asked.mix:
        made += latentstrips.mixing(place, asked.seeds, asked.mix, rows, move)
    return made


def middled(
    place: Known, asked: Play, folder: Path, move: Tensor, progress: Progress
) -> tuple[Middle, list[Path], list[Strip]]:
    """Give the picture that directions go from, the files about it, and tables of how it came."""
    if not (asked.project or asked.latent):
        points = points_of(place.drawer, place.space, asked.seeds[:1])[0] + move
        return Middle(name=f"seed {asked.seeds[0]}", points=points), [], []
    if asked.project:
        middle, files, made = looked_for(place, asked, folder, progress)
    else:
        middle, files, made = taken_up(place, asked), [], []
    if asked.move:
        made.append(latentstrips.edited(place, middle, move, asked.move))
        middle = replace(middle, name="edited", points=middle.points + move)
    return middle, files, made


def taken_up(place: Known, asked: Play) -> Middle:
    """Read an earlier projection."""
    size = points_of(place.drawer, place.space, [0])[0].shape[-1]
    told = place.drawer.asked
    return projectionfiles.read(
        place.found, place.space, Path(asked.latent), numbers=size, told=told
    )


def looked_for(
    place: Known, asked: Play, folder: Path, progress: Progress
) -> tuple[Middle, list[Path], list[Strip]]:
    """Look for a picture; write its point and its image."""
    data = place.drawer.recipe.data
    picture = read_image(asked.project, channels=data.channels, size=parse_size(data.size))
    made = project(
        place.drawer,
        place.space,
        picture,
        steps=asked.steps,
        seed=asked.seeds[0],
        say=place.say,
        progress=progress,
    )
    files = [
        projectionfiles.save(
            place.found, place.space, made, asked.project, folder, told=place.drawer.asked
        ),
        folder / f"{projectionfiles.NAME}.png",
    ]
    write_png(files[1], made.way[-1])
    middle = projectionfiles.middle(place.space, made.point, made.noise)
    return middle, files, [projectionfiles.way(made, picture)]
