"""Directions on disk: one safetensors file each, with words on where it comes from."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from trilemma.atomic import write_bytes
from trilemma.checkpoint import facts_of, pack, unpack
from trilemma.errors import RunError
from trilemma.families.spaces import Space
from trilemma.recipe.closest import unknown
from trilemma.runs import Found
from trilemma.weights import sha256_of

FOLDER, ENDING = "directions", ".safetensors"  # of a run, where those that were saved lie
OTHERS = ("pca:1", "sefa:1", "class:NAME", "sides", f"FILE{ENDING}")  # that need no saving

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Direction:
    """A way to move points."""

    name: str
    space: str  # w or z
    step: Tensor  # [D], one standard deviation of the points along it
    how: str  # it was found, in words
    rows: tuple[int, ...] = ()  # layers that it moves; (): all


def save(found: Found, direction: Direction, name: str, folder: Path) -> Path:
    """Write a direction under a name. RunError: a name that cannot be a file's."""
    if not re.fullmatch(r"[\w-]+", name):
        raise RunError(f"--save-direction {name}; allowed: letters, digits, _ and -")
    facts = {
        "name": name,
        "space": direction.space,
        "how": direction.how,
        "rows": ",".join(map(str, direction.rows)),
        "run": found.name,
        "weights": sha256_of(found.weights),
    }
    path = folder / f"{name}{ENDING}"
    write_bytes(path, pack({"step": direction.step}, facts))
    return path


def shelves(found: Found) -> list[Path]:
    """List the folders in which a run's directions are looked for; they are saved in the first.

    A bundle is not written into.
    """
    beside = Path(f"explore-{found.name}")
    return [beside] if found.bundle else [found.place / FOLDER, beside]


def read(found: Found, space: Space, word: str, *, numbers: int, say: Say) -> Direction:
    """Read a saved direction by name or path; a line where it was found in other weights.

    RunError: there is none, or it moves other points than the run's.
    """
    kept = [shelf / f"{word}{ENDING}" for shelf in shelves(found)]
    path = next((p for p in (Path(word), *kept) if p.suffix == ENDING and p.is_file()), None)
    if path is None:
        there = [p.stem for shelf in shelves(found) for p in sorted(shelf.glob(f"*{ENDING}"))]
        raise RunError(f"{found.name}: {unknown('direction', word, [*there, *OTHERS])}")
    facts, tensors = facts_of(path), unpack(path)
    rows = tuple(int(row) for row in facts.get("rows", "").split(",") if row.isdecimal())
    if "step" not in tensors or facts.get("space") not in ("w", "z"):
        raise RunError(f"{path}: no direction; save one with --save-direction {word}=pca:1")
    step, there_is = tensors["step"].float(), f"{facts['space']} of {tensors['step'].numel()}"
    fits = facts["space"] == space.name and step.shape == (numbers,)
    if not fits or any(row >= space.rows for row in rows):
        has = f"{space.name} of {numbers} numbers and {space.rows} layers"
        raise RunError(f"{path}: it moves {there_is} numbers; {found.name} has {has}")
    if facts.get("weights") != sha256_of(found.weights):
        say(f"{path}: found in other weights, of {facts.get('run', 'a run')}")
    return Direction(
        name=facts.get("name", path.stem),
        space=facts["space"],
        step=step,
        how=facts.get("how", ""),
        rows=rows,
    )
