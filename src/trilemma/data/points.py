"""Points of the plane around known centres: sets that are made, not read.

Both are those of Lin et al. 2018 (PacGAN, arXiv:1712.04086, sec. 4.1), made smaller so that they
lie in [-1, 1]: the ring by 0.8, the grid by 0.2. Points stay float32: in 8 bits, where a level is
0.0078, these deviations would be a level wide.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

COUNTS = {"train": 50_000, "test": 10_000}  # points; each centre has equally many
SEEDS = {"train": 1, "test": 2}
NEAR = 3.0  # standard deviations from its centre within which a point belongs to it


@dataclass(frozen=True, kw_only=True)
class PointSet:
    """Gaussians of one width around centres."""

    centres: tuple[tuple[float, float], ...]
    deviation: float  # standard deviation of each coordinate

    @property
    def radius(self) -> float:
        """Give the distance within which a point belongs to a centre."""
        return NEAR * self.deviation


POINT_SETS: Mapping[str, PointSet] = {
    "grid": PointSet(
        centres=tuple((0.4 * x, 0.4 * y) for y in (-2, -1, 0, 1, 2) for x in (-2, -1, 0, 1, 2)),
        deviation=0.01,
    ),
    "ring": PointSet(
        centres=tuple(
            (0.8 * math.cos(math.tau * k / 8), 0.8 * math.sin(math.tau * k / 8)) for k in range(8)
        ),
        deviation=0.008,
    ),
}


def made(points: PointSet, folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Make the train or test points float32 [N, 1, 1, 2] and the numbers of their centres [N].

    Always the same ones; folder is not looked at.
    """
    labels = np.arange(COUNTS[split]) % len(points.centres)
    noise = np.random.Generator(np.random.PCG64(SEEDS[split])).standard_normal((len(labels), 2))
    places = np.array(points.centres)[labels] + points.deviation * noise
    return places.astype(np.float32)[:, None, None, :], labels


READERS = {name: partial(made, points) for name, points in POINT_SETS.items()}
