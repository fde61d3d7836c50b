"""What is measured once at the start of a training: how a step is computed, how long it takes."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from trilemma.errors import MemoryTooSmallError
from trilemma.families.family import At
from trilemma.recipe.recipe import TrainRecipe
from trilemma.step import Compute, Task, shape, update

ROUNDS = 3  # of every candidate, in turn
SOUND = 0.1  # relative difference from the loss in float32 that is still rounding
SLOW = 3.0  # a candidate whose first timed round takes so many times the best's is dropped
SPARE = 0.97  # share of the time left that is planned for


def candidates(task: Task) -> list[Compute]:
    """List the ways a step may be computed under the recipe's precision."""
    wanted = task.recipe.speed.precision
    if wanted == "reference":
        return [Compute()]
    kinds = ("float32", "bf16") if wanted == "auto" else (wanted,)
    return [Compute(precision=kind, channels_last=last) for kind in kinds for last in (False, True)]


def measured(task: Task) -> tuple[Compute, float]:
    """Time every candidate on the recipe's own step; return the fastest sound one.

    Also returns its seconds per image. Networks and optimizers are left as they were.
    """
    nets = task.family.nets
    before = copy.deepcopy(nets.state_dict())
    known = {name: copy.deepcopy(o.state_dict()) for name, o in task.optimizers.items()}

    def reset() -> None:
        nets.load_state_dict(before)
        for name, optimizer in task.optimizers.items():
            optimizer.load_state_dict(copy.deepcopy(known[name]))

    options = candidates(task)
    parts = fitting_parts(task, options[0], reset)
    options = [replace(option, parts=parts) for option in options]
    losses = {option: trial(task, option, reset)[1] for option in options}
    sound = [o for o in options if close(losses[o], losses[options[0]])] or options[:1]
    times: dict[Compute, list[float]] = {option: [] for option in sound}
    for _ in range(ROUNDS):
        best = min((statistics.median(t) for t in times.values() if t), default=math.inf)
        for option, taken in times.items():
            if not taken or statistics.median(taken) < SLOW * best:
                taken.append(trial(task, option, reset)[0])
    chosen = min(sound, key=lambda option: statistics.median(times[option]))
    task.compute = chosen
    shape(task)
    reset()
    return chosen, statistics.median(times[chosen])


def trial(task: Task, option: Compute, reset: Callable[[], None]) -> tuple[float, list[float]]:
    """Run one round as the option says: its seconds per image, its losses."""
    task.compute = option
    shape(task)
    reset()
    start = time.perf_counter()
    round_ = update(task, At(0, 0.0), images_total=10**9, rate=1.0)
    losses = [float(loss) for loss in round_.losses.values()]
    return (time.perf_counter() - start) / round_.images, losses


def close(losses: list[float], reference: list[float]) -> bool:
    """Do two rounds agree up to rounding?"""
    return all(
        math.isclose(a, b, rel_tol=SOUND, abs_tol=1e-3)
        for a, b in zip(losses, reference, strict=True)
    )


def fitting_parts(task: Task, option: Compute, reset: Callable[[], None]) -> int:
    """Find into how many parts a batch must be cut to fit into memory; 1 where it fits whole."""
    n, part = task.recipe.train.batch_size, 1
    while True:
        try:
            trial(task, replace(option, parts=part), reset)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            part *= 2
            if part > n:
                raise MemoryTooSmallError(
                    "one image does not fit into memory; take a smaller --data.size or network"
                ) from error
        else:
            if part > 1 and not task.family.splits:
                raise MemoryTooSmallError(
                    f"a batch of {n} does not fit into memory, and these networks need it whole; "
                    f"--batch-size {n // part} fits"
                )
            return part


def out_of_memory(error: RuntimeError) -> bool:
    """Is this PyTorch's way of saying that memory ran out?"""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def horizon(
    train: TrainRecipe,
    *,
    images_in_epoch: int,
    seconds_per_image: float,
    seconds_gone: float,
    seconds_a_score: float,
    scores: int = 20,
) -> int:
    """Fix how many images a training will see; whole batches, at least one."""
    ends = []
    if train.images:
        ends.append(float(train.images))
    elif train.epochs:
        ends.append(train.epochs * images_in_epoch)
    if train.minutes:
        left = SPARE * (60 * train.minutes - seconds_gone - scores * seconds_a_score)
        ends.append(left / seconds_per_image)
    return max(1, round(min(ends) / train.batch_size)) * train.batch_size
