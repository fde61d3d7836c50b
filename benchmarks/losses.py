"""Every GAN loss on the same networks and digits, for the same minutes, over several seeds.

What is done already in the folder is not done again, so that a run that was cut goes on.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minutes import COLUMNS, SIDE, TINY_N
from same_minutes import REFUSED, plain
from side_by_side import CPU, SMALLEST, Row
from trilemma import machine
from trilemma.assessing import assessed
from trilemma.atomic import write_bytes
from trilemma.errors import RunError, TrilemmaError
from trilemma.images import grid, write_png
from trilemma.live import say, shown
from trilemma.maths.statistics import over_seeds, unpaired
from trilemma.recipe import overrides, presets
from trilemma.recipe.naming import canonical
from trilemma.recipe.recipe import Recipe
from trilemma.runs import find_run
from trilemma.sampling import Pixels, drawn, load_generator
from trilemma.sides import How
from trilemma.watch import train

BASE = "mnist-gan-fast"
Table = Mapping[str, Any]
ADAM: Table = {
    "rule": "adam",
    "lr": 2e-4,
    "muon_lr": 0.0,
    "beta1": 0.5,
    "beta2": 0.999,
    "schedule": "constant",
    "lr_end": 0.0,
}
ADAM_0: Table = {**ADAM, "lr": 1e-4, "beta1": 0.0, "beta2": 0.9}  # of WGAN-GP
RMSPROP: Table = {**ADAM, "rule": "rmsprop", "lr": 5e-5, "beta1": 0.0, "beta2": 0.99}  # of WGAN
OFF: Table = {"r1": 0.0, "r2": 0.0, "penalty_end": 1.0}
NORMED: Table = {"critic": {"batchnorm": True}}


def both(optimizer: Table) -> Table:
    """Give both networks this optimizer."""
    return {"generator_optimizer": optimizer, "critic_optimizer": optimizer}


PLAIN: Table = {**OFF, **both(ADAM)}
LOSSES: Mapping[str, Table] = {  # name: what is laid over the family of BASE
    "saturating": {**PLAIN, **NORMED, "loss": "saturating"},
    "bce": {**PLAIN, **NORMED, "loss": "bce"},
    "least squares": {**PLAIN, **NORMED, "loss": "least-squares"},
    "hinge, spectral norm": {**PLAIN, "loss": "hinge", "critic": {"spectral_norm": True}},
    "WGAN, clipped": {
        **PLAIN,
        **NORMED,
        **both(RMSPROP),
        "loss": "wasserstein",
        "clip_weights": 0.01,
        "critic_updates": 5,
    },
    "WGAN-GP": {**PLAIN, **both(ADAM_0), "loss": "wasserstein", "gp": 10.0, "critic_updates": 5},
    "DRAGAN": {**PLAIN, "loss": "bce", "dragan": 10.0},
    "bce, R1": {**PLAIN, "loss": "bce", "r1": 2.0},
    "relativistic, R1 and R2": {**PLAIN, "loss": "relativistic", "r1": 2.0, "r2": 2.0},
    BASE: {},
}
SHOWN = ("fd", "kid", "precision", "recall", "coverage")


def label_of(name: str, seed: int) -> str:
    """Name the files of one training."""
    return f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"


def trained(name: str, seed: int, asked: argparse.Namespace) -> Row:
    """Train, score, draw, or read what an earlier call wrote."""
    label = label_of(name, seed)
    kept, recipe = asked.out / f"{label}.json", recipe_of(name, seed, asked)
    told = {"asked_n": asked.n, "recipe": canonical(recipe, "")}
    if kept.is_file():
        row: Row = json.loads(kept.read_text(encoding="utf-8"))
        if told != {key: row[key] for key in told}:
            raise RunError(f"{kept} is of another --n or recipe; name a new folder: --out")
        return row
    load = machine.load()
    with shown(label) as event:
        done = train(recipe, out=asked.out / label, show=event, say=say)
    run, log = str(done.folder.path), done.folder.log()
    found = assessed(run, "", n=asked.n, how=How(device=CPU, say=say)).scores
    np.savez(
        asked.out / f"{label}.npz",
        images=drawn(load_generator(find_run(run), device=CPU), range(COLUMNS)),
    )
    row = {
        "bench": "losses",
        **told,
        "loss": name,
        "seed": seed,
        "minutes": asked.minutes,
        "images": max(line["images_seen"] for line in log),
        "findings": sorted({line["name"] for line in log if line["event"] == "finding"}),
        "load_before": load,
        "n": found.scores[0].n,
        "scores": plain(found),
    }
    write_bytes(kept, json.dumps(row).encode())
    return row


def recipe_of(name: str, seed: int, asked: argparse.Namespace) -> Recipe:
    """Lay a loss over the base's family, and give it seed, data and minutes."""
    recipe = replace(presets.find(BASE).recipe, seed=seed)
    recipe = replace(recipe, data=replace(recipe.data, root=asked.root))
    recipe = overrides.apply(recipe, {"family": LOSSES[name]}, where=name)
    if asked.tiny:
        smaller = {
            **SMALLEST,
            "data": {"source": "digits"},
            "train": {"batch_size": 4, "minutes": 0.0, "images": 40},
            "watch": {"n": TINY_N, "grid": 4, "extractor": "pixels"},
        }
        return overrides.apply(recipe, smaller, where="--tiny")
    speed = {"speed": {"threads": asked.threads}} if asked.threads else {}
    return overrides.apply(recipe, {"train": {"minutes": asked.minutes}, **speed}, where="options")


