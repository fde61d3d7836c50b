"""Ours against the plain way, in turns in one process: a training step, a batch that is drawn."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Generator, nn
from torch.optim import AdamW, Optimizer

from trilemma import devices, machine
from trilemma.average import Average, kept
from trilemma.data.batches import Batch
from trilemma.data.labels import labelled
from trilemma.data.pairs import batches_of
from trilemma.data.values import Source
from trilemma.families import build, built
from trilemma.families.family import At, Family, Phase
from trilemma.measuring import measured, to_plain
from trilemma.measuring_compiled import compiled_if_faster
from trilemma.optimizers import optimizers_of
from trilemma.recipe.recipe import OptimizerRecipe, Recipe, parse_size
from trilemma.sampling import BATCH, Drawer, drawn
from trilemma.step import Task, prepare, release, shape, update
from trilemma.turns import FEWEST, Timed, Way, alternated, milliseconds, ratio, void

IMAGES = 1024  # of noise that are trained on: what is in them changes no time
CLASSES = 10  # of that noise, for networks that are told labels


@dataclass(frozen=True, kw_only=True)
class Bench(Timed):
    """Medians of two ways to do the same, and how often the one fits into the other."""

    preset: str
    ours_ms: float
    plain_ms: float
    ratio: float  # plain / ours, median over the rounds
    low: float  # lower and upper quartile of that
    high: float
    images: int  # of a step or a batch
    compute: Mapping[str, Any]  # how ours is computed: what was measured to be fastest


class Plain:
    """The step as a textbook has it: eager float32, and every phase makes all it needs."""

    def __init__(self, recipe: Recipe, device: torch.device) -> None:
        """Build networks of our own, and PyTorch's optimizers as they come."""
        self.recipe, self.device = recipe, device
        self.family: Family = build(recipe)
        self.family.nets.to(device)
        self.optimizers = {
            name: textbook(name, self.family.nets[name], settings)
            for name, settings in self.family.optimizers.items()
        }
        self.averaged = {
            name: copy.deepcopy(self.family.nets[name]) for name in self.family.averaged
        }
        self.rng = Generator().manual_seed(recipe.seed)

    def step(self, batch: Batch, at: At[int, float]) -> None:
        """Take every phase's steps on one batch, then average."""
        for phase in self.family.phases:
            for _ in range(phase.repeats(at)):
                self.descend(phase, batch, at)
        with torch.no_grad():
            for name, net in self.averaged.items():
                pairs = zip(net.parameters(), self.family.nets[name].parameters(), strict=True)
                for average, weight in pairs:
                    average.mul_(0.999).add_(weight, alpha=0.001)

    def descend(self, phase: Phase, batch: Batch, at: At[int, float]) -> None:
        """Draw the noise, take the gradient, step."""
        n = len(batch.images)
        noise = {name: draw(n, self.rng).to(self.device) for name, draw in phase.noise.items()}
        for optimizer in self.optimizers[phase.trains]:
            optimizer.zero_grad()
        clock = At(*(torch.tensor(float(value), device=self.device) for value in at))
        losses, _ = phase.loss(batch, noise, clock)
        losses.mean().backward()  # type: ignore[no-untyped-call]
        settings = self.family.optimizers[phase.trains]
        if settings.clip:
            nn.utils.clip_grad_norm_(self.family.nets[phase.trains].parameters(), settings.clip)
        for optimizer in self.optimizers[phase.trains]:
            optimizer.step()


def textbook(name: str, net: nn.Module, settings: OptimizerRecipe) -> list[Optimizer]:
    """Make a network's optimizers: PyTorch's Adam by its defaults, and our Muon, if it has one."""
    adam, *others = optimizers_of(name, net, settings).values()
    weights = [p for group in adam.param_groups for p in group["params"]]
    settled = AdamW(
        weights,
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )
    return [settled, *others]


def bench_train(recipe: Recipe, *, rounds: int = FEWEST, device: torch.device) -> Bench:
    """Time one round of a recipe's training, both ways, on images of noise."""
    load = machine.load()
    task = measured_task(recipe, device)
    ours, plain, batches = our_step(task), Plain(task.recipe, device), task.batches
    batch = recipe.train.batch_size
    ways: Mapping[str, Way] = {
        "ours": (task.compute.threads or task.threads, ours),
        "plain": (task.threads, lambda seen: plain.step(batches.at(seen), At(seen, 0.0))),
    }
    shape(task)
    taken = alternated(ways, rounds=rounds, images=batch, device=device)
    release(task)
    found = found_in(taken, recipe, images=batch, device=device, load=load)
    return replace(found, compute=to_plain(task.compute))


