"""What a penalty on the critic's slope costs: its step beside the plain one, the same networks."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from trilemma import machine
from trilemma.bench import measured_task
from trilemma.errors import RecipeError
from trilemma.families.family import At
from trilemma.recipe.recipe import AdversarialRecipe, Recipe
from trilemma.step import descend, parts, release, shape
from trilemma.turns import FEWEST, Timed, Way, alternated, busy, milliseconds, ratio

OFF = {"r1": 0.0, "r2": 0.0, "gp": 0.0, "dragan": 0.0, "slopes": "exact"}
PLAIN = "plain"
VARIANTS: Mapping[str, Mapping[str, Any]] = {  # what is laid over a recipe without penalties
    PLAIN: {},
    "r1": {"r1": 1.0},
    "r1 and r2": {"r1": 1.0, "r2": 1.0},
    "gp (WGAN-GP)": {"gp": 10.0, "loss": "wasserstein"},
    "dragan": {"dragan": 10.0},
}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The critic's step with one penalty."""

    penalty: str
    milliseconds: float
    ratio: float  # of the plain step's, median over the rounds, with its quartiles
    low: float
    high: float
    compute: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Costs(Timed):
    """All of them, of one pair of networks."""

    preset: str
    images: int  # of a step
    costs: tuple[Cost, ...]


def bench_penalties(recipe: Recipe, *, rounds: int = FEWEST, device: torch.device) -> Costs:
    """Time the critic's step with each penalty and without, in turns; the fakes are given.

    RecipeError: the recipe is no GAN's.
    """
    load, family = machine.load(), recipe.family
    if not isinstance(family, AdversarialRecipe):
        raise RecipeError(f"{recipe.preset} has no critic; name a GAN's preset: mnist-gan-fast")
    ways: dict[str, Way] = {}
    computed: dict[str, Mapping[str, Any]] = {}
    for name, settings in VARIANTS.items():
        varied: Any = replace(without(family), **settings)
        ways[name], computed[name] = critic_step(replace(recipe, family=varied), device)
    batch = recipe.train.batch_size
    taken = alternated(ways, rounds=rounds, images=batch, device=device)
    return Costs(
        preset=recipe.preset,
        images=batch,
        rounds=rounds,
        costs=tuple(cost(name, taken, computed[name]) for name in VARIANTS),
        device=str(device),
        load=load,
    )


def without(family: AdversarialRecipe) -> AdversarialRecipe:
    """Take penalties, and a critic's BatchNorm, which goes with none, off a recipe."""
    critic: Any = family.critic
    if "batchnorm" in asdict(critic):
        critic = replace(critic, batchnorm=False)
    off: Any = OFF
    loss = "bce" if family.loss == "wasserstein" else family.loss
    return replace(family, critic=critic, loss=loss, **off)


def critic_step(recipe: Recipe, device: torch.device) -> tuple[Way, Mapping[str, Any]]:
    """Give the critic's step of a recipe, timed on its own, and how it is computed."""
    task = measured_task(recipe, device)
    release(task)
    phase = next(phase for phase in task.family.phases if phase.trains == "critic")
    shared = task.family.shared
    assert shared is not None, "a GAN's phases share their fakes"
    batch = task.batches.at(0)
    (part, noise), *_ = parts(task, phase, batch, At(0, 0.0), recipe.train.batch_size)
    with torch.no_grad():
        given = {shared.name: shared.make(part, noise)}

    def step(seen: int) -> None:
        descend(task, phase, batch, At(seen, 0.0), given=given, rate=1.0)

    shape(task)
    return (task.compute.threads or task.threads, step), {
        "precision": task.compute.choice.precision,
        "channels_last": task.compute.choice.channels_last,
        "threads": task.compute.threads,
    }


def cost(name: str, taken: Mapping[str, list[float]], compute: Mapping[str, Any]) -> Cost:
    """Summarise the times of one variant against the plain ones of the same rounds."""
    low, middle, high = ratio(taken[name], taken[PLAIN])
    return Cost(
        penalty=name,
        milliseconds=milliseconds(taken[name]),
        ratio=middle,
        low=low,
        high=high,
        compute=compute,
    )


def lines(found: Costs) -> list[str]:
    """Write what was found for people."""
    head = f"{found.preset}, the critic's step of {found.images} images, medians of {found.rounds}:"
    rows = [
        f"  {one.penalty:14}{one.milliseconds:8.1f} ms  {one.ratio:5.2f} of the plain step, "
        f"quartiles {one.low:.2f} to {one.high:.2f}; {one.compute['precision']}"
        for one in found.costs
    ]
    return [head, *rows, *busy(found.load)]
