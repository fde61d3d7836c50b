"""The horizon of minutes, planned anew on the way, and how often a training is scored."""

from trilemma import processes
from trilemma.horizon import asked, scores_in, whole_rounds
from trilemma.recipe.recipe import Recipe
from trilemma.sitting import Sitting, emit, write_machine

PLANS = (1 / 8, 1 / 2, 4 / 5)  # of the horizon: where that of minutes is planned anew
PLANNED = 0.97  # of the time left is then planned for
TICK = 1e-3  # seconds: a clock may stand still between two looks at it


def plan_anew(sitting: Sitting) -> None:
    """Fix the horizon of minutes anew: the first seconds say too little of a machine's speed.

    Images go on at the pace so far; the scores that are left take as long as the last one did.
    """
    state, recipe = sitting.state, sitting.task.recipe
    train = recipe.train
    if cheaper_than_later(sitting):
        return
    done = state.images_seen - state.begun_images
    planned = state.images_total - state.begun_images
    if not train.minutes or state.plans == len(PLANS) or done < PLANS[state.plans] * planned:
        return
    seconds, scoring, a_score = processes.share((sitting.seconds, state.scoring, state.a_score))
    left = 60 * train.minutes - seconds
    if left <= 0:
        return  # `ended` says so
    pace = done / max(seconds - state.begun_seconds - scoring, TICK)
    scores = -(-(planned - done) // state.score_every)
    fitting = max(0.0, PLANNED * left - scores * a_score) * pace - train.batch_size / 2
    most = min(asked(train, sitting.images_in_epoch), done + fitting)
    later = sitting.task.family.patient_until
    if later:  # a later stage is slower, which was measured first; once in it, not back out of it
        most = min(most, done / later if done > later * planned else planned)
    total = state.begun_images + whole_rounds(
        most, train.batch_size * sitting.task.family.batches_a_round
    )
    state.images_total = max(total, state.images_seen)
    state.plans += 1
    if not recipe.watch.every:  # as many scores as before
        wider = (state.images_total - state.begun_images) / planned
        state.score_every = max(1, round(state.score_every * wider))
    write_machine(sitting)
    emit(sitting, "horizon")


def cheaper_than_later(sitting: Sitting) -> bool:
    """Are rounds still cheaper than they will be? The pace is taken anew where that ends."""
    state, full_from = sitting.state, sitting.task.family.full_from
    if state.begun_images < full_from <= state.images_seen:
        state.begun_images, state.scoring = state.images_seen, 0.0
        state.begun_seconds = processes.share(sitting.seconds)
    return state.images_seen < full_from


def score_every(recipe: Recipe, images_total: int, seconds_a_score: float) -> int:
    """Fix how many images lie between two scores."""
    times = scores_in(recipe.train, seconds_a_score, images=images_total)
    return recipe.watch.every or max(1, -(-images_total // times))
