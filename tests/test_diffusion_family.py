"""The diffusion family: its contract, its losses by hand, and its draws with a perfect network."""

import math
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.families import diffusion
from trilemma.families.family import At, Batch, DrawOptions, Family
from trilemma.maths import noise
from trilemma.maths.samplers import SAMPLERS
from trilemma.recipe.networks import UNet
from trilemma.recipe.recipe import DataRecipe, DiffusionRecipe, Recipe

CLOCK = At(torch.tensor(0), torch.tensor(0.0))
MEAN, STD = -0.3, 0.2  # of the data a perfect network knows; 0.3 + 3.5 x 0.2 = 1: clipping is rare
PERFECT = {"eps": (0, 1), "x0": (1, 0)}  # p x0 + q eps; v depends on the level
PROCESSES = [("ddpm", "eps"), ("ddpm", "v"), ("ddpm", "x0"), ("edm", "eps"), ("flow", "eps")]


def recipe_of(size: str = "8x6", channels: int = 2, **changes: Any) -> Recipe:
    net = UNet(width=8, multipliers=(1, 2), blocks=1, attention=(), heads=2)
    return Recipe(
        seed=3,
        data=DataRecipe(size=size, channels=channels),
        family=DiffusionRecipe(generator=net, **{"timesteps": 50, "steps": 5, **changes}),
    )


def generators(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


def woken(family: Family) -> Family:
    """Give the layers that begin at 0 some weight."""
    torch.manual_seed(5)
    for parameter in family.nets.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, 0, 0.1)
    return family


def noise_of(family: Family, n: int, seed: int = 0) -> dict[str, Tensor]:
    rng = Generator().manual_seed(seed)
    return {name: draw(n, rng) for name, draw in family.phases[0].noise.items()}


@pytest.mark.parametrize(("process", "prediction"), PROCESSES)
def test_contract(process: str, prediction: str) -> None:
    family = woken(diffusion.build(recipe_of(process=process, prediction=prediction)))
    (phase,) = family.phases
    assert (phase.name, phase.trains, family.averaged) == ("denoise", "generator", ("generator",))
    assert family.splits
    drawn = noise_of(family, 7)
    assert drawn["noise"].shape == (7, 2, 6, 8)
    assert drawn["level"].shape == (7,)
    assert all(tensor.dtype == torch.float32 for tensor in drawn.values())
    images = torch.rand(7, 2, 6, 8, generator=Generator().manual_seed(1)) * 2 - 1
    losses, scalars = phase.loss(Batch(images), drawn, CLOCK)
    assert losses.shape == (7,)
    assert all(values.shape == (7,) for values in scalars.values())
    parts = [
        phase.loss(Batch(images[cut]), {k: v[cut] for k, v in drawn.items()}, CLOCK)[0]
        for cut in (slice(0, 3), slice(3, 7))
    ]
    torch.testing.assert_close(torch.cat(parts), losses)
    losses.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in family.nets.parameters())


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="torch 2.9 does not compile on 3.14")
@pytest.mark.filterwarnings("ignore:Guards may run slower")  # torch 2.15 on Python 3.13.0
@pytest.mark.parametrize("process", ["ddpm", "edm", "flow"])
def test_the_loss_is_one_graph(process: str) -> None:
    family = woken(diffusion.build(recipe_of(process=process)))
    phase, drawn = family.phases[0], noise_of(family, 3)
    batch = Batch(torch.rand(3, 2, 6, 8, generator=Generator().manual_seed(1)) * 2 - 1)
    compiled, _ = torch.compile(phase.loss, backend="eager", fullgraph=True)(batch, drawn, CLOCK)
    torch.testing.assert_close(compiled, phase.loss(batch, drawn, CLOCK)[0])


@pytest.mark.parametrize("process", ["ddpm", "edm", "flow"])
def test_half_precision_moves_the_loss_little(process: str) -> None:
    family = woken(diffusion.build(recipe_of(process=process)))
    phase, drawn = family.phases[0], noise_of(family, 8)
    batch = Batch(torch.rand(8, 2, 6, 8, generator=Generator().manual_seed(1)) * 2 - 1)
    with torch.autocast("cpu", torch.bfloat16):
        half, _ = phase.loss(batch, drawn, CLOCK)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, phase.loss(batch, drawn, CLOCK)[0], rtol=0.03, atol=0)


def test_the_seed_alone_makes_the_weights() -> None:
    state = torch.get_rng_state()
    first, again = (diffusion.build(recipe_of()).nets.state_dict() for _ in range(2))
    other = diffusion.build(replace(recipe_of(), seed=4)).nets.state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    name = "generator.first.weight"
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first[name], other[name])
    assert "generator.sigmas" not in first  # constants are in no checkpoint


