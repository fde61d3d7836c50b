"""Which modes of a set do samples reach? For the sets whose modes are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trilemma.data.points import POINT_SETS, PointSet
from trilemma.data.stacked import NUMBERS
from trilemma.data.values import Source
from trilemma.errors import DataError
from trilemma.evaluation import METRICS, STANDARD, column, column_id
from trilemma.features import raw, stacked
from trilemma.features.cache import extracted
from trilemma.features.extractor import Extractor, Floats, Pixels
from trilemma.images import grid
from trilemma.maths import modes
from trilemma.maths.statistics import Estimate
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import DataRecipe
from trilemma.scatter import scatter
from trilemma.scores import Score, Scores

NAMES = ("modes", "mode_kl", "quality_share")  # of --metrics and of scores.json


@dataclass(frozen=True, kw_only=True)
class ModeSet:
    """The modes of a source."""

    modes: int
    n: int = 0  # samples that are counted, unless a number is asked for; 0: as many as are scored
    points: PointSet | None = None  # None: three digits

    @property
    def metrics(self) -> tuple[str, ...]:
        """Give what can be measured: a digit is far from no mode, a point may be far from all."""
        return NAMES if self.points else NAMES[:2]


MODE_SETS: Mapping[str, ModeSet] = {
    **{name: ModeSet(modes=len(p.centres), points=p) for name, p in POINT_SETS.items()},
    "stacked-mnist": ModeSet(modes=len(NUMBERS), n=26_000),
}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Samples, counted by their modes."""

    counts: Tensor  # int64 [modes]
    n: int  # samples, those at no mode among them

    def estimates(self) -> dict[str, Estimate]:
        """Give every measure by its name."""
        return {
            "modes": modes.met(self.counts),
            "mode_kl": modes.divergence(self.counts),
            "quality_share": modes.near_share(self.counts, self.n),
        }


def of(data: DataRecipe) -> ModeSet | None:
    """Give the modes of a recipe's images; None where they are not known, or not all wanted."""
    return None if data.classes else MODE_SETS.get(data.source)


def looker(known: ModeSet, *, device: torch.device) -> Extractor:
    """Give the extractor whose features say at which mode a sample lies."""
    return raw.points() if known.points else stacked.numbers(device=device)


def count(known: ModeSet, features: Floats) -> Counted:
    """Count samples by what `looker` saw in them."""
    seen = torch.from_numpy(features)
    found = seen[:, 0].long()
    if known.points:
        found = modes.nearest(seen, torch.tensor(known.points.centres), radius=known.points.radius)
    return Counted(counts=modes.counted(found, known.modes), n=len(seen))


def scalars(data: DataRecipe, pixels: Pixels, *, device: torch.device) -> dict[str, float]:
    """Count the modes that samples of a training reach; empty where its source's are not known."""
    known = of(data)
    if known is None:
        return {}
    made = count(known, extracted(looker(known, device=device), pixels).features).estimates()
    values = {name: made[name].value for name in known.metrics}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def in_the_plane(data: DataRecipe) -> bool:
    """Are the samples points?"""
    known = of(data)
    return known is not None and known.points is not None


def pictured(data: DataRecipe, pixels: Pixels) -> Pixels:
    """Lay samples out as one picture; points with the centres that they should lie at."""
    known = of(data)
    if known is None or known.points is None:
        return grid(pixels)
    return scatter(pixels, centres=known.points.centres, radius=known.points.radius)


def parted(
    metrics: Sequence[str], known: ModeSet | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part metrics into those that compare features and those that count modes.

    The standard ones have every count that there is beside them. DataError: an unknown metric, or a
    count of modes that nobody knows.
    """
    for name in metrics:
        if name not in (*METRICS, *NAMES):
            raise DataError(unknown("metric", name, (*METRICS, *NAMES)))
    asked = tuple(name for name in metrics if name in NAMES)
    there = known.metrics if known else ()
    for name in asked:
        if name not in there:
            where = ", ".join(s for s, row in MODE_SETS.items() if name in row.metrics)
            raise DataError(f"metric {name} is for whole sets with known modes; allowed: {where}")
    if tuple(metrics) == tuple(STANDARD):
        return STANDARD, there
    return tuple(name for name in metrics if name not in NAMES), asked


def scored(
    run: str,
    fake: Counted,
    real: Counted | None,
    names: Sequence[str],
    *,
    by: Extractor,
    reference: Source,
) -> Scores:
    """Write counts as scores. real: as many real samples, for the floors; None: there are none."""
    floors = real.estimates() if real else {}
    own = column(by, reference)
    own = replace(own, n_real=real.n if real else 0, n_fake=fake.n)
    made = fake.estimates()
    scores = tuple(
        Score(
            run=run,
            metric=name,
            value=made[name].value,
            error=made[name].error,
            n=fake.n,
            column=column_id(own),
            floor=floors[name].value if real else math.nan,
        )
        for name in names
    )
    return Scores(columns={column_id(own): own}, scores=scores)
