"""What the benchmarks share: another library's step and ours in turns; a table and JSON lines."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NoReturn, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trilemma import machine
from trilemma.bench import measured_task, our_step
from trilemma.measuring import to_plain
from trilemma.recipe import overrides, presets
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import finite
from trilemma.step import release, shape
from trilemma.turns import FEWEST, alternated, busy

CPU = torch.device("cpu")
SMALLEST = {"train": {"batch_size": 4}, "speed": {"precision": "reference", "threads": 1}}
TRIALS = 3  # steps with each number of threads
MISSING = 3  # exit status: a package is not installed

Row = dict[str, Any]


class Peer(Protocol):
    """Another way to train an image generator, as its own documentation writes it."""

    name: str  # with its version
    batch: int  # images of a step
    evaluations: int  # of its network, an image

    def parameters(self) -> int:
        """Count the numbers that are trained."""

    def step(self, images: Tensor, fraction: float) -> None:
        """Take one step on images in [-1, 1]; fraction: of the whole training, in [0, 1]."""

    def draw(self, n: int) -> Tensor:
        """Draw n images in [-1, 1]."""


def options(what: str, *, rounds: int = FEWEST) -> argparse.ArgumentParser:
    """Give the options that every benchmark has."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--rounds", type=int, default=rounds, help="timed rounds of each")
    parser.add_argument("--tiny", action="store_true", help="as small as it gets: a test")
    return parser


def missing(error: ModuleNotFoundError) -> NoReturn:
    """End with one line that says what to install."""
    print(f"{error.name} is missing; pip install --editable '.[bench]'", file=sys.stderr)
    sys.exit(MISSING)


def named(package: str) -> str:
    """Write a package with its version."""
    return f"{package} {version(package)}"


def count(*nets: nn.Module) -> int:
    """Count the numbers that are trained."""
    return sum(p.numel() for net in nets for p in net.parameters() if p.requires_grad)


def recipe_of(preset: str, tiny: bool, smaller: Mapping[str, Any]) -> Recipe:
    """Read a preset; tiny: made smaller by these tables."""
    recipe = presets.find(preset).recipe
    if not tiny:
        return recipe
    return overrides.apply(recipe, {**smaller, **SMALLEST}, where="--tiny")


def steps_in_turns(recipe: Recipe, peers: Sequence[Peer], *, rounds: int) -> list[Row]:
    """Time a round of our training and a step of each peer, on the same batches, in turns.

    One row a peer. Ours is computed as `trilemma train` would choose here, the peers with all
    threads or one, as is faster.
    """
    assert all(peer.batch == recipe.train.batch_size for peer in peers), "batches of one size"
    size = recipe.train.batch_size
    task = measured_task(recipe, CPU)
    ways = {"ours": (task.compute.threads or task.threads, our_step(task))}
    for peer in peers:
        step = stepped(peer, task.batches.at)
        ways[peer.name] = (faster(step, threads=task.threads), step)
    shape(task)
    taken = alternated(ways, rounds=rounds, images=size, device=CPU)
    release(task)
    ours = {
        "preset": recipe.preset,
        "batch": size,
        "parameters": count(task.family.nets),
        "images_s": size / float(np.median(taken["ours"])),
        **to_plain(task.compute),
    }
    return [
        {
            "bench": "training step",
            "peer": peer.name,
            **compared(taken["ours"], taken[peer.name]),
            "peer_images_s": size / float(np.median(taken[peer.name])),
            "peer_parameters": peer.parameters(),
            "peer_threads": ways[peer.name][0],
            "ours": ours,
        }
        for peer in peers
    ]


def stepped(peer: Peer, batch: Callable[[int], Any]) -> Callable[[int], None]:
    """Let a peer take its batches from where ours come from."""
    return lambda seen: peer.step(batch(seen).images, 0.0)


def faster(step: Callable[[int], None], *, threads: int) -> int:
    """Try a step with all threads and with one; on busy cores several wait for each other."""
    if threads == 1:
        return 1
    ways = {str(number): (number, step) for number in (threads, 1)}
    taken = alternated(ways, rounds=TRIALS, images=0, device=CPU)
    return int(min(taken, key=lambda number: float(np.median(taken[number]))))


def compared(ours: Sequence[float], peer: Sequence[float]) -> Row:
    """Give seconds of both, and how often ours fit into the peer's: quartiles over the rounds."""
    low, middle, high = np.quantile(np.array(peer) / np.array(ours), [0.25, 0.5, 0.75])
    return {
        "ours_s": float(np.median(ours)),
        "peer_s": float(np.median(peer)),
        "ratio": float(middle),
        "low": float(low),
        "high": float(high),
        "rounds": len(ours),
    }


def show(rows: Sequence[Row], columns: Mapping[str, Callable[[Row], str]], *, load: float) -> None:
    """Print what the rows were measured on, a table of them, and each as a line of JSON.

    load: of the machine before all this; later it holds the benchmark itself.
    """
    today, facts = datetime.now(UTC).date().isoformat(), machine.describe()
    print(
        f"{facts['cpu']}, {facts['cores']} cores, {facts['instructions']}, "
        f"torch {facts['torch']}, {today}"
    )
    cells = [list(columns), *([cell(row) for cell in columns.values()] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]))
    for remark in busy(load):
        print(remark)
    for row in rows:
        told = {**row, "date": today, "machine": {**facts, "load": load}}
        print(json.dumps(finite(told)))


def show_steps(recipe: Recipe, peers: Sequence[Peer], *, rounds: int) -> None:
    """Measure `steps_in_turns` and print its rows."""
    load = machine.load()
    rows = steps_in_turns(recipe, peers, rounds=rounds)
    show(
        rows,
        {
            "peer": lambda row: str(row["peer"]),
            "ours": lambda row: str(row["ours"]["preset"]),
            "batch": lambda row: str(row["ours"]["batch"]),
            "parameters": lambda row: f"{row['peer_parameters']:,}",
            "(ours)": lambda row: f"{row['ours']['parameters']:,}",
            "images/s": lambda row: f"{row['peer_images_s']:.1f}",
            "ours/s": lambda row: f"{row['ours']['images_s']:.1f}",
            "ratio": lambda row: f"{row['ratio']:.2f}",
            "quartiles": lambda row: f"{row['low']:.2f} to {row['high']:.2f}",
        },
        load=load,
    )