def differs(one: Sequence[float], other: Sequence[float]) -> str:
    """Say whether two means over seeds differ beyond chance (Welch's t test, 5 %)."""
    if min(len(one), len(other)) < 2:
        return "?"
    apart = unpaired(first=one, second=other)
    return "no" if apart.low <= 0 <= apart.high else "yes"


def cell(found: Sequence[float]) -> str:
    """Write a mean over seeds and half of its 95 % interval, if there are several."""
    mean = over_seeds(found)
    half = mean.high - mean.value
    return f"{mean.value:.3g}" + ("" if math.isnan(half) else f" ± {half:.2g}")


def table(rows: Sequence[Row]) -> str:
    """Write all losses as a table: means over seeds, with their 95 % intervals."""
    by_loss = {name: [row for row in rows if row["loss"] == name] for name in LOSSES}
    there = {name: found for name, found in by_loss.items() if found}
    best = values(there.get(BASE) or rows[-1:], "fd")
    lines = [
        f"| loss | seeds | images | {' | '.join(SHOWN)} | fd differs from {BASE}'s |",
        "|" + "---|" * (len(SHOWN) + 4),
    ]
    for name, found in there.items():
        cells = [cell(values(found, metric)) for metric in SHOWN]
        images = f"{statistics.mean(row['images'] for row in found):,.0f}"
        last = "" if name == BASE else differs(values(found, "fd"), best)
        lines.append(f"| {name} | {len(found)} | {images} | {' | '.join(cells)} | {last} |")
    return "\n".join(lines)


def values(rows: Sequence[Row], metric: str) -> list[float]:
    """Give one score of every row."""
    return [row["scores"][metric]["value"] for row in rows]


def picture(asked: argparse.Namespace) -> None:
    """Write a row of pictures for each loss, of its first seed."""
    rows: list[Pixels] = []
    for name in asked.losses:
        file = asked.out / f"{label_of(name, asked.seeds[0])}.npz"
        if file.is_file():
            rows.append(np.load(file)["images"])
    if rows:
        times = max(1, round(SIDE / rows[0].shape[1]))
        enlarged = np.concatenate(rows).repeat(times, 1).repeat(times, 2)
        write_png(asked.out / "losses.png", grid(enlarged, columns=COLUMNS))


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="", help="the folder of MNIST's files")
    parser.add_argument("--minutes", type=float, default=10.0, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--losses", nargs="*", choices=LOSSES, default=list(LOSSES))
    parser.add_argument("--n", type=int, default=0, help="images of each; 0: as evaluate takes")
    parser.add_argument("--threads", type=int, default=0, help="of each; 0: all")
    parser.add_argument("--out", type=Path, default=Path("runs/losses"), help="new, or to go on")
    parser.add_argument("--tiny", action="store_true", help="digits that ship, a step or two")
    asked = parser.parse_args(arguments)
    if asked.tiny:
        asked.n, asked.seeds = TINY_N, [0]
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every loss with every seed, score, draw, print."""
    asked, refused = parsed(arguments), False
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in asked.seeds:
        for name in asked.losses:
            try:
                rows.append(trained(name, seed, asked))
            except TrilemmaError as error:  # the others count
                refused = True
                print(f"{name}, seed {seed}: {error}", file=sys.stderr)
    picture(asked)
    print(table(rows))
    for row in rows:
        print(json.dumps({**row, "machine": machine.describe()}))
    if refused:
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()
