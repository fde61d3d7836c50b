"""trilemma features: write out what an extractor sees in images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from trilemma.cli.looking import looking

_Images = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Write the features of images to a file, so that other code can check our scores.

    The images are a run, a bundle, a folder, a zip, an .npz or .npy file, shards, or a named set
    (mnist:test). The file holds features, logits, labels (-1 unknown), names, and meta as JSON.
    """

    images: _Images  # what is looked at
    out: str = "features.npz"  # the file
    extractor: str = "auto"  # auto, domain, lite0, inception, dinov2, pixels, points, stacked; path
    n: int = 0  # images; 0: all, of a run 2,000
    seed: int = 0  # of a run's first image; image i has seed + i
    size: str = ""  # width x height of all images, pixels; empty: as they are
    root: str = ""  # where the files of a named set lie; empty: the cache
    sampler: str = ""  # of a run: ancestral, ddim, dpm++2m, heun; empty: the recipe's own
    steps: int = 0  # of the sampler; 0: the recipe's own
    guidance: float = 0.0  # away from an earlier self; 1: none; 0: the recipe's own
    trust: bool = False  # run code of somebody's own (module:Name) that the run names
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Look, write, and say where."""
    from trilemma import processes
    from trilemma.assessing import see
    from trilemma.features import files

    with looking(arguments) as how:
        seen = see(arguments.images, n=arguments.n, seed=arguments.seed, how=how)
    if processes.rank():
        return
    out = Path(arguments.out)
    source = seen.source
    files.write(out, seen.features, labels=source.labels, names=source.names, meta=seen.meta)
    rows, width = seen.features.features.shape
    print(f"{out}: {rows:,} images x {width:,} features")
