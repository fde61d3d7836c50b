"""Samplers against diffusers' schedulers and against the flow of a Gaussian, known in closed form.

diffusers works in the vp frame (DDPM, DDIM, DPM-Solver++) or the ve frame (Heun, EDM); every oracle
is run in its own frame, with its own timesteps "trailing" as ours, and only the images compared.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import diffusers
import pytest
import torch
from torch import Generator, Tensor

from trilemma.maths import noise
from trilemma.maths.samplers import SAMPLERS, Denoise, randn_each

# diffusers 0.36 to 0.42 hand tensors to numpy in a way that NumPy 2 and newer warn about
OLD_ARRAYS = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
TIMESTEPS = 40
ORDERS = {"ddim": 1, "dpm++2m": 2, "heun": 2}  # as their papers prove
EVALUATIONS = {"ancestral": 7, "ddim": 7, "dpm++2m": 7, "heun": 13}  # of 7 steps
PRODUCTS = noise.linear(1000)[:800:20]  # sigma up to 23, so that float32 leaves 5 digits
BETAS = 1 - PRODUCTS / torch.cat([torch.ones(1), PRODUCTS[:-1]])


def predict_eps(x_t: Tensor, t: int) -> Tensor:
    """Stand in for a network: anything that depends on both of its inputs."""
    return torch.tanh(0.9 * x_t + 0.2) + 0.3 * math.cos(t / 9)


def denoise_vp(x: Tensor, sigma: Tensor) -> Tensor:
    """Wrap predict_eps for the ve frame."""
    sigmas = noise.sigma_of(PRODUCTS)
    t = int((sigmas - sigma[0]).abs().argmin())
    return x - sigmas[t].item() * predict_eps(x * PRODUCTS[t].sqrt().item(), t)


def sigmas_of(steps: int) -> list[float]:
    chosen = noise.trailing_timesteps(steps, TIMESTEPS)
    return [*noise.sigma_of(PRODUCTS)[chosen].tolist(), 0.0]


def generators(*seeds: int) -> list[Generator]:
    return [Generator().manual_seed(seed) for seed in seeds]


def start(rngs: list[Generator]) -> Tensor:
    """Give x_T of the vp frame: asymmetric images of std 1."""
    return randn_each((1, 3, 5), rngs)


def scheduler(kind: Callable[..., Any], **settings: object) -> Any:
    return kind(TIMESTEPS, trained_betas=BETAS.tolist(), timestep_spacing="trailing", **settings)


def run_vp(oracle: Any, x: Tensor, steps: int, rng: Generator | None = None) -> Tensor:
    extra = {} if rng is None else {"generator": rng}
    oracle.set_timesteps(steps)
    for t in oracle.timesteps:
        x = oracle.step(predict_eps(x, int(t)), t, x, **extra).prev_sample
    return x


def ours(name: str, x_vp: Tensor, steps: int, rngs: list[Generator]) -> Tensor:
    sigmas = sigmas_of(steps)
    x = x_vp * math.sqrt(1 + sigmas[0] ** 2)
    return SAMPLERS[name].sample(denoise_vp, x, sigmas, rngs)


def test_ancestral_with_all_timesteps_is_ddpm() -> None:
    rngs = generators(3, 4)
    found = ours("ancestral", start(rngs), TIMESTEPS, rngs)
    for i, rng in enumerate(generators(3, 4)):
        oracle = scheduler(diffusers.DDPMScheduler, variance_type="fixed_small", clip_sample=False)
        expected = run_vp(oracle, start([rng]), TIMESTEPS, rng)
        torch.testing.assert_close(found[i : i + 1], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 8, 40])
def test_ddim_is_that_of_diffusers(steps: int) -> None:
    """Steps that divide the timesteps: elsewhere diffusers' previous timestep is off by one."""
    oracle = scheduler(diffusers.DDIMScheduler, clip_sample=False, set_alpha_to_one=True)
    expected = run_vp(oracle, start(generators(5, 6)), steps)
    found = ours("ddim", start(generators(5, 6)), steps, [])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@OLD_ARRAYS
@pytest.mark.parametrize("steps", [1, 2, 7, 20])
def test_dpm_plus_plus_2m_is_that_of_diffusers(steps: int) -> None:
    """The midpoint form, and a last step of order 1, which a step to sigma 0 needs."""
    oracle = scheduler(
        diffusers.DPMSolverMultistepScheduler, solver_order=2, final_sigmas_type="zero"
    )
    expected = run_vp(oracle, start(generators(7, 8)), steps)
    found = ours("dpm++2m", start(generators(7, 8)), steps, [])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@OLD_ARRAYS
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_heun_is_that_of_diffusers(steps: int) -> None:
    """diffusers counts every evaluation as a timestep, and starts at sigma z; ddpm has std 1."""
    oracle = scheduler(diffusers.HeunDiscreteScheduler)
    oracle.set_timesteps(steps)
    x = start(generators(9, 10)) * (1 + oracle.init_noise_sigma**2) ** 0.5
    for t in oracle.timesteps:
        eps = predict_eps(oracle.scale_model_input(x, t), int(t))
        x = oracle.step(eps, t, x).prev_sample
    assert len(oracle.timesteps) == SAMPLERS["heun"].evaluations(steps)
    found = ours("heun", start(generators(9, 10)), steps, [])
    torch.testing.assert_close(found, x, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ddim", "EDMEulerScheduler"), ("dpm++2m", "EDMDPMSolverMultistepScheduler")],
)
def test_edm_is_that_of_diffusers(name: str, kind: str) -> None:
    """EDM: diffusers preconditions, so that it is given a network's raw output."""
    oracle = getattr(diffusers, kind)(sigma_min=0.01, sigma_max=20.0)
    oracle.set_timesteps(11)
    x = 20 * start(generators(11, 12))
    for t in oracle.timesteps:
        output = predict_eps(oracle.scale_model_input(x, t), 4 * float(t))
        x = oracle.step(output, t, x).prev_sample

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        c = noise.edm_preconditioning(sigma[0], sigma_data=0.5)
        return c.c_skip * x + c.c_out * predict_eps(c.c_in * x, 4 * float(c.c_noise))

    sigmas = noise.edm_sigmas(11, sigma_min=0.01, sigma_max=20.0).tolist()
    found = SAMPLERS[name].sample(denoise, 20 * start(generators(11, 12)), sigmas, [])
    torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)


