"""Noise schedules, predictions and preconditioning against diffusers and against hand work."""

import math

import diffusers
import pytest
import torch
from torch import Tensor

from trilemma.maths import noise

BETA_SCHEDULES = {"cosine": "squaredcos_cap_v2", "linear": "linear"}  # ours: diffusers'
PREDICTION_TYPES = {"eps": "epsilon", "v": "v_prediction", "x0": "sample"}
X0, EPS, A, S = 0.5, -1.5, 0.8, 0.6  # x_t = 0.4 - 0.9 = -0.5
TARGET = {"eps": -1.5, "v": 0.8 * -1.5 - 0.6 * 0.5, "x0": 0.5}  # by hand


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_every_row_has_an_oracle() -> None:
    assert BETA_SCHEDULES.keys() == noise.SCHEDULES.keys()
    assert PREDICTION_TYPES.keys() == TARGET.keys() == noise.PREDICTIONS.keys()


@pytest.mark.parametrize("timesteps", [1000, 250])
@pytest.mark.parametrize("name", noise.SCHEDULES)
def test_schedules_are_those_of_diffusers(name: str, timesteps: int) -> None:
    scale = 1000 / timesteps  # diffusers leaves the scaling of the linear schedule to its caller
    oracle = diffusers.DDPMScheduler(
        timesteps, 1e-4 * scale, 0.02 * scale, beta_schedule=BETA_SCHEDULES[name]
    ).alphas_cumprod
    ours = noise.SCHEDULES[name](timesteps)
    assert ours.shape == (timesteps,)
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, oracle.double(), rtol=1e-4, atol=0)  # theirs is float32


def test_linear_step_by_step() -> None:
    product, expected = 1.0, []
    for t in range(40):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * t / 39) * 25
        expected.append(product)
    torch.testing.assert_close(noise.linear(40), numbers(*expected))


def test_cosine_follows_the_curve_until_the_cap() -> None:
    ours = noise.cosine(100)
    curve = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(101)]
    torch.testing.assert_close(ours[:99], numbers(*(c / curve[0] for c in curve[1:100])))
    torch.testing.assert_close(ours[99] / ours[98], numbers(0.001)[0])  # the cap: beta 0.999


@pytest.mark.parametrize("name", noise.SCHEDULES)
@pytest.mark.parametrize("timesteps", [1, 2, 7])
def test_few_timesteps_stay_finite(name: str, timesteps: int) -> None:
    sigmas = noise.sigma_of(noise.SCHEDULES[name](timesteps))
    assert sigmas.isfinite().all()
    assert (sigmas.diff() > 0).all()


@pytest.mark.parametrize(("steps", "timesteps"), [(1, 1000), (7, 1000), (50, 1000), (12, 12)])
def test_timesteps_trail(steps: int, timesteps: int) -> None:
    oracle = diffusers.DDIMScheduler(timesteps, timestep_spacing="trailing")
    oracle.set_timesteps(steps)
    assert noise.trailing_timesteps(steps, timesteps).tolist() == oracle.timesteps.tolist()


def test_more_steps_than_timesteps_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="11 of 10"):
        noise.trailing_timesteps(11, 10)


def test_frames_agree() -> None:
    """sigma = s / a, with numbers of a right triangle: 3, 4, 5."""
    torch.testing.assert_close(noise.sigma_of(numbers(0.64)), numbers(0.75))
    torch.testing.assert_close(noise.alphas_cumprod_of(numbers(0.75)), numbers(0.64))
    torch.testing.assert_close(noise.vp_scales(numbers(0.75)), (numbers(0.8), numbers(0.6)))


def test_scales_are_exact_in_float32_at_both_ends() -> None:
    sigma = torch.tensor([1e-4, 2e4])
    a, s = noise.vp_scales(sigma)
    exact_a, exact_s = noise.vp_scales(sigma.double())
    torch.testing.assert_close(a.double(), exact_a, rtol=3e-7, atol=0)
    torch.testing.assert_close(s.double(), exact_s, rtol=3e-7, atol=0)


