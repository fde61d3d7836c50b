"""Code of a user's own in a recipe: import paths, the digests of their files, their settings."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from trilemma.errors import RecipeError
from trilemma.recipe.networks import OwnCritic, OwnDenoiser, OwnGenerator
from trilemma.recipe.recipe import DuelRecipe, Recipe

PATH = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
GIVEN = ("size", "channels", "latent")  # arguments that every network is given anyway
OwnNetwork = OwnGenerator | OwnCritic | OwnDenoiser


class Own(NamedTuple):
    """Code that a recipe names."""

    field: str  # that names it, such as family.loss
    path: str  # my_module:loss
    digest: str  # sha256 of the module's source; "": not recorded yet

    @property
    def module(self) -> str:
        """The module, by its dots."""
        return self.path.partition(":")[0]

    @property
    def attribute(self) -> str:
        """What is taken from it."""
        return self.path.partition(":")[2]

    @property
    def name_field(self) -> str:
        """The field that holds the path."""
        return self.field if self.field == "family.loss" else f"{self.field}.name"

    @property
    def digest_field(self) -> str:
        """The field that holds the digest."""
        return "family.loss_digest" if self.field == "family.loss" else f"{self.field}.digest"

    @property
    def file(self) -> str:
        """The module's file, from where modules are looked for."""
        return self.module.replace(".", "/") + ".py"


def is_path(name: str) -> bool:
    """Is this the name of code of somebody's own, in place of a row of our tables?"""
    return ":" in name


def named(recipe: Recipe) -> Iterator[Own]:
    """Give all code of a user's own that a recipe names."""
    family = recipe.family
    for part in ("generator", "critic"):
        net = getattr(family, part, None)
        if isinstance(net, OwnNetwork):
            yield Own(f"family.{part}", net.name, net.digest)
    if isinstance(family, DuelRecipe) and is_path(family.loss):
        yield Own("family.loss", family.loss, family.loss_digest)


def with_digests(recipe: Recipe, digests: Mapping[str, str]) -> Recipe:
    """Record digests by the field that names the code."""
    family: Any = recipe.family
    changed: dict[str, Any] = {}
    for field, digest in digests.items():
        name = field.rpartition(".")[2]
        part = getattr(family, name)
        changed |= (
            {"loss_digest": digest} if name == "loss" else {name: replace(part, digest=digest)}
        )
    if isinstance(family, DuelRecipe) and not is_path(family.loss):
        changed["loss_digest"] = ""  # left over from a recipe that this one began as
    return replace(recipe, family=replace(family, **changed))


def as_typed(recipe: Recipe, typed: Collection[str]) -> tuple[Recipe, tuple[str, ...]]:
    """Give the recipe, and the import paths that were typed: of those no file says the digest.

    typed: dotted fields.
    """
    owns = [own for own in named(recipe) if own.name_field in typed]
    fresh = {own.field: "" for own in owns if own.digest_field not in typed}
    return with_digests(recipe, fresh), tuple(own.path for own in owns)


def check_path(field: str, path: str) -> None:
    """Refuse what is spelled like no import path: RecipeError."""
    if not PATH.fullmatch(path) or path.partition(":")[0].endswith(".py"):
        module = re.sub(r"\.py$", "", path.partition(":")[0]).replace("/", ".") or "my_module"
        name = path.partition(":")[2] or "Net"
        raise RecipeError(
            f"{field} is '{path}'; allowed: the module's name without .py, a colon and what is "
            f"taken from it, such as {module}:{name}"
        )


def check_network(prefix: str, net: OwnNetwork) -> None:
    """Refuse a path or settings that cannot be: RecipeError."""
    check_path(prefix, net.name)
    for name in arguments(prefix, net.settings):
        if name in GIVEN:
            raise RecipeError(
                f"{prefix}.settings has {name}, which the recipe gives; allowed: other arguments"
            )


def arguments(prefix: str, settings: Sequence[str]) -> dict[str, Any]:
    """Read settings such as width=32 as arguments; values are TOML, else text. RecipeError: not so.

    Numbers, true, false and [1, 2, 4] mean what they say; anything else is text.
    """
    read: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier() or name in read:
            raise RecipeError(
                f"{prefix}.settings has '{text}'; allowed: name=value, each name once, such as "
                "width=32"
            )
        read[name] = value_of(value)
    return read


def value_of(text: str) -> Any:
    """Read a value as TOML; what is none is text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if len(table) == 1 else text
