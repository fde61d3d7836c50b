"""One sitting of a training, and what happens between its rounds: log, score, save, roll back."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from trilemma import diagnosis, machine, processes, sharding
from trilemma.average import Average
from trilemma.checkpoint import (
    State,
    checkpoints,
    flat,
    load_checkpoint,
    save_best,
    save_checkpoint,
    write_state,
)
from trilemma.errors import DivergedError
from trilemma.measuring import fingerprint, to_plain
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder, write_json
from trilemma.scores import better
from trilemma.step import Round, Task

ROLLBACKS = 3  # non-finite losses that are forgiven
ROLLBACK_RATE = 0.5  # factor on the learning rates at each of them

Event = Mapping[str, Any]


def no_scores(nets: nn.ModuleDict) -> Mapping[str, float]:
    """Score nothing."""
    return {}


def no_picture(nets: nn.ModuleDict, images_seen: int) -> None:
    """Draw nothing."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What the caller measures and shows of the averaged networks while they are trained.

    Of several processes all score and picture, to share the work; the first process shows.
    """

    score: Callable[[nn.ModuleDict], Mapping[str, float]] = no_scores  # a distance, and beside it
    signs: Callable[[nn.ModuleDict], Mapping[str, float]] = no_scores  # of networks as they train
    picture: Callable[[nn.ModuleDict, int], None] = no_picture
    show: Callable[[Event], None] = lambda event: None  # every line of the log, as it is written


@dataclass(kw_only=True)
class Sitting:
    """One stretch of a training, from a start or a resume to its end or an interrupt."""

    task: Task
    state: State
    average: Average
    folder: RunFolder
    watch: Watch
    images_in_epoch: int
    started: float  # the moment at which state.seconds was 0
    saved: float = 0.0  # state.seconds at the last checkpoint
    window: list[Tensor] = field(default_factory=list)  # generator losses since the last scoring

    @property
    def seconds(self) -> float:
        """Seconds of training so far, over all sittings."""
        return time.monotonic() - self.started


def load(sitting: Sitting, place: Path) -> State:
    """Read a checkpoint into the sitting's networks."""
    return load_checkpoint(
        place,
        nets=sitting.task.family.nets,
        average=sitting.average.nets,
        optimizers=sitting.task.optimizers,
    )


def choices(task: Task) -> dict[str, Any]:
    """What was measured once and belongs to the run from then on."""
    return {
        "compute": to_plain(task.compute),
        "machine": fingerprint(task.device, sharded=task.sharded),
    }


def write_machine(sitting: Sitting) -> None:
    """Write machine.json: the machine and what was chosen on it."""
    facts = {**machine.describe(), **sitting.state.choices}
    facts["images_total"] = sitting.state.images_total
    if processes.rank() == 0:
        write_json(sitting.folder.file("machine.json"), facts)


def remember(sitting: Sitting, round_: Round) -> None:
    """Keep the generator's losses of this round until the next scoring."""
    for phase in sitting.task.family.phases:
        if phase.trains == "generator" and phase.name in round_.losses:
            sitting.window.append(round_.losses[phase.name])


def score(sitting: Sitting, *, first: bool = False) -> None:
    """Score the average; keep the best; lower the learning rate where nothing improves."""
    state, recipe, before = sitting.state, sitting.task.recipe, sitting.seconds
    measured = {**sitting.watch.score(sitting.average.nets), **signs(sitting)}
    scores: dict[str, float] = processes.share(measured)
    if recipe.train.minutes:
        state.a_score = sitting.seconds - before
        state.scoring += state.a_score
    collapse_window(sitting)
    if state.window_rounds:
        scores["generator_loss"] = state.window_sum / state.window_rounds
    state.window_sum, state.window_rounds = 0.0, 0
    if scores:
        emit(sitting, "score", scalars=scores)
        judge(sitting)
    name = "generator_loss" if recipe.watch.best == "generator_loss" else recipe.watch.metric
    if first or name not in scores:
        return
    best = None if recipe.watch.best == "last" else state.best
    if best is None or better(name, scores[name], best):
        state.best, state.best_images = scores[name], state.images_seen
        state.since_best = state.since_rate = 0
        nets = sharding.gathered(sitting.average.nets.state_dict())
        if processes.rank() == 0:
            save_best(sitting.folder, nets, images_seen=state.images_seen, value=scores[name])
        return
    state.since_best, state.since_rate = state.since_best + 1, state.since_rate + 1
    if state.images_seen < sitting.task.family.patient_until * state.images_total:
        state.since_best = 0  # what is scored improves in a later stage
    if recipe.train.plateau < 1 and state.since_rate >= recipe.train.plateau_patience:
        state.rate, state.since_rate = state.rate * recipe.train.plateau, 0


