"""What the phases of a round share: made once, with the result of making it in each."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.families import build
from trilemma.families.family import At, Batch, Noise
from trilemma.measuring import from_plain, measured, to_plain
from trilemma.recipe.networks import DCGANCritic
from trilemma.recipe.recipe import AdversarialRecipe
from trilemma.step import Compute, Task, prepare, update

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
KINDS: Mapping[str, AdversarialRecipe] = {
    "split batch": tiny.GAN,
    "instance noise, two critic updates": replace(tiny.GAN, instance_noise=0.3, critic_updates=2),
    "paired, with penalties": replace(
        tiny.GAN,
        loss="relativistic",
        r1=1.0,
        r2=1.0,
        critic=DCGANCritic(width=4, width_max=8, batchnorm=False),
    ),
    "penalties by differences": replace(tiny.GAN, r1=1.0, r2=1.0, slopes="differences"),
    "augmented": replace(tiny.GAN, r2=1.0, augment=("color", "translation", "cutout")),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.digits(tmp_path_factory.mktemp("data") / "digits.npz", 60)


def task_of(data: Path, family: AdversarialRecipe) -> Task:
    recipe = tiny.recipe(data, family)
    batches = Batches(open_source(recipe.data, "train"), recipe.train.batch_size, seed=0)
    task = Task(recipe=recipe, family=build(recipe), batches=batches, device=torch.device("cpu"))
    prepare(task)
    return task


def trained(
    data: Path, family: AdversarialRecipe, *, shares: bool
) -> tuple[dict[str, Tensor], int]:
    """Run three rounds; give the weights and how often the generator ran."""
    task, runs = task_of(data, family), []
    task.compute = Compute(shares=shares)
    task.family.nets["generator"].register_forward_hook(lambda *_: runs.append(1))
    at = 0
    for _ in range(3):
        at += update(task, At(at, at / 1000), images_total=1000, rate=1.0).images
    return task.family.nets.state_dict(), len(runs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_round_is_the_same_with_one_pass_of_the_generator_less(data: Path, kind: str) -> None:
    together, few = trained(data, KINDS[kind], shares=True)
    apart, many = trained(data, KINDS[kind], shares=False)
    assert many - few == 3
    for name, tensor in together.items():
        if not name.endswith(STATISTICS):  # of a batch that was seen once less
            assert torch.equal(tensor, apart[name]), name


def test_without_the_memory_to_share_every_phase_makes_its_own(data: Path) -> None:
    task = task_of(data, KINDS["split batch"])
    assert measured(task)[0].shares
    whole = task.family.shared
    assert whole is not None

    def make(batch: Batch, noise: Noise) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    task.family = replace(task.family, shared=whole._replace(make=make))
    compute, _ = measured(task)
    assert (compute.parts, compute.shares) == (1, False)
    assert from_plain(to_plain(compute)) == compute
    old = {name: value for name, value in to_plain(compute).items() if name != "shares"}
    assert not from_plain(old).shares
