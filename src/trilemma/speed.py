"""How fast a generator draws: milliseconds for one image, images a second in a batch, memory."""

import ctypes
import math
import mmap
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import nn

from trilemma import devices, machine
from trilemma.maths.statistics import median_error
from trilemma.sampling import Drawer, drawn
from trilemma.scores import Score

WARM_UPS, LEAST, MOST, SECONDS = 1, 3, 20, 2.0  # timed runs: at least 3, at most 20 or 2 seconds
BATCH = 64
PROCESS = Path("/proc/self")  # of Linux: what is known of this process
TRIED = 32 * 2**20  # bytes that are held and given back, to see whether the peak is kept
FORGET_PEAK = "5"  # written to clear_refs: the peak starts again from what is held now


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians with their standard errors."""

    ms_per_image: float  # one image alone
    ms_error: float
    images_per_second: float  # in batches of 64
    rate_error: float
    memory_bytes: float  # what drawing a batch takes, weights included; nan: cannot be told here
    runs: int  # timed batches
    runs_alone: int = 0  # timed drawings of one image
    crowding: float = 0.0  # cores that other programs used meanwhile, where none was idle


def measure(drawer: Drawer) -> Speed:
    """Time drawing one image and a batch, after a warm-up, the device synchronised."""
    start = machine.used()
    alone = timed(drawer, 1)
    before = forget_peak(drawer.device)
    batch = timed(drawer, BATCH)
    held = peak(drawer.device) - before + weights_bytes(drawer.drawing)
    crowding = machine.crowding(start, machine.used(), cores=os.cpu_count() or 1)
    rates = [BATCH / seconds for seconds in batch]
    return Speed(
        ms_per_image=1000 * statistics.median(alone),
        ms_error=1000 * median_error(alone),
        images_per_second=statistics.median(rates),
        rate_error=median_error(rates),
        memory_bytes=held,
        runs=len(batch),
        runs_alone=len(alone),
        crowding=crowding if drawer.device.type == "cpu" else 0.0,
    )


def timed(drawer: Drawer, n: int) -> list[float]:
    """Draw n images again and again; seconds of each time."""
    for _ in range(WARM_UPS):
        drawn(drawer, range(n), batch=n)
    taken: list[float] = []
    while len(taken) < LEAST or (len(taken) < MOST and sum(taken) < SECONDS):
        devices.synchronize(drawer.device)
        start = time.perf_counter()
        drawn(drawer, range(n), batch=n)
        devices.synchronize(drawer.device)
        taken.append(time.perf_counter() - start)
    return taken


def weights_bytes(nets: Sequence[nn.Module]) -> int:
    """Count the bytes of networks."""
    return sum(t.nbytes for net in nets for t in (*net.parameters(), *net.buffers()))


def forget_peak(device: torch.device) -> float:
    """Begin to watch for the most bytes held at once; give those held now, nan if nothing tells.

    What runs before have left in the allocator goes back to the system first: else a later run
    would draw in it and seem to need nothing.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return float(torch.cuda.memory_allocated(device))
    if device.type != "cpu":
        return math.nan
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        return math.nan  # not glibc: what is kept for later cannot be told from what is used
    return process_bytes("VmRSS") if begun_anew() and keeps_peak() else math.nan


def begun_anew() -> bool:
    """Let the system's peak start again from what is held now, where it can be told to."""
    try:
        (PROCESS / "clear_refs").write_text(FORGET_PEAK, encoding="ascii")
    except OSError:
        return False
    return True


@cache
def keeps_peak() -> bool:
    """Try whether this system remembers bytes that were held and given back; not all do."""
    with mmap.mmap(-1, TRIED) as pages:
        pages.write(b"1" * TRIED)
    kept = process_bytes("VmHWM") - process_bytes("VmRSS") > TRIED / 2
    return kept and begun_anew()


def peak(device: torch.device) -> float:
    """Give the most bytes held at once since `forget_peak`; nan where nothing tells."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return process_bytes("VmHWM") if device.type == "cpu" else math.nan


def process_bytes(name: str) -> float:
    """Read a number of /proc/self/status, in bytes; nan where there is none."""
    try:
        lines = (PROCESS / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return math.nan
    words = next((line.split() for line in lines if line.startswith(f"{name}:")), [])
    return 1024.0 * int(words[1]) if len(words) > 1 else math.nan


def speed_scores(name: str, speed: Speed) -> list[Score]:
    """Write timings as scores, n the runs that were timed; they stand in no column."""
    rows = (
        ("ms_per_image", speed.ms_per_image, speed.ms_error, speed.runs_alone),
        ("images_per_second", speed.images_per_second, speed.rate_error, speed.runs),
        ("memory_bytes", speed.memory_bytes, math.nan, 1),
    )
    return [
        Score(run=name, metric=m, value=v, error=e, n=n, column="", floor=math.nan)
        for m, v, e, n in rows
    ]
