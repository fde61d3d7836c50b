"""An upscaler's enlargements against the real large images, as scores with their columns."""

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from trilemma.data.values import Source
from trilemma.enlargements import Trials, Values, held_out, measure
from trilemma.evaluation import column_id
from trilemma.families.perceptive import Perceptive
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import UpscaleRecipe, parse_size
from trilemma.runs import Found
from trilemma.sampling import Pixels
from trilemma.scores import Column, Score, Scores
from trilemma.speed import Speed
from trilemma.weights import WEIGHTS

LEVELS = "levels"  # in the place of an extractor: pixels are compared with pixels
MEGAPIXEL = 1e6


def pair_scores(
    run: str,
    made: Pixels,
    trials: Trials,
    *,
    device: torch.device,
    say: Say = quiet,
) -> tuple[Scores, Values]:
    """Score enlarged pixels [N, H, W, C]; also give every image's values.

    psnr_y, ssim_y, psnr_rgb, ssim_rgb, perceptual (lite0), and psnr_gain: dB (Y) above bicubic on
    the same images. Errors are those of a mean over images.
    """
    looks = Perceptive("lite0").load(say).to(device)
    values = dict(measure(made, trials, looks, device=device))
    bicubic = measure(trials.bicubic[: len(made)], trials, None)
    values["psnr_gain"] = values["psnr_y"] - bicubic["psnr_y"]
    columns = {name: column(trials, name, len(made)) for name in values}
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
    return Scores(columns={column_id(c): c for c in columns.values()}, scores=tuple(rows)), values


def run_scores(run: Found, images: Source, *, device: torch.device, say: Say = quiet) -> Scores:
    """Score what an upscaler made of its held-out images, in their order.

    Nothing for other families, and where the images were brought to another size since.
    """
    made = np.asarray(images.pixels)
    size = parse_size(run.recipe.data.size)
    if not isinstance(run.recipe.family, UpscaleRecipe) or made.shape[1:3] != size:
        return Scores()
    trials = held_out(run.recipe, len(made), say=say)
    scores, _ = pair_scores(run.name, made, trials, device=device, say=say)
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
    if metric != "perceptual":
        return whole
    resize = f"x{trials.scale} of {trials.made}; 8 bits, whole images as they are"
    sha256 = WEIGHTS["lite0"].sha256
    return replace(whole, extractor="lite0 maps", weights_sha256=sha256, resize=resize)


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


def worst_median_best(values: Values) -> tuple[int, int, int]:
    """Give the images of the lowest, the middle and the highest PSNR (Y)."""
    order = np.argsort(values["psnr_y"], kind="stable")
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])
