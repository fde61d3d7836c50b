"""Trainings that follow one another: each in a run of its own, told which the earlier ones are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from trilemma.errors import RecipeError
from trilemma.matching import refuse_unlike
from trilemma.places import Say, quiet, runs_folder
from trilemma.recipe.checking import check
from trilemma.recipe.checking_upscale import GENERATOR
from trilemma.recipe.recipe import Recipe, StartRecipe, UpscaleRecipe
from trilemma.recipe.stages import Stage, filled, referred
from trilemma.runfolder import RunFolder
from trilemma.warmstart import parent_of
from trilemma.watch import Trained

Train = Callable[[Recipe, Path | None], Trained]  # takes the folder of the run, or None


@dataclass(frozen=True, kw_only=True)
class Done:
    """A stage that was trained, or found finished."""

    stage: Stage
    recipe: Recipe  # with the runs of earlier stages
    trained: Trained


def check_stages(stages: Sequence[Stage]) -> None:
    """Refuse before the first stage what a later one would be refused for, maybe hours later.

    RecipeError: a recipe that cannot be, a generator that draws another size than the upscaler
    takes; RunError, MissingExtraError: weights to begin with that are not here.
    """
    known: dict[str, Recipe] = {}
    for stage in stages:
        recipe = stage.recipe
        try:
            check(recipe)
            generator = known.get(referred(recipe.data.low))
            if isinstance(recipe.family, UpscaleRecipe) and generator is not None:
                refuse_unlike(recipe, generator, referred(recipe.data.low))
        except RecipeError as error:
            raise RecipeError(f"stage {stage.name}: {error}") from error
        if recipe.start.run and not referred(recipe.start.run):
            parent_of(recipe, say=quiet)  # its stage says it again
        known[stage.name] = recipe


def train_stages(
    stages: Sequence[Stage], *, seed: int, out: Path | None, train: Train, say: Say = quiet
) -> list[Done]:
    """Train the stages in their order; those that are finished are found so, and one goes on.

    out: a folder for all, in which each run has its stage's name; None: below the runs, named after
    their recipes. Errors: those of `train`; the stages before are then whole.
    """
    runs: dict[str, str] = {}
    done: list[Done] = []
    for number, stage in enumerate(stages, start=1):
        say(f"stage {number} of {len(stages)}: {stage.name}")
        recipe = replace(filled(stage.recipe, runs), seed=seed)
        trained = train(recipe, out / stage.name if out else None)
        runs[stage.name] = called(trained.folder)
        done.append(Done(stage=stage, recipe=recipe, trained=trained))
    return done


def called(folder: RunFolder) -> str:
    """Call a run as it is found from any folder: by its name, if it lies among the runs."""
    return folder.name if folder.path.parent == runs_folder() else str(folder.path)


def alone(recipe: Recipe) -> Recipe:
    """Leave out what an earlier stage's run would give: for a forecast, before there is one."""
    return replace(recipe, start=StartRecipe()) if referred(recipe.start.run) else recipe


def drawn_and_enlarged(done: Sequence[Done]) -> tuple[str, str] | None:
    """Give the runs of a generator and of the upscaler for what it draws; None: no such stages."""
    places: Mapping[str, Path] = {
        called(one.trained.folder): one.trained.folder.path for one in done
    }
    for one in reversed(done):
        generator = one.recipe.data.low.removeprefix(GENERATOR)
        if generator in places and isinstance(one.recipe.family, UpscaleRecipe):
            return str(places[generator]), str(one.trained.folder.path)
    return None
