"""Consistency, of Gaussians in closed form: denoiser, way and answer are known."""

import pytest
import torch
from torch import Generator, Tensor

from trilemma.maths.consistency import consistency, heun_step

MEAN, STD = 0.3, 0.5


def denoise(x: Tensor, sigma: Tensor) -> Tensor:
    """Give E[x0 | x] for x0 ~ N(MEAN, STD^2)."""
    s = sigma.reshape(-1, 1)
    return MEAN + STD**2 / (STD**2 + s**2) * (x - MEAN)


def down(x: Tensor, sigma: Tensor, lower: Tensor) -> Tensor:
    """Go down the exact way: distances from the mean shrink as sqrt(STD^2 + sigma^2) does."""
    factor = ((STD**2 + lower**2) / (STD**2 + sigma**2)).sqrt().reshape(-1, 1)
    return MEAN + (x - MEAN) * factor


def answer(x: Tensor, sigma: Tensor) -> Tensor:
    """Give the end of the exact way."""
    return down(x, sigma, torch.full_like(sigma, 0.002))


def test_heun_goes_the_exact_way_to_third_order() -> None:
    """Halving the step divides the error of one by about eight."""
    x = torch.tensor([[1.7], [-0.9]], dtype=torch.float64)
    sigma = torch.tensor([1.2, 0.7], dtype=torch.float64)
    errors = [
        (heun_step(denoise, x, sigma=sigma, lower=sigma - h) - down(x, sigma, sigma - h)).abs()
        for h in (0.1, 0.05)
    ]
    assert (errors[0] / errors[1]).min() > 6


def drawn(n: int = 500) -> tuple[Tensor, Tensor, Tensor]:
    rng = Generator().manual_seed(1)
    images = MEAN + STD * torch.randn(n, 1, generator=rng, dtype=torch.float64)
    eps = torch.randn(n, 1, generator=rng, dtype=torch.float64)
    return images, eps, torch.rand(n, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("rungs", [12, 100])
def test_the_exact_answer_is_consistent_and_others_are_not(rungs: int) -> None:
    images, eps, rung = drawn()

    def loss(of: object) -> Tensor:
        return consistency(
            of,  # type: ignore[arg-type]
            denoise,
            images=images,
            eps=eps,
            rung=rung,
            rungs=rungs,
            sigma_max=2.5,
            sigma_min=0.002,
        )

    exact, wrong = loss(answer), loss(denoise)
    assert exact.shape == (500,)
    assert exact.mean() < 0.01 * wrong.mean(), "what is expected is not where the way ends"


def test_the_target_gets_no_gradient() -> None:
    """d/dw of (w a - sg(w b))^2 is 2 a (w a - w b); with a gradient there it would be another."""
    images, eps, rung = drawn(3)
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    seen: list[Tensor] = []

    def scaled(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(x.detach())
        return weight * x

    losses = consistency(
        scaled,
        denoise,
        images=images,
        eps=eps,
        rung=rung,
        rungs=9,
        sigma_max=2.5,
        sigma_min=0.002,
    )
    (found,) = torch.autograd.grad(losses.sum(), weight)
    below, above = seen
    torch.testing.assert_close(found, (2 * above * 0.7 * (above - below)).sum())
