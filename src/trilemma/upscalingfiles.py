"""Files and folders -> enlarged files of the same names and types, with a list of what failed."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from trilemma import gifs, video
from trilemma.computing import Say
from trilemma.errors import DataError, MemoryTooSmallError, NoSpaceError, RecipeError, TrilemmaError
from trilemma.images import BROKEN, is_image
from trilemma.imagewarnings import without_warnings
from trilemma.photos import Photo, from_pixels, read_photo
from trilemma.photowriting import JPEG_QUALITY, sheet_for, write_photo
from trilemma.upscalers import load_upscaler
from trilemma.upscaling import Manner, Progress, Ready, check, enlarged, ready, smaller

OUT = "upscaled"  # the folder of results, where none is named
MODEL = "realesrgan-x4plus"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One file to enlarge."""

    source: Path
    target: Path
    named: bool  # on its own, not as one of a folder
    pixels: int = 0  # to go through the network; 0: cannot be told, such as of a broken file


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of all files."""

    written: tuple[Path, ...] = ()
    there: tuple[Path, ...] = ()  # results of before that were left alone
    failed: tuple[tuple[Path, str], ...] = ()  # file and reason
    named_failed: bool = False  # is one of those a file that was named on its own?


def jobs(inputs: Sequence[str | Path], out: Path, *, recursive: bool = False) -> tuple[Job, ...]:
    """List the files to enlarge, and where each result goes: its name, and its path in the folder.

    DataError: an input that is not there, two results in one place, a result in place of its input.
    """
    found = [job for each in inputs for job in jobs_of(Path(each), out, recursive=recursive)]
    if not found:
        named = ", ".join(map(str, inputs))
        deeper = "" if recursive else "; folders in it: --recursive"
        raise DataError(f"{named}: no images or films in it{deeper}")
    places: dict[Path, Path] = {}
    for job in found:
        if job.target in places and places[job.target] != job.source:
            raise DataError(
                f"{places[job.target]} and {job.source} would both become {job.target}; enlarge "
                "them one after the other, with another --out each"
            )
        if job.target.resolve() == job.source.resolve():
            raise DataError(f"{job.source} would be written over; give another --out")
        places[job.target] = job.source
    return tuple({job.target: job for job in found}.values())


def jobs_of(place: Path, out: Path, *, recursive: bool) -> Iterator[Job]:
    """List the files of one input."""
    if not place.is_dir():
        if not place.exists():
            raise DataError(f"{place}: no such file or folder")
        yield Job(source=place, target=out / place.name, named=True)
        return
    for folder, below, names in os.walk(place):
        below[:] = sorted(each for each in below if recursive and not each.startswith("."))
        if Path(folder).resolve() == out.resolve() and place.resolve() != out.resolve():
            below.clear()
            continue
        for name in sorted(names):
            if not name.startswith(".") and (is_image(name) or is_film(name)):
                source = Path(folder) / name
                yield Job(source=source, target=out / source.relative_to(place), named=False)


def upscale(
    inputs: Sequence[str | Path],
    *,
    model: str = MODEL,
    manner: Manner | None = None,
    out: Path = Path(OUT),
    recursive: bool = False,
    skip_existing: bool = False,
    quality: int = JPEG_QUALITY,
    device: torch.device,
    say: Say = lambda line: None,
    wrote: Callable[[Path], None] = lambda path: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Enlarge files and folders with a model; results keep name, path and type below `out`.

    DataError, RecipeError, RunError as `jobs`, `ready` and `load_upscaler` have them; what fails on
    the way is listed in the outcome, and `refuse_failure` makes an error of that.
    """
    manner = manner or Manner()
    check(manner)
    if not 1 <= quality <= 100:
        raise RecipeError(f"--quality is {quality}; allowed: 1 to 100")
    work = jobs(inputs, out, recursive=recursive)
    made = ready(load_upscaler(model, device=device, say=say), manner, device=device, say=say)
    tiles = f"tiles of {made.plan().side} pixels" if made.tile else "no tiles"
    say(f"{made.upscaler.name}: x{made.upscaler.scale}, {made.choice}, {tiles}")
    return upscale_files(
        work,
        made,
        skip_existing=skip_existing,
        quality=quality,
        say=say,
        wrote=wrote,
        progress=progress,
    )


def refuse_failure(found: Outcome) -> None:
    """Make an error of what failed, where it was named on its own or nothing came out.

    Broken files in a folder are listed, as everywhere, and no error.
    """
    nothing = not found.written and not found.there
    if found.failed and (found.named_failed or nothing):
        path, reason = found.failed[0]
        raise DataError(
            f"{len(found.failed):,} could not be enlarged (first: {path}: {reason}); "
            f"{len(found.written):,} were"
        )


