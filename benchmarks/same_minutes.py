"""What other libraries and our presets have learnt of MNIST after the same minutes here.

Each trains alone for MINUTES on the training images, with the settings of its documentation, and
then draws as many images as are asked for; the time of drawing is told apart. All images are scored
as `trilemma evaluate` does, against MNIST's test images, with the classifier that ships.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from side_by_side import CPU, SMALLEST, Peer, Row, count, faster, show, stepped
from trilemma import devices, machine
from trilemma.assessing import assessed
from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.errors import TrilemmaError
from trilemma.images import to_pixels
from trilemma.live import say, shown
from trilemma.recipe import overrides, presets
from trilemma.recipe.recipe import DataRecipe, Recipe, parse_size
from trilemma.runs import find_run
from trilemma.sampling import Pixels, drawn, load_generator
from trilemma.scores import Scores
from trilemma.sides import How
from trilemma.watch import train

OURS = ("mnist-gan-fast", "mnist-diffusion-fast")
REFUSED = 2  # exit status: a preset could not be trained as asked
AT_ONCE = 100  # images a peer draws at once
SHOWN = ("fd", "kid", "precision", "recall", "coverage")
TINY_MINUTES, TINY_IMAGES, TINY_N = 0.002, 8, 16


def denoising_diffusion(size: int, asked: argparse.Namespace) -> Peer:
    """Make it with batch 32, as in its example."""
    from step_denoising_diffusion import DIM, DenoisingDiffusion

    batch, dim = (4, 8) if asked.tiny else (32, DIM)
    return DenoisingDiffusion(size=size, batch=batch, dim=dim, steps=asked.steps)


def diffusers(size: int, asked: argparse.Namespace) -> Peer:
    """Make it with batch 32, as ours; 16 in its example."""
    from step_diffusers import WIDTHS, Diffusers

    batch, widths = (4, (8, 8, 8)) if asked.tiny else (32, WIDTHS)
    return Diffusers(size=size, batch=batch, widths=widths, steps=asked.steps)


def tutorial_dcgan(size: int, asked: argparse.Namespace) -> Peer:
    """Make it with batch 128; at 28 pixels its networks have two halvings."""
    from step_dcgan import TutorialDCGAN

    batch, width = (4, 4) if asked.tiny else (128, 64)
    return TutorialDCGAN(size=size, batch=batch, channels=1, width=width)


PEERS: Mapping[str, Callable[[int, argparse.Namespace], Peer]] = {
    "dcgan": tutorial_dcgan,
    "denoising-diffusion-pytorch": denoising_diffusion,
    "diffusers": diffusers,
}


def peer_row(name: str, asked: argparse.Namespace, data: DataRecipe) -> Row:
    """Train a peer for the minutes, draw, score."""
    size = parse_size(data.size)[0]
    torch.manual_seed(asked.seed)
    threads = devices.use_threads(1 if asked.tiny else 0)
    source = open_source(data, "train", say=say)
    peer = PEERS[name](size, asked)
    say(f"{peer.name}: {asked.minutes:g} minutes")
    batches = Batches(source, peer.batch, seed=asked.seed, device=CPU)
    torch.set_num_threads(faster(stepped(peer, batches.at), threads=threads))  # ten steps more
    seen, limit, start = 0, 60 * asked.minutes, time.perf_counter()
    while (spent := time.perf_counter() - start) < limit:
        peer.step(batches.at(seen).images, spent / limit)
        seen += peer.batch
    start = time.perf_counter()
    parts = [peer.draw(min(AT_ONCE, asked.n - i)) for i in range(0, asked.n, AT_ONCE)]
    seconds = time.perf_counter() - start
    facts = {
        "name": peer.name,
        "minutes": spent / 60,
        "images": seen,
        "parameters": peer.parameters(),
        "evaluations": peer.evaluations,
        "draw_s": seconds,
    }
    return {**facts, **scored(name, pixels_of(torch.cat(parts)), asked, data)}


def pixels_of(images: Tensor) -> Pixels:
    """Turn a peer's images into bytes."""
    return np.asarray(to_pixels(images.clamp(-1, 1)))


