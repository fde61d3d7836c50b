"""trilemma explore: what lies between the seeds of a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from trilemma.errors import RunError

if TYPE_CHECKING:
    from trilemma.exploring import Journey
    from trilemma.playing import Play

_Class = Annotated[str, tyro.conf.arg(name="class")]
_Run = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Walk between the seeds of a run or bundle, and look around one of them.

    Into a folder go walk.gif, around.png (a grid around a seed) and nearest.png (the seeds above
    the training images nearest to them). Older files of these names are written over.
    Of GANs, in place of these: --truncation, --mix, --directions, --save-direction, --project,
    --latent (docs/explore.md).
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
    space: Literal["w", "z"] = "z"  # of the walk: z, or w of style-based networks, straight on
    direction: tuple[str, ...] = ()  # every picture moved: smile=2.0 (saved), pca:1=-1.5
    layers: str = ""  # of style-based networks, that --direction moves or --mix lends: 4-7
    truncation: bool = False  # a strip of each seed towards the mean picture and beyond it
    mix: tuple[int, ...] = ()  # style-based: seeds whose styles the --seeds are given
    directions: tuple[str, ...] = ()  # pca:5 sefa:5 class:7 faces.csv:smile sides, or saved
    sides: tuple[str, ...] = ()  # two, for sides: seeds 1,4,7, or folders of pictures of seeds
    save_direction: tuple[str, ...] = ()  # under a name, for later: smile=pca:2 or smile=sides
    project: str = ""  # picture that is looked for; --direction and --directions then move it
    project_steps: int = 300  # downhill
    latent: str = ""  # projected.safetensors, of an earlier --project, to move it again
    trust: bool = False  # run code of somebody's own (module:Name) that the run names
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Draw, write, and say where."""
    from trilemma import devices
    from trilemma.exploring import explore
    from trilemma.live import counted, device_line, say
    from trilemma.playing import check, play

    say(device_line(arguments.device))
    out = Path(arguments.out) if arguments.out else None
    device, asked = devices.pick(arguments.device), played(arguments)
    with counted("steps" if arguments.project else "images") as progress:
        if asked.wanted:
            refuse_walk(arguments)
            done = play(arguments.run, asked, out=out, device=device, say=say, progress=progress)
        else:
            check(asked)
            done = explore(
                arguments.run,
                journey(arguments),
                out=out,
                device=device,
                say=say,
                progress=progress,
            )
    for path in done:
        print(path)


def refuse_walk(arguments: Arguments) -> None:
    """Refuse what belongs to a walk where something else is drawn. RunError names it."""
    own = {
        "--frames": arguments.frames != Arguments.frames,
        "--fps": arguments.fps != Arguments.fps,
        "--one-way": arguments.one_way,
        "--around": arguments.around != Arguments.around,
        "--among": arguments.among != Arguments.among,
        "--mp4": arguments.mp4,
        "--html": arguments.html,
        "--space": arguments.space == "w",
        "--sampler": bool(arguments.sampler),
        "--steps": bool(arguments.steps),
        "--guidance": bool(arguments.guidance),
    }
    for word in (word for word, given in own.items() if given):
        raise RunError(
            f"{word} is for a walk, which is not drawn beside --truncation, --mix, --directions, "
            "--save-direction, --project (--project-steps) and --latent; ask for one at a time"
        )


def played(arguments: Arguments) -> "Play":
    """Give what is asked for in place of a walk."""
    from trilemma.playing import Play

    return Play(
        seeds=arguments.seeds,
        truncation=arguments.truncation,
        mix=arguments.mix,
        layers=arguments.layers,
        directions=arguments.directions,
        sides=arguments.sides,
        save=arguments.save_direction,
        move=arguments.direction,
        project=arguments.project,
        steps=arguments.project_steps,
        latent=arguments.latent,
        shows=arguments.shows,
        attributes=arguments.attributes,
    )


def journey(arguments: Arguments) -> "Journey":
    """Give the walk that is asked for."""
    from trilemma.exploring import Journey
    from trilemma.families.family import DrawOptions

    return Journey(
        seeds=arguments.seeds,
        frames=arguments.frames,
        fps=arguments.fps,
        around=arguments.around,
        one_way=arguments.one_way,
        among=arguments.among,
        shows=arguments.shows,
        attributes=arguments.attributes,
        space=arguments.space,
        move=arguments.direction,
        layers=arguments.layers,
        mp4=arguments.mp4,
        html=arguments.html,
        options=DrawOptions(
            sampler=arguments.sampler, steps=arguments.steps, guidance=arguments.guidance
        ),
    )
