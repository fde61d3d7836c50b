"""How long a training is: images that fit into its minutes, and how often it is scored."""

import math

from trilemma.errors import RecipeError
from trilemma.recipe.recipe import TrainRecipe

SPARE = 0.88  # share of the time left that is planned for: runs planned at 0.97 took 1.14 of it
FEW = 100  # steps that minutes should hold
SCORES, FEWEST_SCORES = 20, 2  # over a training; fewer where they would eat up its minutes
STEPS_A_SCORE = 20  # at least, of a training whose length is given in images
SHARE = 0.08  # of a training's minutes that scores may take


def horizon(
    train: TrainRecipe,
    *,
    images_in_epoch: int,
    seconds_per_image: float,
    seconds_gone: float = 0.0,
    seconds_a_score: float = 0.0,
    batches_a_round: int = 1,
    cheap: int = 0,
) -> int:
    """Fix how many images a training will see; whole rounds, at least one.

    cheap: images at its beginning that take little time, of networks that grow.
    RecipeError: not one batch fits into the recipe's minutes.
    """
    images = asked(train, images_in_epoch)
    if train.minutes:
        left = 60 * train.minutes - seconds_gone
        left -= scores_in(train, seconds_a_score) * seconds_a_score
        fitting = SPARE * left / seconds_per_image
        if fitting < train.batch_size:
            step = seconds_per_image * train.batch_size
            raise RecipeError(too_few(train.minutes, spent=60 * train.minutes - left, step=step))
        images = min(images, fitting + cheap)
    return whole_rounds(images, train.batch_size * batches_a_round)


def asked(train: TrainRecipe, images_in_epoch: int) -> float:
    """Say how many images a training sees if there is time; without end where minutes alone say."""
    if train.images:
        return float(train.images)
    return train.epochs * images_in_epoch or math.inf


def whole_rounds(images: float, images_a_round: int) -> int:
    """Round to whole rounds, at least one."""
    return max(1, round(images / images_a_round)) * images_a_round


def too_few(minutes: float, *, spent: float, step: float) -> str:
    """Say what so many minutes do not hold, and how many would; spent and step in seconds."""
    enough = math.ceil((spent + FEW * step / SPARE) / 6) / 10
    return (
        f"{minutes:g} minutes are too few: {spent:.0f} s go into measuring and scores, and a step "
        f"takes {step:.2g} s here; give --minutes {enough:g} or more, a smaller --batch-size or "
        "--data.size"
    )


def scores_in(train: TrainRecipe, seconds_a_score: float, *, images: float = math.inf) -> int:
    """Say how often a training is scored where the recipe does not: twenty times, or as fits.

    Of a training of so many images every twentieth step at most is followed by a score.
    """
    if not train.minutes or not seconds_a_score:
        return int(max(FEWEST_SCORES, min(SCORES, images // (train.batch_size * STEPS_A_SCORE))))
    fitting = SHARE * 60 * train.minutes / seconds_a_score
    return max(FEWEST_SCORES, min(SCORES, int(fitting)))
