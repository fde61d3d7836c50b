"""Checkpoints: a training at one moment, as safetensors and JSON; complete or absent.

checkpoints/IMAGES_SEEN/{nets,average,optimizer}.safetensors + state.json; best/average.safetensors
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.optim import Optimizer

from trilemma import sharding
from trilemma.atomic import whole_folder, write_bytes
from trilemma.errors import RunError
from trilemma.runfolder import CHECKPOINTS, RunFolder, write_json

SCHEMA = 1
MIGRATIONS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}  # from schema -> next


@dataclass(kw_only=True)
class State:
    """Everything a training remembers beside its tensors."""

    images_seen: int = 0
    images_total: int = 0  # the horizon: fixed once; that of minutes is planned anew later
    plans: int = 0  # how often it was
    begun_images: int = 0  # images and seconds when the horizon was first fixed
    begun_seconds: float = 0.0
    scoring: float = 0.0  # seconds of scoring since then, where there are minutes
    a_score: float = 0.0  # seconds of the last of them
    score_every: int = 0  # images between scores: fixed with the horizon
    seconds: float = 0.0  # of training, over all its sittings
    rate: float = 1.0  # factor on every learning rate: plateau, rollbacks
    best: float | None = None  # lowest watched value
    best_images: int = 0
    since_best: int = 0  # scorings since then
    since_rate: int = 0  # scorings since then or since the rate last fell
    rollbacks: int = 0
    window_sum: float = 0.0  # of the generator's loss since the last scoring
    window_rounds: int = 0
    choices: dict[str, Any] = field(default_factory=dict)  # measured once: see machine.json


def save_checkpoint(
    folder: RunFolder,
    state: State,
    *,
    nets: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    optimizers: Mapping[str, Tensor],
    keep: int,
) -> None:
    """Write a checkpoint whole, then drop the oldest beyond `keep`; optimizers: as `flat` names."""
    place = folder.file(f"{CHECKPOINTS}/{state.images_seen}")
    with folder.writing():
        if place.exists():  # saved a moment ago, at the same count: the tensors are the same
            write_state(place, state)
            return
        with whole_folder(place) as beside:
            write_bytes(beside / "nets.safetensors", pack(nets))
            write_bytes(beside / "average.safetensors", pack(average))
            write_bytes(beside / "optimizer.safetensors", pack(optimizers))
            write_state(beside, state)
        for old in checkpoints(folder)[:-keep]:
            old.replace(old.with_name(f".{old.name}.old"))  # never half there under its own name
        for left in place.parent.glob(".*"):
            shutil.rmtree(left, ignore_errors=True)


def write_state(place: Path, state: State) -> None:
    """Write state.json into a checkpoint's folder."""
    write_json(place / "state.json", {"schema": SCHEMA, **asdict(state)})


