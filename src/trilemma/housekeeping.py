"""How the runs stand, and what of the caches and the runs nobody needs any more."""

import json
import math
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from trilemma import compiling, runs
from trilemma.checkpoint import checkpoints
from trilemma.errors import TrilemmaError
from trilemma.places import wanted_cache_folder
from trilemma.recipe.files import read
from trilemma.runfolder import IMPORTED, RunFolder, lock
from trilemma.scores import HIGHER

KEPT = ("pixels", "features", "images")  # folders of the cache whose entries can be made again
ENTRY = re.compile(r"[0-9a-f]{64}\b.*")  # how we name them: other files there are not ours
HASH = re.compile(r"[0-9a-f]{32}")
PART = re.compile(r"\..*\.\d+|.*\.part(\.np[yz])?")  # written beside its name, never moved
ASKED, PAUSE = 3, 0.01  # times that a lock is tried, seconds between them
STALE = 3600.0  # seconds without a write after which such a file was left behind

Log = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a run or bundle stands, as `trilemma runs` shows it."""

    name: str
    place: str
    state: str  # running, finished, stopped, not begun, imported, bundle, or what is wrong
    family: str = ""  # adversarial, diffusion
    preset: str = ""
    data: str = ""  # name of the set, or the folder
    images_seen: int = 0
    images_total: int = 0  # 0: not fixed yet
    metric: str = ""  # that is watched; lower is better
    last: float = math.nan  # score; nan: none yet
    best: float = math.nan  # score after the start; nan: none yet
    seconds: float = 0.0  # of training, over all sittings
    bytes: int  # on the disk


@dataclass(frozen=True, kw_only=True)
class Rubbish:
    """A file or folder that can go."""

    path: Path
    why: str  # such as cached features
    bytes: int


def standings() -> list[Standing]:
    """Say how every run of the runs' folder and every shipped bundle stands, newest last."""
    return [standing(place) for place in (*runs.shipped(), *runs.run_places())]


def standing(place: Path) -> Standing:
    """Say how a run or bundle stands; one that cannot be read is listed with the reason."""
    folder = RunFolder(place)
    log = folder.log()
    try:
        recipe, state = read(place / "recipe.toml"), state_of(folder, log)
        seen = runs.found(place).images_seen if state == "bundle" else 0
    except (TrilemmaError, SafetensorError) as error:
        state = f"broken: {error}"
        return Standing(name=place.name, place=str(place), state=state, bytes=weight(place))
    watch, data = recipe.watch, recipe.data
    metric = "generator_loss" if watch.best == "generator_loss" else watch.metric
    scores = scored(log, metric)
    values = [value for images, value in scores if images]
    values = values[-1:] if watch.best == "last" else values
    last = log[-1] if log else {}
    return Standing(
        name=place.name,
        place=str(place),
        state=state,
        family=recipe.family.kind,
        preset=recipe.preset,
        data=data.source if data.source != "folder" else Path(data.root).name,
        images_seen=int(last.get("images_seen", seen)),
        images_total=total_of(place, log) or seen,
        metric=metric,
        last=scores[-1][1] if scores else math.nan,
        best=(max if metric in HIGHER else min)(values, default=math.nan),
        seconds=float(last.get("seconds", 0.0)),
        bytes=weight(place),
    )


def state_of(folder: RunFolder, log: Log) -> str:
    """Say in a few words where a training stands."""
    if (folder.path / runs.WEIGHTS).is_file():
        return "bundle"
    if running(folder):
        return "running"
    if folder.finished():
        why = log[-1].get("why", "done")
        return "finished" if why == "done" else f"finished: {why}"
    if (folder.path / IMPORTED).is_file() and not log:
        return "imported"
    kept = checkpoints(folder)
    return f"stopped at {int(kept[-1].name):,}" if kept else "not begun"


