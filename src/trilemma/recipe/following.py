"""A recipe that goes on from another training's network takes over what that one is."""

from dataclasses import replace

from trilemma.errors import RecipeError
from trilemma.recipe.recipe import DiffusionRecipe, OneStepRecipe, Recipe, StartRecipe


def follows(recipe: Recipe) -> bool:
    """Does this recipe need another's run to begin with?"""
    return isinstance(recipe.family, OneStepRecipe)


def after(recipe: Recipe, parent: Recipe, run: str) -> Recipe:
    """Give the recipe its parent's denoiser and images; one that follows nothing stays as it is.

    run: what the parent is called. RecipeError: the parent is no diffusion model.
    """
    family, before = recipe.family, parent.family
    if not isinstance(family, OneStepRecipe):
        return recipe
    if not isinstance(before, DiffusionRecipe):
        raise RecipeError(
            f"{run} is of family.kind '{before.kind}'; allowed behind --from, for one step: a run "
            "of kind 'diffusion'"
        )
    told = before.condition != "none"
    if told and family.condition == "none":
        family = replace(family, condition="projection")
    return replace(recipe, data=parent.data, family=replace(family, denoiser=before))


def begun(recipe: Recipe, parent: Recipe, run: str) -> Recipe:
    """Let a recipe begin with a run's weights and, where it must, take over what that is."""
    return replace(after(recipe, parent, run), start=StartRecipe(run=run))
