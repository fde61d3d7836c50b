"""How noise comes and goes: the ddpm, the edm and the flow process, each around a network.

The network is told ln(sigma) / 4 in all. Under ddpm it sees a x0 + s eps and answers what the
recipe calls its prediction; under edm and flow its input and answer are preconditioned.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.maths.noise import (
    PREDICTIONS,
    SCHEDULES,
    Preconditioning,
    diffuse,
    edm_level,
    edm_preconditioning,
    edm_sigmas,
    flow_preconditioning,
    level_weight,
    lognormal_sigma,
    per_image,
    sigma_of,
    trailing_timesteps,
    vp_scales,
)
from trilemma.recipe.recipe import DiffusionRecipe

# Where ddpm samplers begin unless they take all timesteps. A cosine ends at 20,000, and the step
# from there is too long: with errors of 0.0005 in eps Heun's images are white. A linear one ends
# at 157, so that it is whole.
SIGMA_START = math.exp(5.1)  # diffusers' documentation of lambda_min_clipped


class Process(Protocol):
    """How noise comes and goes. The net it is given is the live one or its average."""

    def prepare(self, net: nn.Module) -> None:
        """Give the net the constants that must be where it is."""

    def level(self, n: int, rng: Generator) -> Tensor:
        """Draw [n] numbers that become noise levels."""

    def rank(self, level: Tensor) -> Tensor:
        """Say which share of the levels drawn is less noisy than each of these: [N]."""

    def losses(self, net: nn.Module, *, images: Tensor, eps: Tensor, level: Tensor) -> Tensor:
        """Noise the images, ask the net and give its loss: [N]."""

    def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
        """Give the images that are expected behind x = x0 + sigma n."""

    def sigmas(self, steps: int) -> list[float]:
        """Give the noise levels a sampler walks down: steps + 1, the last 0."""

    def start(self, noise: Tensor, sigma: float) -> Tensor:
        """Turn normal numbers into the state that a sampler begins with."""


@dataclass(frozen=True)
class Ddpm:
    """Timesteps with a schedule (Ho et al. 2020, arXiv:2006.11239)."""

    recipe: DiffusionRecipe

    def prepare(self, net: nn.Module) -> None:
        """Put the sigma of each timestep [T] beside the weights; it is in no checkpoint."""
        net.register_buffer("sigmas", self.table().float(), persistent=False)

    def table(self) -> Tensor:
        """Give the sigma of each timestep, float64 [T], rising."""
        return sigma_of(SCHEDULES[self.recipe.schedule](self.recipe.timesteps))

    def level(self, n: int, rng: Generator) -> Tensor:
        """Draw places among the timesteps, uniform in [0, 1)."""
        return evenly(n, rng)

    def rank(self, level: Tensor) -> Tensor:
        """Levels are ranks already."""
        return level

    def losses(self, net: nn.Module, *, images: Tensor, eps: Tensor, level: Tensor) -> Tensor:
        """Mean squared error of the prediction (eq. 14, the simple loss)."""
        timesteps = self.recipe.timesteps
        index = (level * timesteps).long().clamp(max=timesteps - 1)
        sigma = net.get_buffer("sigmas")[index]
        a, s = vp_scales(sigma)
        output = ask(net, diffuse(x0=images, eps=eps, a=a, s=s), sigma)
        target = PREDICTIONS[self.recipe.prediction].target(x0=images, eps=eps, a=a, s=s)
        return mean_square(output - target)

    def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
        """Ask the net at the nearest timestep; clip the image to [-1, 1], as the paper does."""
        table = net.get_buffer("sigmas")
        nearest = torch.bucketize(sigma, (table[1:] * table[:-1]).sqrt())
        sigma = table[nearest]
        a, s = vp_scales(sigma)
        x_t = per_image(a, x) * x
        output = ask(net, x_t, sigma)
        prediction = PREDICTIONS[self.recipe.prediction]
        x0 = prediction.denoised(output=output, x_t=x_t, a=a, s=s)
        return x0.clamp(-1, 1)

    def sigmas(self, steps: int) -> list[float]:
        """Take timesteps evenly, from the last up to SIGMA_START down; all of them if asked to."""
        timesteps = self.recipe.timesteps
        if steps > timesteps:
            raise RecipeError(
                f"{steps} sampling steps, but training knows {timesteps} timesteps; "
                f"ask for at most {timesteps} steps"
            )
        table = self.table()
        usable = int((table <= SIGMA_START).sum())
        chosen = trailing_timesteps(steps, usable if steps <= usable else timesteps)
        return [*table[chosen].tolist(), 0.0]

    def start(self, noise: Tensor, sigma: float) -> Tensor:
        """Begin with std 1 in the vp frame."""
        return noise * math.sqrt(1 + sigma**2)


@dataclass(frozen=True)
class Continuous:
    """A continuous noise level and preconditioning (Karras et al. 2022, arXiv:2206.00364)."""

    factors: Callable[[DiffusionRecipe, Tensor], Preconditioning]
    recipe: DiffusionRecipe

    def prepare(self, net: nn.Module) -> None:
        """Need nothing."""

    def level(self, n: int, rng: Generator) -> Tensor:
        """Draw standard normal numbers."""
        normal: Tensor = torch.special.ndtri(evenly(n, rng).clamp(min=1e-6))
        return normal

    def rank(self, level: Tensor) -> Tensor:
        """Normal numbers have ranks."""
        shares: Tensor = torch.special.ndtr(level)
        return shares

    def losses(self, net: nn.Module, *, images: Tensor, eps: Tensor, level: Tensor) -> Tensor:
        """Weighted mean squared error of the image (eq. 2 and 8)."""
        recipe = self.recipe
        sigma = lognormal_sigma(level, mean=recipe.sigma_mean, std=recipe.sigma_std)
        x0 = self.denoised(net, images + per_image(sigma, eps) * eps, sigma)
        return level_weight(self.factors(recipe, sigma)) * mean_square(x0 - images)

    def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
        """Mix what came in with what the net says (eq. 7)."""
        factors = self.factors(self.recipe, sigma)
        output = ask(net, per_image(factors.c_in, x) * x, sigma)
        return per_image(factors.c_skip, x) * x + per_image(factors.c_out, x) * output

    def sigmas(self, steps: int) -> list[float]:
        """Space the levels as the paper does."""
        recipe = self.recipe
        spaced = edm_sigmas(steps, sigma_min=recipe.sigma_min, sigma_max=recipe.sigma_max)
        return [float(sigma) for sigma in spaced]

    def start(self, noise: Tensor, sigma: float) -> Tensor:
        """Begin with nothing but noise."""
        return noise * sigma


def edm(recipe: DiffusionRecipe, sigma: Tensor) -> Preconditioning:
    """Keep what the network sees and says at std 1."""
    return edm_preconditioning(sigma, sigma_data=recipe.sigma_data)


def flow(recipe: DiffusionRecipe, sigma: Tensor) -> Preconditioning:
    """Let the network say which way, and how fast, it goes from image to noise."""
    return flow_preconditioning(sigma)


PROCESSES: Mapping[str, Callable[[DiffusionRecipe], Process]] = {
    "ddpm": Ddpm,
    "edm": partial(Continuous, edm),
    "flow": partial(Continuous, flow),
}


def evenly(n: int, rng: Generator) -> Tensor:
    """Draw n numbers [n], each uniform in [0, 1), one in each n-th of it, in random order.

    A batch sees all levels of noise, so that its gradient varies less.
    Source: Kingma et al. 2021, arXiv:2107.00630, section 5 ("low-discrepancy sampler").
    """
    shares = torch.rand(n, generator=rng, device=rng.device)
    order = torch.randperm(n, generator=rng, device=rng.device)
    return ((order + shares) / n).clamp(max=1 - 2**-24)


def ask(net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
    """Run the net on x [N, C, H, W] at sigma [N], in x's precision whatever autocast did."""
    output: Tensor = net(x, edm_level(sigma))
    return output.to(x.dtype)


def mean_square(errors: Tensor) -> Tensor:
    """Average over all but the first axis: [N]."""
    return errors.square().flatten(1).mean(1)
