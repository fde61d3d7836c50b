"""Two processes train as one does: gradients, BatchNorm, averages, log."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

WORK = """
import sys
from pathlib import Path
import numpy as np, torch
from trilemma import processes, training
from trilemma.data.batches import Batches
from trilemma.data.values import Source
from trilemma.families import build
from trilemma.recipe.networks import DCGANCritic, DCGANGenerator
from trilemma.recipe.recipe import *
from trilemma.runfolder import RunFolder

torch.set_num_threads(1)
processes.start("cpu")
norm = sys.argv[2] == "batchnorm"
pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
source = Source(name="x", split="train", pixels=pixels, labels=np.full(20, -1), classes=(),
                names=[""] * 20, fingerprint="0")
family = AdversarialRecipe(
    loss="bce" if norm else "relativistic", r1=0.0 if norm else 1.0, r2=0.0 if norm else 1.0,
    generator=DCGANGenerator(latent=6, width=4, width_max=8, batchnorm=norm),
    critic=DCGANCritic(width=4, width_max=8, batchnorm=norm))
recipe = Recipe(data=DataRecipe(size="28x28", channels=1), family=family,
    train=TrainRecipe(batch_size=7, epochs=0, images=28, ema_images=50),
    watch=WatchRecipe(every=14), speed=SpeedRecipe(precision="reference"))
training.train(recipe, build(recipe), Batches(source, 7, seed=0), RunFolder(Path(sys.argv[1])),
               device=torch.device("cpu"), images_in_epoch=20)
processes.end()
"""


def trained(folder: Path, kind: str, processes: int) -> Path:
    script = folder / "work.py"
    script.write_text(WORK)
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    launch += ["--standalone", "--local-addr", "127.0.0.1"]  # whatever this machine's name is
    out = folder / str(processes)
    done = subprocess.run(
        [sys.executable, *(launch if processes > 1 else []), str(script), str(out), kind],
        check=False,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is not tried on Windows")
@pytest.mark.parametrize("kind", ["batchnorm", "penalties"])
def test_two_processes_equal_one(kind: str, tmp_path: Path) -> None:
    """Uneven shares (4 and 3 of 7 images), four steps; Adam makes of rounding 1e-4 a step."""
    one, two = trained(tmp_path, kind, 1), trained(tmp_path, kind, 2)
    for file in ("nets", "average"):
        place = f"checkpoints/28/{file}.safetensors"
        left, right = load_file(one / place), load_file(two / place)
        assert left.keys() == right.keys()
        for name in left:
            assert (left[name].double() - right[name].double()).abs().max() < 2e-4, name
    logs = [
        [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
        for out in (one, two)
    ]
    steps = [[event for event in log if event["event"] == "step"] for log in logs]
    assert len(steps[0]) == len(steps[1]) == 4
    for event, other in zip(*steps, strict=True):
        assert event["losses"] == pytest.approx(other["losses"], rel=1e-3)
