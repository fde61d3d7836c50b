"""trilemma demo: the main job on the digits that ship with the package."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

PRESETS = ("digits-gan", "digits-diffusion")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Train a GAN and a diffusion model on 4,000 digits, score both, write one report."""

    minutes: float = 0.0  # of training for each model; 0: as the presets say, about one
    out: str = "reports"  # folder of the report
    lang: Literal["en", "pt"] = "en"  # of the report
    open: bool = False  # show the report in the browser


def run(arguments: Arguments) -> None:
    """Train both, compare them, say what to try next."""
    from trilemma.cli import compare
    from trilemma.cli.train import displayed
    from trilemma.live import duration, say
    from trilemma.recipe.presets import find
    from trilemma.report.place import PAGE, holds_report
    from trilemma.watch import train

    holds_report(Path(arguments.out) / PAGE)  # or else refuse now, not after two minutes
    begun = time.monotonic()
    places = []
    for name in PRESETS:
        preset = find(name)
        say(f"{name}: {preset.about}")
        recipe = preset.recipe
        if arguments.minutes:
            recipe = replace(recipe, train=replace(recipe.train, minutes=arguments.minutes))
        with displayed(name) as (show, progress):
            trained = train(recipe, show=show, say=say, progress=progress)
        places.append(str(trained.folder.path))
        if trained.state is None:
            say(f"{places[-1]}: finished already, taken as it is")
    compare.run(
        compare.Arguments(
            runs=tuple(places), out=arguments.out, lang=arguments.lang, open=arguments.open
        )
    )
    print(f"done in {duration(time.monotonic() - begun)}; open the report in a browser")
    print("next:")
    print("  trilemma sample bundle:digits-gan bundle:digits-diffusion   the models that ship")
    print("  trilemma train mnist-gan-fast            five minutes on all of MNIST")
    print("  trilemma data my-photos                  is your folder fit for training?")
    print("  trilemma train --data.root my-photos     train on it")
