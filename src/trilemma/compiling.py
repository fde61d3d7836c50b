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
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trilemma import machine
from trilemma.atomic import write_text
from trilemma.devices import Choice
from trilemma.places import cache_folder

KEPT = "compiled"  # folder of the cache
PLACE, OWN_PLACE = "TORCHINDUCTOR_CACHE_DIR", "torchinductor"  # PyTorch's own is named so, _USER
COLD, WARM = 60.0, 6.0  # seconds that compiling takes: anew, and from the cache
SHARE = 0.1  # of a training, that compiling may take
COMPILERS = ("c++", "g++", "clang++")  # that PyTorch looks for, beside the one in CXX
WINDOWS = ("cl", "clang-cl")
FAILURES = (RuntimeError, OSError, ImportError)  # of PyTorch's compiler and of what it calls

Forward = Callable[..., Any]


def hindrance(device: torch.device, processes: int) -> str:
    """Say why networks cannot be compiled here; an empty text if they can."""
    if device.type not in ("cpu", "cuda"):
        return f"compiling is not tried on {device.type}"
    if processes > 1:
        return "compiling is not tried with several processes"
    names = WINDOWS if sys.platform == "win32" else COMPILERS
    if not any(shutil.which(name) for name in (os.environ.get("CXX", ""), *names) if name):
        return f"no C++ compiler is installed ({', '.join(names)})"
    return ""


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
    return cache_folder() / KEPT / f"{hashlib.sha256(repr(facts).encode()).hexdigest()}.json"


def mark_down(mark: Path, seconds: float) -> None:
    """Note that what `mark` names lies in the cache now; seconds: that it took."""
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        write_text(mark, f'{{"seconds": {seconds:.1f}}}\n')


def ready(nets: Mapping[str, nn.Module]) -> dict[str, Forward]:
    """Give the compiled forward of each network; compiling begins with its first call.

    What was compiled before in this process is let go: PyTorch keeps eight networks of a kind.
    """
    if Path(os.environ.get(PLACE, OWN_PLACE)).name.partition("_")[0] == OWN_PLACE:
        os.environ[PLACE] = str(cache_folder() / KEPT)
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
