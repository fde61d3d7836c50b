"""Flow matching: the loss is that of a velocity, at a point of the straight way."""

from dataclasses import replace

import torch
from torch import Generator, Tensor, nn

import tiny
from trilemma.families import diffusion
from trilemma.families.family import At, Batch

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
