"""Networks compiled for the machine: whether that can be done, whether it pays, and while it does.

PyTorch's compiler joins what lies between the convolutions (norms, activations, copies) into few
passes over memory, forwards and backwards. It takes a C++ compiler about a minute the first time;
what it made is kept in the cache, from which it comes in seconds. It has no second derivatives: a
family names the networks through which none are taken.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trilemma import machine
from trilemma.devices import Choice
from trilemma.places import cache_folder

KEPT = "compiled"  # folder of the cache
PLACE, OWN_PLACE = "TORCHINDUCTOR_CACHE_DIR", "torchinductor_"  # PyTorch's own is named so, USER
COLD, WARM = 60.0, 6.0  # seconds that compiling takes: anew, and from the cache
SHARE = 0.1  # of a training, that compiling may take
COMPILERS = {"win32": "cl", "darwin": "clang++"}  # that PyTorch takes; elsewhere g++
REASON = re.compile(r"\berror: |Error: ")  # in a line of the compilers that says what is wrong
LONGEST = 200  # letters of it
FAILURES = (RuntimeError, OSError, ImportError)  # of PyTorch's compiler and of what it calls

Forward = Callable[..., Any]
_OURS: set[str] = set()  # folders of kernels that this process has named to PyTorch


def hindrance(device: torch.device, processes: int) -> str:
    """Say why networks cannot be compiled here; an empty text if they can."""
    if device.type not in ("cpu", "cuda"):
        return f"compiling is not tried on {device.type}"
    if processes > 1:
        return "compiling is not tried with several processes"
    name = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    return "" if shutil.which(name) else f"the C++ compiler {name} is not installed"


def reason(error: Exception) -> str:
    """Give the line of PyTorch's report that says why compiling failed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if REASON.search(line)]
    return (*telling, *lines, type(error).__name__)[0][:LONGEST]


def kernels() -> Path:
    """Give the folder of what was compiled: the user's TORCHINDUCTOR_CACHE_DIR, else our cache's.

    PyTorch sets that variable itself, to a folder of the system's temporary one.
    """
    named = Path(os.environ.get(PLACE, ""))
    pytorchs = named.parent == Path(tempfile.gettempdir()) and named.name.startswith(OWN_PLACE)
    if os.environ.get(PLACE) and str(named) not in _OURS and not pytorchs:
        return named
    return cache_folder() / KEPT


def pays(expected: float, mark: Path) -> bool:
    """Is compiling a small part of a training of so many seconds?"""
    return (WARM if mark.is_file() else COLD) <= SHARE * expected


def marked(
    nets: Mapping[str, nn.Module], choice: Choice, *, about: object, batch: int, threads: int
) -> Path:
    """Name the file that says: these networks have been compiled here, for this batch.

    about: what their recipe says of them and of the images.
    """
    facts = (
        ({name: str(net) for name, net in nets.items()}, about),
        (str(choice), batch, threads),
        (str(torch.__version__), machine.cpu_name(), machine.gpus()),
    )
    return kernels() / f"{hashlib.sha256(repr(facts).encode()).hexdigest()}.compiled"


def mark_down(mark: Path) -> None:
    """Note that what `mark` names lies in the cache now."""
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def ready(nets: Mapping[str, nn.Module]) -> dict[str, Forward]:
    """Give the compiled forward of each network; compiling begins with its first call.

    What was compiled before in this process is let go: PyTorch keeps eight networks of a kind.
    """
    folder = str(kernels())
    if os.environ.get(PLACE) != folder:
        os.environ[PLACE] = folder
        _OURS.add(folder)
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # of CUDA not found
    torch.compiler.reset()
    return {name: torch.compile(net.forward, dynamic=False) for name, net in nets.items()}


@contextlib.contextmanager
def used(nets: nn.ModuleDict, forwards: Mapping[str, Forward]) -> Iterator[None]:
    """Let networks answer by their compiled forward for a while."""
    for name, forward in forwards.items():
        nets[name].forward = forward
    try:
        yield
    finally:
        for name in forwards:
            del nets[name].forward
