"""Two processes train as one does: gradients, BatchNorm, averages, log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

WORK = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from trilemma import processes, training
from trilemma.data.batches import Batches
from trilemma.data.values import Source
from trilemma.errors import StoppedError
from trilemma.families import build
from trilemma.recipe.networks import (DCGANCritic, DCGANGenerator, ResidualCritic,
    ResidualGenerator, UNet)
from trilemma.recipe.style import (ProgressiveCritic, ProgressiveGenerator, StyleGAN2Critic,
    StyleGAN2Generator)
from trilemma.recipe.recipe import *
from trilemma.runfolder import RunFolder
from trilemma.sitting import Watch

STEPS = 20
torch.set_num_threads(1)
processes.start("cpu")
folder, kind, stop = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
shard = sys.argv[4] == "True"
grouped = kind in ("progressive", "stylegan2")  # a critic looks at two images together
BATCH, SIDE = (8, 16) if grouped else (7, 28)
pixels = np.random.default_rng(0).integers(0, 256, (20, SIDE, SIDE, 1), dtype=np.uint8)
source = Source(name="x", split="train", pixels=pixels, labels=np.arange(20) % 3,
                classes=("a", "b", "c"), names=[""] * 20, fingerprint="0")
small = {"width": 16, "width_max": 32}
muon = OptimizerRecipe(lr=1e-3, muon_lr=1e-3, muon_layers="all", muon_momentum=0.5)
gan = AdversarialRecipe(generator_optimizer=muon, critic_optimizer=muon)
diffusion = DiffusionRecipe(process="edm", guidance=2.0,
                            generator=UNet(width=8, multipliers=(1, 2), blocks=1, heads=2,
                                           attention=(7,), unshuffle=2))
family = {
    "batchnorm": replace(gan, generator=DCGANGenerator(latent=16, **small),
                         critic=DCGANCritic(**small)),
    "penalties": replace(gan, loss="relativistic", r1=1.0, r2=1.0, instance_noise=0.1,
                         augment=("color", "translation", "cutout"),
                         generator=DCGANGenerator(latent=16, batchnorm=False, **small),
                         critic=DCGANCritic(batchnorm=False, **small)),
    "residual": replace(gan, r1=1.0,
                        generator=ResidualGenerator(latent=16, width=8, width_max=16),
                        critic=ResidualCritic(norm="layer", spectral_norm=True, width=8,
                                              width_max=16)),
    "labels": replace(gan, loss="wasserstein", gp=10.0, condition="projection",
                      generator=DCGANGenerator(latent=16, **small),
                      critic=DCGANCritic(batchnorm=False, **small)),
    "labels, diffusion": replace(diffusion, condition="labels", optimizer=replace(muon, clip=1.0)),
    "differences": replace(gan, r1=1.0, r2=1.0, slopes="differences",
                           generator=DCGANGenerator(latent=16, batchnorm=False, **small),
                           critic=DCGANCritic(batchnorm=False, **small)),
    "adaptive": replace(gan, loss="relativistic", r1=1.0, r2=1.0, ada_target=0.1, ada_images=500,
                        augment=("color", "translation", "turn", "geometry"),
                        generator=DCGANGenerator(latent=16, batchnorm=False, **small),
                        critic=DCGANCritic(batchnorm=False, **small)),
    "progressive": AdversarialRecipe(r1=1.0, grow_images=60,
                                     generator=ProgressiveGenerator(latent=8, **small),
                                     critic=ProgressiveCritic(group=2, **small)),
    "stylegan2": AdversarialRecipe(r1=1.0, r1_every=3, mixing=0.5, path_length=1.0, path_every=2,
                                   generator=StyleGAN2Generator(latent=8, style=8, layers=2,
                                                                **small),
                                   critic=StyleGAN2Critic(group=2, **small)),
    "diffusion": replace(diffusion, optimizer=replace(muon, clip=1.0)),
    "adam": replace(diffusion, optimizer=OptimizerRecipe(lr=1e-3, clip=0.1)),
}[kind]
data = DataRecipe(size=str(SIDE), channels=1, labels=("a", "b", "c"))
recipe = Recipe(data=data, family=family,
    train=TrainRecipe(batch_size=BATCH, epochs=0, images=BATCH * STEPS, ema_images=50),
    watch=WatchRecipe(every=BATCH), speed=SpeedRecipe(precision="reference", shard=shard))


def double(noise):
    return {name: tensor.double() for name, tensor in noise.items()}


def widened(phase):
    def loss(batch, noise, at):
        wide = batch._replace(images=batch.images.double())
        return phase.loss(wide, double(noise), type(at)(*(t.double() for t in at)))

    return replace(phase, loss=loss)


made = build(recipe)
made.nets.double()
made = replace(made, phases=tuple(map(widened, made.phases)))
if made.shared is not None:
    make = made.shared.make
    made = replace(made, shared=made.shared._replace(
        make=lambda batch, noise: make(batch, double(noise))))


def score(nets):
    global rounds
    rounds += 1
    if stop and rounds == stop:
        os.kill(os.getpid(), signal.SIGTERM)
    return {}


rounds = -1  # the first score comes before the first round
try:
    training.train(recipe, made, Batches(source, BATCH, seed=0), RunFolder(folder),
                   device=torch.device("cpu"), images_in_epoch=20, watch=Watch(score=score))
except StoppedError:
    assert stop
else:
    assert not stop
processes.end()
"""


