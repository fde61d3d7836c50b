"""The train loop: rounds, resume, and what is due when. It knows no family."""

import contextlib
import signal
import time
from functools import partial
from pathlib import Path

import torch

from trilemma import devices, interrupts, processes, sharding
from trilemma.average import Average
from trilemma.checkpoint import State, checkpoints, read_state
from trilemma.data.batches import Batches
from trilemma.errors import StoppedError
from trilemma.families.family import At, Family
from trilemma.horizon import FEW, asked, horizon
from trilemma.interrupts import Interrupt
from trilemma.measuring import fingerprint, from_plain, measured
from trilemma.measuring_compiled import compiled_if_faster, still_compiles
from trilemma.planning import plan_anew, score_every
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder
from trilemma.sitting import (
    Sitting,
    Watch,
    choices,
    emit,
    finite,
    judge,
    load,
    picture,
    remember,
    save,
    score,
    tell,
    write_machine,
)
from trilemma.step import Round, Task, prepare, release, shape, update

CHECKPOINT_SECONDS = 60.0
FIRST_SCORE = 0.1  # share of a training's minutes that scoring the untrained networks may take
LOG_LINES = 500  # over the training, about


def train(
    recipe: Recipe,
    family: Family,
    batches: Batches,
    folder: RunFolder,
    *,
    device: torch.device,
    images_in_epoch: int,
    watch: Watch | None = None,
) -> State:
    """Train until the recipe's end, from the last checkpoint if there is one.

    Ctrl-C and SIGTERM: a checkpoint, then StoppedError. A non-finite loss: back to the last
    checkpoint at half the learning rate, three times, then DivergedError.
    """
    task = Task(recipe=recipe, family=family, batches=batches, device=device)
    locked = folder.locked() if processes.rank() == 0 else contextlib.nullcontext()
    exact = devices.exactly(recipe.speed.precision)
    with locked, exact, interrupts.caught() as interrupt:
        if processes.rank() == 0:
            folder.sweep()
        sitting = sit_down(task, folder, watch or Watch(), images_in_epoch)
        try:
            go_on(sitting, interrupt)
        finally:
            release(task)
    return sitting.state


def go_on(sitting: Sitting, interrupt: Interrupt) -> None:
    """Run rounds until the horizon, an early end, or an interrupt."""
    reason = ended(sitting)
    while not reason and sitting.state.images_seen < sitting.state.images_total:
        advance(sitting)
        if processes.anywhere(interrupt.signal > 0):
            if finite(sitting):
                save_once(sitting)
            raise StoppedError(
                f"stopped at {sitting.state.images_seen:,} images; saved in "
                f"{sitting.folder.path}; run the same command again to go on",
                signal=interrupt.signal or signal.SIGTERM,
            )
        reason = ended(sitting)
    finish(sitting, reason or "done")


def sit_down(task: Task, folder: RunFolder, watch: Watch, images_in_epoch: int) -> Sitting:
    """Start a training, or take up the one whose checkpoints lie in the folder."""
    started = time.monotonic()
    train = task.recipe.train
    average = Average(task.family, half_life=train.ema_images, ramp=train.ema_ramp)
    sharding.place(average.nets, task.device, shard=task.sharded)
    prepare(task)  # after the average was copied: sharded networks cannot be
    sitting = Sitting(
        task=task,
        state=State(),
        average=average,
        folder=folder,
        watch=watch,
        images_in_epoch=images_in_epoch,
        started=started,
    )
    kept = checkpoints(folder)
    if kept:
        take_up(sitting, kept[-1])
    else:
        begin(sitting)
    return sitting


def begin(sitting: Sitting) -> None:
    """Measure what is measured once, and write the checkpoint of the untrained networks."""
    if processes.rank() == 0:
        sitting.folder.cut(-1)  # of a start that was cut off before its first checkpoint
    choose(sitting)
    write_machine(sitting)
    save(sitting)


def choose(sitting: Sitting) -> None:
    """Measure how a step is computed and what a score costs; fix the horizon."""
    task, state = sitting.task, sitting.state
    tell(sitting, "measuring", "measuring what is fastest here")
    task.compute, plain = measured(task)
    task.compute, seconds_per_image = compiled_if_faster(
        task, plain, say=partial(tell, sitting, "note")
    )
    state.choices = choices(task)
    emit(sitting, "start", choices=state.choices)
    a_score, gone = processes.share((first_look(sitting), sitting.seconds))
    train, epoch = task.recipe.train, sitting.images_in_epoch
    added = horizon(
        train,
        images_in_epoch=epoch,
        seconds_per_image=seconds_per_image,
        seconds_gone=gone,
        seconds_a_score=a_score,
        batches_a_round=task.family.batches_a_round,
        cheap=max(0, task.family.full_from - state.images_seen),
    )
    state.images_total = state.images_seen + added
    state.score_every = score_every(task.recipe, added, a_score)
    if not train.minutes:
        return
    state.plans, state.begun_images, state.begun_seconds = 0, state.images_seen, gone
    state.a_score, state.scoring = a_score, 0.0
    steps = added // train.batch_size
    if steps < FEW and added < asked(train, epoch):
        step = train.batch_size * seconds_per_image
        tell(sitting, "note", f"only {steps} steps of {step:.2g} s fit into these minutes")


