"""Flow matching: the loss is that of a velocity, at a point of the straight way."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Generator, Tensor, nn

import tiny
from trilemma.families import diffusion
from trilemma.families.family import At, Batch
from trilemma.families.process import PROCESSES
from trilemma.maths.samplers import SAMPLERS

CLOCK = At(torch.tensor(0), torch.tensor(0.0))


def test_flow_loss_by_hand() -> None:
    """The velocity from image to noise, at a point of the straight way: 0 was answered at first."""
    settings = replace(tiny.DIFFUSION, process="flow", sigma_mean=0.0, sigma_std=1.0)
    family = diffusion.build(tiny.recipe("", settings))
    images, eps = torch.randn(2, 3, 1, 28, 28, generator=Generator().manual_seed(1))
    level = torch.tensor([-1.5, 0.0, 2.0])
    phase = family.phases[0]
    losses, _ = phase.loss(Batch(images), {"noise": eps, "level": level}, CLOCK)
    torch.testing.assert_close(losses, (eps - images).square().mean((1, 2, 3)), rtol=1e-4, atol=0)
    asked: list[tuple[Tensor, Tensor]] = []
    net = family.nets["generator"]
    nn.init.normal_(net.get_parameter("last.weight"), 0, 0.1)  # it begins at 0
    net.register_forward_hook(lambda _, given, answer: asked.append((given[0], answer)))
    losses, _ = phase.loss(Batch(images), {"noise": eps, "level": level}, CLOCK)
    (seen, said), t = asked[0], level.sigmoid().reshape(-1, 1, 1, 1)
    torch.testing.assert_close(seen, (1 - t) * images + t * eps)
    expected = (said - (eps - images)).square().mean((1, 2, 3))
    torch.testing.assert_close(losses, expected, rtol=1e-3, atol=0)


MEAN, STD = 0.4, 0.3  # of images, one pixel; noise is standard normal


class Velocity(nn.Module):
    """E[noise - image | point of the straight way], of two Gaussians in closed form."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        t = (4 * level).exp() / (1 + (4 * level).exp())
        t = t.reshape(-1, 1, 1, 1)
        spread = (1 - t) ** 2 * STD**2 + t**2
        return -MEAN + (t - (1 - t) * STD**2) / spread * (x - (1 - t) * MEAN)


@pytest.mark.parametrize("normal", [-1.0, 0.0, 1.5])
def test_between_two_gaussians_the_least_loss_is_the_velocitys_own_spread(normal: float) -> None:
    """Var(noise - image | point) = 1 + s^2 - (t - (1 - t) s^2)^2 / V, V the point's variance."""
    settings = replace(tiny.DIFFUSION, process="flow", sigma_mean=0.0, sigma_std=1.0)
    process = PROCESSES["flow"](settings)
    rng = Generator().manual_seed(1)
    images = MEAN + STD * torch.randn(40_000, 1, 1, 1, generator=rng)
    eps = torch.randn(40_000, 1, 1, 1, generator=rng)
    losses = process.losses(Velocity(), images=images, eps=eps, level=torch.full((40_000,), normal))
    t = 1 / (1 + math.exp(-normal))
    spread = (1 - t) ** 2 * STD**2 + t**2
    least = 1 + STD**2 - (t - (1 - t) * STD**2) ** 2 / spread
    assert losses.mean().item() == pytest.approx(least, rel=0.03)


def test_the_way_between_two_gaussians_ends_where_it_must() -> None:
    """Every point keeps its distance from the mean in standard deviations, to second order."""
    settings = replace(tiny.DIFFUSION, process="flow")
    process = PROCESSES["flow"](settings)
    start = torch.linspace(-2, 2, 5).reshape(-1, 1, 1, 1).double() * 80
    errors = []
    for steps in (40, 80):
        sigmas = process.sigmas(steps)
        ends = SAMPLERS["heun"].sample(
            partial(process.denoised, Velocity()), start, sigmas, [Generator()] * 5
        )
        expected = MEAN + STD * (start - MEAN) / math.sqrt(STD**2 + sigmas[0] ** 2)
        errors.append((ends - expected).abs().max().item())
    assert errors[1] < 0.002
    assert errors[0] / errors[1] > 3
