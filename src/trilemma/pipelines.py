"""Noise -> generator -> upscaler -> pictures, and beside them what other ways of enlarging give."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import torch

from trilemma import devices, processes
from trilemma.asking import asked, drawn_as
from trilemma.atomic import refused
from trilemma.captions import under_captions
from trilemma.drawing import Job as Draw
from trilemma.drawing import file_names, only_images, tell
from trilemma.enlargements import bicubic
from trilemma.errors import MissingExtraError, RunError
from trilemma.families.family import DrawOptions
from trilemma.images import grid, write_png
from trilemma.photos import from_pixels
from trilemma.places import Say, quiet
from trilemma.runs import Found, find_run
from trilemma.samplecache import remembered
from trilemma.sampling import Drawer, Pixels, check_seeds, load_generator
from trilemma.upscalers import load_upscaler
from trilemma.upscaling import SCALES, Manner, Ready, ready, spread
from trilemma.upscalingfiles import MODEL, whole

OUT = "pipeline"  # the folder of results, where none is named
GRID, COMPARED = "grid.png", "side-by-side.png"
IN_GRID, ROWS = 256, 32  # pictures in each, at most: more could not be looked at
BASELINE = "Real-ESRGAN"  # what MODEL is called above its column

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is drawn, enlarged and compared, all of it known to be possible."""

    draw: Draw
    seeds: range
    made: Ready  # the upscaler
    beside: Ready | None  # Real-ESRGAN, if it is another one and installed
    names: Sequence[str]  # of the files


def pipeline(
    run: str,
    *,
    upscaler: str = MODEL,
    manner: Manner | None = None,
    n: int = 16,
    seed: int = 0,
    classes: Sequence[str] = (),
    attributes: Sequence[str] = (),
    options: DrawOptions | None = None,
    out: Path = Path(OUT),
    device: str = "auto",
    say: Say = quiet,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Draw n images of a run from the seeds seed, seed + 1, ..., enlarge them, write PNGs.

    In `out`: a file for each, named by its seed, grid.png, and side-by-side.png, which shows each
    in a row as the generator drew it, by bicubic, by Real-ESRGAN and by the upscaler. classes,
    attributes as `drawing.sample`, manner as `upscale`. Images are drawn once and kept in the
    cache; of several processes each draws its share, the first does the rest.

    RunError: no such run, one that draws no images, an upscaler that is none; RecipeError: a scale
    that cannot be; NoSpaceError: `out` cannot be written. All before anything is drawn.
    """
    where = devices.pick(device)
    processes.start(where)
    if n < 1:
        raise RunError(f"--n is {n}; allowed: 1 or more")
    seeds = range(seed, seed + n)
    check_seeds(seeds)
    found = find_run(run, say=say)
    refuse_others(found)
    drawer = load_generator(found, device=where, options=options)
    wanted = asked(drawer, found.name, classes, attributes)
    names = file_names(wanted, seeds)
    made, beside = upscalers_of(upscaler, manner or Manner(), device=where, say=say)
    if processes.rank() == 0:
        make_room(out, [*names, GRID, COMPARED])
    draw = Draw(found.name, found, drawer, wanted)
    job = Job(draw=draw, seeds=seeds, made=made, beside=beside, names=names)
    return performed(job, out, say=say, progress=progress)


def refuse_others(found: Found) -> None:
    """Refuse a run that draws no pictures: RunError."""
    if found.recipe.family.kind == "upscale":
        raise RunError(
            f"{found.name} is of kind upscale: it enlarges pictures and draws none; name the run "
            "of a generator first, and this one behind --upscaler"
        )
    if found.recipe.data.channels == 2:
        raise RunError(f"{found.name} draws points of the plane, and no pictures to enlarge")


def upscalers_of(
    name: str, manner: Manner, *, device: torch.device, say: Say
) -> tuple[Ready, Ready | None]:
    """Prepare the upscaler, and Real-ESRGAN at its scale.

    None, with a line, where that is not installed or has no such scale; and where it is that.
    """
    made = ready(load_upscaler(name, device=device, say=say), manner, device=device, say=say)
    scale = made.upscaler.scale
    if made.upscaler.name == MODEL:
        return made, None
    try:
        other = load_upscaler(MODEL, device=device, say=say)
    except MissingExtraError as error:
        say(f"{COMPARED} goes without {BASELINE}: {error}")
        return made, None
    if scale not in (*SCALES, other.scale):
        say(f"{COMPARED} goes without {BASELINE}: it is not asked for x{scale}")
        return made, None
    return made, ready(other, replace(manner, scale=scale), device=device, say=say)


def make_room(out: Path, names: Sequence[str]) -> None:
    """Make the folder and try to write there. NoSpaceError: it cannot be; RunError: `only_images`.

    Before anything is drawn: enlarging may take minutes.
    """
    only_images(out, names)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise refused(out, error) from error


def performed(job: Job, out: Path, *, say: Say, progress: Progress) -> list[Path]:
    """Draw, enlarge, write; give the paths, the two overviews last."""
    count, rows = len(job.names), min(ROWS, len(job.names))
    total = 2 * count + (rows if job.beside else 0)
    tell(job.draw, job.seeds, say)
    say(f"{job.made.upscaler.name}: x{job.made.upscaler.scale}, {job.made.choice}")
    small = drawn(job, lambda done: progress(done, total))
    if processes.rank():
        return []
    shown: list[Pixels] = []
    for index, large in enumerate(larger(job.made, small)):
        write_png(out / job.names[index], large)
        shown += [large] if index < IN_GRID else []
        progress(count + index + 1, total)
    columns = len(job.seeds) if len(job.draw.wanted) > 1 else 0
    write_png(out / GRID, grid(np.stack(shown), columns=columns))
    compared = columns_of(
        job, small[:rows], shown[:rows], lambda done: progress(2 * count + done, total)
    )
    write_png(out / COMPARED, under_captions(compared))
    for name, most in ((GRID, IN_GRID), (COMPARED, ROWS)):
        if count > most:
            say(f"{name} shows the first {most} of {count:,}")
    return [out / name for name in (*job.names, GRID, COMPARED)]


def drawn(job: Job, done: Callable[[int], None]) -> Pixels:
    """Draw what is wanted, uint8 [wanted x seeds, H, W, C], or take it from the cache."""

    def kept(drawer: Drawer, seeds: Sequence[int], progress: Progress) -> Pixels:
        return remembered(drawer, job.draw.run.weights, seeds, progress=progress)

    return drawn_as(
        job.draw.drawer,
        job.draw.wanted,
        job.seeds,
        draw=kept,
        progress=lambda count, total: done(count),
    )


def larger(made: Ready, small: Pixels) -> Iterator[Pixels]:
    """Enlarge pictures, one after the other."""
    return (whole(from_pixels(picture), made) for picture in small)


def columns_of(
    job: Job, small: Pixels, large: Sequence[Pixels], done: Callable[[int], None]
) -> list[tuple[str, Pixels]]:
    """Enlarge the same pictures in every way, each with its caption."""
    scale, height, width = job.made.upscaler.scale, small.shape[1], small.shape[2]
    columns = [
        (f"generator {width}x{height}", np.stack([spread(picture, scale) for picture in small])),
        ("bicubic", bicubic(small, (height * scale, width * scale))),
    ]
    if job.beside is not None:
        others: list[Pixels] = []
        for picture in larger(job.beside, small):
            others.append(picture)
            done(len(others))
        columns.append((BASELINE, np.stack(others)))
    name = job.made.upscaler.name
    return [*columns, (BASELINE if name == MODEL else name, np.stack(large))]
