"""Noise: how much of it there is, how it is added, and what a network predicts about it.

Two frames. Variance preserving (vp): x = a x0 + s eps with a^2 + s^2 = 1. Variance exploding (ve):
x = x0 + sigma eps. They are one process, x_vp = a x_ve and sigma = s / a.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

BETA_MAX = 0.999  # Nichol and Dhariwal 2021, section 3.2: no singularity at the last timestep
Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Schedule = Callable[[int], Tensor]


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Shape values [N] so that they multiply images [N, ...]."""
    return values.reshape(-1, *(1 for _ in images.shape[1:]))


# Schedules of the vp process


def linear(timesteps: int) -> Tensor:
    """Let beta grow linearly from 1e-4 to 0.02, both times 1000 / timesteps.

    Returns alphas_cumprod [timesteps] float64, falling.
    Source: Ho et al. 2020, arXiv:2006.11239, section 4, who use 1000 timesteps.
    """
    scale = 1000 / timesteps
    betas = torch.linspace(1e-4 * scale, 0.02 * scale, timesteps, dtype=torch.float64)
    return (1 - betas.clamp(max=BETA_MAX)).cumprod(0)


def cosine(timesteps: int) -> Tensor:
    """Let alphas_cumprod fall along a squared cosine, each beta at most 0.999.

    Returns alphas_cumprod [timesteps] float64, falling.
    Source: Nichol and Dhariwal 2021, arXiv:2102.09672, eq. 17.
    """
    places = torch.linspace(0, 1, timesteps + 1, dtype=torch.float64)
    curve = torch.cos((places + 0.008) / 1.008 * math.pi / 2).square()
    betas = 1 - curve[1:] / curve[:-1]
    return (1 - betas.clamp(max=BETA_MAX)).cumprod(0)


SCHEDULES: Mapping[str, Schedule] = {
    "cosine": cosine,
    "linear": linear,
}


def trailing_timesteps(steps: int, timesteps: int) -> Tensor:
    """Choose `steps` of the timesteps 0..timesteps-1, evenly, beginning with the last.

    Returns int64 [steps], falling; all of them where the two numbers are equal.
    Source: Lin et al. 2023, arXiv:2305.08891, table 2, "trailing".
    """
    assert 1 <= steps <= timesteps, f"{steps} of {timesteps} timesteps"
    places = timesteps - torch.arange(steps, dtype=torch.float64) * (timesteps / steps)
    return places.round().long() - 1


# From one frame to the other


def sigma_of(alphas_cumprod: Tensor) -> Tensor:
    """Give the noise std of the ve frame: sigma = sqrt((1 - alphas_cumprod) / alphas_cumprod)."""
    return ((1 - alphas_cumprod) / alphas_cumprod).sqrt()


def alphas_cumprod_of(sigma: Tensor) -> Tensor:
    """Give the alphas_cumprod of a noise std in the ve frame: 1 / (1 + sigma^2)."""
    return 1 / (1 + sigma.square())


