"""Recipe -> Family: what is trained, with which losses, as plain values."""

from collections.abc import Callable, Mapping

from trilemma.data.labels import labels_of
from trilemma.data.values import Source
from trilemma.families import adversarial, conditions, diffusion
from trilemma.families.family import Family
from trilemma.recipe.recipe import Recipe

FAMILIES: Mapping[str, Callable[[Recipe], Family]] = {
    "adversarial": adversarial.build,
    "diffusion": diffusion.build,
}


def build(recipe: Recipe) -> Family:
    """Make the family a recipe describes; its networks are drawn from the recipe's seed."""
    return FAMILIES[recipe.family.kind](recipe)


def built(recipe: Recipe, source: Source) -> Family:
    """Make the family of a recipe that knows its source's labels; its generator remembers some."""
    family, labels = build(recipe), labels_of(source)
    if labels is not None:
        conditions.remember(family.nets["generator"], recipe.data, labels)
    return family
