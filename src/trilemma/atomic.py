"""Write files and folders that are complete or absent: beside their name, then moved."""

import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from trilemma.errors import NoSpaceError

FULL = (errno.ENOSPC, errno.EDQUOT)
REASONS: Mapping[int, str] = {  # what stands in the way, and what to do
    errno.EACCES: "no permission to write there; choose another place",
    errno.EDQUOT: "the quota is used up; free some space or choose another place",
    errno.EEXIST: "a file stands where its folder should be; choose another place",
    errno.EISDIR: "there is a folder of this name; choose another name",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.ENOTDIR: "a file stands where its folder should be; choose another place",
    errno.ENOTEMPTY: "there is a folder of this name; choose another name",
    errno.EPERM: "no permission to write there; choose another place",
    errno.EROFS: "the disk is read-only; choose another place",
}
# Windows refuses to move a file over one that another program has open, such as a virus scanner.
TRIES = 6 if os.name == "nt" else 1
PAUSE = 0.05  # seconds between them, doubled each time


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, its folder too. NoSpaceError says in one line why it cannot be."""
    with moved(path) as beside:
        beside.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, with the line ends it has. NoSpaceError as in `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


@contextmanager
def moved(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there is moved into place at the end.

    The folder is made. After an error nothing stays of it, and what was at `path` before is whole.
    NoSpaceError: the system refused to write, here or in the block.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        put(beside, path)
    except OSError as error:
        if error.errno is None:  # a library's own complaint
            raise
        raise refused(path, error) from error
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside `path`; with what is put there it is moved into place at the end.

    Nothing but an empty folder may then be at `path`. After an error nothing stays of it.
    NoSpaceError: the system refused to write, here or in the block.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        shutil.rmtree(beside, ignore_errors=True)  # of a process that was killed
        beside.mkdir(parents=True)
        yield beside
        _replace(beside, path)
    except OSError as error:
        if error.errno not in REASONS:  # such as a file that is not there to be read
            raise
        raise refused(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def put(beside: Path, path: Path) -> None:
    """Move a file that is whole to `path`, on the same disk. OSError: it cannot be moved."""
    with beside.open("rb+") as file:  # to the disk first: a move may outrun the content
        os.fsync(file.fileno())
    _replace(beside, path)


def refused(path: Path, error: OSError) -> NoSpaceError:
    """Say in one line why a path cannot be written, and what to do."""
    number = error.errno or 0
    if number == errno.EACCES and path.is_dir():  # what Windows says of it
        number = errno.EISDIR
    why = REASONS.get(number, f"{error.strerror or error}; choose another place")
    return NoSpaceError(f"{path} cannot be written: {why}")


def _replace(beside: Path, path: Path) -> None:
    for turn in range(TRIES):
        try:
            beside.replace(path)
        except PermissionError:
            if turn == TRIES - 1:
                raise
            time.sleep(PAUSE * 2**turn)
        else:
            return
