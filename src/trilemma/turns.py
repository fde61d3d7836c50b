"""Ways to do the same, timed in turns in one process, and what their times are worth."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from trilemma import devices, machine

WARM_UPS = 2  # steps of each that do not count
FEWEST = 15  # timed steps of each: a median of fewer says little
BUSY = 0.5  # processes that may compute beside ours

Way = tuple[int, Callable[[int], None]]  # CPU threads; what is timed, given the images seen


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Under what times were taken: all that is measured in turns begins with it."""

    rounds: int
    device: str
    load: float  # of the machine before; nan where it is not told
    machine: Mapping[str, Any] = field(default_factory=machine.describe)


def busy(load: float) -> list[str]:
    """Say in a line, where others computed on the machine, that the times may be wrong."""
    line = f"  the machine was busy (load {load:g} before): close other programs, try again"
    return [line] if load > BUSY else []


class Ratio(NamedTuple):
    """How often the one fits into the other: quartiles over the rounds."""

    low: float
    middle: float
    high: float


def ratio(long: Sequence[float], short: Sequence[float]) -> Ratio:
    """Hold times against those of the same rounds: what slows the machine down slows both."""
    each = [one / other for one, other in zip(long, short, strict=True)]
    return Ratio(*statistics.quantiles(each, n=4))


def milliseconds(seconds: Sequence[float]) -> float:
    """Give the median of times."""
    return 1000 * statistics.median(seconds)


def alternated(
    ways: Mapping[str, Way], *, rounds: int, images: int, device: torch.device
) -> dict[str, list[float]]:
    """Time each way once a round, each first in every other round; seconds of every step."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(WARM_UPS + rounds):
        turn = list(ways.items())[:: 1 if number % 2 else -1]
        for name, (threads, step) in turn:
            torch.set_num_threads(threads)
            devices.synchronize(device)
            start = time.perf_counter()
            step(number * images)
            devices.synchronize(device)
            taken[name].append(time.perf_counter() - start)
    return {name: times[WARM_UPS:] for name, times in taken.items()}


def void(value: object) -> None:
    """Take a value and give none."""
