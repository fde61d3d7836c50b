"""Recipes in and out of TOML and JSON files."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from trilemma.atomic import write_text
from trilemma.errors import RecipeError
from trilemma.recipe.overrides import SELECTORS, apply
from trilemma.recipe.recipe import Recipe

SCHEMA = 1  # of recipe files; what a newer version wrote is refused
Table = Mapping[str, Any]


def read_table(path: str | Path) -> dict[str, Any]:
    """Read a TOML or JSON file as it stands; RecipeError if it cannot be read or is neither."""
    path = Path(path)
    try:
        return parse(path.read_bytes(), where=str(path))
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file; a recipe is a .toml or .json file") from None
    except IsADirectoryError:
        raise RecipeError(f"{path}: is a folder; a recipe is a .toml or .json file") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None


def parse(content: bytes, *, where: str) -> dict[str, Any]:
    """Read the bytes of a TOML or JSON file (JSON starts with a brace); `where` names it."""
    try:
        text = content.decode("utf-8-sig")  # Notepad writes a mark in front
        table = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except UnicodeDecodeError:
        raise RecipeError(f"{where}: not a text file in UTF-8; a recipe is TOML or JSON") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise RecipeError(f"{where}: neither TOML nor JSON: {error}") from None
    assert isinstance(table, dict), "text that starts with a brace is an object or an error"
    return table


def from_table(table: Table, *, where: str) -> Recipe:
    """Make a recipe of a table; what it does not name has its default.

    RecipeError in one line names the file, the field, what was found and what is allowed.
    """
    check_schema(table, where)
    return apply(Recipe(), table, where=where)


def to_table(recipe: Recipe) -> dict[str, Any]:
    """Give every field of a recipe as nested tables of plain values, ready for TOML or JSON."""
    table: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))  # tuples become arrays
    return table


def read(path: str | Path) -> Recipe:
    """Read a whole recipe, such as the recipe.toml of a run."""
    return from_table(read_table(path), where=str(path))


def to_text(recipe: Recipe) -> str:
    """Write a recipe out as TOML, every field of it."""
    import tomli_w  # late: reading does without

    return tomli_w.dumps(to_table(recipe))


def write(path: str | Path, recipe: Recipe) -> None:
    """Write a whole recipe as TOML (or JSON, by the ending). NoSpaceError: it cannot be written."""
    path = Path(path)
    as_json = path.suffix.lower() == ".json"
    text = json.dumps(to_table(recipe), indent=2) + "\n" if as_json else to_text(recipe)
    write_text(path, text)


def merge(base: Table, over: Table) -> dict[str, Any]:
    """Lay one table over another: tables are merged, everything else is replaced.

    A table that names another `kind` or `name` than the one below replaces it whole.
    """
    merged = dict(base)
    for key, value in over.items():
        below = base.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping) and _same(below, value):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def _same(below: Any, over: Any) -> bool:
    return all(key not in over or key not in below or over[key] == below[key] for key in SELECTORS)


def check_schema(table: Table, where: str) -> None:
    """Refuse what a newer version wrote: RecipeError."""
    found = table.get("schema", SCHEMA)
    if type(found) is not int or found < 1:
        raise RecipeError(f"{where}: schema is {found!r}; allowed: {SCHEMA}")
    if found > SCHEMA:
        raise RecipeError(
            f"{where}: schema {found} is newer than this version reads ({SCHEMA}); update trilemma"
        )