def signs(sitting: Sitting) -> Mapping[str, float]:
    """Look at the networks themselves."""
    return sitting.watch.signs(sitting.task.family.nets)


def judge(sitting: Sitting) -> None:
    """Write down which signs of illness are new, and which are over."""
    if processes.rank() == 0:
        for finding in diagnosis.news(sitting.folder.log(), sitting.task.recipe):
            emit(sitting, "finding", **finding)


def collapse_window(sitting: Sitting) -> None:
    """Add the remembered losses up, in order: the sum does not depend on where a run was cut."""
    for loss in sitting.window:
        sitting.state.window_sum += float(loss)
        sitting.state.window_rounds += 1
    sitting.window.clear()


def save(sitting: Sitting) -> None:
    """Write a checkpoint, a grid from fixed seeds unless epochs say when, the log as a table."""
    collapse_window(sitting)
    state = sitting.state
    sitting.saved = state.seconds = sitting.seconds
    emit(sitting, "checkpoint")
    if state.images_seen and not sitting.task.recipe.watch.grid_epochs:
        picture(sitting)
    nets = sharding.gathered(sitting.task.family.nets.state_dict())
    average = sharding.gathered(sitting.average.nets.state_dict())
    optimizers = sharding.gathered(flat(sitting.task.optimizers))
    if processes.rank() == 0:
        save_checkpoint(
            sitting.folder,
            state,
            nets=nets,
            average=average,
            optimizers=optimizers,
            keep=sitting.task.recipe.train.keep,
        )
        sitting.folder.write_csv()
    processes.barrier()


def picture(sitting: Sitting) -> None:
    """Draw the grid of fixed seeds."""
    sitting.watch.picture(sitting.average.nets, sitting.state.images_seen)


def finite(sitting: Sitting) -> bool:
    """Were all losses finite since the last look? If not, go back to the last checkpoint."""
    guilty = [name for name, flag in sitting.task.bad.items() if bool(flag)]
    if not guilty:
        return True
    for flag in sitting.task.bad.values():
        flag.zero_()
    roll_back(sitting, guilty[0])
    return False


def roll_back(sitting: Sitting, phase: str) -> None:
    """Take up the last checkpoint with lower learning rates; DivergedError after three times."""
    what = f"the loss of phase {phase!r} ({loss_name(sitting.task.recipe)}) is not finite"
    where = sitting.state.images_seen
    place = checkpoints(sitting.folder)[-1]
    known = sitting.state
    sitting.state = state = replace(
        load(sitting, place),
        seconds=sitting.seconds,
        best=known.best,  # its file stays, so its value must
        best_images=known.best_images,
    )
    processes.barrier()  # all have read before the state is written again
    sitting.window.clear()
    if state.rollbacks >= ROLLBACKS:
        raise DivergedError(
            f"{what} after {where:,} images, {ROLLBACKS} times over; the last checkpoint is "
            f"{place}; lower --lr, or clip the gradient ({clips(sitting.task.recipe)})"
        )
    state.rollbacks, state.rate = state.rollbacks + 1, state.rate * ROLLBACK_RATE
    if processes.rank() == 0:
        sitting.folder.cut(state.images_seen)
        write_state(place, state)
    write_machine(sitting)
    emit(sitting, "rollback", why=f"{what} after {where:,} images", rate=state.rate)
    judge(sitting)


def clips(recipe: Recipe) -> str:
    """Write the options that clip the gradients of a recipe's networks."""
    names = [name for name in vars(recipe.family) if name.endswith("optimizer")]
    return " ".join(f"--family.{name.replace('_', '-')}.clip 1.0" for name in names)


def loss_name(recipe: Recipe) -> str:
    """Name the loss as the recipe does."""
    return str(getattr(recipe.family, "loss", None) or getattr(recipe.family, "process", ""))


def emit(sitting: Sitting, event: str, **facts: Any) -> None:
    """Write a line of the log and show it."""
    line = {
        "event": event,
        "images_seen": sitting.state.images_seen,
        "seconds": round(sitting.seconds, 3),
        **facts,
    }
    if event in ("checkpoint", "end", "horizon", "resume", "rollback"):
        line["images_total"] = sitting.state.images_total
    if processes.rank() == 0:
        sitting.folder.append(line)
        sitting.watch.show(line)


def tell(sitting: Sitting, event: str, why: str) -> None:
    """Show a line that is not part of the log."""
    state = sitting.state
    if processes.rank() == 0:
        seconds = sitting.seconds
        told = {"event": event, "images_seen": state.images_seen, "seconds": seconds, "why": why}
        sitting.watch.show(told)
