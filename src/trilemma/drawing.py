"""Runs -> pictures on disk: a grid, a folder of PNGs, or arrays."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from trilemma import devices, processes
from trilemma.devices import Choice, Precision
from trilemma.errors import RunError
from trilemma.families.family import DrawOptions
from trilemma.images import grid, is_image, write_png
from trilemma.runs import Found, find_run, newest
from trilemma.sampling import Pixels, drawn_together, load_generator

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
    device: str = "auto",
    batch: int = 64,
    precision: Precision = "float32",
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> list[Path]:
    """Draw n images of each run from the seeds seed, seed + 1, ...; return the files written.

    Of several processes each draws its share; the first writes. precision: bf16 is faster on some
    machines and gives other pictures, though not worse ones.

    runs: names, paths or bundles; none: the newest GAN and the newest diffusion model. RunError:
    nothing to draw from, or n or batch under 1.
    """
    for name, value in (("--n", n), ("--batch", batch)):
        if value < 1:
            raise RunError(f"{name} is {value}; allowed: 1 or more")
    found = chosen(runs, say)
    if kind == "folder":
        for run in found:
            if run.recipe.data.channels == 2:
                raise RunError(
                    f"{run.name} draws points, no images; allowed: --format npz, npy, grid"
                )
            only_images(place(out, run.name, kind, len(found)), range(seed, seed + n))
    options = DrawOptions(sampler=sampler, steps=steps, guidance=guidance)
    where = devices.pick(device)
    processes.start(where)
    drawn = {}
    for number, run in enumerate(found):
        drawer = load_generator(run, device=where, options=options)
        drawer = replace(drawer, choice=Choice(precision=precision))
        how = drawer.family.how(options)
        if run.recipe.family.kind == "adversarial" and options != DrawOptions():
            say(f"{run.name}: a GAN; --sampler, --steps and --guidance do nothing to it")
        say(
            f"{run.name}: {n} images from {run.checkpoint}, seeds {seed} to {seed + n - 1}"
            f"{'; ' + how if how else ''}{'; bf16' if precision == 'bf16' else ''}"
        )

        def told(done: int, share: int, before: int = number * n) -> None:
            progress(before + done * n // share, len(found) * n)

        seeds = range(seed, seed + n)
        drawn[run.name] = drawn_together(drawer, seeds, batch=batch, progress=told)
    if processes.rank():
        return []
    if kind == "grid":
        path = out or Path("samples.png")
        folder_of(path)
        write_png(path, side_by_side(list(drawn.values())))
        return [path]
    return [
        written(pixels, kind=kind, place=place(out, name, kind, len(drawn)), seed=seed)
        for name, pixels in drawn.items()
    ]


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


def side_by_side(pictures: Sequence[Pixels]) -> Pixels:
    """Put the grids of several runs next to each other, white between them."""
    grids = [grid(pixels) for pixels in pictures]
    height = max(len(one) for one in grids)
    channels = max(one.shape[2] for one in grids)
    columns: list[Pixels] = []
    for one in grids:
        framed = np.full((height, one.shape[1], channels), 255, dtype=np.uint8)
        framed[: len(one)] = one
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


def only_images(folder: Path, seeds: range) -> None:
    """Refuse a folder that holds more than the images to be drawn: they would be taken for ours.

    RunError: it does.
    """
    ours = {image_name(seed) for seed in seeds}
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    others = sorted(name for name in there if is_image(name) and name not in ours)
    if others:
        raise RunError(
            f"{folder} holds {others[0]}{f' and {len(others) - 1:,} more' if others[1:] else ''}, "
            "not of this draw; name a new folder: --out FOLDER"
        )


def image_name(seed: int) -> str:
    """Name the file of the image that is drawn from a seed."""
    return f"{seed:06d}.png"


def written(pixels: Pixels, *, kind: Kind, place: Path, seed: int) -> Path:
    """Write one run's images as a folder of PNGs named by seed, or as an array."""
    folder_of(place)
    if kind == "folder":
        place.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pixels):
            write_png(place / image_name(seed + number), picture)
    elif kind == "npy":
        with place.open("wb") as file:
            np.save(file, pixels)
    else:
        with place.open("wb") as file:
            np.savez(
                file,
                images=pixels,
                labels=np.full(len(pixels), -1),
                seeds=np.arange(seed, seed + len(pixels)),
            )
    return place


def folder_of(path: Path) -> None:
    """Make the folder that a file goes into."""
    path.parent.mkdir(parents=True, exist_ok=True)