def run(folder: Path, kind: str, processes: int, *, stop: int = 0, shard: bool = False) -> None:
    """Train in so many processes; stop: after so many steps, by SIGTERM; 0: at the end."""
    script = folder.parent / "work.py"
    script.write_text(WORK)
    launched(script, [str(folder), kind, str(stop), str(shard)], processes)


def launched(script: Path, words: list[str], processes: int) -> None:
    """Run a script in so many processes."""
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    launch += ["--standalone", "--local-addr", "127.0.0.1"]  # whatever this machine's name is
    done = subprocess.run(
        [sys.executable, *(launch if processes > 1 else []), str(script), *words],
        check=False,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def the_same(one: Path, other: Path, *, images: int = 140) -> None:
    """Compare weights, averages, optimizers and logged losses of two runs, all in float64."""
    for file in ("nets", "average", "optimizer"):
        place = f"checkpoints/{images}/{file}.safetensors"
        left, right = load_file(one / place), load_file(other / place)
        assert left.keys() == right.keys() and left
        for name in left:
            assert (left[name].double() - right[name].double()).abs().max() < 1e-8, name
    logs = [
        [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        for out in (one, other)
    ]
    steps = [[event for event in log if event["event"] == "step"] for log in logs]
    assert len(steps[0]) == len(steps[1]) == 20
    for event, theirs in zip(*steps, strict=True):
        assert event["losses"] == pytest.approx(theirs["losses"], rel=1e-7)


KINDS = [
    *("batchnorm", "penalties", "differences", "diffusion"),
    pytest.param("adaptive", marks=pytest.mark.slow),
    pytest.param("labels", marks=pytest.mark.slow),
    pytest.param("labels, diffusion", marks=pytest.mark.slow),
    pytest.param("residual", marks=pytest.mark.slow),
]


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is not tried on Windows")
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_equal_one(kind: str, tmp_path: Path) -> None:
    """Uneven shares (4 and 3 of 7 images), twenty steps in float64."""
    run(tmp_path / "one", kind, 1)
    run(tmp_path / "two", kind, 2)
    the_same(tmp_path / "one", tmp_path / "two")
    moments = load_file(tmp_path / "one/checkpoints/140/optimizer.safetensors")
    assert any(".muon." in name for name in moments)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is not tried on Windows")
@pytest.mark.parametrize("kind", ["progressive", "stylegan2"])
def test_whole_groups_in_every_process(kind: str, tmp_path: Path) -> None:
    """Four images of eight in each process, two groups of two."""
    run(tmp_path / "one", kind, 1)
    run(tmp_path / "two", kind, 2)
    the_same(tmp_path / "one", tmp_path / "two", images=160)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is not tried on Windows")
def test_three_processes_go_on_where_two_and_one_stopped(tmp_path: Path) -> None:
    run(tmp_path / "one", "batchnorm", 1)
    run(tmp_path / "more", "batchnorm", 2, stop=5)
    run(tmp_path / "more", "batchnorm", 1, stop=5)
    run(tmp_path / "more", "batchnorm", 3)
    the_same(tmp_path / "one", tmp_path / "more")
