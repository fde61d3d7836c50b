"""A run -> a bundle: one network, its recipe, scores, licences, a picture and a card."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from trilemma import extracting
from trilemma.atomic import whole_folder, write_bytes, write_text
from trilemma.checkpoint import pack, unpack
from trilemma.data.named import NAMED
from trilemma.errors import RunError, TrilemmaError
from trilemma.evaluation import read_scores, write_scores
from trilemma.images import grid, write_png
from trilemma.modelcard import card
from trilemma.places import Say, quiet
from trilemma.recipe import files
from trilemma.recipe.own import named
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import write_json
from trilemma.runs import WEIGHTS, Found, find_run
from trilemma.sampling import drawn, load_generator
from trilemma.scores import Scores
from trilemma.weights import sha256_of

SCHEMA = 1  # of licence.json
SHOWN = 64  # images of the grid, seeds 0 to 63
PLACE = Path("bundles")  # where bundles go that nobody named a place for
CLOSED = re.compile(r"\bNC\b|non-?\s?commercial|research only", re.IGNORECASE)
OPEN = re.compile(r"^(CC0|CC BY|MIT|BSD|Apache|public domain|own work)", re.IGNORECASE)
SLACK = 60.0  # seconds: a copied run's files are as old as the copy


@dataclass(frozen=True, kw_only=True)
class Note:
    """A licence that goes along with a network."""

    what: str  # such as training images mnist:train
    licence: str  # as its owner states it; "not stated"

    @property
    def commercial(self) -> str:
        """May it be used commercially? yes, no, or unknown."""
        if CLOSED.search(self.licence):
            return "no"
        return "yes" if OPEN.search(self.licence) else "unknown"


def export(run: str, out: Path | None = None, *, device: torch.device, say: Say = quiet) -> Path:
    """Write the averaged networks of a run (RUN@last picks) as a bundle, whole or not at all.

    out: the bundle's folder, new or empty; None: below ./bundles, named after the run. RunError:
    `run` is a bundle already, or something lies at `out`.
    """
    found = find_run(run, say=say)
    if found.bundle:
        raise RunError(f"{found.place} is a bundle already; copy that folder")
    target = out or PLACE / found.name
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target} is there already; give another --out DIR, or delete it")
    with whole_folder(target) as beside:
        fill(beside, found, name=target.name, device=device, say=say)
        if target.exists():
            target.rmdir()
    return target


def fill(place: Path, found: Found, *, name: str, device: torch.device, say: Say) -> None:
    """Write the files of a bundle into a folder."""
    recipe = portable(found.recipe, say)
    for file in dict.fromkeys(code.file for code in named(recipe)):
        say(
            f"NOT INSIDE: {file}, code that this network is made by; who draws from the bundle "
            "lays that file beside its recipe.toml and gives --trust"
        )
    notes = licences(found)
    scores = fresh_scores(found, say)
    about = {
        "run": found.name,
        "checkpoint": found.checkpoint,
        "images_seen": str(found.images_seen),
        "sha256": sha256_of(found.weights),  # of the file in the run
    }
    write_bytes(place / WEIGHTS, pack(unpack(found.weights), about))
    files.write(place / "recipe.toml", recipe)
    write_json(place / "licence.json", as_plain(notes))
    if scores is not None:
        write_scores(place / "scores.json", scores)
    for ending in (".safetensors", ".json"):  # of a run that has an extractor of its own
        own = (found.place / extracting.OWN).with_suffix(ending)
        if own.is_file():
            shutil.copyfile(own, place / own.name)
    drawer = load_generator(found, device=device)
    pixels = drawn(drawer, range(SHOWN))
    write_png(place / "grid.png", grid(pixels))
    rows = as_plain(notes)["notes"]
    write_text(place / "card.md", card(name, found, drawer, notes=rows, scores=scores))
    for note in notes:
        if note.commercial == "no":
            say(f"NOT FOR COMMERCIAL USE: {note.what}: {note.licence}")


def portable(recipe: Recipe, say: Say) -> Recipe:
    """Leave out of a recipe where things lie on this machine: a whole path is cut to its end."""
    root = recipe.data.root
    if not Path(root).is_absolute():
        return recipe
    named = recipe.data.source != "folder"
    say(f"data.root {root} is a place on this machine and is left out of the bundle")
    return replace(recipe, data=replace(recipe.data, root="" if named else Path(root).name))


def licences(found: Found) -> list[Note]:
    """Collect the licences of a run's images and of the runs it goes back to, each once.

    From licence.json of the run; without one, of the named set. What nobody stated is said so.
    """
    notes = read_licences(found.place) or [own_licence(found.recipe)]
    parent = found.place / "parent.txt"
    if parent.is_file():
        name = parent.read_text(encoding="utf-8").rpartition(" at ")[0]
        notes += parent_licences(name)
    return list(dict.fromkeys(notes))


def own_licence(recipe: Recipe) -> Note:
    """Say under which licence a recipe's images stand."""
    data = recipe.data
    if data.source in NAMED:
        return Note(what=f"training images {data.source}", licence=NAMED[data.source].licence)
    return Note(what=f"training images {Path(data.root).name}", licence="not stated")


def parent_licences(name: str) -> list[Note]:
    """Collect the licences of a parent run; one that is gone is named."""
    try:
        return licences(find_run(name))
    except TrilemmaError:
        return [Note(what=f"parent run {name}", licence="not stated: the run is not here")]


def read_licences(place: Path) -> list[Note]:
    """Read a run's or bundle's licence.json; none where it is missing. RunError: it is broken."""
    path = place / "licence.json"
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [Note(what=str(n["what"]), licence=str(n["licence"])) for n in content["notes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: no licences can be read ({error}); delete or mend it") from error


def as_plain(notes: Sequence[Note]) -> dict[str, Any]:
    """Give licence.json's content."""
    rows = [{"what": n.what, "licence": n.licence, "commercial": n.commercial} for n in notes]
    return {"schema": SCHEMA, "notes": rows}


def fresh_scores(found: Found, say: Say) -> Scores | None:
    """Give the scores of this very network; None where there are none, with a line."""
    path = found.place / "scores.json"
    how = f"trilemma evaluate {found.name}@{found.checkpoint}"
    if not path.is_file():
        say(f"no scores to go along; make some first: {how}")
        return None
    if path.stat().st_mtime < found.weights.stat().st_mtime - SLACK:
        say(f"{path} is older than the weights and stays behind; make it again: {how}")
        return None
    known = read_scores(path)
    scores = tuple(s for s in known.scores if s.checkpoint in ("", found.checkpoint))
    if not scores:
        say(f"{path} has no scores of {found.checkpoint}; make some first: {how}")
        return None
    used = {score.column for score in scores}
    columns = {name: column for name, column in known.columns.items() if name in used}
    return replace(known, columns=columns, scores=scores)
