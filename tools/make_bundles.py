"""Make the two bundles that ship: a GAN and a diffusion model of the embedded digits.

    python tools/make_bundles.py [--minutes 5]

Trains the presets digits-gan and digits-diffusion for longer than the demo does, and exports them
to src/trilemma/bundles/. Give it a quiet machine: minutes on a busy one see fewer images.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import torch

from trilemma.assessing import assessed, keep
from trilemma.export import export
from trilemma.live import say, shown
from trilemma.recipe.presets import find
from trilemma.sides import How
from trilemma.watch import train

BUNDLES = Path(__file__).parents[1] / "src" / "trilemma" / "bundles"
NAMES = ("digits-gan", "digits-diffusion")


def main() -> None:
    """Train and export both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training, each")
    parser.add_argument("--runs", type=Path, default=Path("runs/bundles"), help="where they train")
    asked = parser.parse_args()
    for name in NAMES:
        recipe = find(name).recipe
        recipe = replace(recipe, train=replace(recipe.train, minutes=asked.minutes))
        with shown(name) as show:
            done = train(recipe, out=asked.runs / name, show=show, say=say)
        made = assessed(str(done.folder.path), how=How(say=say))
        assert made.run is not None
        keep(made.scores, made.run)
        shutil.rmtree(BUNDLES / name, ignore_errors=True)
        print(export(str(done.folder.path), BUNDLES / name, device=torch.device("cpu"), say=say))


if __name__ == "__main__":
    main()
