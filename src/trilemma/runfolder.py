"""A run's folder: the names of its files, its log, its lock. Every file is moved into place whole.

recipe.toml  machine.json  log.jsonl  log.csv  train.log  scores.json  skipped.csv
samples/IMAGES_SEEN.png  progress.gif  best/average.safetensors
checkpoints/IMAGES_SEEN/{nets,average,optimizer}.safetensors + state.json
"""

import contextlib
import csv
import errno
import io
import json
import math
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trilemma.atomic import REASONS, refused, write_text
from trilemma.errors import NoSpaceError, RunError

Event = Mapping[str, Any]  # one line of log.jsonl
BESIDE = re.compile(
    r"\..+\.(\d+(\.part)?|old)|recipe\.toml\.\d+\.part"
)  # not (or no more) in place
TRIES, PAUSE = 5, 0.05  # for the lock, which `trilemma runs` takes for an instant to look; seconds
GIF_SECONDS = 0.15  # a frame
GIF_FRAMES = 200  # at most: of more grids, every second, third, ...
CHECKPOINTS = "checkpoints"  # folder of a run
IMPORTED = "import.json"  # of a run that was made of a file of others: where it is from
KEPT = "the last checkpoint is whole: the same command goes on from there"
OTHERS = re.compile(r"\.scores\.json\.")  # of these: a verb may write them while a run is trained


class RunFolder:
    """Paths of a run and the few writes that belong to no other module."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    def file(self, name: str) -> Path:
        """Give the path of one of the run's files; its folder is made."""
        path = self.path / name
        with self.writing():
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Say in one line why the run cannot be written, and what became of the training."""
        try:
            yield
        except (NoSpaceError, OSError) as error:
            if isinstance(error, OSError):
                if error.errno not in REASONS:
                    raise
                what = str(refused(Path(error.filename or self.path), error))
            else:
                what = str(error)
            kept = any((self.path / CHECKPOINTS).glob("[0-9]*"))
            raise NoSpaceError(f"{what}; {KEPT}" if kept else what) from error

    def exists(self) -> bool:
        """Has a training begun here?"""
        return (self.path / "recipe.toml").is_file()

    def finished(self) -> bool:
        """Did the training reach its end?"""
        return any(event["event"] == "end" for event in self.log()[-1:])

    def log(self) -> list[dict[str, Any]]:
        """Read log.jsonl; a line that a crash cut off is left out."""
        events = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.path / "log.jsonl").read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    events.append(json.loads(line))
        return events

    def append(self, event: Event) -> None:
        """Add a line to log.jsonl."""
        line = json.dumps(finite({"v": 1, **event}), allow_nan=False)
        path = self.file("log.jsonl")
        with self.writing(), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def say(self, line: str) -> None:
        """Add a line to train.log."""
        path = self.file("train.log")
        with self.writing(), path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def cut(self, images_seen: int) -> None:
        """Drop what was logged and drawn after a checkpoint: the training repeats it."""
        for picture in (self.path / "samples").glob("*.png"):
            if picture.stem.isdigit() and int(picture.stem) > images_seen:
                picture.unlink(missing_ok=True)
        kept = [event for event in self.log() if event["images_seen"] <= images_seen]
        lines = "".join(json.dumps(event) + "\n" for event in kept)
        path = self.file("log.jsonl")
        with self.writing():
            write_text(path, lines)

    def sweep(self) -> None:
        """Delete what a killed training left beside its names; its lock must be held."""
        for path in sorted(self.path.rglob("*")):
            if BESIDE.fullmatch(path.name) and not OTHERS.match(path.name):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def write_csv(self) -> None:
        """Write log.csv: the steps and scores of log.jsonl, one row each."""
        rows = [
            {
                "event": event["event"],
                "images_seen": event["images_seen"],
                "seconds": event["seconds"],
                **event.get("losses", {}),
                **event.get("scalars", {}),
            }
            for event in self.log()
            if event["event"] in ("step", "score")
        ]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = self.file("log.csv")
        with self.writing():
            write_text(path, text.getvalue())

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second process from training here; the lock ends with this process."""
        path = self.file("lock")
        with self.writing():
            file = path.open("a+b")
        with file:
            for _ in range(TRIES):
                if lock(file.fileno()):
                    break
                time.sleep(PAUSE)
            else:
                raise RunError(
                    f"{self.path}: another process trains here; wait for it, or give --out DIR"
                )
            yield


def lock(descriptor: int) -> bool:
    """Take the lock of an open file; False where another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks (some network shares) is no reason not to train.
        return error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return True


def write_json(path: Path, content: object) -> None:
    """Write JSON that other programs read: what is not finite becomes null."""
    write_text(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


def finite(content: object) -> object:
    """Replace numbers that JSON has no word for."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(key): finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [finite(value) for value in content]
    return content


def write_progress(folder: RunFolder) -> None:
    """Put the grids from fixed seeds into progress.gif, unless it is there."""
    import numpy as np  # late, all three: a run's log is read without
    from PIL import Image

    from trilemma.images import write_gif

    if (folder.path / "progress.gif").is_file():
        return
    grids = sorted((folder.path / "samples").glob("*.png"))
    step = -(-len(grids) // GIF_FRAMES) or 1
    chosen = grids[::-1][::step][::-1]  # the last one is among them
    frames = [np.atleast_3d(np.asarray(Image.open(path))) for path in chosen]
    if frames:
        write_gif(folder.file("progress.gif"), frames, GIF_SECONDS)
