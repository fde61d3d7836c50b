"""Upscalers that were not trained here, held against the same pairs as a run of kind upscale."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from trilemma.baselines import Baseline, enlarged, open_baseline, timed
from trilemma.enlargements import Look, Values
from trilemma.errors import RunError
from trilemma.features import cache
from trilemma.maths.statistics import median_error
from trilemma.pairscores import enlarges, megapixel_score, pair_scores, parted
from trilemma.places import Say
from trilemma.report.contents import RunView
from trilemma.runs import Found
from trilemma.sampling import Pixels
from trilemma.scores import Score, Scores, joined
from trilemma.scoring import Progress, Scored, quality
from trilemma.speed import Speed, speed_scores

KIND = "model"  # in the place of a run's kind


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A model with everything that was measured of it."""

    name: str  # no run's, nor another model's
    baseline: Baseline
    pixels: Pixels  # what it made of the run's small images
    values: Values
    scores: Scores


def refuse_alone(models: Sequence[str], found: Sequence[Found]) -> None:
    """Refuse models without a run whose pairs they could enlarge. RunError."""
    if models and not any(map(enlarges, found)):
        raise RunError(
            f"{models[0]} is held against the images of a run of kind upscale; name one beside it, "
            f"or give large images: trilemma evaluate {models[0]} --against FOLDER"
        )


def contenders(
    models: Sequence[str],
    beside: Scored | None,
    *,
    names: Sequence[str],
    metrics: Sequence[str],
    seen_by: Mapping[str, Look],
    device: torch.device,
    say: Say,
    progress: Progress,
) -> tuple[Contender, ...]:
    """Let models enlarge what a run enlarged, and score them in the run's columns.

    names: that are taken. Errors: as `open_baseline`.
    """
    taken, made = set(names), []
    for text in models:
        assert beside is not None and beside.trials is not None, "as `refuse_alone` saw"
        baseline = open_baseline(text, scale=beside.trials.scale, device=device, say=say)
        name = next(n for n in (baseline.name, text, f"{text} (model)") if n not in taken)
        taken.add(name)
        say(f"{name}: enlarging and scoring")
        pixels = enlarged(baseline, beside.trials, progress=progress)
        made.append(contender(name, baseline, pixels, beside, metrics, seen_by, device=device))
    return tuple(made)


def contender(
    name: str,
    baseline: Baseline,
    pixels: Pixels,
    beside: Scored,
    metrics: Sequence[str],
    seen_by: Mapping[str, Look],
    *,
    device: torch.device,
) -> Contender:
    """Score what one model made."""
    trials, reference = beside.trials, beside.reference
    assert trials is not None, "the run is an upscaler"
    others, _ = parted(metrics, pairs=True)
    features = cache.features(reference.extractor, pixels)
    paired, values = pair_scores(name, pixels, trials, seen_by=seen_by, device=device)
    scores = joined(quality(name, features, reference, others), paired)
    seconds = timed(baseline, trials.small[0])
    rows = (*scores.scores, *timings(name, seconds, pixels))
    return Contender(
        name=name,
        baseline=baseline,
        pixels=pixels,
        values=values,
        scores=replace(scores, scores=rows),
    )


def timings(name: str, seconds: Sequence[float], pixels: Pixels) -> tuple[Score, Score]:
    """Write the times of one image as scores; there is no batch to time."""
    speed = Speed(
        ms_per_image=1000 * statistics.median(seconds),
        ms_error=1000 * median_error(seconds),
        images_per_second=math.nan,
        rate_error=math.nan,
        memory_bytes=math.nan,
        runs=0,
        runs_alone=len(seconds),
    )
    return speed_scores(name, speed)[0], megapixel_score(name, speed, pixels)


def shown(one: Contender, *, grid: int) -> RunView:
    """Show a model as a run without a training."""
    return RunView(
        name=one.name,
        kind=KIND,
        members=(one.name,),
        seeds=(),
        recipe={},
        machine={},
        parameters=one.baseline.parameters,
        evaluations=1,
        images_seen=0,
        training_seconds=0.0,
        training_images_per_second=math.nan,
        losses={},
        scalars={},
        watched={},
        samples=one.pixels[:grid],
        licences=tuple(filter(None, (one.baseline.licence,))),
    )
