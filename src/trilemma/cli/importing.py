"""trilemma import: a network of StyleGAN2-ADA or StyleGAN3 as a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

_Network = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Make a run of a network-snapshot .pkl of StyleGAN2-ADA or StyleGAN3 (PyTorch).

    Nothing in the file is run: it is read as data, and what is not on a fixed list is refused by
    its name. Afterwards sample, explore, evaluate, compare and export take the run as any other.
    """

    network: _Network  # a file, or an address (http, https)
    sha256: str = ""  # of the file; an address needs it
    nets: str = "G_ema"  # with commas: G_ema (the averaged generator), G (the last one), D (critic)
    out: str = ""  # the run's folder, new or empty; empty: in the folder of runs, named as the file
    data: str = ""  # the images it was trained on: a data set's name, a folder; empty: not here
    licence: str = ""  # of the network, as its owner states it; empty: not stated


def run(arguments: Arguments) -> None:
    """Import, and say where the run lies and what to do with it."""
    from trilemma.importing import import_network
    from trilemma.live import say

    done = import_network(
        arguments.network,
        sha256=arguments.sha256,
        nets=tuple(name.strip() for name in arguments.nets.split(",")),
        out=Path(arguments.out) if arguments.out else None,
        data=arguments.data,
        licence=arguments.licence,
        say=say,
    )
    for line in done.lines:
        say(line)
    print(done.place)
    say(f"  try:    trilemma sample {done.place}")
