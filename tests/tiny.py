"""Trainings of a second or less, for the tests of the machinery around them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trilemma.data.named import read_digits
from trilemma.images import write_png
from trilemma.recipe.networks import DCGANCritic, DCGANGenerator, UNet
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    DiffusionRecipe,
    Recipe,
    SpeedRecipe,
    TrainRecipe,
    WatchRecipe,
)

GAN = AdversarialRecipe(
    loss="relativistic",
    generator=DCGANGenerator(latent=6, width=4, width_max=8, batchnorm=False),
    critic=DCGANCritic(width=4, width_max=8, batchnorm=False),
)
DIFFUSION = DiffusionRecipe(
    process="edm",
    steps=2,
    sampler="heun",
    generator=UNet(width=8, multipliers=(1, 2), blocks=1, heads=2, attention=(7,), unshuffle=2),
)
FAMILIES = {"adversarial": GAN, "diffusion": DIFFUSION}

COMMAND = (  # GAN, as it is typed
    "trilemma train tiny-gan --batch-size 8 --device cpu --precision reference "
    "--speed.threads 1 --watch.n 16 --watch.grid 4 --watch.extractor pixels "
    "--family.generator.latent 6 --family.generator.width 4 --family.generator.width-max 8 "
    "--family.critic.width 4 --family.critic.width-max 8"
)


def digits(path: Path, n: int = 120, *, start: int = 0) -> Path:
    """Write n of the embedded digits, with their labels, as one .npz file."""
    pixels, labels = read_digits(Path(), "train")
    rows = slice(start, start + n)
    np.savez(path, images=pixels[rows], labels=labels[rows])
    return path


def hostile(folder: Path) -> Path:
    """Make a folder of 60 digits, and three files that only look like pictures."""
    folder.mkdir()
    for number, picture in enumerate(read_digits(Path(), "train")[0][:60]):
        write_png(folder / f"{number:02d}.png", picture)
    (folder / "a, text.png").write_text("no picture", encoding="utf-8")
    (folder / "cut.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (folder / "empty.png").write_bytes(b"")
    return folder


def numbered(folder: Path) -> Path:
    """Make a folder as `hostile`, and faces.csv in it: is a file's number odd, and which is it?"""
    names = sorted(path.name for path in hostile(folder).glob("[0-9]*.png"))
    rows = [f"{name},{number % 2},{number}" for number, name in enumerate(names)]
    (folder / "faces.csv").write_text("\n".join(["file,odd,number", *rows]), encoding="utf-8")
    return folder


def recipe(root: Path | str, family: object = GAN, **train: Any) -> Recipe:
    """Give the recipe of a short training on a file or folder of grey pictures, 28x28."""
    settings = TrainRecipe(batch_size=8, epochs=0.0, images=64, ema_images=50, keep=9)
    return Recipe(
        preset="tiny",
        data=DataRecipe(root=str(root), size="28x28", channels=1, held_out=0.25),
        family=family,  # type: ignore[arg-type]
        train=replace(settings, **train),
        watch=WatchRecipe(every=32, n=16, grid=4, extractor="pixels"),
        speed=SpeedRecipe(device="cpu", precision="reference", threads=1),
    )


def events(run: Path, *kinds: str) -> list[dict[str, Any]]:
    """Read the lines of log.jsonl of some kinds; none named: all."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    return [event for event in read if not kinds or event["event"] in kinds]


def timeless(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave the seconds out of lines of the log."""
    return [{key: value for key, value in event.items() if key != "seconds"} for event in found]


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Note every file below a folder: its bytes and when it was written."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def left_over(folder: Path) -> list[str]:
    """List what was written beside its name and never moved into place."""
    return [p.name for p in folder.rglob("*") if p.name.startswith(".") or p.suffix == ".part"]
