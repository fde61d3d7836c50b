"""Licences of training images: notes that go along with every network made from them."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trilemma.data.named import NAMED
from trilemma.errors import RunError, TrilemmaError
from trilemma.recipe.recipe import Recipe
from trilemma.runs import Found, find_run

SCHEMA = 1  # of licence.json
CLOSED = re.compile(r"\bNC\b|non-?\s?commercial|research only", re.IGNORECASE)
OPEN = re.compile(r"^(CC0|CC BY|MIT|BSD|Apache|public domain|own work)", re.IGNORECASE)


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