@pytest.mark.parametrize("prediction", noise.PREDICTIONS)
def test_ddpm_loss_by_hand(prediction: str) -> None:
    """The network says 0 at first: the loss is the mean square of its target."""
    family = diffusion.build(recipe_of(process="ddpm", prediction=prediction, schedule="cosine"))
    images, eps = torch.randn(2, 2, 2, 6, 8, generator=Generator().manual_seed(1))
    level = torch.tensor([0.119, 0.999])  # timesteps 5 and 49 of 50
    drawn = {"noise": eps, "level": level}
    losses, _ = family.phases[0].loss(Batch(images), drawn, CLOCK)
    products = noise.cosine(50)[[5, 49]].float().reshape(2, 1, 1, 1)
    target = {
        "eps": eps,
        "v": products.sqrt() * eps - (1 - products).sqrt() * images,
        "x0": images,
    }[prediction]
    torch.testing.assert_close(losses, target.square().mean((1, 2, 3)), rtol=1e-4, atol=0)


def test_edm_loss_by_hand() -> None:
    """The network says 0 at first: D = c_skip x, weighted by (sigma^2 + 0.25) / (sigma / 2)^2."""
    family = diffusion.build(recipe_of(process="edm"))
    images, eps = torch.randn(2, 2, 2, 6, 8, generator=Generator().manual_seed(1))
    drawn = {"noise": eps, "level": torch.tensor([-0.4, 1.7])}
    losses, _ = family.phases[0].loss(Batch(images), drawn, CLOCK)
    for i, level in enumerate((-0.4, 1.7)):
        sigma = math.exp(-1.2 + 1.2 * level)
        error = 0.25 / (0.25 + sigma**2) * (images[i] + sigma * eps[i]) - images[i]
        expected = (sigma**2 + 0.25) / (sigma / 2) ** 2 * error.square().mean()
        assert losses[i].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("process", "levels"),
    [("ddpm", [0.1, 0.5, 0.9]), ("edm", [-2.0, 0.1, 1.5]), ("flow", [-2.0, 0.1, 1.5])],
)
def test_scalars_tell_little_from_much_noise(process: str, levels: list[float]) -> None:
    family = diffusion.build(recipe_of(process=process))
    images, eps = torch.randn(2, 3, 2, 6, 8, generator=Generator().manual_seed(1))
    drawn = {"noise": eps, "level": torch.tensor(levels)}
    losses, scalars = family.phases[0].loss(Batch(images), drawn, CLOCK)
    found = [scalars[f"loss_{how}_noise"].mean() for how in ("little", "some", "much")]
    torch.testing.assert_close(torch.stack(found), losses.detach())


class Perfect(nn.Module):
    """Know that images are N(MEAN, STD), and answer as the process wants to be answered."""

    def __init__(self, process: str, prediction: str, sigma_data: float) -> None:
        super().__init__()
        self.kind = (process, prediction)
        self.sigma_data = sigma_data
        self.weight = nn.Parameter(torch.zeros(()))  # the device is that of the weights
        self.error = 0.0  # of every answer
        self.levels: list[float] = []  # it was asked about

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        self.levels.append(level[0].item())
        sigma = (4 * level).exp().reshape(-1, 1, 1, 1)
        total = (sigma**2 + self.sigma_data**2).sqrt()
        a = (1 + sigma**2).rsqrt()
        frame = {"edm": total, "flow": 1 + sigma, "ddpm": 1 / a}
        x = x * frame[self.kind[0]]
        x0 = (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)
        eps = (x - x0) / sigma
        if self.kind[0] == "edm":
            return (x0 - self.sigma_data**2 / total**2 * x) * total / (sigma * self.sigma_data)
        if self.kind[0] == "flow":
            return eps - x0
        p, q = PERFECT.get(self.kind[1], (-sigma * a, a))
        return p * x0 + q * eps + self.error


def perfect(process: str, prediction: str, **changes: Any) -> tuple[Family, Perfect]:
    recipe = recipe_of(process=process, prediction=prediction, timesteps=1000, **changes)
    family = diffusion.build(recipe)
    assert isinstance(recipe.family, DiffusionRecipe)
    net = Perfect(process, prediction, recipe.family.sigma_data)
    for name, buffer in family.nets["generator"].named_buffers(recurse=False):
        net.register_buffer(name, buffer, persistent=False)
    family.nets["generator"] = net
    return family, net


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("process", "prediction"), PROCESSES)
def test_a_perfect_network_draws_the_data(process: str, prediction: str, sampler: str) -> None:
    family, net = perfect(process, prediction, schedule="cosine", sigma_data=0.4)
    options = DrawOptions(sampler=sampler, steps=100)
    images = family.draw(family.nets, generators(*range(60)), None, options)
    assert images.shape == (60, 2, 6, 8)
    assert images.mean().item() == pytest.approx(MEAN, abs=0.015)  # 5,760 values: 0.003
    assert images.std().item() == pytest.approx(STD, rel=0.08)  # the last steps are coarse
    assert len(net.levels) == family.evaluations(options)


