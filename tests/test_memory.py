"""Out of memory: in parts where a batch may be cut, else one line that names what fits."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from trilemma import training
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.errors import MemoryTooSmallError
from trilemma.families import build
from trilemma.families.family import At, Batch, Family, Losses, Phase
from trilemma.measuring import measured, out_of_memory
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder
from trilemma.step import Compute, Task, prepare, update

CPU = torch.device("cpu")
SAID = (  # what PyTorch says on the CPU, on CUDA and on Apple's GPUs
    "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried",
    "CUDA out of memory. Tried to allocate 20.00 GiB.",
    "MPS backend out of memory (MPS allocated: 9.05 GB, other allocations: 2 MB)",
)


def narrow(family: Family, most: int, said: str = SAID[0]) -> Family:
    """Give a family whose losses run out of memory above so many images at once."""

    def limited(phase: Phase) -> Phase:
        def loss(batch: Batch, noise: Any, at: Any) -> Losses:
            if len(batch.images) > most:
                raise RuntimeError(said)
            return phase.loss(batch, noise, at)

        return replace(phase, loss=loss)

    return replace(family, phases=tuple(limited(phase) for phase in family.phases))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.digits(tmp_path / "digits.npz", 40)


def task_of(recipe: Recipe, most: int, said: str = SAID[0]) -> Task:
    images = open_source(recipe.data, "train")
    task = Task(
        recipe=recipe,
        family=narrow(build(recipe), most, said),
        batches=Batches(images, recipe.train.batch_size, seed=0),
        device=CPU,
    )
    prepare(task)
    return task


def weights(task: Task) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in task.family.nets.state_dict().items()}


def train(recipe: Recipe, family: Family, folder: Path) -> None:
    images = open_source(recipe.data, "train")
    training.train(
        recipe,
        family,
        Batches(images, recipe.train.batch_size, seed=0),
        RunFolder(folder),
        device=CPU,
        images_in_epoch=len(images),
    )


@pytest.mark.parametrize("said", SAID, ids=["cpu", "cuda", "mps"])
def test_how_pytorch_says_it(said: str) -> None:
    assert out_of_memory(RuntimeError(said))
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.parametrize(("most", "parts"), [(8, 1), (7, 2), (4, 2), (3, 3), (1, 8)])
def test_a_diffusion_batch_is_cut_until_it_fits(data: Path, most: int, parts: int) -> None:
    task = task_of(tiny.recipe(data, tiny.DIFFUSION), most)
    before = weights(task)
    compute, seconds = measured(task)
    assert compute.parts == parts
    assert seconds > 0
    for name, tensor in weights(task).items():
        assert torch.equal(tensor, before[name]), name
    assert all(not optimizer.state for optimizer in task.optimizers.values())


def test_a_run_in_parts_sees_the_same_batches_and_remembers_its_parts(
    data: Path, tmp_path: Path
) -> None:
    """The same sums in another order: the losses agree to rounding for the first rounds."""
    recipe = tiny.recipe(data, tiny.DIFFUSION, images=24)
    losses = []
    for most in (8, 3):
        folder = tmp_path / str(most)
        train(recipe, narrow(build(recipe), most), folder)
        losses.append([e["losses"]["denoise"] for e in tiny.events(folder, "step")])
        compute = tiny.events(folder, "start")[0]["choices"]["compute"]
        assert compute["parts"] == (1 if most == 8 else 3)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    log = (tmp_path / "3/log.jsonl").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "3/log.jsonl").write_text("".join(log[:-1]), encoding="utf-8")
    longer = replace(recipe, train=replace(recipe.train, images=24))
    train(longer, narrow(build(recipe), 3), tmp_path / "3")  # resumes without measuring again
    assert [e["event"] for e in tiny.events(tmp_path / "3")][-2:] == ["resume", "end"]


@pytest.mark.parametrize(("most", "fits"), [(7, 4), (4, 4), (3, 2), (1, 1)])
@pytest.mark.parametrize("why", ["batchnorm", "spectral_norm"])
def test_networks_that_need_the_batch_whole_name_what_fits(
    data: Path, tmp_path: Path, why: str, most: int, fits: int
) -> None:
    family = replace(tiny.GAN, critic=replace(tiny.GAN.critic, **{why: True}))
    recipe = tiny.recipe(data, family)
    with pytest.raises(MemoryTooSmallError) as caught:
        train(recipe, narrow(build(recipe), most), tmp_path / "run")
    said = str(caught.value)
    assert said == (
        "a batch of 8 does not fit into memory, and these networks need it whole; "
        f"--batch-size {fits} fits"
    )
    assert caught.value.status == 3
    assert tiny.events(tmp_path / "run") == []
    small = replace(recipe, train=replace(recipe.train, batch_size=fits, images=16))
    train(small, narrow(build(small), most), tmp_path / "run")


def test_a_gan_without_batch_statistics_is_cut(data: Path) -> None:
    assert measured(task_of(tiny.recipe(data, tiny.GAN), 3))[0].parts == 3


def test_one_image_that_does_not_fit_is_one_line(data: Path) -> None:
    with pytest.raises(MemoryTooSmallError, match=r"one image does not fit .* --data\.size"):
        measured(task_of(tiny.recipe(data, tiny.DIFFUSION), 0))


def test_other_errors_are_not_taken_for_a_lack_of_memory(data: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        measured(task_of(tiny.recipe(data, tiny.DIFFUSION), 4, said="wrong shapes"))


def test_a_batch_in_parts_gives_the_same_gradient(data: Path) -> None:
    """Diffusion splits; one step in 1 and in 3 parts, in float64 up to summation order."""
    after = []
    for parts in (1, 3):
        task = task_of(tiny.recipe(data, tiny.DIFFUSION), 8)
        task.compute = Compute(parts=parts)
        round_ = update(task, At(0, 0.0), images_total=160, rate=1.0)
        gradients = [p.grad.clone() for p in task.trainable["generator"] if p.grad is not None]
        after.append((round_.losses["denoise"], gradients))
    torch.testing.assert_close(after[0][0], after[1][0])
    torch.testing.assert_close(after[0][1], after[1][1], rtol=1e-3, atol=1e-5)
