"""trilemma train: train a recipe, or go on with it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from trilemma.cli.arguments import TrainCommand
from trilemma.cli.data import forecast_lines
from trilemma.forecasting import forecast
from trilemma.live import Event, counted, device_line, say, shown
from trilemma.recipe.checking import check
from trilemma.recipe.files import to_text
from trilemma.recipe.own import named
from trilemma.runs import SEED
from trilemma.watch import Trained, continued, train


def run(command: TrainCommand) -> None:
    """Train every seed that was asked for; say what came of each and what to do next."""
    for note in command.notes:
        say(note)
    check(command.recipe)
    say(device_line(command.recipe.speed.device))
    if command.dry_run:
        print(to_text(command.recipe))
        say("measuring a few steps of it ...")
        found = forecast(command.recipe, beside=command.beside, say=say)
        print("\n".join(forecast_lines(found)))
        return
    for seed in command.seeds:
        recipe = replace(command.recipe, seed=seed)
        out = command.out
        if out is not None and len(command.seeds) > 1:
            out = out / f"{SEED}{seed}"
        with displayed(f"{recipe.preset} · seed {seed}") as (show, progress):
            if command.continue_run:
                run = command.continue_run
                trained = continued(run, recipe, out=out, show=show, say=say, progress=progress)
            else:
                trained = train(
                    recipe, out=out, beside=command.beside, show=show, say=say, progress=progress
                )
        tell(trained, any(named(recipe)))


@contextmanager
def displayed(
    name: str,
) -> Iterator[tuple[Callable[[Event], None], Callable[[int, int], None]]]:
    """Show a training while the block runs: the images as they are decoded, then the events.

    Gives the functions that take events and (images decoded, of all). A terminal holds one live
    display at a time: that of the images ends with them, that of the events begins with the first.
    """
    with ExitStack() as events, ExitStack() as images:
        shows: list[Callable[[Event], None]] = []
        bars: list[Callable[[int, int], None]] = []

        def show(event: Event) -> None:
            if not shows:
                images.close()
                shows.append(events.enter_context(shown(name)))
            shows[0](event)

        def progress(done: int, total: int) -> None:
            if not bars:
                bars.append(images.enter_context(counted("images decoded")))
            bars[0](done, total)
            if done >= total:
                images.close()
                bars.clear()

        yield show, progress


def tell(trained: Trained, own: bool) -> None:
    """Say where a run lies and what to do with it; own: its recipe names code of the user's own."""
    place, more = trained.folder.path, " --trust" if own else ""
    if trained.state is None:
        print(f"{place}: finished already")
        print(f"  train it on:  trilemma train --continue {place} --epochs 10{more}")
    else:
        print(f"{place}: {trained.state.images_seen:,} images in {trained.state.seconds:,.0f} s")
    print(f"  look:         trilemma sample {place}{more}")
    print(f"  compare:      trilemma compare {place} OTHER_RUN{more}")
