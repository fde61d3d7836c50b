"""Upscalers that were not trained here, by name, file or formula: what they make of small images.

They enlarge as `trilemma upscale --precision reference` does: float32, on every machine alike.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trilemma import samplecache
from trilemma.enlargements import Trials, bicubic
from trilemma.photos import from_pixels
from trilemma.places import Say, quiet
from trilemma.sampling import Pixels
from trilemma.upscalers import BASELINES, FILES, load_upscaler
from trilemma.upscaling import Manner, ready
from trilemma.upscalingfiles import whole

BICUBIC = "bicubic"  # MATLAB's imresize
NAMES = (BICUBIC, *BASELINES)
SCALE = 4  # of what has none of its own, unless another is asked for
TIMED, SECONDS = 3, 2.0  # images, at least; more until so many seconds are full
MOST_TIMED = 20

Enlarge = Callable[[Pixels], Pixels]  # uint8 [h, w, C] -> uint8 [scale h, scale w, C]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What enlarges images at one scale, and whose it is."""

    name: str
    scale: int
    enlarge: Enlarge
    parameters: int
    licence: str
    sha256: str  # of the weights; "": a formula


def is_model(text: str) -> bool:
    """Does an argument name an upscaler by name or file, and no run?"""
    return text in NAMES or (Path(text).suffix.lower() in FILES and not Path(text).is_dir())


def open_baseline(text: str, *, scale: int = 0, device: torch.device, say: Say = quiet) -> Baseline:
    """Open bicubic, or a model as `load_upscaler` knows it; a run of kind upscale, too.

    scale: 0: the model's own. Another one is reached as `trilemma upscale` does: by repeating, then
    Lanczos. Errors: as `load_upscaler` and `ready`.
    """
    if text == BICUBIC:
        return Baseline(
            name=BICUBIC,
            scale=scale or SCALE,
            enlarge=lambda small: by_formula(small, scale or SCALE),
            parameters=0,
            licence="",
            sha256="",
        )
    upscaler = load_upscaler(text, device=device, say=say)
    asked = 0 if scale == upscaler.scale else scale
    made = ready(upscaler, Manner(scale=asked, precision="reference"), device=device, say=say)
    if asked:
        say(f"{upscaler.name}: made for x{upscaler.scale}, brought to x{scale} by Lanczos")
    return Baseline(
        name=upscaler.name,
        scale=made.upscaler.scale,
        enlarge=lambda small: whole(from_pixels(small), made),
        parameters=sum(weight.numel() for weight in upscaler.net.parameters()),
        licence=upscaler.licence,
        sha256=upscaler.sha256,
    )


def by_formula(small: Pixels, scale: int) -> Pixels:
    """Enlarge one image as MATLAB's imresize does."""
    large: Pixels = bicubic(small[None], (scale * small.shape[0], scale * small.shape[1]))[0]
    return large


def enlarged(
    baseline: Baseline, trials: Trials, *, progress: Progress = lambda done, total: None
) -> Pixels:
    """Enlarge all small images, uint8 [N, H, W, C], or take them from the cache."""
    small, folder = trials.small, samplecache.cache()
    mark = (samplecache.VERSION, baseline.name, baseline.sha256, baseline.scale, small.shape)
    digest = hashlib.sha256(repr(mark).encode() + small.tobytes()).hexdigest()
    entry = folder / f"{digest}.npy" if folder and baseline.sha256 else None
    kept = samplecache.there(entry, len(small)) if entry else None
    if kept is not None:
        return kept
    made = []
    for number, image in enumerate(small, 1):
        made.append(baseline.enlarge(image))
        progress(number, len(small))
    pixels = np.stack(made)
    if entry is not None and pixels.nbytes <= samplecache.LARGEST:
        samplecache.keep(entry, pixels)
    return pixels


def timed(baseline: Baseline, small: Pixels) -> list[float]:
    """Enlarge one image [h, w, C] again and again, after a warm-up; seconds of each time."""
    baseline.enlarge(small)
    taken: list[float] = []
    while len(taken) < TIMED or (len(taken) < MOST_TIMED and sum(taken) < SECONDS):
        start = time.perf_counter()
        baseline.enlarge(small)
        taken.append(time.perf_counter() - start)
    return taken
