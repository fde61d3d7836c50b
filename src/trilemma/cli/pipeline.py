"""trilemma pipeline: noise through a generator and an upscaler, into pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_Run = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
_Classes = Annotated[tuple[str, ...], tyro.conf.arg(name="class")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Draw images with a generator and enlarge them with an upscaler, one PNG for each seed.

    Beside them grid.png has all, and side-by-side.png shows each as the generator drew it, by
    bicubic, by Real-ESRGAN and by the upscaler. Real-ESRGAN needs pip install 'trilemma[baseline]'.
    The same command again writes the same files.
    """

    run: _Run  # the generator: a run or a bundle
    upscaler: str = "realesrgan-x4plus"  # a run, a baseline's name, or a file: .pth, .onnx, ...
    n: int = 16  # images; where several classes are asked for, of each
    seed: int = 0  # of the first image; image i has seed + i
    out: str = "pipeline"  # folder of the results
    scale: int = 0  # 2, 3 or 4, as of trilemma upscale; 0: the upscaler's own
    tile: str = "auto"  # pixels: a tile's side, its margin comes on top; 0: no tiles; auto
    classes: _Classes = ()  # names or numbers of classes, or all: n images, a row each
    attributes: tuple[str, ...] = ()  # such as smile=1 angle=0.5, of runs that were told them
    sampler: str = ""  # of the generator: ancestral, ddim, dpm++2m, heun; empty: its own
    steps: int = 0  # of the sampler; 0: the recipe's own
    guidance: float = 0.0  # away from an earlier, or untold, self; 1: none; 0: the recipe's own
    precision: Literal["auto", "reference", "float32", "bf16"] = "auto"  # of the upscaler
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps
    trust: bool = False  # run code of somebody's own (module:Name) that a run names


def run(arguments: Arguments) -> None:
    """Draw, enlarge, compare, and say where the pictures are."""
    from trilemma import devices
    from trilemma.cli.upscale import tile_of
    from trilemma.families.family import DrawOptions
    from trilemma.live import counted, device_line, say
    from trilemma.pipelines import pipeline
    from trilemma.upscaling import Manner

    say(device_line(arguments.device))
    devices.use_threads(0)
    with counted("images drawn and enlarged") as progress:
        done = pipeline(
            arguments.run,
            upscaler=arguments.upscaler,
            manner=Manner(
                scale=arguments.scale,
                tile=tile_of(arguments.tile),
                precision=arguments.precision,
            ),
            n=arguments.n,
            seed=arguments.seed,
            classes=arguments.classes,
            attributes=arguments.attributes,
            options=DrawOptions(
                sampler=arguments.sampler, steps=arguments.steps, guidance=arguments.guidance
            ),
            out=Path(arguments.out),
            device=arguments.device,
            say=say,
            progress=progress,
        )
    for path in done:
        print(path)
