"""A network that is split over two processes trains, saves and draws as a whole one does."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

import tiny
from test_many_processes import launched, run, the_same
from test_shared_work import said
from trilemma import watch
from trilemma.errors import RecipeError
from trilemma.recipe import files
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import OptimizerRecipe, Recipe, SpeedRecipe

not_on_windows = pytest.mark.skipif(
    sys.platform == "win32", reason="torchrun with gloo is not tried on Windows"
)
SHARDED = SpeedRecipe(device="cpu", precision="reference", threads=1, shard=True)

START = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
import tiny
from trilemma import processes, sharding
from trilemma.average import Average
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.errors import MemoryTooSmallError
from trilemma.families import build
from trilemma.families.family import At
from trilemma.measuring import measured
from trilemma.step import Task, prepare, update

torch.set_num_threads(1)
processes.start("cpu")
out, root = Path(sys.argv[1]), sys.argv[2]
recipe = tiny.recipe(root, tiny.DIFFUSION, batch_size=7)
recipe = replace(recipe, speed=replace(recipe.speed, shard=True))
family = build(recipe)
family.nets.double()
batches = Batches(open_source(recipe.data, "train"), 7, seed=0)
task = Task(recipe=recipe, family=family, batches=batches, device=torch.device("cpu"))
average = Average(family, half_life=50, ramp=1.0)
sharding.place(average.nets, task.device, shard=task.sharded)
prepare(task)
net = family.nets["generator"]
whole_loss = family.phases[0].loss


def loss(batch, noise, at):
    images = batch.images.double()
    noise = {name: tensor.double() for name, tensor in noise.items()}
    return whole_loss(batch._replace(images=images), noise, type(at)(*(t.double() for t in at)))


task.family = replace(family, phases=(replace(family.phases[0], loss=loss),))
"""
HELD = """
update(task, At(0, 0.0), images_total=100, rate=1.0)
moments = task.optimizers["generator"].state.values()
parts = {
    "weights": [p.data for p in net.parameters()],
    "gradients": [p.grad for p in net.parameters()],
    "average": [p.data for p in average.nets.parameters()],
    "moments": [m for entry in moments for name, m in entry.items() if name != "step"],
}
held = {name: [sum(t.numel() for t in found), sum(t.numel() for t in sharding.local(found))]
        for name, found in parts.items()}
"""
NARROW = """
def limited(module, images):
    if len(images[0]) > 2:
        raise RuntimeError("out of memory")


net.across.conv1.register_forward_pre_hook(limited)  # in the middle: some blocks have run
try:
    measured(task)
except MemoryTooSmallError as error:
    held = str(error)
"""
END = """
(out / f"{processes.rank()}.json").write_text(json.dumps(held))
processes.end()
"""


def found(folder: Path, work: str, processes: int) -> list[Any]:
    """Run a script in so many processes; give what each of them found."""
    folder.mkdir()
    script = folder / "work.py"
    script.write_text(f"import sys\nsys.path.insert(0, {tiny.__file__!r}[:-8])\n{START}{work}{END}")
    root = tiny.digits(folder / "digits.npz", 60)
    launched(script, [str(folder), str(root)], processes)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


def scalars(folder: Path) -> list[dict[str, float]]:
    return [event["scalars"] for event in tiny.events(folder, "step")]


@not_on_windows
def test_two_sharded_processes_equal_one(tmp_path: Path) -> None:
    """Uneven shares, a guide, and a gradient that is cut at every step; float64."""
    run(tmp_path / "one", "adam", 1)
    run(tmp_path / "two", "adam", 2, shard=True)
    the_same(tmp_path / "one", tmp_path / "two")
    alone, together = scalars(tmp_path / "one"), scalars(tmp_path / "two")
    assert all(step["denoise_gradient"] > 0.1 for step in alone)
    for mine, theirs in zip(alone, together, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-7)
    kept = load_file(tmp_path / "two/checkpoints/140/average.safetensors")
    assert {name.split(".")[0] for name in kept} == {"generator", "guide"}
    machine = json.loads((tmp_path / "two/machine.json").read_text())["machine"]
    assert machine["sharded"]


@pytest.mark.slow
@not_on_windows
def test_a_run_goes_on_with_and_without_sharding(tmp_path: Path) -> None:
    run(tmp_path / "one", "adam", 1)
    run(tmp_path / "more", "adam", 2, stop=3, shard=True)
    run(tmp_path / "more", "adam", 1, stop=3)
    run(tmp_path / "more", "adam", 3, stop=3, shard=True)
    run(tmp_path / "more", "adam", 2, stop=3)
    run(tmp_path / "more", "adam", 2, shard=True)
    the_same(tmp_path / "one", tmp_path / "more")
    resumed = tiny.events(tmp_path / "more", "resume")
    assert [event["not_bit_exact"] for event in resumed] == [True] * 4


