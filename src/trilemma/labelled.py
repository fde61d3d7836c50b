"""Ways towards pictures that have a label: a class, one of two sides, a column of a table."""

import re
from pathlib import Path

import torch

from trilemma.data.attributes import read_table
from trilemma.directionfiles import Direction
from trilemma.errors import RunError
from trilemma.extracting import classifier
from trilemma.features import cache
from trilemma.latents import Known, pictures_of, points_of, usual
from trilemma.maths.directions import parting, stepped
from trilemma.recipe.closest import unknown
from trilemma.sampling import check_seeds

DRAWN = 4_000  # seeds of which pictures are drawn, to see which show a class
FEWEST = 20.0  # of their images that show a class, at least
LISTED = re.compile(r"\d+(,\d+)*")  # seeds
DRAWN_FILE = re.compile(r"(?:.*-)?(\d+)\.[A-Za-z]+")  # as `sample --format folder` names them
TABLE = re.compile(r".+\.csv:.+", re.IGNORECASE)  # a file and one of its columns


def of_class(place: Known, name: str) -> Direction:
    """Give the way towards pictures that a classifier takes for a class.

    RunError: no classifier of the run's images is there, it knows no such class, or hardly any
    picture shows it.
    """
    run, drawer, space = place.found.name, place.drawer, place.space
    judge = classifier(place.found, device=drawer.device, say=place.say)
    if judge is None:
        raise RunError(
            f"class:{name}: no classifier of {run}'s images is there; sort pictures of seeds "
            "into two folders by hand: --sides FOLDER FOLDER"
        )
    if name not in judge.classes:
        raise RunError(f"class:{name}: {unknown('class', name, judge.classes)}")
    place.say(f"class:{name}: looking at {DRAWN:,} pictures of {run}")
    points, told = points_of(drawer, space, range(DRAWN))
    pixels = pictures_of(drawer, space, points, told=told, progress=place.progress)
    logits = torch.from_numpy(cache.features(judge, pixels).logits)
    share = logits.double().softmax(1)[:, judge.classes.index(name)]
    if min(share.sum(), (1 - share).sum()) < FEWEST:
        raise RunError(f"class:{name}: {share.sum():.0f} of {DRAWN:,} pictures of {run} show it")
    flat = points.cpu()[:, 0]
    way = stepped(parting(flat, share)[None], flat)[0]
    how = f"class {name}, {share.sum():.0f} of {DRAWN:,} pictures"
    return Direction(name=f"class:{name}", space=space.name, step=way.float(), how=how)


def of_sides(place: Known) -> Direction:
    """Give the way from the second side's seeds to the first's. RunError: a side has none."""
    if len(place.sides) != 2:
        raise RunError("sides: name two: --sides 1,4,7 2,3,9, or two folders of pictures of seeds")
    having, lacking = (seeds_of(side) for side in place.sides)
    points, _ = points_of(place.drawer, place.space, [*having, *lacking])
    share = torch.tensor([1.0] * len(having) + [0.0] * len(lacking))
    way = parting(points[:, 0].cpu(), share)
    step = stepped(way[None], usual(place.drawer, place.space).cpu())[0]
    how = f"{len(having)} seeds against {len(lacking)}"
    return Direction(name="sides", space=place.space.name, step=step.float(), how=how)


def seeds_of(side: str) -> list[int]:
    """Read 1,4,7, or the names of the files in a folder, as `sample --format folder` gives them.

    RunError: neither.
    """
    if LISTED.fullmatch(side):
        seeds = [int(word) for word in side.split(",")]
    else:
        names = [path.name for path in sorted(Path(side).glob("*")) if path.is_file()]
        seeds = [int(match[1]) for name in names if (match := DRAWN_FILE.fullmatch(name))]
    if not seeds:
        raise RunError(
            f"--sides {side}: no seeds; allowed: 1,4,7, or a folder of files such as 000007.png "
            "(trilemma sample RUN --format folder)"
        )
    check_seeds(seeds)
    return seeds


def of_table(place: Known, word: str) -> Direction:
    """Give the way along which a column of a CSV grows: faces.csv:smile.

    Its rows begin with a seed, or with the name of a seed's picture; the column holds numbers, true
    or false. DataError: it cannot be read. RunError: no such column, or it is the same everywhere.
    """
    path, _, column = word.rpartition(":")
    keys, table = read_table(Path(path), what=word)
    if column not in table.names:
        raise RunError(f"{word}: {unknown('column', column, table.names)}")
    seeds = [_seed(f"{key}.png" if key.isdecimal() else key, path) for key in keys]
    check_seeds(seeds)
    values = torch.from_numpy(table.values)[:, table.names.index(column)].double()
    if len(set(values.tolist())) < 2:
        raise RunError(f"{word}: {len(values)} rows, all alike; a direction needs two that differ")
    low, high = values.min(), values.max()
    points, _ = points_of(place.drawer, place.space, seeds)
    way = parting(points[:, 0].cpu(), (values - low) / (high - low))
    step = stepped(way[None], usual(place.drawer, place.space).cpu())[0]
    how = f"{column} of {len(seeds)} seeds"
    return Direction(name=word, space=place.space.name, step=step.float(), how=how)


def _seed(name: str, path: str) -> int:
    found = DRAWN_FILE.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    if found is None:
        raise RunError(f"{path}: '{name}' is no seed and no picture of one, such as 000007.png")
    return int(found[1])
