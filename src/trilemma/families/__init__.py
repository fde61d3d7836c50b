"""Recipe -> Family: what is trained, with which losses, as plain values."""

from collections.abc import Callable, Mapping

from trilemma.families import adversarial, diffusion
from trilemma.families.family import Family
from trilemma.recipe.recipe import Recipe

FAMILIES: Mapping[str, Callable[[Recipe], Family]] = {
    "adversarial": adversarial.build,
    "diffusion": diffusion.build,
}


def build(recipe: Recipe) -> Family:
    """Make the family a recipe describes; its networks are drawn from the recipe's seed."""
    return FAMILIES[recipe.family.kind](recipe)
