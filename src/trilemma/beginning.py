"""What a run has before its first step: its licence, its skipped files, its parent, its recipe."""

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trilemma import extracting
from trilemma.atomic import whole_folder, write_bytes, write_text
from trilemma.checkpoint import State, read_state, write_state
from trilemma.data.values import Source
from trilemma.errors import RunError
from trilemma.licences import Note, as_plain
from trilemma.recipe import files
from trilemma.recipe.naming import digest
from trilemma.recipe.recipe import OptimizerRecipe, Recipe
from trilemma.runfolder import RunFolder, write_json
from trilemma.runs import Found
from trilemma.warmstart import START, Started


def no_file(out: Path | None) -> None:
    """Refuse a file where a run's folder is to be: RunError."""
    if out is not None and out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file; a run is a folder: give another --out DIR")


def fits(folder: RunFolder, recipe: Recipe, source: Source) -> None:
    """Refuse a folder in which another training lies: RunError."""
    if not folder.exists():
        return
    there = files.read(folder.path / "recipe.toml")
    if digest(there, source.fingerprint) != digest(recipe, source.fingerprint):
        raise RunError(
            f"{folder.path} holds another training ({there.preset or 'a recipe'}); "
            "give another --out DIR, or the settings it was begun with"
        )


def notes(source: Source) -> list[str]:
    """Say what somebody who trains on these images must know."""
    said = list(source.notes)
    if source.skipped:
        first = f"{source.skipped[0].name}: {source.skipped[0].reason}"
        said.append(
            f"{source.name}: {len(source.skipped):,} files cannot be used and are left out, "
            f"{len(source):,} images remain; the run's skipped.csv lists them (first: {first})"
        )
    return said


def claim(
    folder: RunFolder,
    recipe: Recipe,
    source: Source,
    *,
    watched: Mapping[str, Any],
    extractor: Path | None,
    started: Started | None,
    code: Mapping[str, bytes],
) -> None:
    """Write what a run has from the start; its recipe last, for that makes the folder a run.

    watched: what its scores are made with. extractor: a file to copy into the run. started: what
    its networks begin with, if it is another's weights. code: sources of the user's own, by name.
    """
    if extractor is not None:
        extracting.settle(extractor, folder)
    if not (folder.path / "watched.json").is_file():
        write_json(folder.file("watched.json"), watched)
    if started is not None:
        write_json(folder.file(START), started.plain())
    if folder.exists():
        return
    if source.skipped:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("file", "reason"), *source.skipped])
        write_text(folder.file("skipped.csv"), text.getvalue())
    for name, content in code.items():
        write_bytes(folder.file(name), content)
    own = Note(what=f"training images {source.name}", licence=source.licence or "not stated")
    known = [own, *(started.parent.notes if started else ())]
    write_json(folder.file("licence.json"), as_plain(list(dict.fromkeys(known))))
    files.write(folder.file("recipe.toml"), recipe)


def continues(recipe: Recipe, parent: Found) -> None:
    """Refuse what a checkpoint has no place for: Muon or a guide, where it had none, or none."""
    if recipe.start != parent.recipe.start:
        raise RunError(
            "--continue goes on with the run's own weights; --from and --freeze are for a new run: "
            "drop them, or drop --continue"
        )
    before, after = kept_settings(parent.recipe), kept_settings(recipe)
    for name in (*before, *after):
        kept = before.get(name, False)
        if after.get(name, False) != kept:
            raise RunError(
                f"--continue cannot switch {name} {'off' if kept else 'on'}: the checkpoint of "
                f"{parent.name} is of a training {'with' if kept else 'without'} it"
            )


def kept_settings(recipe: Recipe) -> dict[str, bool]:
    """Say which settings decide about the tensors of a checkpoint, and whether they are on."""
    parts = {name: getattr(recipe.family, name) for name in vars(recipe.family)}
    optimizers = {n: part for n, part in parts.items() if isinstance(part, OptimizerRecipe)}
    on = {f"family.{name}.muon_lr": part.muon_lr > 0 for name, part in optimizers.items()}
    on |= {
        f"family.{name}.muon_layers all": part.muon_layers == "all"
        for name, part in optimizers.items()
        if part.muon_lr
    }
    on |= {
        f"family.{name}.rule {part.rule}{' with momentum' * (part.beta1 > 0)}": True
        for name, part in optimizers.items()
        if part.rule != "adam"
    }
    on["family.ada_target"] = parts.get("ada_target", 0.0) > 0
    return on | {"family.guidance": parts.get("guidance", 1.0) != 1}


def begin_from(start: Path, parent: Found, folder: RunFolder) -> None:
    """Let a checkpoint of a finished run begin a new one: without horizon and scores.

    It is moved into place whole and last, over what a kill or a refusal left of an earlier try.
    """
    place = folder.file(f"checkpoints/{start.name}")
    with whole_folder(place) as beside:
        for file in start.iterdir():
            shutil.copyfile(file, beside / file.name)
        known = read_state(beside)
        state = State(images_seen=known.images_seen, choices=known.choices, rate=known.rate)
        write_state(beside, state)
        if (parent.place / extracting.OWN).is_file():
            extracting.settle(parent.place / extracting.OWN, folder)
        write_text(folder.file("parent.txt"), f"{parent.name} at {start.name} images\n")
        shutil.rmtree(place, ignore_errors=True)
