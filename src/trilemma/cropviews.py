"""Enlarged images side by side: where a run did worst, in the middle and best, most detail."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from trilemma.contenders import Contender
from trilemma.enlargements import Trials, Values, measure
from trilemma.maths.fidelity import luma
from trilemma.pairscores import worst_median_best
from trilemma.report.contents import CropRow, CropsView
from trilemma.sampling import Pixels
from trilemma.scoring import Scored

SIDE = 64  # pixels of the large image that are shown, across and down
BASE = "bicubic"
BY = ("psnr_y", "perceptual")  # what an image may be worst and best by
Rank = Literal["worst", "median", "best"]
RANKS: tuple[Rank, Rank, Rank] = ("worst", "median", "best")


def crops(
    runs: Mapping[str, Scored], models: Sequence[Contender], beside: Scored | None
) -> CropsView | None:
    """Show three images of the pairs that the first upscaler enlarged; None: there is none.

    runs: by their names; those on other pairs are left out.
    """
    if beside is None or beside.trials is None or beside.values is None:
        return None
    trials = beside.trials
    own = {
        name: (one.pixels, one.values)
        for name, one in runs.items()
        if one.trials is not None and one.values is not None and one.trials.mark == trials.mark
    }
    made: dict[str, tuple[Pixels, Values]] = {m.name: (m.pixels, m.values) for m in models}
    if BASE not in made:
        made[BASE] = (trials.bicubic, measure(trials.bicubic, trials, {}))
    made = {BASE: made[BASE], **made}
    metric = beside.found.recipe.watch.metric
    metric = metric if metric in BY else BY[0]
    return CropsView(
        by=next(name for name, one in runs.items() if one is beside),
        metric=metric,
        images=len(trials),
        columns=tuple({**made, **own}),
        rows=tuple(
            row(rank, index, trials, {**made, **own})
            for rank, index in zip(RANKS, worst_median_best(beside.values, metric), strict=True)
        ),
    )


def row(
    rank: Rank, index: int, trials: Trials, made: Mapping[str, tuple[Pixels, Values]]
) -> CropRow:
    """Cut one image's crops out: small, of each that enlarged it, real."""
    high = trials.high[index]
    side = min(SIDE, *high.shape[:2]) // trials.scale * trials.scale
    top, left = busiest(high, side, trials.scale)
    small = trials.small[index].repeat(trials.scale, 0).repeat(trials.scale, 1)
    pictures = [small, *(pixels[index] for pixels, _ in made.values()), high]
    return CropRow(
        rank=rank,
        image=trials.source.names[index],
        pixels=np.stack([picture[top : top + side, left : left + side] for picture in pictures]),
        values={
            metric: tuple(
                float(values[metric][index]) if metric in values else np.nan
                for _, values in made.values()
            )
            for metric in BY
        },
    )


def busiest(high: Pixels, side: int, step: int) -> tuple[int, int]:
    """Find the top left corner of the square with the steepest brightness, at multiples of step."""
    levels = torch.from_numpy(np.array(high)).permute(2, 0, 1)[None].double()
    bright = luma(levels)[0, 0].numpy()
    slope = np.zeros_like(bright)
    slope[:-1] += np.abs(np.diff(bright, axis=0))
    slope[:, :-1] += np.abs(np.diff(bright, axis=1))
    total = np.pad(slope.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    corners = sums[::step, ::step]
    top, left = np.unravel_index(corners.argmax(), corners.shape)
    return int(top) * step, int(left) * step
