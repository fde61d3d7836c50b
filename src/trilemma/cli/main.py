"""The command `trilemma`: find the verb, run it, and turn errors into one line and a status.

A verb's module is imported only when the verb is called: `--help` loads neither torch nor tyro.
"""

import contextlib
import errno
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from trilemma import __version__, trusted
from trilemma.errors import MachineError, MemoryTooSmallError, NoSpaceError, TrilemmaError
from trilemma.recipe.closest import unknown
from trilemma.terminals import harmless

MISTAKE_OF_OURS, INTERRUPTED, TERMINATED = 1, 130, 143  # exit statuses; 2 to 4 are in errors.py
FULL = (errno.ENOSPC, errno.EDQUOT)
SHUT = (errno.EROFS, errno.EACCES, errno.EPERM)
GONE = (
    "Connection closed by peer",
    "Connection reset by peer",
    "Broken pipe",
    "NCCL error",
    "Timed out waiting",
)
NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")


class Verb(NamedTuple):
    """Where a verb is written, and what it does in one line."""

    module: str  # has a frozen dataclass Arguments and a function run(arguments)
    about: str
    trains: bool = False  # its words are a preset and a recipe: parsed by `parse_training`


VERBS: Mapping[str, Verb] = {  # in the order of --help
    "demo": Verb("demo", "train a GAN and a diffusion model on digits, and compare them"),
    "train": Verb("train", "train a model, or go on with a training", trains=True),
    "sample": Verb("sample", "draw images from runs or bundles"),
    "explore": Verb("explore", "walk between the seeds of a run, as pictures, film or a page"),
    "upscale": Verb("upscale", "enlarge pictures, folders, GIFs and films"),
    "pipeline": Verb("pipeline", "draw images with one run and enlarge them with another"),
    "evaluate": Verb("evaluate", "score images against images"),
    "compare": Verb("compare", "line runs up: one table, one report"),
    "diagnose": Verb("diagnose", "say whether a training was healthy, and what to try if not"),
    "features": Verb("features", "write out what an extractor sees in images"),
    "runs": Verb("runs", "list the runs and how they stand"),
    "data": Verb("data", "look at a data set: counts, sizes, broken files, what to train on it"),
    "presets": Verb("presets", "list the presets"),
    "import": Verb("importing", "make a run of a network of StyleGAN2-ADA or StyleGAN3"),
    "export": Verb("export", "make a bundle of a run: weights, recipe, scores, card"),
    "clean": Verb("clean", "delete what the cache and the runs no longer need"),
    "bench": Verb(
        "bench", "time training, drawing, scoring, enlarging: ours against the plain way"
    ),
    "doctor": Verb("doctor", "show the machine, and what was measured and chosen on it"),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run `trilemma` with these words (by default those of the command line); give its status."""
    asked = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in asked
    _prepare_streams()
    try:
        _dispatch([word for word in asked if word != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:
        _close_stdout()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except KeyboardInterrupt:
        print("trilemma: stopped", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _say(error, debug=debug)
    return 0


def overview() -> str:
    """Give the text of `trilemma --help`."""
    width = max(map(len, VERBS))
    rows = (f"  {name:{width}}  {verb.about}" for name, verb in VERBS.items())
    return "\n".join(
        (
            "Train, run and honestly compare image generators: quality, coverage, speed.",
            "",
            "usage: trilemma VERB ...",
            "",
            *rows,
            "",
            "trilemma VERB --help shows every option of a verb, with unit, meaning and default.",
            "--version shows the version; --debug, anywhere, the traceback of an error.",
            "Begin with: trilemma demo",
        )
    )


def _dispatch(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
    elif words[0] in ("-V", "--version"):
        print(f"trilemma {__version__}")
    elif words[0] not in VERBS:
        with _typed_everywhere():
            raise TrilemmaError(f"{unknown('verb', words[0], VERBS)}; see trilemma --help")
    else:
        _let_sigterm_exit()
        _run(words[0], words[1:])


def _run(name: str, words: list[str]) -> None:
    with _one_speaks():
        _call(VERBS[name], name, words)


@contextlib.contextmanager
def _one_speaks() -> Iterator[None]:
    """Let only the first of several processes print; what ends another is still said."""
    if _rank() == 0:
        yield
        return
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _rank() -> int:
    """Give the number of this process, as torchrun set it; torch need not be loaded."""
    several = (os.environ.get("WORLD_SIZE") or "1") != "1"
    return int(os.environ.get("RANK") or "0") if several else 0


def _call(verb: Verb, name: str, words: list[str]) -> None:
    arguments = importlib.import_module("trilemma.cli.arguments")
    if verb.trains:  # parsed before the verb's module, which loads torch
        with _typed_everywhere():
            command = importlib.import_module("trilemma.cli.stagewords").parse_training(words)
        trusted.allow(*command.own, *([trusted.ALL] if command.trust else []))
        _train(importlib.import_module(f"trilemma.cli.{verb.module}"), command)
    else:
        module = importlib.import_module(f"trilemma.cli.{verb.module}")
        with _typed_everywhere():
            parsed = arguments.parse(module.Arguments, words, verb=name)
        if getattr(parsed, "trust", False):
            trusted.allow(trusted.ALL)
        module.run(parsed)


@contextlib.contextmanager
def _typed_everywhere() -> Iterator[None]:
    """Mark a mistake in what was typed: every process has been given it."""
    try:
        yield
    except TrilemmaError as error:
        error.everywhere = True
        raise


def _train(module: ModuleType, command: object) -> None:
    """Run a verb that trains; where memory runs out, say what became of the training."""
    try:
        module.run(command)
    except Exception as error:
        if not _out_of_memory(error):
            raise
        raise MemoryTooSmallError(
            "the memory ran out; the last checkpoint, if there was one, is whole: close other "
            "programs and run the same command again, or train anew with a smaller --batch-size "
            "and another --out DIR"
        ) from error


def _let_sigterm_exit() -> None:
    """Let SIGTERM end the process as an exit does, so that files are closed and locks let go."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))


def _say(error: Exception, *, debug: bool) -> int:
    """Print one line about an error; give the exit status."""
    known = _as_ours(error)
    if known is not None:
        if _rank() and known.everywhere:
            return known.status
        where = f" (process {_rank()})" if _rank() else ""
        print(f"trilemma{where}: {harmless(' '.join(str(known).split()))}", file=sys.stderr)
        return known.status
    how = "" if debug else "; the same command with --debug shows where"
    what = harmless(" ".join(f"{type(error).__name__}: {error}".split()))
    print(f"trilemma: a mistake of ours, not yours: {what}{how}", file=sys.stderr)
    return MISTAKE_OF_OURS


def _as_ours(error: Exception) -> TrilemmaError | None:
    """Give the error as one of ours; None: it is a mistake in the program."""
    if isinstance(error, TrilemmaError):
        return error
    if _parted(error):
        return MachineError(
            "another process of this command ended, and this one cannot go on alone; the last "
            "checkpoint, if there was one, is whole: run the same command again"
        )
    if _out_of_memory(error):
        return MemoryTooSmallError(
            "the memory is too small for this; lower --batch-size, --batch or --n, or close other "
            "programs"
        )
    if not isinstance(error, OSError):
        return None
    where = error.filename or "a file"
    if error.errno in FULL:
        return NoSpaceError(f"{where}: the disk is full; free some space and try again")
    if error.errno in SHUT:
        return NoSpaceError(f"{where}: may not be read or written; choose another place")
    if error.filename is not None:
        what = error.strerror or type(error).__name__
        return MachineError(f"{where}: {what}; see what lies there, or choose another place")
    return None


def _out_of_memory(error: Exception) -> bool:
    """Did memory run out? Torch's own errors are known by name and words: it need not be loaded."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    refused = isinstance(error, OSError) and error.errno == errno.ENOMEM
    return said or refused or isinstance(error, MemoryError)


def _parted(error: Exception) -> bool:
    """Is this how torch's collectives say that another process is gone?"""
    return isinstance(error, RuntimeError) and any(words in str(error) for words in GONE)


def _prepare_streams() -> None:
    """Let a name that the terminal has no letters for be shown escaped, not end the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _close_stdout() -> None:
    """Send what is left to nowhere, or the interpreter complains at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