def our_row(preset: str, asked: argparse.Namespace, data: DataRecipe) -> Row:
    """Train a preset for the minutes, as `trilemma train` does: measuring and scores count."""
    recipe = ours(preset, asked, data)
    start = time.perf_counter()
    with shown(f"{preset}, seed {asked.seed}") as event:
        done = train(recipe, out=asked.out / preset, show=event, say=say)
    minutes = (time.perf_counter() - start) / 60
    run = find_run(str(done.folder.path))
    drawer = load_generator(run, device=CPU)
    start = time.perf_counter()
    pixels = drawn(drawer, range(asked.n))
    facts = {
        "name": preset,
        "minutes": minutes,
        "images": max(line["images_seen"] for line in done.folder.log()),
        "parameters": count(*drawer.family.nets.values()),
        "evaluations": drawer.evaluations,
        "draw_s": time.perf_counter() - start,
    }
    return {**facts, **scored(preset, pixels, asked, data)}


def ours(preset: str, asked: argparse.Namespace, data: DataRecipe) -> Recipe:
    """Read a preset and give it the data, the seed and the minutes."""
    recipe = replace(presets.find(preset).recipe, seed=asked.seed)
    recipe = replace(recipe, data=replace(recipe.data, source=data.source, root=data.root))
    if not asked.tiny:
        return overrides.apply(recipe, {"train": {"minutes": asked.minutes}}, where="--minutes")
    smaller = {
        **SMALLEST,
        "train": {"batch_size": 4, "minutes": 0.0, "images": TINY_IMAGES},
        "family": {"generator": {"width": 8}},
        "watch": {"n": TINY_N, "grid": 4, "extractor": "pixels"},
    }
    return overrides.apply(recipe, smaller, where="--tiny")


def scored(name: str, pixels: Pixels, asked: argparse.Namespace, data: DataRecipe) -> Row:
    """Keep the images in a file and score that, the same way for all."""
    asked.out.mkdir(parents=True, exist_ok=True)
    file = asked.out / f"{name}.npz"
    np.savez(file, images=pixels)
    how = How(root=data.root, device=CPU, say=say)
    found = assessed(str(file), f"{data.source}:test", n=asked.n, how=how).scores
    return {"bench": "same minutes", "n": len(pixels), "scores": plain(found)}


def plain(scores: Scores) -> Row:
    """Give value, error and floor of each score."""
    return {s.metric: {"value": s.value, "error": s.error, "floor": s.floor} for s in scores.scores}


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="", help="the folder of MNIST's files")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, each")
    parser.add_argument("--n", type=int, default=2000, help="images that are drawn of each")
    parser.add_argument("--steps", type=int, default=50, help="of the diffusion peers' samplers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/same-minutes"), help="a new folder")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--presets", nargs="*", default=OURS, help="of ours")
    parser.add_argument("--tiny", action="store_true", help="digits that ship, a step or two")
    asked = parser.parse_args(arguments)
    if asked.tiny:
        asked.minutes, asked.n, asked.steps = TINY_MINUTES, TINY_N, 2
    if asked.out.exists():
        parser.error(f"{asked.out} is there already; name a new folder: --out FOLDER")
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, draw, score, print."""
    asked, load = parsed(arguments), machine.load()
    source, root = ("digits", "") if asked.tiny else ("mnist", asked.root)
    data = DataRecipe(source=source, root=root, size="28x28", channels=1)
    rows = [peer_row(name, asked, data) for name in asked.peers]
    refused = False
    for preset in asked.presets:
        try:
            rows.append(our_row(preset, asked, data))
        except TrilemmaError as error:  # too few minutes for its measuring: the others count
            refused = True
            print(f"{preset}: {error}", file=sys.stderr)
    columns: dict[str, Callable[[Row], str]] = {
        "way": lambda row: str(row["name"]),
        "minutes": lambda row: f"{row['minutes']:.2f}",
        "images": lambda row: f"{row['images']:,}",
        "parameters": lambda row: f"{row['parameters']:,}",
        "evaluations": lambda row: str(row["evaluations"]),
        "drawn/s": lambda row: f"{row['n'] / row['draw_s']:.1f}",
    }
    show(rows, {**columns, **{metric: score_cell(metric) for metric in SHOWN}}, load=load)
    if refused:
        sys.exit(REFUSED)


def score_cell(metric: str) -> Callable[[Row], str]:
    """Give the function that writes one score of a row."""
    return lambda row: "{value:.3g} ± {error:.2g}".format(**row["scores"][metric])


if __name__ == "__main__":
    main()
