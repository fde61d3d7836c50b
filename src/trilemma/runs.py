"""From what a user calls a run to the files behind it: run folders, bundles, checkpoints."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from trilemma.checkpoint import averaged_weights, facts_of
from trilemma.errors import DataError, RunError, TrilemmaError
from trilemma.families.family import DrawOptions
from trilemma.places import Say, quiet, runs_folder
from trilemma.recipe.checking_upscale import GENERATOR
from trilemma.recipe.files import read
from trilemma.recipe.naming import differences
from trilemma.recipe.overrides import FILLED_IN
from trilemma.recipe.recipe import DataRecipe, Recipe
from trilemma.runfolder import RunFolder
from trilemma.ways import checkpoint_and_way, options_of

WEIGHTS = "generator.safetensors"  # what makes a folder a bundle
SHIPPED = "bundles"  # folder of the package
SEED = "seed-"  # folders of the runs of `train --out FOLDER --seeds`
PARENTS: Mapping[str, Callable[[Recipe], str]] = {  # fields that name a run, and that name
    "start.run": lambda recipe: recipe.start.run,
    "data.low": lambda recipe: recipe.data.low.removeprefix(GENERATOR),
}
BUNDLE = "bundle:"  # in front of the name of a bundle that ships, and of nothing else


@dataclass(frozen=True, kw_only=True)
class Found:
    """A generator on disk: its recipe and its averaged weights."""

    name: str  # of the run or bundle
    place: Path
    recipe: Recipe
    weights: Path
    checkpoint: str  # best, or the images seen
    bundle: bool
    options: DrawOptions = field(default_factory=DrawOptions)  # how it is to draw
    way: str = ""  # that, as it was typed, such as steps=20; empty: the recipe's own

    @property
    def label(self) -> str:
        """Name the run with the way it is to draw, where one was given."""
        return f"{self.name}@{self.way}" if self.way else self.name

    @property
    def images_seen(self) -> int:
        """Images seen when these weights were saved; 0 where nobody wrote it down."""
        if self.checkpoint.isdigit():
            return int(self.checkpoint)
        number = facts_of(self.weights).get("images_seen", "")
        return int(number) if number.isdigit() else 0


def find_run(text: str, *, say: Say = quiet) -> Found:
    """Find a run or bundle by path, name, preset or beginning of a name, in `candidates`' order.

    `@best`, `@last`, `@IMAGES` pick a checkpoint, `@steps=20`, `@sampler=heun,steps=9`,
    `@guidance=1` and `@truncation=0.7` a way to draw; both: `@last,steps=20`. say: gets one line
    where a preset's name decided.
    RunError: nothing fits (the closest are named), or several do.
    """
    name, which = parted(text)
    places = candidates(name)
    if not places:
        close = near(name) or known()[:5]
        hint = f"closest: {', '.join(close)}" if close else "there are none yet"
        raise RunError(f"no run or bundle {name!r}; {hint} (trilemma runs lists them)")
    if len(places) > 1:
        listed = ", ".join(spelled(place) for place in places)
        raise RunError(f"{name!r} fits {len(places)} runs: {listed}; give one of these paths")
    run = at(places[0], text, which)
    if run.recipe.preset == name and (run.name != name or run.place in shipped()):
        say(f"{name}: {taken(run)}")
    return run


def find_seeds(text: str, *, say: Say = quiet) -> list[Found]:
    """Find a run as `find_run` does; where a preset's name decided, with its other seeds.

    These are the runs whose recipes differ from the newest one's in the seed alone, by seed, the
    newest of each. A folder without a run, of runs called seed-0, seed-1, ..., is all of them.
    say: gets a line that lists them. RunError: as `find_run`.
    """
    name, which = parted(text)
    inside = seeds_in(Path(name))
    if inside and not called(name):
        runs = [at(place, text, which) for place in inside]
    else:
        run = find_run(text)
        by_preset = run.recipe.preset == name != run.name and not is_run(Path(name))
        runs = siblings(run, text, which) if by_preset and not run.bundle else [run]
        if len(runs) == 1:
            return [find_run(text, say=say)]
    listed = ", ".join(spelled(run.place) for run in runs)
    say(f"{name}: {len(runs)} runs that differ in the seed: {listed}")
    return runs


def seeds_in(folder: Path) -> list[Path]:
    """List the runs that `train --out FOLDER --seeds` made, by seed."""
    places = [path for path in folder.glob(f"{SEED}*") if is_run(path)]
    numbers = {path: path.name.removeprefix(SEED) for path in places}
    return sorted((p for p in places if numbers[p].isdecimal()), key=lambda p: int(numbers[p]))


def siblings(run: Found, text: str, which: str) -> list[Found]:
    """List a run and those that differ from it in the seed alone, by seed, the newest of each."""
    seeds = {run.recipe.seed: run}
    for place in reversed(run_places()):
        try:
            other = at(place, text, which)
        except TrilemmaError:
            continue
        if seed_apart(run, other):
            seeds.setdefault(other.recipe.seed, other)
    return [seeds[seed] for seed in sorted(seeds)]


def seed_apart(one: Found, other: Found) -> bool:
    """Are these two trainings of one recipe with unlike seeds? Bundles do not say it for sure.

    What they begin with may be two such trainings in turn.
    """
    apart = {name for name, _, _ in differences(one.recipe, other.recipe)}
    measured = {name for name in FILLED_IN if name.startswith("family.matched_")}
    if one.way != other.way or one.bundle or other.bundle:
        return False
    if apart - {*PARENTS} - (measured if "data.low" in apart else set()) != {"seed"}:
        return False
    try:
        return all(
            seed_apart(*(find_run(PARENTS[name](run.recipe)) for run in (one, other)))
            for name in apart & PARENTS.keys()
        )
    except TrilemmaError:  # a parent is gone
        return False


def log_of(text: str, *, say: Say = quiet) -> tuple[Found, list[dict[str, Any]]]:
    """Find a run as `find_run` does; give it and its log. RunError: there is no log."""
    run = undrawn(find_run(text, say=say), "a log")
    log = RunFolder(run.place).log()
    if not log:
        raise RunError(f"{text}: no log.jsonl in {run.place}; diagnose a run that was trained here")
    return run, log


def known() -> list[str]:
    """Name the runs and bundles that there are."""
    return sorted({place.name for place in run_places()} | {*map(spelled, shipped())})


def near(name: str) -> list[str]:
    """Name the runs and bundles whose names look like this one, best first."""
    return get_close_matches(name, known(), 3, 0.4)


def undrawn(run: Found, what: str) -> Found:
    """Give a run of which no image is wanted. RunError: a way to draw stands behind its name."""
    if run.way:
        raise RunError(f"{run.label}: {what} knows no way to draw; drop '{run.way}'")
    return run


def at_hand(run: str, data: DataRecipe) -> DataRecipe:
    """Give a run's data back. DataError: the run does not say where its images are."""
    if data.source == "folder" and not data.root:
        raise DataError(
            f"{run}: its training images are not here; name their folder as data.root in its "
            f"recipe.toml, or hold it against others: trilemma evaluate {run} --against DIR"
        )
    return data


