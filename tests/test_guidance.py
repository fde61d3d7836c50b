"""Guidance by an earlier self: where it leads to, what it costs, and when the guide is taken."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

import tiny
from trilemma.average import Average
from trilemma.errors import RecipeError
from trilemma.families import diffusion
from trilemma.families.family import At, DrawOptions
from trilemma.maths.samplers import SAMPLERS
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import Recipe


def recipe_of(**changes: Any) -> Recipe:
    return tiny.recipe("", replace(tiny.DIFFUSION, **changes))


def generators(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


class Constant(nn.Module):
    """Believes in one image whatever it sees."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images: Tensor, level: Tensor) -> Tensor:
        return self.value.expand_as(images)


@pytest.mark.parametrize(("guidance", "expected"), [(0.0, 0.4), (1.0, 0.2), (1.5, 0.3), (3.0, 0.6)])
def test_guidance_goes_on_from_the_guide_past_the_network(guidance: float, expected: float) -> None:
    """The network says 0.2 and the guide 0: twice the way is 0.4. The recipe asks for 2."""
    family = diffusion.build(recipe_of(process="ddpm", prediction="x0", guidance=2.0, guide_at=0.3))
    assert dict(family.guides) == {"guide": ("generator", 0.3)}
    nets = nn.ModuleDict({"generator": Constant(0.2), "guide": Constant(0.0)})
    nets["generator"].register_buffer("sigmas", family.nets["generator"].get_buffer("sigmas"))
    nets["guide"].register_buffer("sigmas", family.nets["generator"].get_buffer("sigmas"))
    options = DrawOptions(sampler="ddim", steps=3, guidance=guidance)
    images = family.draw(nets, generators(0, 1), None, options)
    torch.testing.assert_close(images, torch.full_like(images, expected))
    assert family.evaluations(options) == (3 if guidance == 1 else 6)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("below", [0.0, 0.5, 1e9])
def test_the_guide_is_asked_under_its_level_alone_and_counted(sampler: str, below: float) -> None:
    """Every evaluation of either network is counted, by the networks themselves."""
    family = diffusion.build(recipe_of(guidance=2.0, guide_below=below))
    nets = nn.ModuleDict()
    asked: dict[str, list[float]] = {"generator": [], "guide": []}
    for name, levels in asked.items():
        net = Constant(0.1)
        net.register_forward_pre_hook(lambda net, given, to=levels: to.append(given[1][0].item()))
        nets[name] = net
    options = DrawOptions(sampler=sampler, steps=6)
    family.draw(nets, generators(0, 1), None, options)
    sigmas = [math.exp(4 * level) for level in asked["generator"]]
    expected = [sigma for sigma in sigmas if not below or sigma <= below]
    assert [math.exp(4 * level) for level in asked["guide"]] == expected
    assert (0 < len(expected) < len(sigmas)) == (below == 0.5)
    assert family.evaluations(options) == len(sigmas) + len(expected)
    assert family.how(options).endswith("guidance 2 below sigma 0.5") == (below == 0.5)


@pytest.mark.parametrize("below", [0.0, 0.5])
def test_more_steps_than_timesteps_cannot_be_counted(below: float) -> None:
    family = diffusion.build(
        recipe_of(process="ddpm", timesteps=16, guidance=2.0, guide_below=below)
    )
    assert family.evaluations(DrawOptions(sampler="ddim", steps=16)) >= 16
    with pytest.raises(RecipeError, match="20 sampling steps, but training knows 16"):
        family.evaluations(DrawOptions(sampler="ddim", steps=20))


def test_a_guide_that_is_never_asked_is_refused() -> None:
    recipe = recipe_of(guidance=2.0, guide_below=0.001)
    with pytest.raises(RecipeError, match=r"never be asked; allowed: 0 \(always\), 0\.002 or more"):
        check(recipe)


def test_without_guidance_there_is_no_guide() -> None:
    family = diffusion.build(recipe_of())
    assert not family.guides
    with pytest.raises(RecipeError, match=r"guidance 2, but this training kept no guide; train"):
        family.evaluations(DrawOptions(guidance=2.0))


def test_a_guide_follows_the_average_until_its_moment() -> None:
    family = diffusion.build(recipe_of(guidance=2.0, guide_at=0.5))
    average = Average(family, half_life=10.0, ramp=1.0)
    weight = family.nets["generator"].get_parameter("first.weight")
    seen = []
    for images in (10, 50, 51, 100):
        with torch.no_grad():
            weight.add_(1)
        average.update(10, At(images, images / 100))
        seen.append([net.get_parameter("first.weight").clone() for net in average.nets.values()])
    (early, guide0), (middle, guide1), (_, guide2), (last, guide3) = seen
    assert torch.equal(early, guide0)
    assert torch.equal(middle, guide1)
    assert torch.equal(guide1, guide2)
    assert torch.equal(guide1, guide3)
    assert (last - guide3).abs().min() > 0.3
    assert not average.nets["guide"].get_parameter("first.weight").requires_grad


def test_whose_noise_is_little_is_guided_whatever_stands_beside_it() -> None:
    """Distillation has images of several levels in one batch: each is decided by its own."""
    family = diffusion.build(recipe_of(guidance=2.0, guide_below=0.5))
    nets = nn.ModuleDict({"generator": family.nets["generator"], "guide": family.nets["generator"]})
    how = diffusion.How("heun", 2, 2.0, 0.5)

    class Says:
        """A process whose guide says 1 and whose network says 3 of everything."""

        said = 0

        def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
            self.said += 1
            return torch.full_like(x, 3.0 if self.said % 2 else 1.0)

    x = torch.zeros(2, 1, 4, 4)
    for sigmas, expected in (((0.3, 2.0), [5, 3]), ((2.0, 0.3), [3, 5]), ((0.1, 0.2), [5, 5])):
        denoise = diffusion.denoiser(Says(), nets, how)  # type: ignore[arg-type]
        assert denoise(x, torch.tensor(sigmas)).mean((1, 2, 3)).tolist() == expected