def is_film(name: str) -> bool:
    """Does the ending say that ffmpeg reads it?"""
    return Path(name).suffix.lower() in video.CONTAINERS


def is_gif(name: str) -> bool:
    """Does the ending say that it is a GIF?"""
    return Path(name).suffix.lower() == ".gif"


def counted(job: Job) -> Job:
    """Count the pixels of a file by its head."""
    if is_film(job.source.name):
        try:
            film = video.open_film(job.source)
        except TrilemmaError:
            return job
        return replace(job, pixels=film.width * film.height * film.frames)
    try:
        with without_warnings(), Image.open(job.source) as image:
            frames = getattr(image, "n_frames", 1) if is_gif(job.source.name) else 1
            return replace(job, pixels=image.width * image.height * frames)
    except (*BROKEN, Image.DecompressionBombError):
        return job


def upscale_files(
    work: Sequence[Job],
    made: Ready,
    *,
    skip_existing: bool = False,
    quality: int = JPEG_QUALITY,
    say: Say = lambda line: None,
    wrote: Callable[[Path], None] = lambda path: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Enlarge files one after the other; what fails is listed, and the others go on.

    progress: pixels done, of how many. NoSpaceError ends it: nothing more could be written. A
    single file that fails raises its own error.
    """
    there = [job.target for job in work if skip_existing and job.target.exists()]
    left = [counted(job) for job in work if job.target not in set(there)]
    total, done = sum(job.pixels for job in left), 0
    written: list[Path] = []
    failed: list[tuple[Path, str]] = []
    for job in left:
        state = [done]

        def more(pixels: int, state: list[int] = state) -> None:
            state[0] += pixels
            progress(min(state[0], total), total)

        try:
            made = upscale_file(job, made, quality=quality, say=say, progress=more)
        except NoSpaceError:
            raise
        except TrilemmaError as error:
            if len(work) == 1 and job.named:
                raise
            reason = str(error).removeprefix(f"{job.source}: ")
            failed.append((job.source, reason))
            say(f"{job.source}: failed: {reason}")
        else:
            written.append(job.target)
            wrote(job.target)
        done += job.pixels
    bad = {path for path, _ in failed}
    return Outcome(
        written=tuple(written),
        there=tuple(there),
        failed=tuple(failed),
        named_failed=any(job.named and job.source in bad for job in left),
    )


def upscale_file(job: Job, made: Ready, *, quality: int, say: Say, progress: Progress) -> Ready:
    """Enlarge one file, with smaller tiles where its own do not fit into memory.

    Gives what fitted, for the files after it; one that no tiles fit changes nothing for them.
    """
    while True:
        before = [0]

        def more(pixels: int, before: list[int] = before) -> None:
            before[0] += pixels
            progress(pixels)

        try:
            once(job, made, quality=quality, say=say, progress=more)
        except MemoryTooSmallError as error:
            less = smaller(made)
            if less is None:
                raise MemoryTooSmallError(f"{job.source}: {error}") from error
            say(f"{job.source}: the memory is too small for its tiles; tiles of {less.tile} pixels")
            progress(-before[0])
            made = less
        else:
            return made


def once(job: Job, made: Ready, *, quality: int, say: Say, progress: Progress) -> None:
    """Enlarge one file by its type."""
    if is_film(job.source.name):
        film = video.open_film(job.source)
        frames = (whole(from_pixels(frame), made, progress) for frame in video.read_frames(film))
        video.write_film(job.target, frames, film, scale=made.upscaler.scale)
        return
    if is_gif(job.source.name):
        motion = gifs.open_gif(job.source)
        pictures = (whole(frame, made, progress) for frame in gifs.read_frames(job.source))
        gifs.write(job.target, pictures, motion)
        return
    photo = read_photo(job.source)
    if photo.remark:
        say(f"{job.source}: {photo.remark}")
    try:
        sheet = sheet_for(photo, made.upscaler.scale, quality=quality)
        write_photo(job.target, enlarged(photo, made, progress=progress), sheet, photo.notes)
    except DataError as error:
        raise DataError(f"{job.source}: {error}") from error


def whole(photo: Photo, made: Ready, progress: Progress = lambda pixels: None) -> np.ndarray:
    """Enlarge a photo as one array [sH, sW, C]."""
    return np.concatenate(list(enlarged(photo, made, progress=progress)))