def test_diffuse_is_that_of_diffusers() -> None:
    rng = torch.Generator().manual_seed(1)
    x0, eps = torch.randn(2, 3, 1, 4, 5, generator=rng)
    timesteps = torch.tensor([3, 70, 99])
    scheduler = diffusers.DDPMScheduler(100, beta_schedule="squaredcos_cap_v2")
    a, s = noise.vp_scales(noise.sigma_of(noise.cosine(100))[timesteps].float())
    torch.testing.assert_close(
        noise.diffuse(x0=x0, eps=eps, a=a, s=s),
        scheduler.add_noise(x0, eps, timesteps),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", noise.PREDICTIONS)
def test_targets_by_hand(name: str) -> None:
    a, s = numbers(A), numbers(S)
    x0, eps = numbers(X0).reshape(1, 1, 1, 1), numbers(EPS).reshape(1, 1, 1, 1)
    x_t = noise.diffuse(x0=x0, eps=eps, a=a, s=s)
    target = noise.PREDICTIONS[name].target(x0=x0, eps=eps, a=a, s=s)
    assert x_t.item() == pytest.approx(-0.5)
    assert target.item() == pytest.approx(TARGET[name])
    back = noise.PREDICTIONS[name].denoised(output=target, x_t=x_t, a=a, s=s)
    assert back.item() == pytest.approx(X0)


@pytest.mark.parametrize("name", noise.PREDICTIONS)
def test_denoised_is_that_of_diffusers(name: str) -> None:
    rng = torch.Generator().manual_seed(2)
    output, x_t = torch.randn(2, 2, 3, 4, 5, generator=rng)
    scheduler = diffusers.DDIMScheduler(
        100, prediction_type=PREDICTION_TYPES[name], clip_sample=False
    )
    scheduler.set_timesteps(100)
    for t in (2, 61):
        expected = scheduler.step(output, t, x_t).pred_original_sample
        product = scheduler.alphas_cumprod[t]
        a, s = product.sqrt().expand(2), (1 - product).sqrt().expand(2)
        ours = noise.PREDICTIONS[name].denoised(output=output, x_t=x_t, a=a, s=s)
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def test_preconditioning_is_that_of_diffusers() -> None:
    scheduler = diffusers.EDMEulerScheduler(sigma_data=0.7)
    rng = torch.Generator().manual_seed(3)
    x, output = torch.randn(2, 2, 1, 3, 2, generator=rng)
    sigma = torch.tensor([0.03, 5.0])
    c_skip, c_out, c_in, c_noise = noise.edm_preconditioning(sigma, sigma_data=0.7)
    for i in range(2):
        torch.testing.assert_close(c_in[i] * x[i], scheduler.precondition_inputs(x[i], sigma[i]))
        torch.testing.assert_close(c_noise[i], scheduler.precondition_noise(sigma[i]))
        expected = scheduler.precondition_outputs(x[i], output[i], sigma[i])
        torch.testing.assert_close(c_skip[i] * x[i] + c_out[i] * output[i], expected)


def test_weight_by_hand() -> None:
    """(sigma^2 + 0.25) / (sigma / 2)^2 under edm; 1 / t^2 on the straight way, t = 2/3 and 1/5."""
    sigma = numbers(2.0, 0.25)
    edm = noise.level_weight(noise.edm_preconditioning(sigma, sigma_data=0.5))
    torch.testing.assert_close(edm, numbers(4.25 / 1.0, 0.3125 / 0.015625))
    flow = noise.level_weight(noise.flow_preconditioning(sigma))
    torch.testing.assert_close(flow, numbers(2.25, 25.0))


def test_flow_is_that_of_diffusers() -> None:
    """Their scheduler adds noise on the straight way and takes Euler steps along the velocity."""
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000)
    scheduler.set_timesteps(4)
    x0, eps, velocity = torch.randn(3, 2, 3, 4, 5, generator=torch.Generator().manual_seed(5))
    for t in scheduler.sigmas[:-1].tolist():
        x_t = (1 - t) * x0 + t * eps
        if t < 1:
            factors = noise.flow_preconditioning(torch.tensor([t / (1 - t)]))
            x = x_t / (1 - t)
            torch.testing.assert_close(factors.c_in * x, x_t)
            denoised = factors.c_skip * x + factors.c_out * velocity
            torch.testing.assert_close(denoised, x_t - t * velocity)
    scheduler.set_begin_index(3)  # the last step: to t = 0
    ended = scheduler.step(velocity, scheduler.timesteps[-1], x_t).prev_sample
    torch.testing.assert_close(ended, denoised)


def test_edm_keeps_the_network_at_std_1() -> None:
    """Karras et al. 2022, appendix B.6: input and target have std 1 for every sigma."""
    rng = torch.Generator().manual_seed(4)
    x0 = 0.5 * torch.randn(200_000, generator=rng)
    for sigma in (0.02, 0.6, 30.0):
        x = x0 + sigma * torch.randn(200_000, generator=rng)
        c = noise.edm_preconditioning(torch.tensor(sigma), sigma_data=0.5)
        assert (c.c_in * x).std().item() == pytest.approx(1, abs=0.01)
        assert ((x0 - c.c_skip * x) / c.c_out).std().item() == pytest.approx(1, abs=0.01)


def test_lognormal_sigma() -> None:
    sigma = noise.lognormal_sigma(numbers(-1.0, 0.0, 2.0), mean=-1.2, std=0.7)
    torch.testing.assert_close(sigma, numbers(math.exp(-1.9), math.exp(-1.2), math.exp(0.2)))


def test_sigmas_are_those_of_diffusers() -> None:
    scheduler = diffusers.EDMEulerScheduler(sigma_min=0.01, sigma_max=50.0)
    scheduler.set_timesteps(9)
    ours = noise.edm_sigmas(9, sigma_min=0.01, sigma_max=50.0)
    torch.testing.assert_close(ours, scheduler.sigmas.double(), rtol=1e-5, atol=0)
    assert noise.edm_sigmas(1, sigma_min=0.01, sigma_max=50.0).tolist() == pytest.approx([50, 0])


def test_level_by_hand() -> None:
    assert noise.edm_level(numbers(math.exp(2))).item() == pytest.approx(0.5)
