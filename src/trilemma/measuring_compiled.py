"""Whether a training is faster with its networks compiled: tried where that is soon made up for."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from trilemma import compiling, processes
from trilemma.devices import Choice
from trilemma.errors import MachineError
from trilemma.maths.randomness import rng
from trilemma.measuring import (
    budget,
    expected,
    fastest,
    images_a_round,
    lay_out,
    remembered,
)
from trilemma.places import Say, quiet
from trilemma.step import Compute, Task, update

WAKE = 0.02  # noise on all weights: layers that begin at 0 hide the way back behind them
APART, NOTHING = 0.2, 0.01  # of a weight's gradient and of all: where more differs, it is another

Gradients = dict[str, Tensor]


def compiled_if_faster(
    task: Task, seconds_per_image: float, *, rest: float = 1.0, say: Say = quiet
) -> tuple[Compute, float]:
    """Compile the networks where that pays; return the faster way, and its seconds per image.

    seconds_per_image: as `measured` found it, which says how the task is computed now. Networks and
    optimizers are left as they were. rest: share of the training that is still to come. say: is
    told before, for it may take a minute.
    MachineError: speed.compile is on, and it cannot be done here.
    """
    known, speed = task.compute, task.recipe.speed
    wanted = bool(task.compilable) and speed.compile != "off" and speed.precision != "reference"
    if not wanted:
        return known, seconds_per_image
    if why := hindrance(task):
        if speed.compile == "on":
            raise MachineError(f"speed.compile is 'on', but {why}; set it to auto or off")
        return known, seconds_per_image
    seconds = seconds_per_image * images_a_round(task)
    mark = mark_of(task, known.choice)
    if speed.compile == "auto" and not compiling.pays(rest * expected(task, seconds), mark):
        return known, seconds_per_image
    tell(mark, say)
    reset = remembered(task)
    plain = gradients(task)
    choice = replace(known.choice, compiled=True)
    lay_out(task, replace(known, choice=choice), reset)
    why = broken(task, plain)
    lay_out(task, known, reset)
    if why:
        if speed.compile == "on":
            raise MachineError(f"speed.compile is 'on', but compiling failed: {why}")
        say(f"compiling failed ({why}); going on without")
        return known, seconds_per_image
    compiling.mark_down(mark)
    choices = (choice,) if speed.compile == "on" else (known.choice, choice)
    found, seconds = fastest(task, known, reset, seconds=budget(task, seconds), choices=choices)
    lay_out(task, found, reset)
    return found, seconds / images_a_round(task)


def hindrance(task: Task) -> str:
    """Say why the task cannot be compiled; an empty text if it can."""
    if task.compute.parts > 1:
        return "the batch is computed in parts, for which compiling is not tried (--batch-size)"
    return compiling.hindrance(task.device, processes.count())


def mark_of(task: Task, choice: Choice) -> Path:
    """Name the file that says: this task has been compiled here."""
    recipe = task.recipe
    return compiling.marked(
        task.compilable,
        replace(choice, compiled=False),
        about=(getattr(recipe.family, "generator", None), recipe.data.size),
        batch=recipe.train.batch_size,
        threads=task.compute.threads or task.threads,
    )


def tell(mark: Path, say: Say) -> None:
    """Say what is about to take a minute, if it is."""
    if not mark.is_file():
        say("compiling the network, which takes about a minute the first time")


def gradients(task: Task) -> Gradients:
    """Take a step from weights that are nowhere 0; give the gradient of each that may be compiled.

    Networks and optimizers are other ones afterwards.
    """
    with torch.no_grad():
        for name, net in task.compilable.items():
            for number, weight in enumerate(net.parameters()):
                noise = torch.randn(weight.shape, generator=rng(0, f"{name} {number}", 0))
                weight.add_(WAKE * noise.to(weight))
    update(task, task.family.measured_at, images_total=10**9, rate=1.0)
    return {
        f"{name}.{within}": weight.grad.detach().clone()
        for name, net in task.compilable.items()
        for within, weight in net.named_parameters()
        if weight.grad is not None
    }


def broken(task: Task, plain: Gradients) -> str:
    """Say in a line why a step cannot be taken with the networks compiled; empty if it can.

    plain: the gradients without; others are a reason, too.
    """
    try:
        found = gradients(task)
    except compiling.FAILURES as error:
        return compiling.reason(error)
    if found.keys() != plain.keys():
        return f"there are gradients of {len(found)} weights in place of {len(plain)}"
    whole = torch.nn.utils.get_total_norm(list(plain.values()))
    for name, gradient in plain.items():
        apart, length = (found[name] - gradient).norm(), gradient.norm()
        if not apart <= APART * length + NOTHING * whole:
            return f"the gradient of {name} is {apart / length:.0%} of its length away"
    return ""


def still_compiles(task: Task, *, say: Say = quiet) -> bool:
    """Can a step be taken as the compute choice says, if that is with compiled networks?

    It cannot where compiling was switched off since. Networks and optimizers are other ones
    afterwards.
    """
    choice = task.compute.choice
    if not choice.compiled:
        return True
    if task.recipe.speed.compile == "off" or hindrance(task):
        return False
    mark = mark_of(task, choice)
    tell(mark, say)
    try:
        update(task, task.family.measured_at, images_total=10**9, rate=1.0)
    except compiling.FAILURES as error:
        say(f"compiling failed ({compiling.reason(error)}); measuring anew")
        return False
    compiling.mark_down(mark)
    return True
