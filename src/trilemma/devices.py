"""The machine: which device, how many threads, and what is fastest on it, found by measuring."""

import contextlib
import math
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from trilemma import machine, processes
from trilemma.errors import MachineError

Seconds = Callable[[], float]
Precision = Literal["float32", "bf16"]
FEWEST_CHOICES = 2  # that are tried however long a step takes: float32 and bf16
ALONE = 3  # steps of a choice that has no other beside it
TOLERANCE = 0.05  # of the loss; bf16 keeps 8 bits, a step's loss moves by under 1 %


def pick(device: str) -> torch.device:
    """Give the device of a name: auto, cpu, cuda, cuda:N or mps.

    auto: CUDA, else MPS, else the CPU; the caller prints what it chose. MachineError if the device
    that was asked for is not there: never another one instead. Of several processes on a machine
    each gets a GPU of its own.
    """
    if device == "auto":
        device = _best()
    name, _, number = device.partition(":")
    if name not in _there() or not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise MachineError(f"device '{device}' is not on this machine; there: {_listed()}")
    if number and int(number) >= torch.cuda.device_count():
        raise MachineError(f"device '{device}' is not on this machine; there: {_listed()}")
    several = device == "cuda" and processes.local_rank() > 0
    return torch.device(device, processes.local_rank()) if several else torch.device(device)


def gpu_name(device: torch.device) -> str:
    """Give the name of an NVIDIA or AMD GPU; empty: it is another device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else ""


def use_threads(threads: int) -> int:
    """Compute with this many CPU threads; give their number.

    0: as many as OMP_NUM_THREADS says, else one for each core that may be used.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(
        threads or (int(said) if said.isdigit() and int(said) else machine.cores())
    )
    return torch.get_num_threads()


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How a step is computed."""

    precision: Precision = "float32"
    channels_last: bool = False
    compiled: bool = False  # the networks that a family names, by PyTorch's compiler

    @property
    def memory_format(self) -> torch.memory_format:
        """Give the layout of images and of convolutions' weights."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def __str__(self) -> str:
        layout = ", channels last" if self.channels_last else ""
        return f"{self.precision}{layout}{', compiled' if self.compiled else ''}"


REFERENCE = Choice()  # what every other choice is held against


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one choice took."""

    choice: Choice
    seconds: float  # a step, median
    spread: float  # seconds, half the distance of the quartiles; 0 for a single step
    loss: float  # of its first step
    sound: bool  # finite, and as REFERENCE's within TOLERANCE


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The choice that is kept, and why."""

    choice: Choice
    timings: tuple[Timing, ...]


def candidates(device: torch.device, precision: str = "auto") -> tuple[Choice, ...]:
    """Give the choices worth timing; one alone if the recipe leaves no choice.

    precision: auto, reference, float32 or bf16, as in the recipe.
    """
    if precision == "reference":
        return (REFERENCE,)
    layouts = (False,) if device.type == "mps" else (False, True)
    halves = device.type == "cuda" and torch.cuda.is_bf16_supported()
    if device.type == "cpu":
        halves = machine.has_bf16()
    wanted: tuple[Precision, ...] = ("float32", "bf16") if halves else ("float32",)
    if precision in ("float32", "bf16"):
        wanted = ("bf16",) if precision == "bf16" else ("float32",)
    return tuple(Choice(precision=p, channels_last=last) for last in layouts for p in wanted)


@contextlib.contextmanager
def autocast(choice: Choice, device: torch.device) -> Iterator[None]:
    """Compute what may be computed in bf16 so, if the choice says it."""
    enabled = choice.precision == "bf16"
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled):
        yield


@contextlib.contextmanager
def exactly(precision: str) -> Iterator[None]:
    """Compute float32 as float32, and the same twice, where the recipe says `reference`."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cudnn.deterministic, matmul.allow_tf32
    if precision == "reference":
        cudnn.allow_tf32, cudnn.deterministic, matmul.allow_tf32 = False, True, False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, matmul.allow_tf32 = before


def measure(
    step: Callable[[Choice], Callable[[], float]],
    choices: Sequence[Choice],
    *,
    before: Callable[[Choice], None] = lambda choice: None,
    seconds: float = 6.0,
    clock: Seconds = time.perf_counter,
) -> Measured:
    """Time the choices in turn, round after round, and keep the fastest that is sound.

    step: makes for a choice a function that takes one training step, waits for the device, and
    gives the loss; every choice begins from the same weights and images, as `before` lays them out
    (not timed). seconds: for all of it, up to the end of a round; process 0 says when it is over.
    The first step of each warms up and counts only where there is time for no other; choices after
    the second are left out where even the first steps take longer. MachineError if none is sound.
    """
    begin = clock()

    def over() -> bool:
        return bool(processes.share(clock() - begin >= seconds))

    def timed(choice: Choice, one: Callable[[], float]) -> tuple[float, float]:
        before(choice)
        start = clock()
        loss = one()
        return clock() - start, loss

    steps: list[tuple[Choice, Callable[[], float]]] = []
    cold: list[float] = []
    losses: list[float] = []
    for choice in choices:
        if len(steps) >= FEWEST_CHOICES and over():
            break
        steps.append((choice, step(choice)))
        took, loss = timed(*steps[-1])
        cold.append(took)
        losses.append(loss)
    warm: list[list[float]] = [[] for _ in steps]
    while not over() and not (len(steps) == 1 and len(warm[0]) >= ALONE):
        for (choice, one), times in zip(steps, warm, strict=True):
            times.append(timed(choice, one)[0])
    tried = [choice for choice, _ in steps]
    reference = losses[tried.index(REFERENCE)] if REFERENCE in tried else losses[0]
    timings = tuple(
        Timing(
            choice=choice,
            seconds=statistics.median(times or [first]),
            spread=_spread(times),
            loss=loss,
            sound=_sound(loss, reference),
        )
        for (choice, _), first, times, loss in zip(steps, cold, warm, losses, strict=True)
    )
    return Measured(choice=_fastest(timings), timings=timings)


def peak_memory(device: torch.device) -> int:
    """Give the most bytes held at once: of the GPU on CUDA, otherwise of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return machine.peak_process_memory()


def _best() -> str:
    return next(name for name in ("cuda", "mps", "cpu") if name in _there())


def _there() -> list[str]:
    mps = torch.backends.mps.is_available()
    return ["cpu", *["cuda"] * torch.cuda.is_available(), *["mps"] * mps]


def _listed() -> str:
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return ", ".join([*(name for name in _there() if name != "cuda"), *gpus])


def _spread(times: Sequence[float]) -> float:
    if len(times) < 2:
        return 0.0
    low, _, high = statistics.quantiles(times, n=4)
    return (high - low) / 2


def _sound(loss: float, reference: float) -> bool:
    return math.isfinite(loss) and abs(loss - reference) <= TOLERANCE * max(abs(reference), 0.1)


def _fastest(timings: Sequence[Timing]) -> Choice:
    sound = [timing for timing in timings if timing.sound]
    if not sound:
        raise MachineError(
            "no way to compute the step gives a finite loss here; try --speed.precision reference, "
            "or a lower learning rate"
        )
    return min(sound, key=lambda timing: timing.seconds).choice
