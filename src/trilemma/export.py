"""A run -> a bundle: one network, its recipe, scores, licences, a picture and a card."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from trilemma import extracting
from trilemma.atomic import whole_folder, write_bytes, write_text
from trilemma.checkpoint import pack, unpack
from trilemma.enlargements import with_small
from trilemma.errors import RunError
from trilemma.evaluation import read_scores, write_scores
from trilemma.images import grid, write_png
from trilemma.licences import as_plain, licences
from trilemma.modelcard import card
from trilemma.places import Say, quiet
from trilemma.recipe import files
from trilemma.recipe.own import named
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import IMPORTED, write_json
from trilemma.runs import WEIGHTS, Found, find_run
from trilemma.sampling import drawn, load_generator
from trilemma.scores import Scores
from trilemma.weights import sha256_of

SHOWN = 64  # images of the grid, seeds 0 to 63
PLACE = Path("bundles")  # where bundles go that nobody named a place for
SLACK = 60.0  # seconds: a copied run's files are as old as the copy


def export(run: str, out: Path | None = None, *, device: torch.device, say: Say = quiet) -> Path:
    """Write the averaged networks of a run (RUN@last picks) as a bundle, whole or not at all.

    out: the bundle's folder, new or empty; None: below ./bundles, named after the run. RunError:
    `run` is a bundle already, or something lies at `out`.
    """
    found = find_run(run, say=say)
    if found.bundle:
        raise RunError(f"{found.place} is a bundle already; copy that folder")
    if found.way:
        raise RunError(
            f"{found.label}: a bundle draws as its recipe says; drop '{found.way}', and give it to "
            "the verb that draws"
        )
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
    if (found.place / IMPORTED).is_file():
        shutil.copyfile(found.place / IMPORTED, place / IMPORTED)
    for ending in (".safetensors", ".json"):  # of a run that has an extractor of its own
        own = (found.place / extracting.OWN).with_suffix(ending)
        if own.is_file():
            shutil.copyfile(own, place / own.name)
    drawer = load_generator(found, device=device)
    drawer = with_small(drawer, SHOWN, say=say)
    count = SHOWN if drawer.low is None else len(drawer.low)
    pixels = drawn(drawer, range(count))
    write_png(place / "grid.png", grid(pixels))
    rows = as_plain(notes)["notes"]
    write_text(place / "card.md", card(name, found, drawer, notes=rows, scores=scores))
    for note in notes:
        if note.commercial == "no":
            say(f"NOT FOR COMMERCIAL USE: {note.what}: {note.licence}")


def portable(recipe: Recipe, say: Say) -> Recipe:
    """Leave out of a recipe where things lie on this machine: a whole path is cut to its end."""
    start = recipe.start
    if Path(start.run).is_absolute():
        recipe = replace(recipe, start=replace(start, run=Path(start.run).name))
    root = recipe.data.root
    if not Path(root).is_absolute():
        return recipe
    named = recipe.data.source != "folder"
    say(f"data.root {root} is a place on this machine and is left out of the bundle")
    return replace(recipe, data=replace(recipe.data, root="" if named else Path(root).name))


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
    here = ("", found.checkpoint)  # of before, none is said
    scores = tuple(s for s in known.scores if s.checkpoint in here)
    if not scores:
        say(f"{path} has no scores of {found.checkpoint}; make some first: {how}")
        return None
    used = {score.column for score in scores}
    columns = {name: column for name, column in known.columns.items() if name in used}
    shares = tuple(s for s in known.shares if s.checkpoint in here)
    heeded = tuple(s for s in known.heeded if s.checkpoint in here)
    return Scores(columns=columns, scores=scores, shares=shares, heeded=heeded)
