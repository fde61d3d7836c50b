"""Three digits of MNIST as the colours of one image: a thousand classes, 000 to 999.

Source: Metz et al. 2017, arXiv:1611.02163, sec. 3.3.1. There the digits are drawn at random; here
every number is there equally often, so that the true share of each is known.
"""

import numpy as np

from trilemma.data.values import Pixels

NUMBERS = tuple(f"{number:03d}" for number in range(1000))
EACH = {"train": 60, "test": 26}  # images of every number; 26,000 are what papers count modes in
SEEDS = {"train": 1, "test": 2}


def stacked(pixels: Pixels, labels: np.ndarray, split: str) -> tuple[Pixels, np.ndarray]:
    """Stack digits uint8 [N, 28, 28, 1] with their labels [N] into images and their numbers.

    Of train or test; always the same ones. The hundreds are red, the tens green, the units blue.
    """
    rng = np.random.Generator(np.random.PCG64(SEEDS[split]))
    numbers = rng.permutation(np.repeat(np.arange(1000), EACH[split]))
    digits = np.stack([numbers // 100, numbers // 10 % 10, numbers % 10], axis=1)
    rows = np.empty_like(digits)
    for digit in range(10):
        places = digits == digit
        rows[places] = rng.choice(np.flatnonzero(labels == digit), places.sum())
    return np.ascontiguousarray(pixels[rows, :, :, 0].transpose(0, 2, 3, 1)), numbers