# A Gaussian: mean and std of every pixel, all different

MEAN = torch.tensor([-0.7, 0.1, 0.4], dtype=torch.float64).reshape(3, 1, 1)
STD = torch.tensor([0.3, 0.8, 0.05], dtype=torch.float64).reshape(3, 1, 1)


def exact(x: Tensor, sigma: Tensor) -> Tensor:
    """Expect x0 behind x = x0 + sigma n, by Bayes."""
    squared = sigma.reshape(-1, 1, 1, 1) ** 2
    return (STD**2 * x + squared * MEAN) / (STD**2 + squared)


def flow(x: Tensor, sigma: float, after: float) -> Tensor:
    """Solve the flow: (x - mean) / sqrt(std^2 + sigma^2) stays what it is."""
    return MEAN + (x - MEAN) * ((STD**2 + after**2) / (STD**2 + sigma**2)).sqrt()


def gaussian_error(name: str, steps: int) -> float:
    """End at sigma 0.02, not 0: the step to 0 is of order 1 in every sampler."""
    x = 5 * torch.tensor([[1.0, -0.6, 0.3]], dtype=torch.float64).reshape(1, 3, 1, 1)
    sigmas = noise.edm_sigmas(steps + 1, sigma_min=0.02, sigma_max=5.0).tolist()[:-1]
    found = SAMPLERS[name].sample(exact, x, sigmas, generators(0))
    return float((found - flow(x, 5.0, 0.02)).abs().max())


def test_every_row_has_an_oracle() -> None:
    assert EVALUATIONS.keys() == SAMPLERS.keys() == ORDERS.keys() | {"ancestral"}


@pytest.mark.parametrize("name", ORDERS)
def test_order_of_accuracy(name: str) -> None:
    errors = [gaussian_error(name, steps) for steps in (80, 160, 320)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(ORDERS[name], abs=0.15)
    assert errors[-1] < 0.02 / 10 ** (ORDERS[name] - 1)


def test_ancestral_meets_the_mean_and_std_of_the_data() -> None:
    """200 steps: the exact recursion ends within 1 % of the std; 8,000 values within 3 %."""
    rngs = generators(*range(2))
    x = 20 * randn_each((3, 80, 50), rngs).double()
    sigmas = noise.edm_sigmas(200, sigma_min=0.002, sigma_max=20.0).tolist()
    found = SAMPLERS["ancestral"].sample(exact, x, sigmas, rngs)
    pixels = found.transpose(0, 1).flatten(1)
    torch.testing.assert_close(pixels.mean(1), MEAN.flatten(), rtol=0, atol=0.04)
    torch.testing.assert_close(pixels.std(1), STD.flatten(), rtol=0.04, atol=0)


@pytest.mark.parametrize("name", SAMPLERS)
def test_evaluations_are_counted(name: str) -> None:
    calls = 0

    def counting(x: Tensor, sigma: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        assert sigma.shape == (len(x),)
        return exact(x, sigma)

    sigmas = noise.edm_sigmas(7, sigma_min=0.02, sigma_max=5.0).tolist()
    SAMPLERS[name].sample(counting, torch.ones(2, 3, 2, 2).double(), sigmas, generators(1, 2))
    assert calls == EVALUATIONS[name] == SAMPLERS[name].evaluations(7)


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_does_not_depend_on_its_batch_mates(name: str) -> None:
    def draw(*seeds: int) -> Tensor:
        rngs = generators(*seeds)
        sample: Callable[[Denoise, Tensor, list[float], list[Generator]], Tensor]
        sample = SAMPLERS[name].sample
        return sample(exact, 5 * start_rgb(rngs), [5.0, 1.0, 0.1, 0.0], rngs)

    torch.testing.assert_close(draw(1, 2, 3)[1], draw(2)[0], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(draw(1, 2, 3)[1], draw(3)[0])


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_table_says_who_draws_on_the_way(name: str) -> None:
    rngs = generators(1)
    before = rngs[0].get_state()
    SAMPLERS[name].sample(exact, torch.ones(1, 3, 2, 2).double(), [5.0, 1.0, 0.1, 0.0], rngs)
    assert SAMPLERS[name].random == (not torch.equal(rngs[0].get_state(), before))


def start_rgb(rngs: list[Generator]) -> Tensor:
    return randn_each((3, 4, 5), rngs).double()


def test_one_generator_an_image() -> None:
    with pytest.raises(AssertionError, match="1 generators for 2 images"):
        SAMPLERS["ancestral"].sample(exact, torch.ones(2, 3, 1, 1), [1.0, 0.0], generators(1))
