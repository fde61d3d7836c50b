"""How a run draws where pictures between two seeds are wanted: without new noise on the way."""

from dataclasses import replace

from trilemma.errors import RecipeError
from trilemma.families.family import DrawOptions
from trilemma.families.onestep import own_steps
from trilemma.maths.samplers import SAMPLERS
from trilemma.places import Say
from trilemma.recipe.recipe import DiffusionRecipe, OneStepRecipe
from trilemma.runs import Found
from trilemma.sampling import joined

SURE, FEW = "dpm++2m", 20  # in place of a sampler that draws on the way; its steps, at most


def settled(found: Found, options: DrawOptions, say: Say) -> DrawOptions:
    """Choose a sampler that draws nothing on the way; say so where it is not the run's own.

    options: before those behind the run's name. RecipeError: another was asked for, or several
    steps of a post-trained network, which draws between them.
    """
    given, options = options, joined(options, found.options)
    family = found.recipe.family
    if isinstance(family, OneStepRecipe):
        own = own_steps(family, options)
        if own > 1:
            raise RecipeError(
                f"{found.label}: in {own} steps it draws new noise between them, so that nothing "
                "lies between two seeds; allowed: --steps 1, or more steps than it has levels"
            )
        if own:
            return options
        family = family.denoiser
    if not isinstance(family, DiffusionRecipe):
        if options != DrawOptions(truncation=options.truncation):
            say(f"{found.name}: a GAN; --sampler, --steps and --guidance do nothing to it")
        return DrawOptions(truncation=options.truncation)
    sampler = options.sampler or family.sampler
    if sampler not in SAMPLERS or not SAMPLERS[sampler].random:  # unknown: refused when loaded
        return options
    sure = [name for name, row in SAMPLERS.items() if not row.random]
    if given.sampler or found.options.sampler:
        raise RecipeError(
            f"sampler {sampler} draws new noise at every step, so that nothing lies between two "
            f"seeds; allowed: {', '.join(sure)}"
        )
    steps = options.steps or min(family.steps, FEW)
    say(
        f"{found.name}: its sampler, {sampler}, draws new noise at every step, so that nothing "
        f"lies between two seeds; {SURE} with {steps} steps draws in its place"
    )
    return replace(options, sampler=SURE, steps=steps)
