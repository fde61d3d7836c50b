"""Another project's settings, such as parameters.json, as a recipe.

Every key is read by the meaning of its words (`foreign_keys`) and becomes a field of ours, or a
line that says what there is in its place, or it stops the run. Nothing is left out in silence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from trilemma.recipe import presets
from trilemma.recipe.checking_duel import PENALTIES
from trilemma.recipe.foreign_place import SOURCES, Place, place
from trilemma.recipe.foreign_reading import Given, Said, flat, read, said_by
from trilemma.recipe.foreign_values import shown
from trilemma.recipe.overrides import apply, leaves, nested, with_ema
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, Recipe

__all__ = ["SOURCES", "is_foreign", "recipe_of"]

OPTIMIZERS = ("family.generator_optimizer", "family.critic_optimizer", "family.optimizer")
NETS = ("family.generator", "family.critic")
OURS = {"schema", "extends", "about", "measured"}  # keys of a recipe's or a preset's file
LOSSES = ("hinge", "least-squares", "relativistic")  # kinds that are a DCGAN with another loss
SMALL_BETA2 = 0.9  # WGAN-GP's second decay; others take 0.99 or more
DECIDED: Mapping[str, Sequence[str]] = {  # what is decided late: the fields that it becomes
    "@condition": ("family.condition",),
    "@clip": ("family.clip_weights", "family.optimizer.clip"),
    "@crop": ("data.size",),
    "@data": ("data.source", "data.root"),
    "@ema": ("train.ema_images",),
    "@gp": ("family.gp",),
    "@height": ("data.size",),
    "@iterations": ("train.images",),
    "@loss": ("family.loss", "family.process"),
    "@model": ("family.loss", "family.process"),
    "@path": ("data.root",),
    "@width": ("data.size",),
}


def is_foreign(table: Mapping[str, Any], *, json: bool) -> bool:
    """Is this file another project's? JSON without a schema is; TOML where few fields are ours."""
    names = [".".join(path) for path, _ in flat(table)]
    if OURS & table.keys() or not names:
        return False
    families = (AdversarialRecipe(), DiffusionRecipe())
    known = {name for family in families for name, _ in leaves(Recipe(family=family))}
    return json or 2 * sum(name in known for name in names) < len(names)


def recipe_of(table: Mapping[str, Any], *, where: str) -> tuple[Recipe, tuple[str, ...]]:
    """Make a recipe of somebody else's settings, and a line about what each of them became.

    where: the file. What the settings do not say is as in the preset closest to them. RecipeError
    in one line: unknown settings, each with the closest known one; two that say different things; a
    value that cannot be taken.
    """
    given = read(table, where)
    said = said_by(given, where)
    kind, why = kind_of(said)
    named, path = (said[name].setting if name in said else None for name in ("@data", "@path"))
    found = place(named, path, Path(where))
    base = _base(kind, found)
    recipe = _filled(base, said, where)
    lines = [
        f"read as {kind} ({why}); what is not said is as in {base.preset}",
        *(_line(one, recipe, kind) for one in given),
        *found.notes,
    ]
    if _normed(base) and not _normed(recipe) and "*net.batchnorm" not in said:
        lines.append("a penalty needs the slope at one image: family.critic.batchnorm = false")
    if isinstance(recipe.family, AdversarialRecipe) and "watch.grid_epochs" not in said:
        recipe = replace(recipe, watch=replace(recipe.watch, grid_epochs=1.0))
        lines.append("samples are drawn after every epoch (watch.grid_epochs = 1.0)")
    return recipe, tuple(f"{where}: {line}" for line in lines)


def kind_of(said: Mapping[str, Said]) -> tuple[str, str]:
    """Say which model the settings are of, and which of them tells."""
    values = {name: one.value for name, one in said.items()}
    named = [n for n in ("@loss", "@model") if values.get(n) not in (None, "wgan", "dcgan")]
    second = [n for n in values if n.endswith("beta2") and values[n] <= SMALL_BETA2]
    signs = (
        ("ddpm", [n for n in ("@model", "@loss") if values.get(n) == "ddpm"]),
        (values[named[0]] if named else "", named),
        ("dcgan", [n for n in ("@loss",) if values.get(n) == "dcgan"]),
        ("wgan-gp", [n for n in ("family.gp", "@gp") if values.get(n)]),
        ("ddpm", [n for n in ("family.timesteps", "family.schedule") if n in values]),
        ("wgan", [n for n in ("@clip",) if values.get(n)]),
        ("wgan", [n for n in ("@loss", "@model") if values.get(n) == "wgan"]),
        ("dcgan", [n for n in ("@model",) if n in values]),
        ("wgan-gp", [n for n in ("family.critic_updates",) if values.get(n, 1) > 1]),
        ("wgan-gp", second),
    )
    for kind, telling in signs:
        if telling:
            return kind, f"{said[telling[0]].setting.key} says so"
    return "dcgan", "no setting says that it is another model"


