"""trilemma explore: what lies between the seeds of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

_Class = Annotated[str, tyro.conf.arg(name="class")]
_Run = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Walk between the seeds of a run or bundle, and look around one of them.

    Into a folder go walk.gif, around.png (a grid around a seed) and nearest.png (the seeds above
    the training images nearest to them). Older files of these names are written over.
    """

    run: _Run  # a run, bundle or preset
    seeds: tuple[int, ...] = (1, 2, 3, 4)  # the walk goes from one to the next, and back
    one_way: bool = False  # end at the last seed
    frames: int = 60  # pictures of the walk
    fps: float = 20.0  # of them a second, 1 to 50
    around: int = -1  # seed in the middle of the grid; -1: the first of --seeds
    out: str = ""  # folder; empty: explore-RUN
    mp4: bool = False  # write walk.mp4, too; needs pip install 'trilemma[video]'
    html: bool = False  # write explore.html, too: one offline page with sliders
    among: int = 20_000  # training images to look through for the nearest, at most; 0: none
    shows: _Class = ""  # class of every image, of runs that were told classes; empty: the first
    attributes: tuple[str, ...] = ()  # such as smile=1, of runs that were told them
    sampler: str = ""  # ddim, dpm++2m, heun; empty: the recipe's own, or dpm++2m for ancestral
    steps: int = 0  # of the sampler; 0: the recipe's own
    guidance: float = 0.0  # away from an earlier self; 1: none; 0: the recipe's own
    trust: bool = False  # run code of somebody's own (module:Name) that the run names
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Draw, write, and say where."""
    from trilemma import devices
    from trilemma.exploring import Journey, explore
    from trilemma.families.family import DrawOptions
    from trilemma.live import counted, device_line, say

    say(device_line(arguments.device))
    asked = Journey(
        seeds=arguments.seeds,
        frames=arguments.frames,
        fps=arguments.fps,
        around=arguments.around,
        one_way=arguments.one_way,
        among=arguments.among,
        shows=arguments.shows,
        attributes=arguments.attributes,
        mp4=arguments.mp4,
        html=arguments.html,
        options=DrawOptions(
            sampler=arguments.sampler, steps=arguments.steps, guidance=arguments.guidance
        ),
    )
    with counted("images") as progress:
        done = explore(
            arguments.run,
            asked,
            out=Path(arguments.out) if arguments.out else None,
            device=devices.pick(arguments.device),
            say=say,
            progress=progress,
        )
    for path in done:
        print(path)