@not_on_windows
def test_each_process_holds_half(tmp_path: Path) -> None:
    first, second = found(tmp_path / "x", HELD, 2)
    for name, (numbers, held) in first.items():
        assert second[name] == [numbers, numbers - held], name
        assert held == pytest.approx(numbers / 2, rel=0.01), name
    assert first["moments"][0] == 2 * first["weights"][0]


@not_on_windows
def test_a_batch_that_does_not_fit_is_not_cut(tmp_path: Path) -> None:
    """One process may run out of memory where another does not: they could not try again."""
    first, second = found(tmp_path / "x", NARROW, 2)
    assert first == second
    assert "a batch of 7 over 2 processes does not fit into memory, and with speed.shard" in first


def config(folder: Path, **train: object) -> tuple[Path, Recipe]:
    """Write a recipe of a small diffusion model with a guide; scores and grids are uneven."""
    root = tiny.digits(folder / "digits.npz", 60)
    family = replace(tiny.DIFFUSION, guidance=2.0)
    recipe = tiny.recipe(root, family, **train)
    recipe = replace(recipe, watch=replace(recipe.watch, n=129, grid=3))
    files.write(folder / "recipe.toml", recipe)
    return folder / "recipe.toml", recipe


@pytest.mark.slow
@not_on_windows
@pytest.mark.parametrize("precision", ["reference", "float32", "bf16"])
def test_scores_and_grids_of_a_sharded_training(tmp_path: Path, precision: str) -> None:
    """129 images: shares of 65 and 64, which alone would take two batches and one."""
    file, _ = config(tmp_path)
    words = ["train", "--config", str(file), "--precision", precision]
    alone = said(tmp_path, [*words, "--out", "alone"], pair=False)
    assert alone.returncode == 0, alone.stderr
    pair = said(tmp_path, [*words, "--speed.shard", "--out", "pair"], pair=True)
    assert pair.returncode == 0, pair.stderr
    one, two = tmp_path / "alone", tmp_path / "pair"
    scores = [[e["scalars"]["fd"] for e in tiny.events(run, "score")] for run in (one, two)]
    assert len(scores[0]) == 3
    assert scores[1] == pytest.approx(scores[0], rel=0.05 if precision == "bf16" else 0.01)
    for folder in ("samples", "checkpoints", "best"):
        names = [sorted(p.name for p in (run / folder).iterdir()) for run in (one, two)]
        assert names[0] == names[1]
    best = [load_file(run / "best/average.safetensors") for run in (one, two)]
    assert {n: (t.shape, t.dtype) for n, t in best[0].items()} == {
        n: (t.shape, t.dtype) for n, t in best[1].items()
    }
    sampled = said(tmp_path, ["sample", "pair", "--n", "2", "--out", "drawn"], pair=False)
    assert sampled.returncode == 0, sampled.stderr
    longer = ["train", "--continue", str(two), "--images", "16"]
    further = said(tmp_path, [*longer, "--speed.no-shard"], pair=False)
    assert further.returncode == 0, further.stderr


@pytest.mark.slow
@not_on_windows
def test_a_loss_that_is_not_finite_takes_all_processes_back(tmp_path: Path) -> None:
    file, _ = config(tmp_path, images=320)
    words = ["train", "--config", str(file), "--out", "run", "--lr", "1e30", "--speed.shard"]
    ended = said(tmp_path, words, pair=True)
    assert ended.returncode == 1, ended.stderr  # torchrun's own, whatever ours is
    ours = [line for line in ended.stderr.splitlines() if line.startswith("trilemma: ")]
    assert len(ours) == 1
    assert "3 times over" in ours[0]
    assert len(tiny.events(tmp_path / "run", "rollback")) == 3


@pytest.mark.slow
@not_on_windows
def test_fewer_images_than_processes_are_refused(tmp_path: Path) -> None:
    file, _ = config(tmp_path)
    words = ["train", "--config", str(file), "--batch-size", "1", "--out", "run", "--speed.shard"]
    refused = said(tmp_path, words, pair=True)
    ours = [line for line in refused.stderr.splitlines() if line.startswith("trilemma: ")]
    assert ours == [
        "trilemma: train.batch_size is 1, but 2 processes share a batch; give each an image at "
        "least, or start fewer"
    ]
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"speed\.shard = true is for .*'diffusion', not 'adv"):
        check(replace(tiny.recipe("x"), speed=SHARDED))
    muon = replace(tiny.DIFFUSION, optimizer=OptimizerRecipe(muon_lr=1e-3))
    with pytest.raises(RecipeError, match=r"does not go with family\.optimizer\.muon_lr"):
        check(replace(tiny.recipe("x", muon), speed=SHARDED))
    check(replace(tiny.recipe("x", tiny.DIFFUSION), speed=SHARDED))


def test_one_process_says_that_nothing_is_split(tmp_path: Path) -> None:
    _, recipe = config(tmp_path, images=8)
    lines: list[str] = []
    watch.train(replace(recipe, speed=SHARDED), out=tmp_path / "run", say=lines.append)
    assert [line for line in lines if line.startswith("speed.shard: there is one process")]
    assert "sharded" not in json.loads((tmp_path / "run/machine.json").read_text())["machine"]
