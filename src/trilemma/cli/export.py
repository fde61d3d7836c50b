"""trilemma export: make a bundle of a run: weights, recipe, scores, card."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

_Run = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Write a run as a bundle: a folder to give away, which every verb takes in place of a run.

    It holds generator.safetensors, recipe.toml, scores.json, card.md, grid.png, licence.json. Code
    of one's own is never inside.
    """

    run: _Run  # NAME, NAME@last or NAME@128000
    out: str = ""  # the bundle's folder, new or empty; empty: bundles/NAME
    trust: bool = False  # run code of somebody's own (module:Name) that the run names
    device: str = "auto"  # that draws the grid: auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Export, and say where the bundle lies and what to do with it."""
    from trilemma import devices
    from trilemma.export import export
    from trilemma.live import device_line, say

    say(device_line(arguments.device))
    out = Path(arguments.out) if arguments.out else None
    place = export(arguments.run, out, device=devices.pick(arguments.device), say=say)
    print(place)
    say(f"  read:   {place / 'card.md'}")
    say(f"  try:    trilemma sample {place}{' --trust' if arguments.trust else ''}")
