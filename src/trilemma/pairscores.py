"""An upscaler's enlargements against the real large images, as scores with their columns."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from trilemma.data.values import Source
from trilemma.enlargements import Look, Trials, Values, held_out, measure
from trilemma.errors import DataError
from trilemma.evaluation import column_id
from trilemma.families.perceptive import Perceptive
from trilemma.features import lpips
from trilemma.features.lpips import LPIPS
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import UpscaleRecipe, parse_size
from trilemma.runs import Found
from trilemma.sampling import Pixels
from trilemma.scores import HIGHER, Column, Score, Scores
from trilemma.speed import Speed
from trilemma.weights import WEIGHTS

LEVELS = "levels"  # in the place of an extractor: pixels are compared with pixels
MEGAPIXEL = 1e6
PERCEIVED: Mapping[str, tuple[str, str]] = {  # metric -> extractor of its column, its sha256
    "perceptual": ("lite0 maps", WEIGHTS["lite0"].sha256),
    **{metric: (kind.name, kind.sha256) for metric, kind in LPIPS.items()},
}
PAIRED = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_gain", *PERCEIVED)


def enlarges(side: object) -> bool:
    """Is it a run of kind upscale?"""
    return isinstance(side, Found) and isinstance(side.recipe.family, UpscaleRecipe)


def parted(metrics: Sequence[str], *, pairs: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Part metrics into those of all images and those of LPIPS.

    DataError: LPIPS is asked for where there are no pairs.
    """
    asked = tuple(metric for metric in metrics if metric in LPIPS)
    if asked and not pairs:
        raise DataError(
            f"metric {asked[0]} holds each enlarged image against its own original; leave it out, "
            "or give an upscaler"
        )
    return tuple(metric for metric in metrics if metric not in LPIPS), asked


def pair_scores(
    run: str,
    made: Pixels,
    trials: Trials,
    *,
    seen_by: Mapping[str, Look],
    device: torch.device,
) -> tuple[Scores, Values]:
    """Score enlarged pixels [N, H, W, C]; also give every image's values.

    Of PAIRED those of pixels, and what `looks` loaded; dB of psnr_gain are above bicubic on the
    same images. Errors are those of a mean over images.
    """
    values = measured(made, trials, seen_by, device=device)
    columns = {name: column(trials, name, len(made)) for name in values}
    return scores_of(run, values, columns), values


def looks(asked: Sequence[str] = (), *, device: torch.device, say: Say = quiet) -> dict[str, Look]:
    """Load what looks at pairs: the perceptual distance, and LPIPS as `features.lpips.wanted`."""
    found: dict[str, Look] = {"perceptual": Perceptive("lite0").load(say).to(device)}
    return found | {
        metric: lpips.load(metric, device=device, say=say)
        for metric in lpips.wanted(asked, say=say)
    }


def measured(
    made: Pixels, trials: Trials, seen_by: Mapping[str, Look], *, device: torch.device
) -> dict[str, NDArray[np.float64]]:
    """Measure enlarged pixels [N, H, W, C], one value an image, in the order of PAIRED."""
    values = dict(measure(made, trials, seen_by, device=device))
    bicubic = measure(trials.bicubic[: len(made)], trials, {})
    values["psnr_gain"] = values["psnr_y"] - bicubic["psnr_y"]
    return {name: values[name] for name in PAIRED if name in values}


def scores_of(run: str, values: Values, columns: Mapping[str, Column]) -> Scores:
    """Turn one value an image into scores."""
    rows = [
        Score(
            run=run,
            metric=name,
            value=float(value.mean()),
            error=standard_error(value),
            n=len(value),
            column=column_id(columns[name]),
            floor=math.nan,
        )
        for name, value in values.items()
    ]
    return Scores(columns={column_id(c): c for c in columns.values()}, scores=tuple(rows))


def run_scores(
    run: Found,
    images: Source,
    *,
    asked: Sequence[str] = (),
    device: torch.device,
    say: Say = quiet,
) -> Scores:
    """Score what an upscaler made of its held-out images, in their order.

    Nothing for other families, and where the images were brought to another size since.
    """
    made = np.asarray(images.pixels)
    size = parse_size(run.recipe.data.size)
    if not enlarges(run) or made.shape[1:3] != size:
        return Scores()
    trials = held_out(run.recipe, len(made), say=say)
    seen_by = looks(asked, device=device, say=say)
    scores, _ = pair_scores(run.name, made, trials, seen_by=seen_by, device=device)
    rows = tuple(replace(score, checkpoint=run.checkpoint) for score in scores.scores)
    return replace(scores, scores=rows)


def column(trials: Trials, metric: str, n: int) -> Column:
    """Say what such a score may be compared with: small images that were made in the same way."""
    whole = Column(
        extractor=LEVELS,
        weights_sha256="",
        resize=f"x{trials.scale} of {trials.made}; 8 bits, Y of BT.601 not rounded, border "
        f"{trials.scale} cut off",
        reference=trials.source.name,
        fingerprint=trials.mark,
        split=trials.source.split,
        n_real=n,
        n_fake=n,
    )
    if metric not in PERCEIVED:
        return whole
    extractor, sha256 = PERCEIVED[metric]
    resize = f"x{trials.scale} of {trials.made}; 8 bits, whole images as they are"
    return replace(whole, extractor=extractor, weights_sha256=sha256, resize=resize)


def standard_error(values: NDArray[np.float64]) -> float:
    """Give the standard error of a mean; nan for one value."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def megapixel_score(run: str, speed: Speed, pixels: Pixels) -> Score:
    """Turn the time of one image into seconds per megapixel of the result; in no column."""
    share = pixels.shape[1] * pixels.shape[2] / MEGAPIXEL
    return Score(
        run=run,
        metric="seconds_per_megapixel",
        value=speed.ms_per_image / 1000 / share,
        error=speed.ms_error / 1000 / share,
        n=speed.runs_alone,
        column="",
        floor=math.nan,
    )


def worst_median_best(values: Values, metric: str = "psnr_y") -> tuple[int, int, int]:
    """Give the images of the worst, the middle and the best value of a metric."""
    rising = values[metric] if metric in HIGHER else -values[metric]
    order = np.argsort(rising, kind="stable")
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])