def bench_sample(
    recipe: Recipe, *, precision: str = "reference", rounds: int = FEWEST, device: torch.device
) -> Bench:
    """Time drawing a batch of a recipe's untrained networks, as we do and as PyTorch does.

    precision: of ours; reference: as drawn by default. bf16 does not give the same pictures.
    """
    load = machine.load()
    threads = devices.use_threads(recipe.speed.threads)
    recipe = labelled(recipe, noise(recipe))
    family = build(recipe)
    nets = kept(family).to(device).eval().requires_grad_(False)
    drawer = Drawer(recipe=recipe, family=family, nets=nets, device=device)

    def drawing(choice: devices.Choice) -> Callable[[], float]:
        ours = replace(drawer, choice=choice)
        return lambda: float(drawn(ours, range(BATCH)).mean())

    def lay_out(choice: devices.Choice) -> None:
        nets.to(memory_format=choice.memory_format)

    choices = devices.candidates(device, precision)
    choice = devices.measure(drawing, choices, before=lay_out).choice
    plain = copy.deepcopy(nets).to(memory_format=torch.contiguous_format)
    lay_out(choice)

    def plainly(seen: int) -> None:
        rngs = [Generator().manual_seed(seed) for seed in range(BATCH)]
        with torch.no_grad():
            family.draw(plain, rngs, None, drawer.options).cpu()

    ways: Mapping[str, Way] = {
        "ours": (threads, lambda seen: void(drawing(choice)())),
        "plain": (threads, plainly),
    }
    taken = alternated(ways, rounds=rounds, images=BATCH, device=device)
    found = found_in(taken, recipe, images=BATCH, device=device, load=load)
    how = {"precision": choice.precision, "channels_last": choice.channels_last}
    return replace(found, compute={**how, "threads": threads, "shares": False})


def found_in(
    taken: Mapping[str, list[float]],
    recipe: Recipe,
    *,
    images: int,
    device: torch.device,
    load: float,
) -> Bench:
    """Summarise the times of both ways."""
    low, middle, high = ratio(taken["plain"], taken["ours"])
    return Bench(
        preset=recipe.preset,
        ours_ms=milliseconds(taken["ours"]),
        plain_ms=milliseconds(taken["plain"]),
        ratio=middle,
        low=low,
        high=high,
        rounds=len(taken["ours"]),
        images=images,
        compute={},
        device=str(device),
        load=load,
    )


def measured_task(recipe: Recipe, device: torch.device) -> Task:
    """Make a recipe's training on images of noise, computed in the way that was found fastest."""
    threads = devices.use_threads(recipe.speed.threads)
    endless = replace(recipe.train, epochs=0.0, images=0, minutes=0.0)  # measured at leisure
    recipe = replace(recipe, train=endless)
    source = noise(recipe)
    recipe = labelled(recipe, source)
    batches = batches_of(recipe, source, device=device)
    task = Task(
        recipe=recipe, family=built(recipe, source), batches=batches, device=device, threads=threads
    )
    prepare(task)
    task.compute, plain = measured(task)
    task.compute, _ = compiled_if_faster(task, plain)
    return task


def our_step(task: Task) -> Callable[[int], None]:
    """Give a round of training and of averaging, as a function of the images seen before."""
    train = task.recipe.train
    average = Average(task.family, half_life=train.ema_images, ramp=train.ema_ramp)

    def step(seen: int) -> None:
        update(task, At(seen, 0.0), images_total=10**9, rate=1.0)
        average.update(train.batch_size, At(seen + train.batch_size, 0.0))

    return step


def noise(recipe: Recipe) -> Source:
    """Make a data set of noise, of the size that the recipe trains on."""
    height, width = parse_size(recipe.data.size)
    count = max(IMAGES, recipe.train.batch_size)
    shape_ = (count, height, width, recipe.data.channels)
    pixels = np.random.default_rng(recipe.seed).integers(0, 256, shape_, dtype=np.uint8)
    return Source(
        name="noise",
        split="train",
        pixels=pixels,
        labels=np.arange(count) % CLASSES,
        classes=tuple(map(str, range(CLASSES))),
        names=[str(number) for number in range(count)],
        fingerprint="noise",
    )
