"""trilemma sample: draw images from runs or bundles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_Classes = Annotated[tuple[str, ...], tyro.conf.arg(name="class")]
_Runs = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN ...]")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Draw images from runs or bundles; several give one picture, from equal seeds.

    Without a run: from the newest GAN and the newest diffusion model here. An older samples.png is
    written over.
    A preset's name means its newest run, else the bundle that ships; bundle:NAME is that bundle.
    """

    runs: _Runs = ()  # runs or bundles; none: the newest of each family
    n: int = 0  # images of each; 0: 64, or 8 where several classes are asked for
    seed: int = 0  # of the first image; image i has seed + i
    out: str = ""  # file or folder; empty: samples.png, .npy, .npz, or the folder samples
    format: Literal["", "grid", "folder", "npy", "npz"] = ""  # "": as --out ends, else one picture
    sampler: str = ""  # ancestral, ddim, dpm++2m, heun; empty: the recipe's own
    steps: int = 0  # of the sampler; 0: the recipe's own
    guidance: float = 0.0  # away from an earlier, or untold, self; 1: none; 0: the recipe's own
    truncation: float | None = None  # of style-based GANs: 1 none, 0.7 nearer to the mean picture
    classes: _Classes = ()  # names or numbers of classes (3 5 or 3,5), or all: n images, a row each
    attributes: tuple[str, ...] = ()  # such as smile=1 angle=0.5, of runs that were told them
    direction: tuple[str, ...] = ()  # of GANs: smile=2.0 (saved by explore), pca:1=-1.5
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    batch: int = 64  # images drawn at once
    trust: bool = False  # run code of somebody's own (module:Name) that a run names
    precision: Literal["float32", "bf16"] = "float32"  # bf16: faster on some, other pictures


def run(arguments: Arguments) -> None:
    """Draw, write, and say where."""
    from trilemma import drawing
    from trilemma.asking import runs_behind
    from trilemma.live import counted, device_line, say

    say(device_line(arguments.device))
    runs, classes = runs_behind(arguments.runs, arguments.classes)
    several = len(classes) > 1 or "all" in classes
    with counted("images") as progress:
        done = drawing.sample(
            runs,
            n=arguments.n or (8 if several else 64),
            seed=arguments.seed,
            out=Path(arguments.out) if arguments.out else None,
            kind=drawing.kind_of(arguments.format, arguments.out),
            sampler=arguments.sampler,
            steps=arguments.steps,
            guidance=arguments.guidance,
            truncation=arguments.truncation,
            classes=classes,
            attributes=arguments.attributes,
            direction=arguments.direction,
            device=arguments.device,
            batch=arguments.batch,
            precision=arguments.precision,
            say=say,
            progress=progress,
        )
    for path in done:
        print(path)