def read_state(place: Path) -> State:
    """Read state.json; RunError where it is newer than this version or broken."""
    try:
        content = json.loads((place / "state.json").read_text(encoding="utf-8"))
        schema = int(content.pop("schema"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken(place) from error
    if schema > SCHEMA:
        raise RunError(
            f"{place}: written by a newer version (schema {schema}; this one reads {SCHEMA}); "
            "update trilemma"
        )
    while schema < SCHEMA:
        content, schema = MIGRATIONS[schema](content), schema + 1
    if unknown := content.keys() - {entry.name for entry in fields(State)}:
        raise RunError(f"{place}: state.json has unknown entries {sorted(unknown)}")
    return State(**content)


def load_checkpoint(
    place: Path, *, nets: nn.Module, average: nn.Module, optimizers: Mapping[str, Optimizer]
) -> State:
    """Read a checkpoint into networks and optimizers that stand already; RunError if broken."""
    state = read_state(place)
    fill(nets, unpack(place / "nets.safetensors"), place)
    fill(average, unpack(place / "average.safetensors"), place)
    unflat(optimizers, unpack(place / "optimizer.safetensors"))
    return state


def checkpoints(folder: RunFolder) -> list[Path]:
    """Give the run's checkpoints, oldest first."""
    found = (folder.path / CHECKPOINTS).glob("[0-9]*")
    return sorted((path for path in found if path.name.isdigit()), key=lambda path: int(path.name))


def save_best(
    folder: RunFolder, average: Mapping[str, Tensor], *, images_seen: int, value: float
) -> None:
    """Keep the averaged networks as the best so far; one file, so it is replaced at once."""
    facts = {"images_seen": str(images_seen), "value": repr(value)}
    path = folder.file("best/average.safetensors")
    with folder.writing():
        write_bytes(path, pack(average, facts))


def averaged_weights(folder: RunFolder, which: str) -> tuple[Path, str]:
    """Find averaged weights: (file, label) for best, last, or a number of images seen."""
    kept = checkpoints(folder)
    best = folder.path / "best/average.safetensors"
    if which in ("", "best") and best.is_file():
        return best, "best"
    if which == "best":
        raise RunError(f"{folder.path}: no best checkpoint yet; allowed: {names(kept)}, last")
    if not kept:
        raise RunError(f"{folder.path}: no checkpoint yet; run its training first")
    if which in ("", "last"):
        return kept[-1] / "average.safetensors", kept[-1].name
    for place in kept:
        if place.name == which:
            return place / "average.safetensors", place.name
    raise RunError(f"{folder.path}: no checkpoint {which!r}; allowed: best, last, {names(kept)}")


def names(kept: list[Path]) -> str:
    """List checkpoints in one line."""
    return ", ".join(place.name for place in kept)


def pack(tensors: Mapping[str, Tensor], facts: Mapping[str, str] | None = None) -> bytes:
    """Serialise tensors and a few words about them."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Of no tensors (Adam before its first step) and no facts safetensors 0.8 makes a broken file.
    return save(plain, dict(facts) if facts else None)


def unpack(path: Path) -> dict[str, Tensor]:
    """Read tensors; RunError where the file is missing or broken."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise broken(path) from error


def facts_of(path: Path) -> dict[str, str]:
    """Read the words that were packed with tensors; RunError as in `unpack`."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise broken(path) from error


def fill(net: nn.Module, tensors: Mapping[str, Tensor], place: Path) -> None:
    """Copy tensors into a network of the same shape; RunError where they do not fit."""
    own = net.state_dict()
    split = {name: sharding.like(t, own[name]) if name in own else t for name, t in tensors.items()}
    try:
        net.load_state_dict(split)
    except RuntimeError as error:
        raise RunError(f"{place}: the weights do not fit the recipe's networks") from error


def flat(optimizers: Mapping[str, Optimizer]) -> dict[str, Tensor]:
    """Name every tensor of every optimizer: NET.INDEX.KEY."""
    return {
        f"{name}.{index}.{key}": torch.as_tensor(value)
        for name, optimizer in optimizers.items()
        for index, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
    }


def unflat(optimizers: Mapping[str, Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Put named tensors back, in the memory format of the parameter they belong to."""
    for name, optimizer in optimizers.items():
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.state.clear()
        for path, value in tensors.items():
            net, index, key = path.rsplit(".", 2)
            if net == name:
                parameter = parameters[int(index)]
                if value.shape == parameter.shape:  # a fused Adam pairs entries as they lie
                    placed = torch.empty_like(parameter).copy_(sharding.like(value, parameter))
                else:  # the count of steps: a fused Adam wants it where the weights are
                    placed = value.to(parameter.device, copy=True)
                optimizer.state[parameter][key] = placed.detach()


def broken(path: Path) -> RunError:
    """Say what to do about a checkpoint, or a file of weights, that cannot be read."""
    for place in (path, path.parent):
        if place.parent.name == CHECKPOINTS:
            return RunError(
                f"{place}: broken or incomplete; delete it to go on from the one before"
            )
    return RunError(f"{path}: broken or incomplete; take another (RUN@last), or copy it again")