def vp_scales(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Give the vp factors (a of the image, s of the noise) of a noise std in the ve frame.

    Exact in float32 at both ends, where 1 - alphas_cumprod would lose its digits.
    """
    a = (1 + sigma.square()).rsqrt()
    return a, sigma * a


def diffuse(*, x0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
    """Add noise: x_t = a x0 + s eps. x0, eps [N, ...]; a, s [N].

    Source: Ho et al. 2020, eq. 4.
    """
    return per_image(a, x0) * x0 + per_image(s, x0) * eps


def lognormal_sigma(normal: Tensor, *, mean: float, std: float) -> Tensor:
    """Turn standard normal numbers into noise levels: exp(mean + std normal).

    Source: Karras et al. 2022, arXiv:2206.00364, table 1.
    """
    return (mean + std * normal).exp()


# What the network predicts in the vp frame


@dataclass(frozen=True)
class Prediction:
    """A network's target as a mix of image and noise: p x0 + q eps, with (p, q) = mix(a, s)."""

    mix: Mix

    def target(self, *, x0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """Give what the network should say. x0, eps [N, ...]; a, s [N]."""
        p, q = self.mix(a, s)
        return per_image(p, x0) * x0 + per_image(q, x0) * eps

    def denoised(self, *, output: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """Give the x0 that follows from what the network said about x_t.

        Solves x_t = a x0 + s eps and output = p x0 + q eps. output, x_t [N, ...]; a, s [N].
        """
        p, q = self.mix(a, s)
        size = q * a - p * s
        return per_image(q / size, x_t) * x_t - per_image(s / size, x_t) * output


def mix_eps(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Predict the noise. Source: Ho et al. 2020, eq. 14."""
    return torch.zeros_like(a), torch.ones_like(s)


def mix_v(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Predict v = a eps - s x0. Source: Salimans and Ho 2022, arXiv:2202.00512, appendix D."""
    return -s, a


def mix_x0(a: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """Predict the image. Source: Salimans and Ho 2022, section 4."""
    return torch.ones_like(a), torch.zeros_like(s)


PREDICTIONS: Mapping[str, Prediction] = {
    "eps": Prediction(mix_eps),
    "v": Prediction(mix_v),
    "x0": Prediction(mix_x0),
}


# Around a network in the ve frame: EDM (Karras et al. 2022, table 1, last column); a straight way


class Preconditioning(NamedTuple):
    """Factors [N]: x0 = c_skip x + c_out net(c_in x, c_noise)."""

    c_skip: Tensor
    c_out: Tensor
    c_in: Tensor
    c_noise: Tensor


def edm_preconditioning(sigma: Tensor, *, sigma_data: float) -> Preconditioning:
    """Give the factors that keep the network's input and target at std 1 for every sigma [N].

    sigma_data: std of the images. Source: Karras et al. 2022, table 1.
    """
    total = sigma.square() + sigma_data**2
    return Preconditioning(
        c_skip=sigma_data**2 / total,
        c_out=sigma * sigma_data * total.rsqrt(),
        c_in=total.rsqrt(),
        c_noise=edm_level(sigma),
    )


def edm_level(sigma: Tensor) -> Tensor:
    """Give what the network is told of the noise: ln(sigma) / 4, about -1.6 to 1.3."""
    return sigma.log() / 4


def flow_preconditioning(sigma: Tensor) -> Preconditioning:
    """Give the factors under which the network predicts a velocity, for every sigma [N].

    On the straight way x_t = (1 - t) x0 + t eps with t = sigma / (1 + sigma) the network sees x_t =
    x / (1 + sigma) and answers v = eps - x0, so that x0 = x_t - t v. A sigma whose logarithm is
    normal is a t whose logit is. Source: Lipman et al. 2023, arXiv:2210.02747, example II; logit-
    normal times: Esser et al. 2024, arXiv:2403.03206, section 3.1.
    """
    share = 1 / (1 + sigma)
    return Preconditioning(c_skip=share, c_out=-sigma * share, c_in=share, c_noise=edm_level(sigma))


def level_weight(factors: Preconditioning) -> Tensor:
    """Weigh the squared error of x0 as one of the network's own answer: 1 / c_out^2 [N].

    Source: Karras et al. 2022, section 5; of a velocity it is the loss of flow matching.
    """
    return factors.c_out.square().reciprocal()


def edm_sigmas(steps: int, *, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Space noise levels for a sampler: even in sigma^(1/rho), then 0.

    Returns float64 [steps + 1], falling from sigma_max; one step goes from sigma_max to 0.
    Source: Karras et al. 2022, eq. 5.
    """
    assert steps >= 1, f"{steps} steps"
    places = torch.arange(steps, dtype=torch.float64) / max(steps - 1, 1)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return torch.cat([(high + places * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)])
