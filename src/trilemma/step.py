"""One round of training: every phase's noise, loss, gradient and step, for every family."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from trilemma import compiling, processes, sharding
from trilemma.data.batches import Batches
from trilemma.devices import REFERENCE, Choice, autocast
from trilemma.errors import RecipeError
from trilemma.families.family import At, Batch, Clock, Family, Noise, Phase
from trilemma.maths.randomness import mixed, rng
from trilemma.maths.rates import RATES, warmup
from trilemma.optimizers import optimizers_of, owner, set_rates
from trilemma.recipe.recipe import OptimizerRecipe, Recipe


@dataclass(frozen=True, kw_only=True)
class Compute:
    """How a step is computed; measured once, then part of the run."""

    choice: Choice = REFERENCE  # precision and memory format; compiled or not
    parts: int = 1  # a batch is computed in so many parts
    shares: bool = False  # are a round's shared images made once, and kept? It takes more memory
    threads: int = 0  # of the CPU; 0: as they are


@dataclass(kw_only=True)
class Task:
    """What a training works on; it stays the same from first to last round."""

    recipe: Recipe
    family: Family
    batches: Batches
    device: torch.device
    compute: Compute = field(default_factory=Compute)
    threads: int = field(default_factory=torch.get_num_threads)  # that may be used
    optimizers: dict[str, Optimizer] = field(default_factory=dict)
    trainable: dict[str, list[nn.Parameter]] = field(default_factory=dict)
    bad: dict[str, Tensor] = field(default_factory=dict)  # phase -> was a loss not finite?
    forwards: dict[str, compiling.Forward] = field(default_factory=dict)  # of compiled networks

    @property
    def compilable(self) -> dict[str, nn.Module]:
        """Give the networks that may be compiled."""
        return {name: self.family.nets[name] for name in self.family.compiles}

    @property
    def sharded(self) -> bool:
        """Are the networks split over the processes?"""
        return self.recipe.speed.shard and processes.count() > 1


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round gave; tensors stay on the device until somebody logs them."""

    images: int
    losses: Mapping[str, Tensor]  # phase -> mean loss
    scalars: Mapping[str, Tensor]  # means over the batch


def prepare(task: Task) -> None:
    """Move the networks to their device and make the optimizers of each that is trained.

    RecipeError: the batch holds fewer images than there are processes, or no whole groups.
    """
    check_groups(task)
    if task.recipe.train.batch_size < processes.count():
        raise RecipeError(
            f"train.batch_size is {task.recipe.train.batch_size}, but {processes.count()} "
            "processes share a batch; give each an image at least, or start fewer"
        )
    sharding.place(task.family.nets, task.device, shard=task.sharded)
    task.family.frozen.to(task.device).eval().requires_grad_(False)
    shape(task)
    for name, optimizer in task.family.optimizers.items():
        net = task.family.nets[name]
        task.trainable[name] = [p for p in net.parameters() if p.requires_grad]
        task.optimizers.update(optimizers_of(name, net, optimizer))
    task.bad = {
        phase.name: torch.zeros((), dtype=torch.bool, device=task.device)
        for phase in task.family.phases
    }


def check_groups(task: Task) -> None:
    """Refuse a batch of which a process would get images that lack some of their group."""
    size, group = task.recipe.train.batch_size, task.family.group
    if group > 1 and size % (group * processes.count()):
        raise RecipeError(
            f"train.batch_size is {size}, of which {processes.count()} process"
            f"{'es get' if processes.count() > 1 else ' gets'} whole groups of {group}, that the "
            f"critic looks at together; allowed: multiples of {group * processes.count()}; or set "
            "family.critic.group"
        )


def shape(task: Task) -> None:
    """Lay the weights out, and take as many threads, as the compute choice says."""
    if task.compute.threads:
        torch.set_num_threads(task.compute.threads)
    if not task.sharded:
        task.family.nets.to(memory_format=task.compute.choice.memory_format)
    if task.compute.choice.compiled and not task.forwards:
        task.forwards = compiling.ready(task.compilable)


@contextlib.contextmanager
def computing(task: Task) -> Iterator[None]:
    """Compute losses as the compute choice says."""
    choice = task.compute.choice
    forwards = task.forwards if choice.compiled else {}
    with autocast(choice, task.device), compiling.used(task.family.nets, forwards):
        yield


def update(task: Task, at: Clock, *, images_total: int, rate: float) -> Round:
    """Run every phase that is due; the first takes fresh batches and moves the clock.

    rate: factor on every learning rate. Returns the images seen and the means of this round.
    """
    phases = [(phase, phase.repeats(at)) for phase in task.family.phases]
    due = [(phase, count) for phase, count in phases if count]
    assert due, "every phase rests: no batch would be taken"
    assert all(count == 1 for _, count in due[1:]), "only the first phase may repeat"
    images, losses, scalars = 0, {}, {}
    size = task.recipe.train.batch_size
    now, batch = at, None
    given: Noise = {}
    for phase, count in due:
        for number in range(1, count + 1):
            if phase is due[0][0]:
                seen = at.images_seen + images
                now = At(seen, seen / images_total)
                batch = task.batches.at(seen, processes.my_slice(size))
                images += size
                if number == count:  # the phases that follow see this batch, too
                    given = shared(task, [later for later, _ in due[1:]], batch, now)
            assert batch is not None
            losses[phase.name], means = descend(task, phase, batch, now, given=given, rate=rate)
            scalars.update(means)
    return Round(images=images, losses=losses, scalars=scalars)


