"""What a command takes from a run that it names: its recipe. Loads torch when a run is named."""

from pathlib import Path

from trilemma.recipe import files
from trilemma.recipe.following import after, follows
from trilemma.recipe.recipe import Recipe


def following(recipe: Recipe, run: str) -> Recipe:
    """Let a recipe that needs another's run take over what that one is; others stay."""
    if not run or not follows(recipe):
        return recipe
    return after(recipe, files.read(recipe_file(run)), run)


def recipe_file(run: str) -> Path:
    """Find a run's recipe. RunError: there is no such run, or several."""
    from trilemma.runs import candidates, find_run, parted  # late: they load torch

    found = candidates(parted(run)[0])
    if len(found) != 1:
        find_run(run)  # says what is wrong: none, or several
    return found[0] / "recipe.toml"
