"""What is measured once at the start of a training: how a step is computed, how long it takes."""

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from trilemma import devices, machine, processes
from trilemma.checkpoint import flat, unflat
from trilemma.devices import Choice
from trilemma.errors import MemoryTooSmallError
from trilemma.horizon import asked
from trilemma.recipe.recipe import TrainRecipe
from trilemma.step import Compute, Task, shape, update

SECONDS = 4.0  # for timing the choices, half as many for the threads
SECONDS_SHARE = 0.05  # of a training for the choices, at most; the first steps come on top
COLD = 2.0  # seconds: a shorter first step may be a second of loading and little else
STEPS, CHOICE_STEPS = 8, 3  # that measuring takes at least; that its second half does
STEPS_SHARE = 0.25  # of a training's minutes: more for them is too much
THREAD_ROUNDS = 3  # of timing all threads against one

Reset = Callable[[], None]


def measured(task: Task) -> tuple[Compute, float]:
    """Time every way to compute the recipe's own step; return the fastest sound one.

    Also returns its seconds per image. Networks and optimizers are left as they were. A twentieth
    of the training may go into this; where the recipe's minutes are too few even for that, one step
    with all threads and one with one are timed.
    MemoryTooSmallError: the batch fits neither whole nor, where that is allowed, in parts.
    """
    reset = remembered(task)
    fitting, first = what_fits(task, reset)
    first = processes.share(first)  # all must take the same way from here
    if task.device.type != "cpu" or first < COLD:
        first = second_step(task, reset)
    train = task.recipe.train
    hurry, alone = processes.share(
        (hurried(train, first), task.threads * first <= 60 * train.minutes)
    )
    compute, seconds = replace(fitting, threads=task.threads), first
    if alone or not hurry:  # one thread may be a cure: on busy cores several wait for each other
        allowed = 0.0 if hurry else budget(task, first) / 2
        compute, seconds = fastest_threads(task, compute, reset, seconds=allowed)
    choice = devices.candidates(task.device, task.recipe.speed.precision)[0]
    compute = replace(compute, choice=choice)
    if not processes.share(hurried(train, seconds, steps=CHOICE_STEPS)):
        compute, seconds = fastest(task, compute, reset, seconds=budget(task, seconds))
    compute, seconds = processes.share((compute, seconds))
    lay_out(task, compute, reset)
    return task.compute, seconds / images_a_round(task)


def second_step(task: Task, reset: Reset) -> float:
    """Time another step as the last one was computed, seconds."""
    reset()
    start = time.perf_counter()
    trial(task)
    return time.perf_counter() - start


def budget(task: Task, seconds_a_step: float) -> float:
    """Say how many seconds may go into timing the choices: the same in every process."""
    return float(processes.share(min(SECONDS, SECONDS_SHARE * expected(task, seconds_a_step))))


def expected(task: Task, seconds_a_step: float) -> float:
    """Say how many seconds the training will take; without end where nothing ends it."""
    train = task.recipe.train
    steps = asked(train, len(task.batches.source)) / train.batch_size
    return min(steps * seconds_a_step, 60 * train.minutes or math.inf)


def hurried(train: TrainRecipe, seconds_a_step: float, *, steps: int = STEPS) -> bool:
    """Are the recipe's minutes too few to take so many steps of that many seconds?"""
    return bool(train.minutes) and steps * seconds_a_step > STEPS_SHARE * 60 * train.minutes


def fastest(
    task: Task,
    known: Compute,
    reset: Reset,
    *,
    seconds: float,
    choices: tuple[Choice, ...] = (),
) -> tuple[Compute, float]:
    """Find precision and layout beside what is known; return all and a step's seconds.

    choices: to take one of; (): those that the recipe leaves.
    """

    def before(choice: Choice) -> None:
        lay_out(task, replace(known, choice=choice), reset)

    choices = choices or devices.candidates(task.device, task.recipe.speed.precision)
    choices = processes.share(choices)
    if task.sharded:  # whose weights lie as they are split
        choices = tuple(choice for choice in choices if not choice.channels_last)
    found = devices.measure(
        lambda choice: lambda: trial(task), choices, before=before, seconds=seconds
    )
    step = next(t.seconds for t in found.timings if t.choice == found.choice)
    return replace(known, choice=found.choice), step


def remembered(task: Task) -> Reset:
    """Note networks and optimizers as they are; the function that is returned puts them back."""
    nets = task.family.nets
    weights = copy.deepcopy(nets.state_dict())
    moments = {name: tensor.clone() for name, tensor in flat(task.optimizers).items()}

    def reset() -> None:
        nets.load_state_dict(weights)
        unflat(task.optimizers, moments)
        for flag in task.bad.values():
            flag.zero_()

    return reset