def _base(kind: str, found: Place) -> Recipe:
    """Give the preset closest to a kind and a data set, with these images."""
    ending = "dcgan" if kind in LOSSES else kind
    name = f"{found.source}-{ending}"
    base = presets.find(name if name in presets.names() else f"folder-{ending}").recipe
    data = replace(base.data, source=found.source, root=found.root)
    if base.data.source != found.source:  # its shape is that of the set
        alike = (one.recipe.data for preset in presets.presets() for one in preset.stages)
        shape = next((one for one in alike if one.source == found.source), data)
        data = replace(data, size=shape.size, channels=shape.channels)
    base = replace(base, data=data)
    return _set(base, "family.loss", kind, "preset") if kind in LOSSES else base


def _filled(recipe: Recipe, said: Mapping[str, Said], where: str) -> Recipe:
    """Put the values into the recipe: those of both networks before those of one."""
    if "train.epochs" in said or "@iterations" in said:
        recipe = replace(recipe, train=replace(recipe.train, epochs=0.0, images=0, minutes=0.0))
    for field in sorted(said, key=_rank):
        if not field.startswith("@"):
            for target in _targets(field, recipe):
                recipe = _set(recipe, target, said[field].value, where)
    values = {name: one.value for name, one in said.items()}
    return _decided(recipe, values, where)


def _rank(field: str) -> tuple[bool, bool]:
    """Order fields: which network comes before its sizes, both networks before one."""
    return not field.endswith(".name"), not field.startswith("*")


def _decided(recipe: Recipe, values: Mapping[str, Any], where: str) -> Recipe:
    """Decide what depends on several settings."""
    if "data.size" not in values:
        if "@crop" in values:
            recipe = _set(recipe, "data.size", values["@crop"], where)
        sides = [values.get(name) for name in ("@width", "@height")]
        known = [side for side in sides if side]
        if known:
            width, height = (side or known[0] for side in sides)
            recipe = _set(recipe, "data.size", f"{width}x{height}", where)
    penalised = any(getattr(recipe.family, name, 0) for name in PENALTIES)
    if penalised and "batchnorm" not in " ".join(values) and _normed(recipe):
        recipe = _set(recipe, "family.critic.batchnorm", False, where)
    if values.get("@condition"):  # a GAN's as in the first conditional ones
        way = "concat" if isinstance(recipe.family, AdversarialRecipe) else "labels"
        recipe = _set(recipe, "family.condition", way, where)
    for target in _targets("@clip", recipe) if "@clip" in values else ():
        recipe = _set(recipe, target, values["@clip"], where)
    if "@iterations" in values and "train.epochs" not in values:
        updates = getattr(recipe.family, "critic_updates", 1)  # each takes a batch of its own
        images = values["@iterations"] * recipe.train.batch_size * updates
        recipe = _set(recipe, "train.images", images, where)
    return with_ema(recipe, values["@ema"]) if "@ema" in values else recipe


def _normed(recipe: Recipe) -> bool:
    """Does the preset's critic normalise over the batch, which goes with no penalty?"""
    return bool(dict(leaves(recipe)).get("family.critic.batchnorm", False))


def _targets(field: str, recipe: Recipe) -> list[str]:
    """Give the fields of this recipe that a setting's field stands for; none in another family."""
    there = {name for name, _ in leaves(recipe)}
    if field.startswith("*"):
        part, _, name = field[1:].partition(".")
        places = OPTIMIZERS if part == "optimizer" else NETS
        found = [f"{place}.{name}" for place in places if f"{place}.{name}" in there]
        return [] if field == "*net.name" and len(found) < 2 else found  # a U-Net is one alone
    found = [name for name in DECIDED.get(field, (field,)) if name in there]
    loss = getattr(recipe.family, "loss", "")
    if field == "@clip" and loss and (loss != "wasserstein" or getattr(recipe.family, "gp", 0)):
        return []  # clipping holds back a critic that no penalty does
    return [] if field == "family.label_real" and loss != "bce" else found


def _set(recipe: Recipe, field: str, value: Any, where: str) -> Recipe:
    return apply(recipe, nested(field, value), where=where)


def _line(given: Given, recipe: Recipe, kind: str) -> str:
    """Say what a setting became."""
    values, fields = dict(leaves(recipe)), dict(given.reading.fields)
    if recipe.train.epochs and "@iterations" in fields:
        return f"{given.setting.written}  ->  another setting says it more closely"
    became = [
        f"{target} = {shown(values[target])}"
        for field, value in fields.items()
        for target in _targets(field, recipe)
        if field.startswith("@") or _same(values[target], value)
    ]
    parts = [", ".join(became)] if became else []
    if not became and fields:
        known = any(_targets(field, recipe) for field in fields)
        parts = ["another setting says it more closely" if known else f"not used by {kind}"]
    if given.reading.said:
        parts.append(given.reading.said)
    return f"{given.setting.written}  ->  {'; '.join(parts)}"


def _same(ours: Any, theirs: Any) -> bool:
    return bool(ours == (tuple(theirs) if isinstance(theirs, list) else theirs))
