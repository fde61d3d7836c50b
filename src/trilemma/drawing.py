"""Runs -> pictures on disk: a grid, a folder of PNGs, or arrays."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from trilemma import devices, directions, processes
from trilemma.asking import Asked, asked, drawn_as, in_batches
from trilemma.devices import Choice, Precision
from trilemma.errors import RunError
from trilemma.families.family import DrawOptions
from trilemma.images import grid, is_image, write_png
from trilemma.runs import Found, find_run, newest
from trilemma.sampling import Drawer, Pixels, load_generator

Kind = Literal["grid", "folder", "npy", "npz"]
Progress = Callable[[int, int], None]
GAP = 8  # pixels between two runs' grids


def sample(
    runs: Sequence[str],
    *,
    n: int = 64,
    seed: int = 0,
    out: Path | None = None,
    kind: Kind = "grid",
    sampler: str = "",
    steps: int = 0,
    guidance: float = 0.0,
    truncation: float | None = None,
    classes: Sequence[str] = (),
    attributes: Sequence[str] = (),
    direction: Sequence[str] = (),
    device: str = "auto",
    batch: int = 64,
    precision: Precision = "float32",
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Draw n images of each run from the seeds seed, seed + 1, ...; return the files written.

    classes: n of each that is named, a row of the grid for each. attributes: words such as smile=1.
    direction: words such as pca:2=1.5, along which images are moved. truncation: psi of style-based
    GANs; None: as the recipe says. Of several processes each
    draws its share; the first writes. precision: bf16 is faster on some machines and gives other
    pictures, though not worse ones.

    runs: names, paths or bundles; none: the newest GAN and the newest diffusion model. RunError:
    nothing to draw from, or n or batch under 1.
    """
    for name, value in (("--n", n), ("--batch", batch)):
        if value < 1:
            raise RunError(f"{name} is {value}; allowed: 1 or more")
    found = chosen(runs, say)
    options = DrawOptions(sampler=sampler, steps=steps, guidance=guidance, truncation=truncation)
    where, seeds = devices.pick(device), range(seed, seed + n)
    processes.start(where)
    jobs, names = [], unlike(found)
    for number, run in enumerate(found):
        drawer = load_generator(run, device=where, options=options)
        drawer = replace(drawer, choice=Choice(precision=precision))
        drawer = directions.moving(run, drawer, direction, say=say)
        name = names[number]
        jobs.append(Job(name, run, drawer, asked(drawer, run.name, classes, attributes)))
    if kind == "folder":
        for job in jobs:
            if job.run.recipe.data.channels == 2:
                raise RunError(
                    f"{job.run.name} draws points, no images; allowed: --format npz, npy, grid"
                )
            only_images(place(out, job.name, kind, len(jobs)), file_names(job.wanted, seeds))
    drawn: list[tuple[str, Drawn]] = []
    for number, job in enumerate(jobs):
        tell(job, seeds, say)

        def told(done: int, total: int, number: int = number) -> None:
            progress(number * n + done * n // total, len(jobs) * n)

        draw = partial(in_batches, batch=batch)
        pixels = drawn_as(job.drawer, job.wanted, seeds, draw=draw, progress=told)
        drawn.append((job.name, Drawn(pixels, job.wanted)))
    if processes.rank():
        return []
    if kind == "grid":
        path = out or Path("samples.png")
        folder_of(path)
        write_png(path, side_by_side([one for _, one in drawn]))
        return [path]
    return [
        written(one, kind=kind, place=place(out, name, kind, len(drawn)), seeds=seeds)
        for name, one in drawn
    ]


def unlike(found: Sequence[Found]) -> list[str]:
    """Name runs for their files: those of one name by their checkpoint, too, else by a number."""
    names = [run.label for run in found]
    longer = [
        f"{run.name}@{run.checkpoint}" if names.count(run.label) > 1 else run.label for run in found
    ]
    return [
        f"{name}-{place}" if longer.count(name) > 1 else name
        for place, name in enumerate(longer, start=1)
    ]


class Job(NamedTuple):
    """What is drawn of one run."""

    name: str  # of its files
    run: Found
    drawer: Drawer
    wanted: list[Asked]  # each is drawn from all seeds


class Drawn(NamedTuple):
    """What was drawn of one run."""

    pixels: Pixels  # uint8 [wanted x seeds, H, W, C]
    wanted: list[Asked]


def tell(job: Job, seeds: range, say: Callable[[str], None]) -> None:
    """Say what is drawn, and which options do nothing."""
    run, options = job.run, job.drawer.options
    unused = options != DrawOptions(truncation=options.truncation)
    if run.recipe.family.kind == "adversarial" and unused:
        say(f"{run.name}: a GAN; --sampler, --steps and --guidance do nothing to it")
    names = ", ".join(one.name for one in job.wanted)
    each = f" of {'each of ' if len(job.wanted) > 1 else ''}{names}" if names else ""
    how = job.drawer.family.how(options)
    say(
        f"{run.name}: {len(seeds)} images{each} from {run.checkpoint}, "
        f"seeds {seeds[0]} to {seeds[-1]}"
        f"{'; ' + how if how else ''}{'; bf16' if job.drawer.choice.precision == 'bf16' else ''}"
    )


def kind_of(asked: Literal[""] | Kind, out: str) -> Kind:
    """Settle the format: as asked, else by the ending of `out`, else one picture.

    RunError: the ending says another format.
    """
    ending = Path(out).suffix.lower()
    endings: dict[str, Kind] = {".png": "grid", ".npy": "npy", ".npz": "npz"}
    meant = endings.get(ending)
    kind: Kind = asked or meant or "grid"
    if (meant and kind != meant) or (ending and not meant and kind != "folder"):
        what = f"--format {kind}" if asked else "a picture"
        raise RunError(f"--out {out}: {what} does not end so; allowed: .png, .npy, .npz")
    return kind


def chosen(runs: Sequence[str], say: Callable[[str], None]) -> list[Found]:
    """Find the runs that are named, or the newest of each family."""
    if runs:
        return [find_run(run, say=say) for run in runs]
    both = [newest("adversarial"), newest("diffusion")]
    found = [run for run in both if run is not None]
    if not found:
        raise RunError("no run yet; train one (trilemma demo), or name a bundle: bundle:digits-gan")
    return found


def side_by_side(pictures: Sequence[Drawn]) -> Pixels:
    """Put the grids of several runs side by side, white between them; a class has a row."""
    grids = [
        grid(one.pixels, columns=len(one.pixels) // len(one.wanted) if len(one.wanted) > 1 else 0)
        for one in pictures
    ]
    height = max(len(one) for one in grids)
    channels = max(one.shape[2] for one in grids)
    columns: list[Pixels] = []
    for laid in grids:
        framed = np.full((height, laid.shape[1], channels), 255, dtype=np.uint8)
        framed[: len(laid)] = laid
        columns += [framed, np.full((height, GAP, channels), 255, dtype=np.uint8)]
    return np.concatenate(columns[:-1], axis=1)


def place(out: Path | None, name: str, kind: Kind, runs: int) -> Path:
    """Choose where one run's images go."""
    if kind == "folder":
        base = out or Path("samples")
        return base / name if runs > 1 else base
    if out is None:
        return Path(f"{name}.{kind}")
    return out.with_name(f"{out.stem}-{name}{out.suffix}") if runs > 1 else out


def only_images(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that holds more than the images to be drawn: they would be taken for ours.

    RunError: it does.
    """
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    others = sorted(name for name in there if is_image(name) and name not in set(names))
    if others:
        raise RunError(
            f"{folder} holds {others[0]}{f' and {len(others) - 1:,} more' if others[1:] else ''}, "
            "not of this draw; name a new folder: --out FOLDER"
        )


def file_names(wanted: Sequence[Asked], seeds: range) -> list[str]:
    """Name the files of what is drawn, in order: the seed, behind the class where several are."""
    words = [re.sub(r"[^\w.=-]+", "-", one.name) for one in wanted]
    fronts = [f"{word}-" for word in words] if len(wanted) > 1 else [""]
    return [f"{front}{seed:06d}.png" for front in fronts for seed in seeds]


def written(drawn: Drawn, *, kind: Kind, place: Path, seeds: range) -> Path:
    """Write one run's images as a folder of PNGs named by seed, or as an array."""
    folder_of(place)
    if kind == "folder":
        place.mkdir(parents=True, exist_ok=True)
        names = file_names(drawn.wanted, seeds)
        for name, picture in zip(names, drawn.pixels, strict=True):
            write_png(place / name, picture)
    elif kind == "npy":
        with place.open("wb") as file:
            np.save(file, drawn.pixels)
    else:
        with place.open("wb") as file:
            np.savez(
                file,
                images=drawn.pixels,
                labels=np.repeat([one.label for one in drawn.wanted], len(seeds)),
                seeds=np.tile(seeds, len(drawn.wanted)),
            )
    return place


def folder_of(path: Path) -> None:
    """Make the folder that a file goes into."""
    path.parent.mkdir(parents=True, exist_ok=True)
