"""Trainings that follow one another, as a preset's file lists them.

    minutes = 60.0               # of all stages; 0 or left out: each as long as its own recipe says

    [[stages]]
    name = "generator"
    preset = "folder-gan"        # what the stage's recipe begins with; left out: every default
    share = 0.6                  # of the minutes

    [[stages]]
    name = "upscaler"
    preset = "cats-sr-compact"
    share = 0.4
    data.low = "generator={generator}"           # {NAME}: the run of an earlier stage
    start.run = "realesr-animevideov3"

All else in a stage is a recipe's.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trilemma.errors import RecipeError
from trilemma.recipe.closest import unknown
from trilemma.recipe.following import after, follows
from trilemma.recipe.overrides import apply
from trilemma.recipe.recipe import Recipe

NAME = re.compile(r"[a-z][a-z0-9-]*")  # as options are spelled: --stage.NAME.train.epochs
REFERENCE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One training of a preset."""

    name: str = ""  # empty: the only one
    recipe: Recipe  # in which {NAME} stands for the run of an earlier stage
    base: str = ""  # the preset that it began with
    share: float = 1.0  # of the minutes of all stages, which sum to 1
    said: Mapping[str, Any] = field(default_factory=dict)  # what the file says of its recipe


def read_stages(
    tables: object, *, preset: str, minutes: object, find: Callable[[str], Recipe], where: str
) -> tuple[Stage, ...]:
    """Read the stages of a preset; find: a preset's name -> its recipe.

    RecipeError in one line: a name that is missing, is there twice or cannot be typed; a share that
    is no positive number; a reference to what is no earlier stage; what a recipe can have wrong.
    """
    if not isinstance(tables, list) or not tables:
        raise RecipeError(f"{where}: stages is {tables!r}; allowed: tables, [[stages]]")
    total = _number(minutes, "minutes", where)
    found: list[Stage] = []
    for table in tables:
        stage = _stage(table, preset=preset, find=find, where=where)
        _refuse_references(stage, [one.name for one in found], where)
        found.append(stage)
    whole = sum(stage.share for stage in found)
    shared = [replace(stage, share=stage.share / whole) for stage in found]
    return tuple(_lasting(stage, total) if total else stage for stage in shared)


def filled(recipe: Recipe, runs: Mapping[str, str]) -> Recipe:
    """Put runs in the place of the {NAME}s of earlier stages."""
    low, start = recipe.data.low, recipe.start.run
    for name, run in runs.items():
        low, start = (text.replace(f"{{{name}}}", run) for text in (low, start))
    return replace(
        recipe, data=replace(recipe.data, low=low), start=replace(recipe.start, run=start)
    )


def following(stage: Stage, known: Mapping[str, Recipe]) -> Stage:
    """Let a stage that needs an earlier one's run take over what that is: RecipeError.

    known: the earlier stages' recipes. What the file says of the stage's own images and denoiser
    goes before that.
    """
    parent = known.get(referred(stage.recipe.start.run))
    if parent is None or not follows(stage.recipe):
        return stage
    denoiser = stage.said.get("family", {}).get("denoiser", {})
    own = {"data": stage.said.get("data", {}), "family": {"denoiser": denoiser}}
    recipe = after(stage.recipe, parent, "it")
    return replace(stage, recipe=apply(recipe, own, where=f"stage {stage.name}"))


def referred(text: str) -> str:
    """Give the earlier stage that a field's text speaks of; empty: none."""
    return next(iter(REFERENCE.findall(text)), "")


def _stage(table: object, *, preset: str, find: Callable[[str], Recipe], where: str) -> Stage:
    if not isinstance(table, Mapping):
        raise RecipeError(f"{where}: a stage is {table!r}; allowed: a table, [[stages]]")
    rest = dict(table)
    name, base = rest.pop("name", ""), rest.pop("preset", "")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise RecipeError(
            f"{where}: the name of a stage is {name!r}; allowed: small letters, digits and hyphens"
        )
    place = f"{where}, stage {name}"
    share = _number(rest.pop("share", 1.0), "share", place)
    if not share:
        raise RecipeError(f"{place}: share is 0; allowed: more than 0")
    if not isinstance(base, str):
        raise RecipeError(f"{place}: preset is {base!r}; allowed: a preset's name")
    recipe = apply(find(base) if base else Recipe(), rest, where=place)
    return Stage(
        name=name,
        recipe=replace(recipe, preset=f"{preset}-{name}"),
        base=base,
        share=share,
        said=rest,
    )


def _number(value: object, field: str, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise RecipeError(f"{where}: {field} is {value!r}; allowed: a number, 0 or more")
    return float(value)


def _refuse_references(stage: Stage, earlier: Sequence[str], where: str) -> None:
    """Refuse a name that was there before, and references to what is no earlier stage."""
    if stage.name in earlier:
        raise RecipeError(f"{where}: two stages are called '{stage.name}'; rename one")
    for named, text in (("data.low", stage.recipe.data.low), ("start.run", stage.recipe.start.run)):
        for name in REFERENCE.findall(text):
            if name not in earlier:
                told = unknown("earlier stage", name, earlier)
                raise RecipeError(f"{where}, stage {stage.name}: {named} is '{text}': {told}")


def _lasting(stage: Stage, minutes: float) -> Stage:
    """Give a stage its share of minutes."""
    recipe = stage.recipe
    train: Any = replace(recipe.train, minutes=minutes_of(stage, minutes))
    return replace(stage, recipe=replace(recipe, train=train))


def minutes_of(stage: Stage, minutes: float) -> float:
    """Give a stage's share of minutes, to a thousandth of a minute."""
    return round(stage.share * minutes, 3)
