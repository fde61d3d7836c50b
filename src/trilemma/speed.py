"""How fast a generator draws: milliseconds for one image, images a second in a batch, memory."""

import math
import statistics
import time
from dataclasses import dataclass

from trilemma import devices
from trilemma.sampling import Drawer, drawn

WARM_UPS, LEAST, MOST, SECONDS = 1, 3, 20, 2.0  # timed runs: at least 3, at most 20 or 2 seconds
BATCH = 64
SPREAD_TO_ERROR = 1.253  # standard error of a median, in those of a mean, for normal times


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Medians with their standard errors."""

    ms_per_image: float  # one image alone
    ms_error: float
    images_per_second: float  # in batches of 64
    rate_error: float
    memory_bytes: int  # the most held at once by this process, or by the GPU
    runs: int


def measure(drawer: Drawer) -> Speed:
    """Time drawing one image and a batch, after a warm-up, the device synchronised."""
    alone = timed(drawer, 1)
    batch = timed(drawer, BATCH)
    rates = [BATCH / seconds for seconds in batch]
    return Speed(
        ms_per_image=1000 * statistics.median(alone),
        ms_error=1000 * error(alone),
        images_per_second=statistics.median(rates),
        rate_error=error(rates),
        memory_bytes=devices.peak_memory(drawer.device),
        runs=len(batch),
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


def error(values: list[float]) -> float:
    """Give the standard error of the median of some values."""
    return SPREAD_TO_ERROR * statistics.stdev(values) / math.sqrt(len(values))
