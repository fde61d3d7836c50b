"""A picture that was looked for, on disk: its point and its noise, to be moved again."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from trilemma.atomic import write_bytes
from trilemma.checkpoint import facts_of, pack, unpack
from trilemma.errors import RunError
from trilemma.families.spaces import Space
from trilemma.latentstrips import Middle
from trilemma.projecting import Projected
from trilemma.report.strips import Strip
from trilemma.runs import Found
from trilemma.sampling import Pixels
from trilemma.weights import sha256_of

NAME = "projected"  # of its files
NOISE = "noise."  # before the names of its maps of noise


def save(
    found: Found,
    space: Space,
    made: Projected,
    picture: str,
    folder: Path,
    *,
    told: Sequence[float],
) -> Path:
    """Write the point [D] and the noise that it was found with; told: what every image is told."""
    facts = {
        "space": space.name,
        "run": found.name,
        "weights": sha256_of(found.weights),
        "picture": Path(picture).name,
        "loss": f"{made.loss:.6g}",
        "told": json.dumps(list(told)),
    }
    noise = {f"{NOISE}{name}": map_ for name, map_ in made.noise.items()}
    path = folder / f"{NAME}.safetensors"
    write_bytes(path, pack({"point": made.point, **noise}, facts))
    return path


def read(found: Found, space: Space, path: Path, *, numbers: int, told: Sequence[float]) -> Middle:
    """Read what `save` wrote; numbers: of a point. told: what every image is told.

    RunError: it is none, or of other weights, or was told something else.
    """
    facts, tensors = facts_of(path), unpack(path)
    point = tensors.pop("point", None)
    if point is None:
        raise RunError(f"{path}: no projected picture; --latent takes what --project has written")
    fits = facts.get("space") == space.name and point.shape == (numbers,)
    if not fits or facts.get("weights") != sha256_of(found.weights):
        raise RunError(
            f"{path}: found in {facts.get('run', 'a run')} with other weights than "
            f"{found.name}@{found.checkpoint}; look for it again: --project"
        )
    if facts.get("told") != json.dumps(list(told)):
        raise RunError(f"{path}: found for other labels; say the same --class or --attributes")
    device = next(space.generator.parameters()).device
    noise = {name.removeprefix(NOISE): tensor.to(device) for name, tensor in tensors.items()}
    return middle(space, point.to(device), noise)


def middle(space: Space, point: Tensor, noise: dict[str, Tensor]) -> Middle:
    """Give a point [D] to every layer."""
    return Middle(name="found", points=point.expand(1, space.rows, -1), noise=noise)


def way(made: Projected, picture: Pixels) -> Strip:
    """Show the picture, and how the search came near it."""
    columns = ["the picture", *(f"step {step}" for step in made.steps)]
    return Strip(
        name="projection",
        rows=("",),
        columns=tuple(columns),
        pixels=np.concatenate([picture[None], made.way])[None],
    )
