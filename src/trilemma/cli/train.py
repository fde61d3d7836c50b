"""trilemma train: train a recipe, or go on with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from trilemma.cli.arguments import TrainCommand
from trilemma.cli.data import forecast_lines
from trilemma.cli.stagewords import StagesCommand
from trilemma.forecasting import forecast
from trilemma.live import Event, counted, device_line, duration, say, shown
from trilemma.recipe.checking import check
from trilemma.recipe.files import to_text
from trilemma.recipe.own import named
from trilemma.recipe.recipe import Recipe
from trilemma.runs import SEED
from trilemma.staging import Done, alone, check_stages, drawn_and_enlarged, train_stages
from trilemma.watch import Trained, continued, train


def run(command: TrainCommand | StagesCommand) -> None:
    """Train every seed that was asked for; say what came of each and what to do next."""
    if isinstance(command, StagesCommand):
        run_stages(command)
        return
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
        out = place_of(command, seed)
        with displayed(f"{recipe.preset} · seed {seed}") as (show, progress):
            if command.continue_run:
                run = command.continue_run
                trained = continued(run, recipe, out=out, show=show, say=say, progress=progress)
            else:
                trained = train(
                    recipe, out=out, beside=command.beside, show=show, say=say, progress=progress
                )
        tell(trained, any(named(recipe)))


def place_of(command: TrainCommand | StagesCommand, seed: int) -> Path | None:
    """Give the folder that was asked for; of several seeds each has one below it."""
    if command.out is not None and len(command.seeds) > 1:
        return command.out / f"{SEED}{seed}"
    return command.out


def run_stages(command: StagesCommand) -> None:
    """Train the stages of a preset for every seed, one after the other; say how to go on."""
    check_stages(command.stages)
    say(device_line(command.stages[0].recipe.speed.device))
    if command.dry_run:
        forecast_stages(command)
        return

    def one(recipe: Recipe, out: Path | None) -> Trained:
        with displayed(f"{recipe.preset} · seed {recipe.seed}") as (show, progress):
            trained = train(
                recipe, out=out, beside=command.beside, show=show, say=say, progress=progress
            )
        print(came_of(trained), flush=True)
        return trained

    for seed in command.seeds:
        out = place_of(command, seed)
        tell_stages(train_stages(command.stages, seed=seed, out=out, train=one, say=say))


def forecast_stages(command: StagesCommand) -> None:
    """Print each stage's recipe and forecast, and how long all take."""
    seconds = 0.0
    for stage in command.stages:
        print(f"# stage {stage.name}\n{to_text(stage.recipe)}")
        say(f"stage {stage.name}: measuring a few steps of it ...")
        found = forecast(alone(stage.recipe), beside=command.beside, say=say)
        print("\n".join(forecast_lines(found)), flush=True)
        seconds += found["seconds"]
    print(f"all stages:  about {duration(seconds)}")


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
    print(came_of(trained))
    if trained.state is None:
        print(f"  train it on:  trilemma train --continue {place} --epochs 10{more}")
    print(f"  look:         trilemma sample {place}{more}")
    print(f"  compare:      trilemma compare {place} OTHER_RUN{more}")


def came_of(trained: Trained) -> str:
    """Say in one line what became of a training."""
    place = trained.folder.path
    if trained.state is None:
        return f"{place}: finished already"
    return f"{place}: {trained.state.images_seen:,} images in {trained.state.seconds:,.0f} s"


def tell_stages(done: Sequence[Done]) -> None:
    """Say what to do with the runs of all stages."""
    more = " --trust" if any(any(named(one.recipe)) for one in done) else ""
    both = drawn_and_enlarged(done)
    if both:
        print(f"  look:         trilemma pipeline {both[0]} --upscaler {both[1]}{more}")
    else:
        print(f"  look:         trilemma sample {done[-1].trained.folder.path}{more}")
    for one in done:
        place = one.trained.folder.path
        print(f"  score:        trilemma evaluate {place}{more}")
