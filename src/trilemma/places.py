"""Where files go that nobody named a place for: the cache and the runs.

`TRILEMMA_CACHE` and `TRILEMMA_RUNS` move them. Nothing else in the package reads these variables.
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from trilemma.errors import NoSpaceError

Say = Callable[[str], None]  # takes one line for the user
_TOLD: set[str] = set()  # lines that the user of this process has heard


def quiet(line: str) -> None:
    """Drop a line."""


def runs_folder() -> Path:
    """Give the folder of run folders: `TRILEMMA_RUNS`, else `runs` below the current folder."""
    return Path(os.environ.get("TRILEMMA_RUNS") or "runs")


def cache_folder(*, say: Say = quiet) -> Path:
    """Give a folder that exists and can be written: `TRILEMMA_CACHE`, else the system's.

    Where that cannot be written it is a temporary folder, the same for the whole process and
    deleted at its end, and `say` gets one line about it, once in the process. NoSpaceError where
    that cannot be made either.
    """
    wanted = wanted_cache_folder()
    if wanted is not None and writable(wanted):
        return wanted
    folder = _temporary_folder()
    shown = wanted if wanted is not None else "the home folder"
    line = (
        f"{shown} cannot be written; using {folder} for now (set TRILEMMA_CACHE to a folder that "
        "can)"
    )
    if say is not quiet and line not in _TOLD:
        _TOLD.add(line)
        say(line)
    return folder


def is_temporary(folder: Path) -> bool:
    """Is this the stand-in for a cache folder that cannot be written?"""
    return _temporary_folder.cache_info().currsize > 0 and folder == _temporary_folder()


def wanted_cache_folder() -> Path | None:
    """Give the cache folder by the environment and the system, writable or not; None: no home."""
    if named := os.environ.get("TRILEMMA_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or _home("AppData/Local")
    elif sys.platform == "darwin":
        base = _home("Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or _home(".cache")
    return Path(base) / "trilemma" if base else None


def writable(folder: Path) -> bool:
    """Make the folder if need be, and say whether a file can be written there.

    It is tried: permission bits say nothing about root, read-only mounts and Windows.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _home(below: str) -> str:
    try:
        return str(Path.home() / below)
    except RuntimeError:  # no HOME, and no entry for the user
        return ""


@cache
def _temporary_folder() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="trilemma-cache-"))
    except OSError as error:
        raise NoSpaceError(
            "neither the cache folder nor a temporary one can be written; set TRILEMMA_CACHE to a "
            "folder that can"
        ) from error
    atexit.register(_delete, folder, os.getpid())
    return folder


def _delete(folder: Path, process: int) -> None:
    """Delete a folder at the end of the process that made it; not at that of a fork of it."""
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
