"""The named recipes: TOML files that ship with the package, then those in ./presets.

A preset file is a recipe and three keys that are not part of it: `about` (one line), `extends` (the
name of another preset, one level deep) and `measured` (a table of what was measured, or "not yet").
In place of the recipe there may be `stages`, several of them: see `recipe.stages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from trilemma.errors import RecipeError
from trilemma.recipe import files
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import Recipe
from trilemma.recipe.stages import Stage, read_stages

OWN = Path("presets")  # the user's, in the folder where the command is given
NOT_YET = "not yet"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named recipe, or several that follow one another, and what is known about it."""

    name: str
    about: str  # one line; empty if the file has none
    stages: tuple[Stage, ...]  # mostly one, without a name
    measured: Mapping[str, Any]  # command, machine, minutes, scores, commit; empty: not yet

    @property
    def recipe(self) -> Recipe:
        """Give the recipe. RecipeError: there are several."""
        if len(self.stages) > 1:
            listed = ", ".join(f"{one.name} ({one.base or 'its own'})" for one in self.stages)
            raise RecipeError(
                f"'{self.name}' is {len(self.stages)} trainings one after the other: {listed}; "
                f"here one of their presets is wanted; trilemma train {self.name} makes them all"
            )
        return self.stages[0].recipe


def names() -> tuple[str, ...]:
    """List the names of all presets, the shipped ones first, each group sorted."""
    return tuple({**_shipped(), **_own()})


def presets() -> tuple[Preset, ...]:
    """Read all presets, in the order of `names`."""
    return tuple(find(name) for name in names())


def find(name: str) -> Preset:
    """Read the preset of this name.

    RecipeError if there is none (with the closest names), if a shipped one and one in ./presets
    share the name, or if the file is no recipe.
    """
    path = _path(name)
    return _preset(_read(path), name=name, where=str(path))


def read(path: str | Path) -> Preset:
    """Read a recipe file that may extend a preset; its name is the file's, without the ending."""
    path = Path(path)
    return _preset(files.read_table(path), name=path.stem, where=str(path))


def _shipped() -> dict[str, Traversable]:
    folder = resources("trilemma.recipe") / "presets"
    found = {Path(file.name).stem: file for file in folder.iterdir() if file.name.endswith(".toml")}
    return dict(sorted(found.items()))


def _own() -> dict[str, Path]:
    return {file.stem: file for file in sorted(OWN.glob("*.toml"))}


def _path(name: str) -> Traversable:
    shipped, own = _shipped(), _own()
    if name in shipped and name in own:
        raise RecipeError(
            f"preset '{name}' is shipped and also lies at {own[name]}; "
            f"rename yours, or name the file: --config {own[name]}"
        )
    if name not in shipped and name not in own:
        raise RecipeError(unknown("preset", name, {**shipped, **own}))
    return shipped[name] if name in shipped else own[name]


def _read(path: Traversable) -> dict[str, Any]:
    return files.parse(path.read_bytes(), where=str(path))


def _preset(table: dict[str, Any], *, name: str, where: str) -> Preset:
    about = _text(table.pop("about", ""), field="about", where=where)
    measured = table.pop("measured", NOT_YET)
    if "stages" in table:
        stages = _stages(table, name=name, where=where)
    else:
        table = _extended(table, where=where)
        recipe = replace(files.from_table(table, where=where), preset=name)
        stages = (Stage(recipe=recipe),)
    return Preset(name=name, about=about, stages=stages, measured=_measured(measured, where))


def _stages(table: Mapping[str, Any], *, name: str, where: str) -> tuple[Stage, ...]:
    others = sorted(table.keys() - {"minutes", "schema", "stages"})
    if others:
        raise RecipeError(
            f"{where}: '{others[0]}' beside stages; allowed: about, measured, minutes; a recipe's "
            f"fields belong into a stage"
        )
    files.check_schema(table, where)
    return read_stages(
        table["stages"],
        preset=name,
        minutes=table.get("minutes", 0.0),
        find=lambda base: find(base).recipe,
        where=where,
    )


def _extended(table: dict[str, Any], *, where: str) -> dict[str, Any]:
    base_name = _text(table.pop("extends", ""), field="extends", where=where)
    if not base_name:
        return table
    base = _read(_path(base_name))
    if "extends" in base:
        raise RecipeError(
            f"{where}: extends '{base_name}', which itself extends '{base['extends']}'; "
            f"only one level is allowed: extend '{base['extends']}'"
        )
    for key in ("about", "measured"):
        base.pop(key, None)
    return files.merge(base, table)


def _text(value: object, *, field: str, where: str) -> str:
    if not isinstance(value, str) or "\n" in value:
        raise RecipeError(f"{where}: {field} is {value!r}; allowed: one line of text")
    return value


def _measured(value: object, where: str) -> Mapping[str, Any]:
    if value == NOT_YET:
        return {}
    if not isinstance(value, Mapping):
        raise RecipeError(f"{where}: measured is {value!r}; allowed: a table, or '{NOT_YET}'")
    return value