@pytest.mark.parametrize("schedule", noise.SCHEDULES)
def test_few_heun_steps_do_not_run_away(schedule: str) -> None:
    """A small error at a cosine's last sigma, 20,000, would throw the next state far off: to white.

    The last step, from sigma to 0, leaves std^2 / sqrt(std^2 + sigma^2) of a Gaussian.
    """
    family, net = perfect("ddpm", "eps", schedule=schedule)
    net.error = 0.0005
    options = DrawOptions(sampler="heun", steps=10)
    images = family.draw(family.nets, generators(*range(60)), None, options)
    expected = STD**2 / math.hypot(STD, math.exp(4 * net.levels[-1]))
    assert images.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert images.std().item() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("process", ["ddpm", "edm", "flow"])
def test_an_image_is_that_of_its_seed(process: str, sampler: str) -> None:
    family = woken(diffusion.build(recipe_of(process=process)))
    options = DrawOptions(sampler=sampler)

    def draw(*seeds: int) -> Tensor:
        return family.draw(family.nets, generators(*seeds), None, options)

    together, alone = draw(4, 5, 6), draw(5)
    torch.testing.assert_close(together[1], alone[0], rtol=0, atol=1 / 255)
    assert (together[0] - together[1]).abs().mean() > 0.05
    assert together.dtype == torch.float32
    assert together.abs().max() <= 1
    assert not together.requires_grad


def test_all_timesteps_are_used_when_asked_for() -> None:
    family, net = perfect("ddpm", "eps", schedule="cosine")
    family.draw(family.nets, generators(1), None, DrawOptions(sampler="ancestral", steps=1000))
    expected = noise.sigma_of(noise.cosine(1000)).log().flip(0) / 4
    assert net.levels == pytest.approx(expected.tolist(), abs=1e-5)


def test_defaults_are_the_recipes_own() -> None:
    family = woken(diffusion.build(recipe_of(process="edm", sampler="heun", steps=4)))
    assert family.evaluations(DrawOptions()) == 7
    assert family.evaluations(DrawOptions(steps=9)) == 17
    assert family.evaluations(DrawOptions(sampler="ddim")) == 4
    drawn = [
        family.draw(family.nets, generators(1), None, options)
        for options in (DrawOptions(), DrawOptions(sampler="heun", steps=4))
    ]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("process", ["ddpm", "edm", "flow"])
def test_a_batch_sees_one_level_in_each_share_of_them(process: str) -> None:
    family = diffusion.build(recipe_of(process=process))
    level = family.phases[0].noise["level"]
    drawn = torch.stack([level(8, Generator().manual_seed(seed)) for seed in range(400)])
    places = drawn if process == "ddpm" else torch.special.ndtr(drawn)
    assert torch.equal((places * 8).long().sort(1).values, torch.arange(8).expand(400, 8))
    assert not torch.equal((places[0] * 8).long(), torch.arange(8))  # parts of a batch see all
    first = places[:, 0].sort().values  # alone each is uniform: within 1.63 / sqrt(400), 99 %
    assert float((first - (torch.arange(400) + 0.5) / 400).abs().max()) < 1.63 / 20
    assert level(1, Generator().manual_seed(3)).isfinite().all()


def test_mistakes_are_answered_in_a_line() -> None:
    family = diffusion.build(recipe_of())
    with pytest.raises(RecipeError, match=r"unknown sampler 'dmp\+\+2m'.*dpm\+\+2m"):
        family.evaluations(DrawOptions(sampler="dmp++2m"))
    with pytest.raises(RecipeError, match=r"51 sampling steps, .* 50 timesteps"):
        family.draw(family.nets, generators(1), None, DrawOptions(steps=51))
    with pytest.raises(RecipeError, match="-2 sampling steps"):
        family.draw(family.nets, generators(1), None, DrawOptions(steps=-2))
    for field in ("schedule", "prediction", "sampler"):
        with pytest.raises(RecipeError, match=f"unknown {field} 'linaer'"):
            diffusion.build(recipe_of(**{field: "linaer"}))


@pytest.mark.parametrize("process", ["ddpm", "edm", "flow"])
def test_it_learns_two_pictures(process: str) -> None:
    """A cross and a ring: after 120 small steps most draws are one of the two, and both occur."""
    cross, ring = torch.eye(6).maximum(torch.eye(6).flip(0)), torch.ones(6, 6)
    ring[1:-1, 1:-1] = 0
    pictures = torch.stack([cross, ring])[:, None] * 2 - 1
    family = diffusion.build(recipe_of("6", 1, process=process, prediction="v", sampler="ddim"))
    optimizer = torch.optim.Adam(family.nets.parameters(), lr=1e-2, betas=(0.9, 0.99))
    for step in range(120):
        batch = Batch(pictures.repeat(8, 1, 1, 1))
        losses, _ = family.phases[0].loss(batch, noise_of(family, 16, seed=step), CLOCK)
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()
    drawn = family.draw(family.nets, generators(*range(24)), None, DrawOptions(steps=12))
    distance = (drawn[:, None] - pictures).square().mean((2, 3, 4))
    assert distance.min(1).values.median() < 0.2
    assert set(distance.argmin(1).tolist()) == {0, 1}  # the two are 2.2 apart
