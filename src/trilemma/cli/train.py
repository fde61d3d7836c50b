"""trilemma train: train a recipe, or go on with it."""

import json
from dataclasses import replace

from trilemma.cli.arguments import TrainCommand
from trilemma.forecasting import forecast
from trilemma.live import device_line, say, shown
from trilemma.recipe.checking import check
from trilemma.recipe.files import to_text
from trilemma.watch import Trained, continued, train


def run(command: TrainCommand) -> None:
    """Train every seed that was asked for; say what came of each and what to do next."""
    for note in command.notes:
        say(note)
    check(command.recipe)
    say(device_line(command.recipe.speed.device))
    if command.dry_run:
        print(to_text(command.recipe))
        print(json.dumps(forecast(command.recipe, say=say), indent=1))
        return
    for seed in command.seeds:
        recipe = replace(command.recipe, seed=seed)
        out = command.out
        if out is not None and len(command.seeds) > 1:
            out = out / f"seed-{seed}"
        with shown(f"{recipe.preset} · seed {seed}") as show:
            if command.continue_run:
                trained = continued(command.continue_run, recipe, out=out, show=show, say=say)
            else:
                trained = train(recipe, out=out, show=show, say=say)
        tell(trained)


def tell(trained: Trained) -> None:
    """Say where a run lies and what to do with it."""
    place = trained.folder.path
    if trained.state is None:
        print(f"{place}: finished already")
        print(f"  train it on:  trilemma train --continue {place} --epochs 10")
    else:
        print(f"{place}: {trained.state.images_seen:,} images in {trained.state.seconds:,.0f} s")
    print(f"  look:         trilemma sample {place}")
    print(f"  compare:      trilemma compare {place} OTHER_RUN")
