"""Muon against PyTorch's own, against singular values, and inside a step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from trilemma.optimizers import (
    MUON,
    POLYNOMIAL,
    ROUNDS,
    Muon,
    optimizers_of,
    orthogonal,
    owner,
    set_rates,
)
from trilemma.recipe.recipe import OptimizerRecipe

RECIPE = OptimizerRecipe(lr=1e-3, muon_lr=1e-2)


@pytest.mark.parametrize("shape", [(3, 16, 40), (2, 40, 16), (1, 24, 24)])
def test_singular_values_follow_the_polynomial_and_directions_stay(
    shape: tuple[int, int, int],
) -> None:
    matrices = torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = orthogonal(matrices).numpy()
    a, b, c = POLYNOMIAL
    for matrix, drawn in zip(matrices.numpy(), found, strict=True):
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        values = values / np.sqrt((values**2).sum())
        for _ in range(ROUNDS):
            values = a * values + b * values**3 + c * values**5
        np.testing.assert_allclose(drawn, left * values @ right, atol=1e-6)
        assert values.max() < 1.25


def test_it_steps_as_pytorchs_muon_does() -> None:
    """PyTorch's computes in bf16, and for matrices alone."""
    rng = torch.Generator().manual_seed(1)
    start = torch.randn(24, 60, generator=rng)
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    muon = Muon([ours], lr=0.02, weight_decay=0.1)
    reference = torch.optim.Muon(
        [theirs], lr=0.02, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"
    )
    for _ in range(4):
        gradient = torch.randn(24, 60, generator=rng)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        reference.step()
    moved = (theirs - start).detach()
    assert float(moved.square().mean().sqrt()) > 0.01
    assert float((ours - theirs).detach().norm()) < 0.03 * float(moved.norm())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_is_a_matrix_whatever_its_layout(layout: torch.memory_format) -> None:
    rng = torch.Generator().manual_seed(2)
    start, gradient = (torch.randn(20, 16, 3, 3, generator=rng) for _ in range(2))
    flat = nn.Parameter(start.flatten(1).clone())
    flat.grad = gradient.flatten(1).clone()
    shaped = nn.Parameter(start.clone().to(memory_format=layout))
    shaped.grad = gradient.clone().to(memory_format=layout)
    for weight in (flat, shaped):
        Muon([weight], lr=0.01).step()
    torch.testing.assert_close(shaped.detach().flatten(1), flat.detach())


def test_layers_of_pixels_and_vectors_stay_with_adam() -> None:
    convolutions = nn.Conv2d(4, 32, 3), nn.Conv2d(32, 16, 3), nn.Conv2d(16, 4, 3)
    others = nn.Linear(32, 32, bias=False), nn.ConvTranspose2d(32, 32, 2, bias=False)
    net = nn.Sequential(*convolutions, *others)
    made = optimizers_of("generator", net, RECIPE)
    assert list(made) == ["generator", "generator" + MUON]
    assert {owner(name) for name in made} == {"generator"}
    assert made["generator" + MUON].param_groups[0]["params"] == [convolutions[1].weight]
    held = [p for o in made.values() for group in o.param_groups for p in group["params"]]
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}
    assert len(held) == 8
    assert list(optimizers_of("generator", net, replace(RECIPE, muon_lr=0.0))) == ["generator"]
    set_rates(made.values(), RECIPE, 0.5)
    rates = [group["lr"] for o in made.values() for group in o.param_groups if group["params"]]
    assert rates == [0.0005, 0.005]
    every = optimizers_of("generator", net, replace(RECIPE, muon_layers="all"))
    taken = [group["params"] for group in every["generator" + MUON].param_groups]
    assert taken == [[convolutions[1].weight, others[0].weight], [others[1].weight]]


def test_weights_under_spectral_norm_stay_with_adam() -> None:
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(32, 16, 3))
    made = optimizers_of("critic", nn.Sequential(layer), replace(RECIPE, muon_layers="all"))
    assert list(made) == ["critic"]


def test_a_transposed_convolution_is_a_convolution_turned() -> None:
    """[inputs, outputs, ...] steps as the convolution with [outputs, inputs, ...] does."""
    rng = torch.Generator().manual_seed(3)
    start, gradient = (torch.randn(20, 16, 4, 4, generator=rng) for _ in range(2))
    straight, turned = nn.Parameter(start.clone()), nn.Parameter(start.transpose(0, 1).clone())
    for _ in range(2):
        straight.grad, turned.grad = gradient, gradient.transpose(0, 1).clone()
        Muon([straight], lr=0.01).step()
        Muon([], lr=0.01, turned=[turned]).step()
    torch.testing.assert_close(turned.detach().transpose(0, 1), straight.detach())


def test_without_momentum_a_step_knows_its_own_gradient_alone() -> None:
    rng = torch.Generator().manual_seed(4)
    start = torch.zeros(20, 16)
    first, second = (torch.randn(20, 16, generator=rng) for _ in range(2))
    weight = nn.Parameter(start.clone())
    muon = Muon([weight], lr=0.01, momentum=0.0)
    for gradient in (first, second):
        weight.grad = gradient
        before = weight.detach().clone()
        muon.step()
    alone = -0.01 * 0.2 * 20**0.5 * orthogonal(second[None])[0]
    torch.testing.assert_close(weight.detach() - before, alone)
    assert not muon.state
