"""A network that removes noise: a U-Net x a noise process x a sampler -> Family.

The network is told ln(sigma) / 4 in both processes. Under ddpm it sees a x0 + s eps and answers
what the recipe calls its prediction; under edm its input and answer are preconditioned.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.families.family import Batch, DrawOptions, Family, Losses, Noise, Phase, TensorClock
from trilemma.maths.noise import (
    PREDICTIONS,
    SCHEDULES,
    diffuse,
    edm_level,
    edm_preconditioning,
    edm_sigmas,
    edm_weight,
    lognormal_sigma,
    per_image,
    sigma_of,
    trailing_timesteps,
    vp_scales,
)
from trilemma.maths.samplers import SAMPLERS, randn_each
from trilemma.nets.unet import UNet
from trilemma.recipe.closest import unknown
from trilemma.recipe.recipe import DiffusionRecipe, Recipe, parse_size

# Where ddpm samplers begin unless they take all timesteps. A cosine ends at 20,000, and the step
# from there is too long: with errors of 0.0005 in eps Heun's images are white. A linear one ends
# at 157, so that it is whole.
SIGMA_START = math.exp(5.1)  # diffusers' documentation of lambda_min_clipped

GENERATORS: Mapping[str, Callable[..., nn.Module]] = {"unet": UNet}


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
        return torch.rand(n, generator=rng, device=rng.device)

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
class Edm:
    """A continuous noise level and preconditioning (Karras et al. 2022, arXiv:2206.00364)."""

    recipe: DiffusionRecipe

    def prepare(self, net: nn.Module) -> None:
        """Need nothing."""

    def level(self, n: int, rng: Generator) -> Tensor:
        """Draw standard normal numbers."""
        return torch.randn(n, generator=rng, device=rng.device)

    def rank(self, level: Tensor) -> Tensor:
        """Normal numbers have ranks."""
        shares: Tensor = torch.special.ndtr(level)
        return shares

    def losses(self, net: nn.Module, *, images: Tensor, eps: Tensor, level: Tensor) -> Tensor:
        """Weighted mean squared error of the image (eq. 2 and 8)."""
        recipe = self.recipe
        sigma = lognormal_sigma(level, mean=recipe.sigma_mean, std=recipe.sigma_std)
        x0 = self.denoised(net, images + per_image(sigma, eps) * eps, sigma)
        weight = edm_weight(sigma, sigma_data=recipe.sigma_data)
        return weight * mean_square(x0 - images)

    def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
        """Mix what came in with what the net says (eq. 7)."""
        factors = edm_preconditioning(sigma, sigma_data=self.recipe.sigma_data)
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


PROCESSES: Mapping[str, Callable[[DiffusionRecipe], Process]] = {
    "ddpm": Ddpm,
    "edm": Edm,
}


def build(recipe: Recipe) -> Family:
    """Make the network, drawn from the recipe's seed, and the phase that trains it.

    RecipeError: an unknown schedule, prediction or sampler, or sizes that do not fit.
    """
    family = recipe.family
    assert isinstance(family, DiffusionRecipe), "the recipe's family is another one"
    choose("schedule", family.schedule, SCHEDULES)
    choose("prediction", family.prediction, PREDICTIONS)
    choose("sampler", family.sampler, SAMPLERS)
    shape = (recipe.data.channels, *parse_size(recipe.data.size))
    net = make_generator(recipe, shape)
    process = PROCESSES[family.process](family)
    process.prepare(net)

    def loss(batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        level = noise["level"]
        losses = process.losses(net, images=batch.images, eps=noise["noise"], level=level)
        return losses, by_third(losses.detach(), process.rank(level))

    def gaussian(n: int, rng: Generator) -> Tensor:
        return torch.randn(n, *shape, generator=rng, device=rng.device)

    return Family(
        nets=nn.ModuleDict({"generator": net}),
        optimizers={"generator": family.optimizer},
        phases=(
            Phase(
                name="denoise",
                trains="generator",
                noise={"noise": gaussian, "level": process.level},
                loss=loss,
            ),
        ),
        averaged=("generator",),
        splits=True,
        draw=lambda nets, rngs, labels, options: draw(
            process, nets["generator"], rngs, shape=shape, how=chosen(family, options)
        ),
        evaluations=lambda options: evaluations(*chosen(family, options)),
    )


def make_generator(recipe: Recipe, shape: tuple[int, int, int]) -> nn.Module:
    """Build the network of images [C, H, W]; the fields of its dataclass are the arguments."""
    fields = asdict(recipe.family.generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return GENERATORS[fields.pop("name")](size=shape[1:], channels=shape[0], **fields)


def ask(net: nn.Module, x: Tensor, sigma: Tensor) -> Tensor:
    """Run the net on x [N, C, H, W] at sigma [N], in x's precision whatever autocast did."""
    output: Tensor = net(x, edm_level(sigma))
    return output.to(x.dtype)


def mean_square(errors: Tensor) -> Tensor:
    """Average over all but the first axis: [N]."""
    return errors.square().flatten(1).mean(1)


def by_third(losses: Tensor, rank: Tensor) -> dict[str, Tensor]:
    """Split the loss by how noisy its image was: three scalars [N].

    Each counts a third of the levels, three times: its mean over a batch is the mean loss there.
    """
    third = (rank * 3).long().clamp(max=2)
    names = ("loss_little_noise", "loss_some_noise", "loss_much_noise")
    return {name: 3 * losses * (third == index) for index, name in enumerate(names)}


@torch.no_grad()
def draw(
    process: Process,
    net: nn.Module,
    rngs: Sequence[Generator],
    *,
    shape: tuple[int, int, int],
    how: tuple[str, int],
) -> Tensor:
    """Draw one image for each generator of random numbers, which draws all of its noise.

    how: (sampler, steps). Returns [N, C, H, W] in [-1, 1].
    """
    name, steps = how
    sigmas = process.sigmas(steps)
    noise = randn_each(shape, rngs).to(next(net.parameters()))

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return process.denoised(net, x, sigma)

    images = SAMPLERS[name].sample(denoise, process.start(noise, sigmas[0]), sigmas, rngs)
    return images.float().clamp(-1, 1)


def evaluations(name: str, steps: int) -> int:
    """Count the network evaluations that one image takes."""
    return SAMPLERS[name].evaluations(steps)


def chosen(family: DiffusionRecipe, options: DrawOptions) -> tuple[str, int]:
    """Give (sampler, steps); RecipeError if there is no such sampler or fewer than one step."""
    name, steps = options.sampler or family.sampler, options.steps or family.steps
    choose("sampler", name, SAMPLERS)
    if steps < 1:
        raise RecipeError(f"{steps} sampling steps; ask for at least 1")
    return name, steps


def choose(what: str, name: str, table: Mapping[str, object]) -> None:
    """Refuse a name that is not in the table."""
    if name not in table:
        raise RecipeError(unknown(what, name, table))
