"""Recipe -> Family: what is trained, with which losses, as plain values."""

from collections.abc import Callable, Mapping
from pathlib import Path

from trilemma.data.labels import labels_of
from trilemma.data.values import Source
from trilemma.families import adversarial, conditions, diffusion, onestep, own, upscale
from trilemma.families.family import Family
from trilemma.families.own import Rows
from trilemma.families.perceptive import Perceptive
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import Recipe

FAMILIES: Mapping[str, Callable[[Recipe, Rows], Family]] = {
    "adversarial": adversarial.build,
    "diffusion": diffusion.build,
    "onestep": onestep.build,
    "upscale": upscale.build,
}


def build(recipe: Recipe, *, beside: Path | None = None) -> Family:
    """Make the family a recipe describes; its networks are drawn from the recipe's seed.

    beside: the recipe's folder, where networks and losses of a user's own may lie.
    """
    return FAMILIES[recipe.family.kind](recipe, own.rows(recipe, beside))


def built(
    recipe: Recipe, source: Source, *, beside: Path | None = None, say: Say = quiet
) -> Family:
    """Make the family of a recipe that knows its source's labels, ready to be trained.

    Its generator remembers some labels; frozen networks get their weights, of which `say` hears.
    """
    family, labels = build(recipe, beside=beside), labels_of(source)
    if labels is not None:
        for name in family.averaged:
            conditions.remember(family.nets[name], recipe.data, labels)
    for net in family.frozen.values():
        if isinstance(net, Perceptive):
            net.load(say)
    return family
