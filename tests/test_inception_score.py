import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_isc import isc_features_to_metric

from trilemma.maths.inception_score import inception_score


def logits(seed: int, n: int, classes: int) -> Tensor:
    return torch.randn(n, classes, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("splits", [1, 3, 10])
@pytest.mark.parametrize("scale", [0.1, 1.0, 8.0])
def test_score_is_that_of_other_code(splits: int, scale: float) -> None:
    """A number of images that the splits do not divide is cut elsewhere: 120 is not."""
    seen = logits(0, 120, 7) * scale + torch.arange(7)
    expected = isc_features_to_metric(seen, splits=splits, shuffle=False)["inception_score_mean"]
    assert inception_score(seen, splits=splits).value == pytest.approx(expected, rel=1e-9)


def test_ends_of_the_scale() -> None:
    """Sure and balanced: the number of classes. Undecided, or all in one class: 1."""
    sure = torch.eye(5).repeat(4, 1) * 1000  # p log p at p = 0, too
    assert inception_score(sure).value == pytest.approx(5)
    assert inception_score(torch.zeros(20, 5)).value == pytest.approx(1)
    assert inception_score(sure[:1].repeat(20, 1)).value == pytest.approx(1)
    halves = torch.eye(5)[:2].repeat(10, 1) * 1000
    assert inception_score(halves).value == pytest.approx(2)


def test_error_is_that_of_literal_deletion() -> None:
    seen = logits(1, 24, 4).double() * 2
    variance = 0.0
    for part in np.split(np.arange(24), 2):
        values = [inception_score(seen[np.delete(part, i)]).value for i in range(12)]
        variance += 11 * float(np.var(values)) / 4
    found = inception_score(seen, splits=2)
    assert found.error == pytest.approx(math.sqrt(variance), rel=1e-9)
    assert found.low < found.value < found.high


def test_error_is_the_spread_over_new_samples() -> None:
    scores = [inception_score(logits(seed, 200, 5) * 3) for seed in range(100, 300)]
    spread = float(np.std([score.value for score in scores]))
    assert np.mean([score.error for score in scores]) == pytest.approx(spread, rel=0.2)