def taken(run: Found) -> str:
    """Say of a run that was found by its preset which it is, and how else to call the others."""
    ours = next((place for place in shipped() if place.name == run.recipe.preset), None)
    if run.place == ours:
        return "the bundle that ships; no run of this preset is here"
    other = f"; {spelled(ours)} is the one that ships" if ours else ""
    return f"the newest run of this preset, {run.place}{other}"


def parted(text: str) -> tuple[str, str]:
    """Part RUN@WHICH; an @ in the name of a folder or run that is there belongs to the name."""
    name, at, which = text.rpartition("@")
    whole = not at or "/" in which or "\\" in which or Path(text).exists()
    if whole or any(place.name == text for place in run_places()):
        return text, ""
    return name, which


def spelled(place: Path) -> str:
    """Write a path so that it cannot be taken for a run's name; a bundle that ships by its own."""
    if place in shipped():
        return BUNDLE + place.name
    return f"./{place}" if len(place.parts) == 1 else str(place)


def at(place: Path, text: str, which: str) -> Found:
    """Read what lies at a place, with the checkpoint and the way to draw behind a name's @."""
    checkpoint, way = checkpoint_and_way(text, which)
    return replace(found(place, checkpoint), options=options_of(text, way), way=way)


def found(place: Path, which: str = "") -> Found:
    """Read what a run folder or bundle is; RunError where weights or recipe are missing."""
    recipe = read(place / "recipe.toml")
    if (place / WEIGHTS).is_file():
        if which not in ("", "best"):
            raise RunError(f"{place.name} is a bundle; it holds one network, so drop '@{which}'")
        weights, label, bundle = place / WEIGHTS, "best", True
    else:
        weights, label = averaged_weights(RunFolder(place), which)
        bundle = False
    return Found(
        name=place.name,
        place=place,
        recipe=recipe,
        weights=weights,
        checkpoint=label,
        bundle=bundle,
    )


def candidates(name: str) -> list[Path]:
    """List what a name may mean: as `called`; else runs whose names begin so."""
    return called(name) or [place for place in run_places() if name and place.name.startswith(name)]


def called(name: str) -> list[Path]:
    """List what has this very name: a path, a run; else the preset's newest run; else its bundle.

    `bundle:NAME` is the bundle that ships, whatever lies here.
    """
    bundles, path = list(shipped()), Path(name)
    if name.startswith(BUNDLE):
        return [place for place in bundles if spelled(place) == name]
    runs = [place for place in run_places() if place.name == name]
    ours = [place for place in bundles if place.name == name]
    if is_run(path):
        others = (place for place in (*runs, *ours) if place.resolve() != path.resolve())
        return [path, *others]
    if runs:
        return runs
    run = _newest(lambda recipe: recipe.preset == name)
    return [run.place] if run else ours


def is_run(path: Path) -> bool:
    """Does a run or bundle lie at the path?"""
    return (path / "recipe.toml").is_file()


def run_places() -> list[Path]:
    """List the run folders, newest last."""
    files_there = [path for path in runs_folder().glob("*/recipe.toml") if path.is_file()]
    return [path.parent for path in sorted(files_there, key=lambda path: path.stat().st_mtime)]


def shipped() -> Iterator[Path]:
    """List the bundles that come with the package."""
    folder = Path(str(files("trilemma") / SHIPPED))
    yield from (path.parent for path in sorted(folder.glob("*/recipe.toml")))


def newest(kind: str) -> Found | None:
    """Find the newest run of a family that has weights and a recipe that can be read."""
    return _newest(lambda recipe: recipe.family.kind == kind)


def _newest(fits: Callable[[Recipe], bool]) -> Found | None:
    for place in reversed(run_places()):
        try:
            run = found(place)
        except TrilemmaError:
            continue
        if fits(run.recipe):
            return run
    return None