def first_look(sitting: Sitting) -> float:
    """Draw and score the untrained networks; return the seconds that a score with its grid costs.

    Where the grid says that this score would eat up a tenth of the minutes, it is left out.
    """
    recipe, before = sitting.task.recipe, sitting.seconds
    picture(sitting)
    grid = sitting.seconds - before
    expected = grid * recipe.watch.n / recipe.watch.grid
    costly = recipe.train.minutes and expected > FIRST_SCORE * 60 * recipe.train.minutes
    if processes.share(bool(costly)):
        return grid + expected
    score(sitting, first=True)
    return sitting.seconds - before


def take_up(sitting: Sitting, place: Path) -> None:
    """Go on from a checkpoint; on another machine measure again and say so.

    A state without a horizon is that of a finished run which goes on: its clock of seconds begins
    anew, and the horizon is added.
    """
    task = sitting.task
    known, note = read_state(place), partial(tell, sitting, "note")
    task.compute = from_plain(known.choices["compute"])
    shape(task)  # before loading: a fused Adam wants its moments laid out like its weights
    here = fingerprint(task.device, sharded=task.sharded)
    same = not processes.anywhere(known.choices["machine"] != here)
    same = same and (not known.images_total or still_compiles(task, say=note))
    sitting.state = state = load(sitting, place)
    if processes.rank() == 0:
        sitting.folder.cut(state.images_seen)
    if not state.images_total:
        choose(sitting)
        load(sitting, place)
        write_machine(sitting)
        save(sitting)
        return
    if not same:
        rest = 1 - state.images_seen / state.images_total
        task.compute, plain = measured(task)
        task.compute, _ = compiled_if_faster(task, plain, rest=rest, say=note)
        load(sitting, place)
        state.choices = choices(task)
        write_machine(sitting)
    sitting.started = time.monotonic() - state.seconds
    sitting.saved = state.seconds
    emit(sitting, "resume", not_bit_exact=not same)


def advance(sitting: Sitting) -> None:
    """Run one round, then whatever is due after it."""
    state, task, recipe = sitting.state, sitting.task, sitting.task.recipe
    total, before = state.images_total, state.images_seen
    round_ = update(task, At(before, before / total), images_total=total, rate=state.rate)
    state.images_seen += round_.images
    sitting.average.update(round_.images, At(state.images_seen, state.images_seen / total))
    remember(sitting, round_)
    plan_anew(sitting)
    save_every = recipe.train.checkpoint_images or state.score_every
    if due(state, before, max(1, state.images_total // LOG_LINES)):
        if not finite(sitting):
            return
        log_step(sitting, round_)
    epochs = recipe.watch.grid_epochs
    if epochs and due(state, before, max(1, round(epochs * sitting.images_in_epoch))):
        if not finite(sitting):
            return
        picture(sitting)
    scored = due(state, before, state.score_every)
    late = processes.share(sitting.seconds - sitting.saved >= CHECKPOINT_SECONDS)
    if scored or late or due(state, before, save_every):
        if not finite(sitting):
            return
        if scored:
            score(sitting)
        save(sitting)


def due(state: State, before: int, every: int) -> bool:
    """Has the clock passed a multiple of `every`, or the end?"""
    return state.images_seen // every > before // every or state.images_seen >= state.images_total


def log_step(sitting: Sitting, round_: Round) -> None:
    """Log this round's losses and scalars."""
    emit(
        sitting,
        "step",
        losses={name: float(value) for name, value in round_.losses.items()},
        scalars={name: float(value) for name, value in round_.scalars.items()},
    )


def ended(sitting: Sitting) -> str:
    """Say why the training ends before its horizon; empty if it does not."""
    train, state = sitting.task.recipe.train, sitting.state
    if train.early_stop and state.since_best >= train.patience:
        return f"no better score in {state.since_best} scorings"
    late = train.minutes and processes.share(sitting.seconds >= 60 * train.minutes)
    if late and state.images_seen < state.images_total:
        share = state.images_seen / state.images_total
        return f"out of time at {share:.0%} of the horizon: slower than planned"
    return ""


def finish(sitting: Sitting, reason: str) -> None:
    """Write the last checkpoint and close the log."""
    if finite(sitting):
        save_once(sitting)
    judge(sitting)
    emit(sitting, "end", why=reason)
    if processes.rank() == 0:
        sitting.folder.write_csv()


def save_once(sitting: Sitting) -> None:
    """Write a checkpoint, unless that of this moment is there: replacing it would be a risk."""
    kept = checkpoints(sitting.folder)
    there = bool(kept) and kept[-1].name == str(sitting.state.images_seen)
    if not processes.share(there):
        save(sitting)
