"""`stacked`: the digits' classifier on each colour of an image, for stacked-mnist.

A classifier of its thousand classes would see each class sixty times; the one of single digits is
right for 99.6 of 100.
"""

from collections.abc import Callable

import numpy as np
import torch

from trilemma.features import domain
from trilemma.features.extractor import Extractor, Features, Floats, Pixels

CHANNELS = 3


def load(*, device: torch.device) -> Extractor:
    """Give it: 64 features of each colour, side by side."""

    def all_features(seen: list[Features]) -> Floats:
        joined: Floats = np.concatenate([one.features for one in seen], axis=1)
        return joined

    return _extractor(all_features, CHANNELS * 64, "stacked", device)


def numbers(*, device: torch.device) -> Extractor:
    """Give an extractor whose one feature is the number, 0 to 999, that the three digits spell."""

    def number(seen: list[Features]) -> Floats:
        hundreds, tens, units = (one.logits.argmax(axis=1) for one in seen)
        spelled: Floats = (100 * hundreds + 10 * tens + units).astype(np.float32)[:, None]
        return spelled

    return _extractor(number, 1, "stacked-numbers", device)


def _extractor(
    join: Callable[[list[Features]], Floats], features: int, name: str, device: torch.device
) -> Extractor:
    """Look at each colour with the classifier of digits, and join what it saw."""
    digits = domain.embedded("mnist", device=device)

    def extract(pixels: Pixels) -> Features:
        seen = [digits.extract(pixels[..., [channel]]) for channel in range(CHANNELS)]
        return Features(join(seen), np.empty((len(pixels), 0), dtype=np.float32))

    return Extractor(
        name="stacked",
        id=f"{name}-{digits.weights_sha256[:8]}",
        weights_sha256=digits.weights_sha256,
        resize=f"each colour by itself, {digits.resize}",
        features=features,
        licence=digits.licence,
        extract=extract,
    )
