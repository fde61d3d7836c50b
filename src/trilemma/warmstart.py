"""A training that begins with another's weights: which of them fit, and which layers stay."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trilemma.checkpoint import checkpoints, unpack
from trilemma.errors import RecipeError, RunError
from trilemma.families.family import Family
from trilemma.licences import Note, licences
from trilemma.places import Say
from trilemma.recipe.recipe import Recipe, UpscaleRecipe
from trilemma.runfolder import RunFolder
from trilemma.runs import Found, find_run, undrawn
from trilemma.upscalers import BASELINES, FILES, load_upscaler
from trilemma.weights import sha256_of

START = "start.json"  # in the run's folder: what it began with
NAMED = 3  # tensors that the line names; start.json has all
OWN = ".known"  # the end of a tensor's name that belongs to the images, not to the network


@dataclass(frozen=True, kw_only=True)
class Parent:
    """Whose weights a training begins with."""

    name: str
    checkpoint: str  # of a run; "" for a file and a baseline
    images_seen: int
    sha256: str  # of the file of weights
    notes: tuple[Note, ...]  # licences that go along
    tensors: Mapping[str, Tensor]
    again: str  # how its networks' settings can be had


@dataclass(frozen=True, kw_only=True)
class Started:
    """What a training began with."""

    parent: Parent
    taken: tuple[str, ...]  # names of tensors
    left: Mapping[str, str]  # of those that were drawn: name -> why
    unused: tuple[str, ...]  # of the parent's that have no place here

    def plain(self) -> dict[str, Any]:
        """Give start.json's content."""
        return {
            "run": self.parent.name,
            "checkpoint": self.parent.checkpoint,
            "images_seen": self.parent.images_seen,
            "weights_sha256": self.parent.sha256,
            "taken": list(self.taken),
            "left": dict(self.left),
            "unused": list(self.unused),
        }

    def line(self) -> str:
        """Say it in one line."""
        whole = [*self.taken, *self.left]
        nets = dict.fromkeys(name.partition(".")[0] for name in whole)
        counts = ", ".join(
            f"{count_of(net, self.taken)} of {count_of(net, whole)} tensors of the {net}"
            for net in nets
        )
        parent = ", ".join(filter(None, (self.parent.name, self.parent.checkpoint)))
        shown = [f"{name} ({why})" for name, why in self.left.items()][:NAMED]
        more = len(self.left) - len(shown)
        rest = f"; drawn anew: {', '.join(shown)}" if shown else ""
        return f"begins with {counts} from {parent}{rest}{f', and {more} more' if more else ''}"


def count_of(net: str, names: tuple[str, ...] | list[str]) -> int:
    """Count the tensors of one network."""
    return sum(name.startswith(f"{net}.") for name in names)


def warm(recipe: Recipe, family: Family, folder: RunFolder, *, say: Say) -> Started | None:
    """Put the weights that a recipe names into networks which were just drawn, and freeze layers.

    Nothing is read where the run has a checkpoint, which holds its own weights; None then, and
    where the recipe names no run. RunError: no such run, or nothing of it fits.
    """
    if not recipe.start.run:
        return None
    still = freeze(family, recipe)
    if checkpoints(folder):
        return None
    parent = parent_of(recipe, say=say)
    started = fill_from(parent, family)
    if missing := sorted(set(still) - set(started.taken)):
        raise RunError(
            f"--freeze {recipe.start.freeze}: {missing[0]} is not among what {parent.name} gives "
            f"({started.left[missing[0]]}), so there is nothing to keep as it is; drop --freeze, "
            "or begin with a run of the same critic"
        )
    say(started.line())
    return started


