import math

import pytest
import torch

from trilemma.maths.rates import RATES, average_decay, cosine_fade, half_life, warmup

ORACLE = {  # factor at fraction 1/4 with end 0.2, by hand
    "constant": 1.0,
    "cosine": 0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2,
    "linear": 0.8,
}


def test_every_rate_has_an_oracle() -> None:
    assert ORACLE.keys() == RATES.keys()


@pytest.mark.parametrize("name", RATES)
def test_rate(name: str) -> None:
    assert RATES[name](0.25, 0.2) == pytest.approx(ORACLE[name], rel=1e-12)
    assert RATES[name](0.0, 0.2) == pytest.approx(1.0)
    if name != "constant":
        assert RATES[name](1.0, 0.2) == pytest.approx(0.2)


def test_cosine_fade_is_the_tensor_form_of_cosine() -> None:
    fade = cosine_fade(torch.tensor(0.25, dtype=torch.float64), end=0.2)
    assert fade.item() == pytest.approx(ORACLE["cosine"], rel=1e-12)


def test_warmup() -> None:
    assert warmup(0, images=0) == 1.0
    assert warmup(99, images=200) == pytest.approx(0.5)
    assert warmup(10_000, images=200) == 1.0


def test_half_life_of_the_documents() -> None:
    """0.999 a step at batch 128: 0.999^k = 1/2 after k = ln 2 / -ln 0.999 steps."""
    steps = math.log(2) / -math.log(0.999)
    assert half_life(0.999, images=128) == pytest.approx(128 * steps)
    assert half_life(0.999, images=128) == pytest.approx(88_679, rel=1e-3)


def test_average_decay() -> None:
    assert average_decay(100, images_seen=10_000, half_life=100, ramp=0.05) == pytest.approx(0.5)
    assert average_decay(100, images_seen=1_000, half_life=100, ramp=0.05) == pytest.approx(0.25)
    assert average_decay(100, images_seen=5, half_life=0, ramp=0.05) == 0.0
    one, two = (average_decay(n, images_seen=10**6, half_life=500, ramp=0.0) for n in (100, 200))
    assert two == pytest.approx(one**2)