def running(folder: RunFolder) -> bool:
    """Does a process train here at this moment? Asked by taking the run's lock for an instant.

    Another listing may hold it for its own instant, so that it is asked more than once.
    """
    for turn in range(ASKED):
        try:
            with (folder.path / "lock").open("rb") as file:
                if lock(file.fileno()):
                    return False
        except OSError:
            return False
        time.sleep(PAUSE if turn + 1 < ASKED else 0)
    return True


def scored(log: Log, metric: str) -> list[tuple[int, float]]:
    """Give (images seen, value) of every finite score of a metric."""
    events = [event for event in log if event.get("event") == "score"]
    known = [(event["images_seen"], event.get("scalars", {}).get(metric)) for event in events]
    return [(int(images), float(value)) for images, value in known if value is not None]


def total_of(place: Path, log: Log) -> int:
    """Give how many images a training is to see, from its log or its machine.json; 0: unknown."""
    said = [event["images_total"] for event in log if event.get("images_total")]
    if said:
        return int(said[-1])
    try:
        return int(json.loads((place / "machine.json").read_text("utf-8"))["images_total"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def weight(path: Path) -> int:
    """Count the bytes of a file or of all files below a folder; links count as nothing."""
    if path.is_symlink():
        return 0
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file() and not p.is_symlink())


def rubbish(*, old_checkpoints: bool = False) -> list[Rubbish]:
    """List what can go: cached pixels, features, images and kernels, and what a crash left behind.

    old_checkpoints: of finished runs also all checkpoints but the last; the best stays, too.
    Downloaded data and weights, trained classifiers and the runs themselves are never listed.
    """
    found = [*cached(), *left_behind()]
    return found + (list(superseded()) if old_checkpoints else [])


def cached() -> Iterator[Rubbish]:
    """List the entries of the cache that can be made again."""
    for folder in cache_folders(KEPT):
        for path in sorted(folder.glob("*")):
            if ENTRY.fullmatch(path.name) and path.is_file():
                yield Rubbish(path=path, why=f"cached {folder.name}", bytes=weight(path))
    for folder in cache_folders((compiling.KEPT,)):
        if folder.is_dir():
            yield Rubbish(path=folder, why="compiled networks", bytes=weight(folder))


def left_behind() -> Iterator[Rubbish]:
    """List what was written beside its name, in caches and in runs, and never moved into place.

    Broken downloads are not listed: they go on where they stopped.
    """
    caches = [path for folder in cache_folders((*KEPT, "memo")) for path in folder.glob(".*")]
    places = [place for place in runs.run_places() if not running(RunFolder(place))]
    within = [path for place in places for path in place.rglob("*")]
    seen: set[Path] = set()
    for path in sorted((*(p for p in caches if HASH.search(p.name)), *within)):
        if PART.fullmatch(path.name) and seen.isdisjoint(path.parents) and stale(path):
            seen.add(path)
            yield Rubbish(path=path, why="left behind", bytes=weight(path))


def cache_folders(names: Sequence[str]) -> list[Path]:
    """Give some folders of the cache; none where there is no cache."""
    cache = wanted_cache_folder()
    return [cache / name for name in names] if cache else []


def stale(path: Path) -> bool:
    """Was nothing written here for an hour?"""
    return time.time() - path.lstat().st_mtime > STALE


def superseded() -> Iterator[Rubbish]:
    """List the checkpoints of finished runs that are not their last."""
    for place in runs.run_places():
        folder = RunFolder(place)
        if folder.finished() and not running(folder):
            for path in checkpoints(folder)[:-1]:
                yield Rubbish(path=path, why="old checkpoint", bytes=weight(path))


def delete(found: Sequence[Rubbish]) -> list[Rubbish]:
    """Delete what was listed; give what is gone. What another program holds open stays."""
    gone = []
    for item in found:
        try:
            if item.path.is_dir():
                shutil.rmtree(item.path)
            else:
                item.path.unlink(missing_ok=True)
        except OSError:
            continue
        gone.append(item)
    return gone