def shared(task: Task, later: Sequence[Phase], batch: Batch, at: Clock) -> Noise:
    """Make what this phase and a later one of the round share; nothing if they cannot.

    That is the forward pass of the network which the later phase trains: it has the same weights,
    noise and statistics over the batch in both.
    """
    what = task.family.shared
    readers = [phase for phase in later if what is not None and phase.trains == what.trains]
    if what is None or not readers or task.compute.parts > 1 or not task.compute.shares:
        return {}
    only(task, what.trains)
    n = task.recipe.train.batch_size
    (part, noise), *_ = parts(task, readers[0], batch, at, n)
    with computing(task), seeded(task, readers[0], at, 0):
        return {what.name: what.make(part, noise)}


def descend(
    task: Task, phase: Phase, batch: Batch, at: Clock, *, given: Noise, rate: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Take one optimizer step of one phase; return its mean loss and the means of its scalars.

    given: what `shared` made, beside the noise.
    """
    n = task.recipe.train.batch_size
    optimizers = [o for name, o in task.optimizers.items() if owner(name) == phase.trains]
    only(task, phase.trains)
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    clock = At(*(torch.tensor(float(value), device=task.device) for value in at))
    sums: dict[str, Tensor] = {}
    for number, (part, noise) in enumerate(parts(task, phase, batch, at, n)):
        with computing(task), seeded(task, phase, at, number):
            losses, scalars = phase.loss(part, {**noise, **given}, clock)
        assert losses.shape == (len(part.images),), f"{phase.name}: one loss an image is needed"
        (losses.sum() / n).backward()  # type: ignore[no-untyped-call]
        for name, values in {"": losses.detach(), **scalars}.items():
            sums[name] = sums.get(name, torch.zeros((), device=task.device)) + values.sum()
    gradients = [p.grad for p in task.trainable[phase.trains] if p.grad is not None]
    processes.sum_over_processes([*sharding.unsummed(gradients), *sums.values()])
    means = {name: value / n for name, value in sums.items()}
    loss = means.pop("")
    norm = sharding.whole(nn.utils.get_total_norm(gradients))
    means[f"{phase.name}_gradient"] = norm
    task.bad[phase.name] |= ~torch.isfinite(loss + norm)
    settings = task.family.optimizers[phase.trains]
    if settings.clip:
        nn.utils.clip_grads_with_norm_(task.trainable[phase.trains], settings.clip, norm)
    set_rates(optimizers, settings, course(settings, at) * rate)
    for optimizer in optimizers:
        optimizer.step()
    phase.after(at, means)
    return loss, means


@contextlib.contextmanager
def seeded(task: Task, phase: Phase, at: Clock, part: int) -> Iterator[None]:
    """Seed what networks draw by themselves (dropout) by phase, clock, process and part."""
    if not any(isinstance(m, _DropoutNd) and m.p > 0 for m in task.family.nets.modules()):
        yield
        return
    devices = [task.device] if task.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        name = f"dropout {phase.name} {processes.rank()} {part}"
        torch.manual_seed(mixed(task.recipe.seed, name, at.images_seen))
        yield


def only(task: Task, trained: str) -> None:
    """Let gradients reach one network alone."""
    for name, parameters in task.trainable.items():
        for parameter in parameters:
            parameter.requires_grad_(name == trained)


def release(task: Task) -> None:
    """Let gradients reach all that is trained again, and all threads work, as before."""
    torch.set_num_threads(task.threads)
    for parameters in task.trainable.values():
        for parameter in parameters:
            parameter.requires_grad_(True)


def parts(
    task: Task, phase: Phase, batch: Batch, at: Clock, n: int
) -> Iterator[tuple[Batch, dict[str, Tensor]]]:
    """Cut this process's share of batch and noise; the noise is drawn for the whole batch."""
    mine = processes.my_slice(n)
    noise = {
        name: draw(n, rng(task.recipe.seed, name, at.images_seen))[mine].to(task.device)
        for name, draw in phase.noise.items()
    }
    share = max(1, math.ceil(len(batch.images) / task.compute.parts))
    for start in range(0, len(batch.images), share):
        cut = slice(start, start + share)
        yield (
            batch._replace(
                images=batch.images[cut].contiguous(
                    memory_format=task.compute.choice.memory_format
                ),
                labels=None if batch.labels is None else batch.labels[cut],
                low=None if batch.low is None else batch.low[cut],
            ),
            {name: tensor[cut] for name, tensor in noise.items()},
        )


def course(settings: OptimizerRecipe, at: Clock) -> float:
    """Follow the recipe's course of the learning rates: a factor on them."""
    end = settings.lr_end / settings.lr if settings.lr else 0.0
    fallen = RATES[settings.schedule](min(1.0, at.fraction), end)
    return fallen * warmup(at.images_seen, images=settings.warmup)
