"""What each preset gives after 1, 2, 5 and 15 minutes here: scores, and pictures of the same seeds.

Each training stands alone, planned for its own minutes, as `trilemma train PRESET --minutes M` is.
What is done already in the folder is not done again, so that a run that was cut goes on.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from same_minutes import REFUSED, SHOWN, plain, score_cell
from side_by_side import CPU, SMALLEST, Row, count, show
from trilemma import machine
from trilemma.assessing import assessed
from trilemma.atomic import write_bytes
from trilemma.errors import RunError, TrilemmaError
from trilemma.images import grid, write_png
from trilemma.live import say, shown
from trilemma.recipe import overrides, presets
from trilemma.recipe.naming import canonical
from trilemma.recipe.recipe import Recipe
from trilemma.runs import find_run
from trilemma.sampling import Pixels, drawn, load_generator
from trilemma.sides import How
from trilemma.watch import train

PRESETS = (
    "mnist-gan-fast",
    "mnist-diffusion-fast",
    "fashion-mnist-gan-fast",
    "cifar10-gan-fast",
    "cifar10-diffusion-fast",
    "folder-gan",
)
MINUTES = (1.0, 2.0, 5.0, 15.0)
COLUMNS = 12  # pictures of each training, of seeds 0 and on
TIMED = 100  # images that are drawn against the clock
SIDE = 64  # pixels of a picture, at least; smaller ones are enlarged by a whole number
TINY_N = 16


def trained(preset: str, minutes: float, asked: argparse.Namespace) -> Row:
    """Train, draw, score, or read what an earlier call wrote."""
    name = f"{preset}-{minutes:g}"
    kept = asked.out / f"{name}.json"
    recipe = recipe_of(preset, minutes, asked)
    told = {"seed": asked.seed, "asked_n": asked.n, "threads": asked.threads}
    told["recipe"] = canonical(recipe, "")
    if kept.is_file():
        row: Row = json.loads(kept.read_text(encoding="utf-8"))
        if told != {key: row.get(key, 0) for key in told}:
            raise RunError(f"{kept} is of another seed, --n or recipe; name a new folder: --out")
        return row
    load = machine.load()
    with shown(f"{name}, seed {asked.seed}") as event:
        done = train(recipe, out=asked.out / name, show=event, say=say)
    log = done.folder.log()
    run = str(done.folder.path)
    found = assessed(run, "", n=asked.n, how=How(device=CPU, say=say)).scores
    drawer = load_generator(find_run(run), device=CPU)
    np.savez(asked.out / f"{name}.npz", images=drawn(drawer, range(COLUMNS)))
    start = time.perf_counter()
    drawn(drawer, range(TIMED))
    draw_s = time.perf_counter() - start
    row = {
        "bench": "minutes",
        **told,
        "preset": preset,
        "minutes": minutes,
        "spent_minutes": max(line["seconds"] for line in log) / 60,
        "images": max(line["images_seen"] for line in log),
        "parameters": count(*drawer.family.nets.values()),
        "evaluations": drawer.evaluations,
        "drawn_s": TIMED / draw_s,
        "load_before": load,
        "n": found.scores[0].n,
        "extractor": next(iter(found.columns.values())).extractor,
        "scores": plain(found),
    }
    write_bytes(kept, json.dumps(row).encode())
    return row


def recipe_of(preset: str, minutes: float, asked: argparse.Namespace) -> Recipe:
    """Read a preset and give it seed, data and minutes."""
    recipe = replace(presets.find(preset).recipe, seed=asked.seed)
    recipe = replace(recipe, data=replace(recipe.data, root=asked.roots.get(preset, "")))
    recipe = replace(recipe, speed=replace(recipe.speed, threads=asked.threads))
    if asked.tiny:
        smaller = {
            **SMALLEST,
            "train": {"batch_size": 4, "minutes": 0.0, "images": 8},
            "watch": {"n": TINY_N, "grid": 4, "extractor": "pixels"},
        }
        return overrides.apply(recipe, smaller, where="--tiny")
    length = {"train": {"minutes": minutes, "images": 0, "epochs": 0.0}}
    return overrides.apply(recipe, length, where="--minutes")


def picture(preset: str, minutes: Sequence[float], out: Path) -> None:
    """Write one row of pictures for each length of training, of the same seeds."""
    files = [out / f"{preset}-{length:g}.npz" for length in minutes]
    rows: list[Pixels] = [np.load(file)["images"] for file in files if file.is_file()]
    if rows:
        times = max(1, round(SIDE / rows[0].shape[1]))
        enlarged = np.concatenate(rows).repeat(times, 1).repeat(times, 2)
        write_png(out / f"{preset}.png", grid(enlarged, columns=COLUMNS))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--root", nargs="*", default=[], metavar="PRESET=FOLDER", help="where its images lie"
    )
    parser.add_argument(
        "--minutes", type=float, nargs="*", default=MINUTES, help="of each training"
    )
    parser.add_argument("--n", type=int, default=0, help="images of each; 0: as evaluate takes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; 0: as many as cores")
    parser.add_argument("--out", type=Path, default=Path("runs/minutes"), help="new, or to go on")
    parser.add_argument("--presets", nargs="*", default=PRESETS)
    parser.add_argument("--tiny", action="store_true", help="digits that ship, a step or two")
    asked = parser.parse_args(arguments)
    if asked.tiny:
        asked.minutes, asked.n, asked.presets = (0.002,), TINY_N, ["digits-gan"]
    asked.roots = dict(text.split("=", 1) for text in asked.root if "=" in text)
    wrong = [text for text in asked.root if text.partition("=")[0] not in asked.presets]
    if wrong or len(asked.roots) < len(asked.root):
        parser.error(f"--root {' '.join(wrong or asked.root)}; write PRESET=FOLDER, of --presets")
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Train each preset for each of the minutes, score, draw, print."""
    asked, load = parsed(arguments), machine.load()
    asked.out.mkdir(parents=True, exist_ok=True)
    rows, refused = [], False
    for preset in asked.presets:
        for minutes in asked.minutes:
            try:
                rows.append(trained(preset, minutes, asked))
            except TrilemmaError as error:  # the others count
                refused = True
                print(f"{preset}, {minutes:g} minutes: {error}", file=sys.stderr)
        picture(preset, asked.minutes, asked.out)
    columns: Mapping[str, Callable[[Row], str]] = {
        "preset": lambda row: str(row["preset"]),
        "minutes": lambda row: f"{row['minutes']:g}",
        "images": lambda row: f"{row['images']:,}",
        "drawn/s": lambda row: f"{row['drawn_s']:.1f}",
        "features": lambda row: str(row["extractor"]),
        **{metric: score_cell(metric) for metric in SHOWN},
    }
    show(rows, columns, load=load)
    if refused:
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
