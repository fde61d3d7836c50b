"""Values from a file or the command line into a recipe, with every type checked.

The types of the dataclasses are the only grammar. Where a field may be one of several dataclasses,
the value of its `kind` or `name` says which.
"""

import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from trilemma.errors import RecipeError
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import OptimizerRecipe, Recipe

FILLED_IN = frozenset(  # fields that nobody types: a training fills them in
    {
        "data.label_high",
        "data.label_low",
        "data.labels",
        "family.critic.digest",
        "family.generator.digest",
        "family.loss_digest",
        "family.matched_blur",
        "family.matched_gain",
        "family.matched_noise",
        "family.matched_offset",
    }
)
SELECTORS = ("kind", "name")  # fields whose value says which dataclass a table is
# pretrained networks that are refused as critics
LEAKING = frozenset(
    {"dino", "dinov2", "efficientnet", "inception", "lite0", "vgg16", "vgg19"}
)  # no critics
Part = TypeVar("Part")
Table = Mapping[str, Any]


def hints(part: type) -> dict[str, Any]:
    """Give the type of every field of a dataclass, in order."""
    assert is_dataclass(part), f"{part} is no dataclass"
    resolved = get_type_hints(part)
    return {entry.name: resolved[entry.name] for entry in fields(part)}


def variants(hint: Any) -> tuple[type, ...]:
    """Give the dataclasses a field may hold; none for a field that is a plain value."""
    several = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return tuple(one for one in several if isinstance(one, type) and is_dataclass(one))


def selector(part: type) -> str:
    """Give the field that tells this dataclass from its alternatives; empty if there is none."""
    known = hints(part)
    return next(
        (n for n in SELECTORS if get_origin(known.get(n)) is Literal or is_open(part, n)), ""
    )


def is_open(part: type, name: str) -> bool:
    """May a field be any name: that of code of a user's own?"""
    return name == "name" and hints(part).get(name) is str


def apply(default: Part, table: Table, *, where: str, prefix: str = "") -> Part:
    """Give `default` with the values of `table` in place of its own, nested tables included.

    where: the file, or "command line", for messages. RecipeError names the first field that does
    not exist or has another type.
    """
    known = hints(type(default))
    changed: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise RecipeError(f"{where}: {unknown('field', prefix + name, _dotted(known, prefix))}")
        place = _Place(where, prefix + name)
        classes = variants(known[name])
        if classes:
            changed[name] = _table(classes, getattr(default, name), value, place)
        else:
            changed[name] = _value(known[name], value, place)
    return replace(default, **changed)  # type: ignore[type-var]


def nested(name: str, value: Any) -> dict[str, Any]:
    """Turn a dotted name into nested tables."""
    first, _, rest = name.partition(".")
    return {first: nested(rest, value) if rest else value}


def leaves(part: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of every plain field of a recipe or of a part of it."""
    for name, hint in hints(type(part)).items():
        value = getattr(part, name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{name}.")
        else:  # Python takes 5 for 5.0, a file and a digest do not
            yield prefix + name, float(value) if hint is float else value


def each_optimizer(recipe: Recipe, change: Callable[[OptimizerRecipe], OptimizerRecipe]) -> Recipe:
    """Change every optimizer of the recipe's family."""
    parts = {name: getattr(recipe.family, name) for name in hints(type(recipe.family))}
    changed = {n: change(part) for n, part in parts.items() if isinstance(part, OptimizerRecipe)}
    family: Any = recipe.family
    return replace(recipe, family=replace(family, **changed))


def with_lr(recipe: Recipe, lr: float) -> Recipe:
    """Give every optimizer this learning rate; Muon's, and what both end at, keep their share."""

    def scaled(optimizer: OptimizerRecipe) -> OptimizerRecipe:
        factor = lr / optimizer.lr if optimizer.lr else 1.0
        end, muon = (float(f"{x * factor:.6g}") for x in (optimizer.lr_end, optimizer.muon_lr))
        return replace(optimizer, lr=lr, lr_end=end, muon_lr=muon)

    return each_optimizer(recipe, scaled)


def with_ema(recipe: Recipe, decay: float) -> Recipe:
    """Turn an averaging decay per step into the half-life in images that a recipe holds.

    decay: in [0, 1); 0 turns averaging off. The half-life n solves decay^(n / batch) = 1/2; it is
    rounded to three digits. RecipeError outside the range.
    """
    if not 0 <= decay < 1:
        raise RecipeError(f"ema is {decay:g}; allowed: 0 (off) to below 1, such as 0.999")
    images = recipe.train.batch_size * math.log(0.5) / math.log(decay) if decay else 0.0
    return replace(recipe, train=replace(recipe.train, ema_images=round(float(f"{images:.3g}"))))


@dataclass(frozen=True)
class _Place:
    where: str
    field: str

    def wrong(self, found: object, allowed: str) -> RecipeError:
        shown = f"'{found}'" if isinstance(found, str) else str(found)
        kind = KINDS.get(type(found), type(found).__name__)
        return RecipeError(f"{self.where}: {self.field} is {shown} ({kind}); allowed: {allowed}")


KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    list: "an array",
    tuple: "an array",
    dict: "a table",
}


def _dotted(known: Mapping[str, Any], prefix: str) -> list[str]:
    return [prefix + name for name in known]


def _table(classes: tuple[type, ...], default: Any, value: object, place: _Place) -> Any:
    if not isinstance(value, Mapping):
        raise place.wrong(value, f"a table, [{place.field}]")
    start = _variant(classes, default, value, place)
    return apply(start, value, where=place.where, prefix=f"{place.field}.")


def _variant(classes: tuple[type, ...], default: Any, table: Table, place: _Place) -> Any:
    """Give the default itself, or a fresh one of the dataclass that the table's selector names."""
    chosen = table.get(selector(type(default)))
    if chosen is None:
        return default
    names = {name: part for part in classes for name in _names(part)}
    own = next((part for part in classes if is_open(part, "name")), None)
    if own is not None and ":" in str(chosen):
        same = isinstance(default, own) and getattr(default, "name", "") == chosen
        return default if same else own()
    if chosen in LEAKING and place.field.endswith("critic"):
        raise RecipeError(
            f"{place.where}: {place.field} '{chosen}' was trained on ImageNet's pictures, as the "
            "features of Frechet distances are: a generator would learn to please the ruler, not "
            f"the eye; allowed: {', '.join(names)}"
        )
    if chosen not in names:
        what = f"{place.field}.{selector(type(default))}"
        yours = "; a class of your own is module:Class" if own else ""
        raise RecipeError(f"{place.where}: {unknown(what, str(chosen), names)}{yours}")
    return default if isinstance(default, names[chosen]) else names[chosen]()


def _names(part: type) -> tuple[str, ...]:
    return get_args(hints(part)[selector(part)])


def _value(hint: Any, value: Any, place: _Place) -> Any:
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise place.wrong(value, ", ".join(map(str, get_args(hint))))
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise place.wrong(value, "an array, such as [1, 2]")
        return tuple(_value(get_args(hint)[0], one, place) for one in value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise place.wrong(value, KINDS[hint])
    if hint is float and not math.isfinite(value):
        raise place.wrong(value, "a finite number")
    return value