def lay_out(task: Task, compute: Compute, reset: Reset) -> None:
    """Make the task ready for its first round, computed in another way."""
    task.compute = compute
    shape(task)
    reset()


def trial(task: Task) -> float:
    """Run the first round, or the one that costs most; return the sum of its losses."""
    at = task.family.measured_at
    round_ = update(task, at, images_total=10**9, rate=1.0)
    loss = sum(float(value) for value in round_.losses.values())
    devices.synchronize(task.device)
    return loss


def fastest_threads(
    task: Task, known: Compute, reset: Reset, *, seconds: float
) -> tuple[Compute, float]:
    """Find how many CPU threads a step should take, and its seconds: all or, if faster, one.

    On a machine that others use, a thread waits for the one whose core is taken, many times a
    step: two threads were seen to be twenty times slower than one. seconds: for all of it; a step
    of each is always taken.
    """
    speed = task.recipe.speed
    told = speed.threads > 0 or speed.precision == "reference"  # which leaves nothing to chance
    if task.device.type != "cpu" or task.threads == 1 or told:
        start = time.perf_counter()
        trial(task)
        return known, time.perf_counter() - start
    taken: dict[int, list[float]] = {1: [], task.threads: []}
    begin = time.perf_counter()
    for number in range(THREAD_ROUNDS):
        if number and processes.share(time.perf_counter() - begin >= seconds):
            break
        for threads, times in taken.items():
            lay_out(task, replace(known, threads=threads), reset)
            start = time.perf_counter()
            trial(task)
            times.append(time.perf_counter() - start)
    medians = {threads: statistics.median(times) for threads, times in taken.items()}
    threads = min(medians, key=medians.__getitem__)
    return replace(known, threads=threads), medians[threads]


def images_a_round(task: Task) -> int:
    """Count the images that a round takes from the data, at the start."""
    repeats = [phase.repeats(task.family.measured_at) for phase in task.family.phases]
    return task.recipe.train.batch_size * next(count for count in repeats if count)


def what_fits(task: Task, reset: Reset) -> tuple[Compute, float]:
    """Find how a batch fits into memory: sharing what phases share, without, or cut into parts.

    Also returns the seconds of that step, the first that was taken so.
    """
    n = task.recipe.train.batch_size
    doubled = [1 << power for power in range(3, n.bit_length())]
    sharing = [(1, True)] if task.family.shared is not None else []
    tries = [*sharing, *((parts, False) for parts in (*range(1, min(n, 7) + 1), *doubled))]
    for parts, shares in tries:
        compute = Compute(parts=parts, shares=shares)
        lay_out(task, compute, reset)
        start = time.perf_counter()
        try:
            trial(task)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if task.sharded:  # others may be waiting inside a block: there is no second try
                raise MemoryTooSmallError(
                    f"a batch of {n} over {processes.count()} processes does not fit into memory, "
                    "and with speed.shard it is not computed in parts; lower --batch-size, or "
                    "start more processes"
                ) from error
            continue
        if parts > 1 and not task.family.splits:
            raise MemoryTooSmallError(
                f"a batch of {n} does not fit into memory, and these networks need it whole; "
                f"--batch-size {n // parts} fits"
            )
        return compute, time.perf_counter() - start
    raise MemoryTooSmallError(
        "one image does not fit into memory; take a smaller --data.size or network"
    )


def out_of_memory(error: Exception) -> bool:
    """Is this PyTorch's way, or Python's, of saying that memory ran out?"""
    known = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in known)


def fingerprint(device: torch.device, *, sharded: bool) -> dict[str, Any]:
    """Name all that must be equal for a resumed run to be the same to the bit."""
    facts: dict[str, Any] = {
        "device": device.type,
        "gpu": devices.gpu_name(device),
        "cpu": machine.cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
        "processes": processes.count(),
    }
    if sharded:  # whole networks have no such fact: their runs are as those of before
        facts["sharded"] = True
    return facts


def to_plain(compute: Compute) -> dict[str, Any]:
    """Write a compute choice down as plain values."""
    return {
        "precision": compute.choice.precision,
        "channels_last": compute.choice.channels_last,
        "compiled": compute.choice.compiled,
        "parts": compute.parts,
        "shares": compute.shares,
        "threads": compute.threads,
    }


def from_plain(known: dict[str, Any]) -> Compute:
    """Read a compute choice back."""
    choice = Choice(
        precision=known["precision"],
        channels_last=known["channels_last"],
        compiled=known.get("compiled", False),  # before, nothing was
    )
    return Compute(
        choice=choice,
        parts=known["parts"],
        shares=known.get("shares", False),  # runs of before made everything in each phase
        threads=known["threads"],
    )
