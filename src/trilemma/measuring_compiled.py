"""Whether a training is faster with its networks compiled: tried where that is soon made up for."""

import time
from collections.abc import Mapping
from dataclasses import replace

from trilemma import compiling, processes
from trilemma.devices import TOLERANCE
from trilemma.errors import MachineError
from trilemma.measuring import (
    Reset,
    budget,
    expected,
    fastest,
    images_a_round,
    lay_out,
    remembered,
)
from trilemma.places import Say, quiet
from trilemma.step import Compute, Task, update


def compiled_if_faster(
    task: Task, seconds_per_image: float, *, say: Say = quiet
) -> tuple[Compute, float]:
    """Compile the networks where that pays; return the faster way, and its seconds per image.

    seconds_per_image: as `measured` found it, which says how the task is computed now. Networks and
    optimizers are left as they were. say: is told before, for it may take a minute.
    MachineError: speed.compile is on, and it cannot be done here.
    """
    known, speed, nets = task.compute, task.recipe.speed, task.compilable
    if speed.compile == "on" and not nets:
        raise MachineError(
            "speed.compile is 'on', but this family has no network that can be compiled (only "
            "denoisers are); set it to auto or off"
        )
    wanted = bool(nets) and speed.compile != "off" and speed.precision != "reference"
    if not wanted or known.parts > 1:
        return known, seconds_per_image
    if why := compiling.hindrance(task.device, processes.count()):
        if speed.compile == "on":
            raise MachineError(f"speed.compile is 'on', but {why}; set it to auto or off")
        return known, seconds_per_image
    seconds = seconds_per_image * images_a_round(task)
    batch, threads = task.recipe.train.batch_size, known.threads or task.threads
    about = (getattr(task.recipe.family, "generator", None), task.recipe.data.size)
    mark = compiling.marked(nets, known.choice, about=about, batch=batch, threads=threads)
    if speed.compile == "auto" and not compiling.pays(expected(task, seconds), mark):
        return known, seconds_per_image
    if not mark.is_file():
        say("compiling the network, which takes about a minute the first time")
    reset, start = remembered(task), time.perf_counter()
    choice = replace(known.choice, compiled=True)
    lay_out(task, known, reset)
    expected_norms = gradients(task)
    lay_out(task, replace(known, choice=choice), reset)
    if why := broken(task, reset, expected_norms):
        if speed.compile == "on":
            raise MachineError(f"speed.compile is 'on', but compiling failed: {why}")
        say(f"compiling failed ({why}); going on without")
        lay_out(task, known, reset)
        return known, seconds_per_image
    compiling.mark_down(mark, time.perf_counter() - start)
    choices = (choice,) if speed.compile == "on" else (known.choice, choice)
    found, seconds = fastest(task, known, reset, seconds=budget(task, seconds), choices=choices)
    lay_out(task, found, reset)
    return found, seconds / images_a_round(task)


def gradients(task: Task) -> dict[str, float]:
    """Take a step; give the norm of each phase's gradient."""
    at = task.family.measured_at
    scalars = update(task, at, images_total=10**9, rate=1.0).scalars
    return {name: float(value) for name, value in scalars.items() if name.endswith("_gradient")}


def broken(task: Task, reset: Reset, norms: Mapping[str, float]) -> str:
    """Say in a line why a step cannot be taken with the networks compiled; empty if it can.

    norms: of the gradients as they are without; others are a reason, too.
    """
    try:
        found = gradients(task)
    except compiling.FAILURES as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    reset()
    for name, norm in norms.items():
        if not abs(found[name] - norm) <= TOLERANCE * norm:
            return f"{name} is {found[name]:.3g} in place of {norm:.3g}"
    return ""


def still_compiles(task: Task) -> bool:
    """Can a step be taken as the compute choice says, if that is with compiled networks?

    It cannot where compiling was switched off since.
    """
    if not task.compute.choice.compiled:
        return True
    if task.recipe.speed.compile == "off" or compiling.hindrance(task.device, processes.count()):
        return False
    return not broken(task, lambda: None, {})