def parent_of(recipe: Recipe, *, say: Say) -> Parent:
    """Open a run or bundle and, for upscalers, a baseline by its name or a file of weights."""
    named = recipe.start.run
    known = named in BASELINES or Path(named).suffix.lower() in FILES
    if isinstance(recipe.family, UpscaleRecipe) and known and not Path(named).is_dir():
        found = load_upscaler(named, device=torch.device("cpu"), say=say)
        return Parent(
            name=found.name,
            checkpoint="",
            images_seen=0,
            sha256=found.sha256,
            notes=(Note(what=f"weights {found.name}", licence=found.licence),),
            tensors={f"generator.{n}": tensor for n, tensor in found.net.state_dict().items()},
            again="--family.generator compact, rrdb or srgan with its sizes",
        )
    run = undrawn(find_run(named, say=say), "--from")
    return Parent(
        name=run.name,
        checkpoint=run.checkpoint,
        images_seen=run.images_seen,
        sha256=sha256_of(run.weights),
        notes=tuple(licences(run)),
        tensors=tensors_of(run),
        again=f"--config {run.place / 'recipe.toml'}",
    )


def fill_from(parent: Parent, family: Family) -> Started:
    """Copy every tensor of equal name and shape into the networks that are trained or averaged."""
    filled = {*family.optimizers, *family.averaged}
    own = {
        name: tensor
        for name, tensor in family.nets.state_dict().items()
        if name.partition(".")[0] in filled and not name.endswith(OWN)
    }
    again = also(parent.tensors, family.begins)
    theirs = {**parent.tensors, **{name: again[name] for name in again if name in own}}
    left = {name: why(name, tensor, theirs) for name, tensor in own.items()}
    left = {name: reason for name, reason in left.items() if reason}
    taken = tuple(name for name in own if name not in left)
    if not taken:
        first, reason = next(iter(left.items()))
        raise RunError(
            f"nothing of {parent.name} fits this recipe: no tensor has the name and shape of one "
            f"here (first: {first}, {reason}); give its networks' settings "
            f"({parent.again}), or another run"
        )
    with torch.no_grad():
        for name in taken:
            own[name].copy_(theirs[name])
    unused = tuple(name for name in theirs if name not in taken)
    return Started(parent=parent, taken=taken, left=left, unused=unused)


def also(theirs: Mapping[str, Tensor], begins: Mapping[str, str]) -> dict[str, Tensor]:
    """Give a parent's tensors again under the names of what begins as one of its networks."""
    return {
        f"{net}.{name.removeprefix(f'{of}.')}": tensor
        for net, of in begins.items()
        for name, tensor in theirs.items()
        if name.startswith(f"{of}.")
    }


def why(name: str, tensor: Tensor, theirs: Mapping[str, Tensor]) -> str:
    """Say why a tensor is not taken; empty: it is."""
    if name not in theirs:
        return "not there"
    if theirs[name].shape != tensor.shape:
        return f"{shape(tensor)} here, {shape(theirs[name])} there"
    return ""


def shape(tensor: Tensor) -> str:
    """Write a shape as 64x3x4x4."""
    return "x".join(map(str, tensor.shape)) or "a number"


def tensors_of(parent: Found) -> dict[str, Tensor]:
    """Read the averaged tensors of a run and, of networks without an average, the last ones.

    Those are in the checkpoint of the same moment if it is kept, else in the last one; a bundle has
    none.
    """
    kept = {} if parent.bundle else {p.name: p for p in checkpoints(RunFolder(parent.place))}
    place = kept.get(str(parent.images_seen), list(kept.values())[-1] if kept else None)
    last = unpack(place / "nets.safetensors") if place else {}
    return {**last, **unpack(parent.weights)}


def freeze(family: Family, recipe: Recipe) -> list[str]:
    """Keep the first layers of the critic as they are; give the names of their weights.

    A layer is one with a matrix or kernels, and what follows it before the next.
    Source: Mo et al. 2020, arXiv:2002.10964 (FreezeD), section 3. RecipeError: nothing would learn.
    """
    wanted = recipe.start.freeze
    if not wanted:
        return []
    number, layers = 0, {}  # of each parameter
    for module in family.nets["critic"].modules():
        number += isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
        layers.update({id(p): number for p in module.parameters(recurse=False)})
    if wanted >= number:
        raise RecipeError(
            f"start.freeze is {wanted} and the critic has {number} layers, of which one at least "
            f"must learn; allowed: 0 to {number - 1}"
        )
    still = {
        n: p for n, p in family.nets.named_parameters() if layers.get(id(p), wanted + 1) <= wanted
    }
    for parameter in still.values():
        parameter.requires_grad_(False)
    return list(still)
