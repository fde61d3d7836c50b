"""Every random tensor of an adversarial step by its name: how it is drawn for the whole batch."""

import torch
from torch import Generator, Tensor

from trilemma.families.family import Draw
from trilemma.maths import augmentation
from trilemma.maths.gan_losses import GanLoss
from trilemma.recipe.recipe import DuelRecipe, Recipe, parse_size


def draws(recipe: Recipe, family: DuelRecipe, loss: GanLoss) -> dict[str, Draw]:
    """Name every random tensor of a step but the latents; both phases draw the same."""
    noise: dict[str, Draw] = {}
    shape = (recipe.data.channels, *parse_size(recipe.data.size))
    if family.instance_noise:
        noise |= {"on_real": gaussian(shape), "on_fake": gaussian(shape)}
    if family.augment:
        numbers = uniform(augmentation.count(family.augment, chosen=family.ada_target > 0))
        noise |= {"change_real": numbers, "change_fake": numbers}
    if family.slopes == "differences":
        due = {"real": family.r1, "fake": family.r2}
        noise |= {f"step_{kind}": gaussian(shape) for kind, weight in due.items() if weight}
    if family.gp or loss.distance:
        noise["between"] = share
    if family.dragan:
        noise["near"] = gaussian(shape)
    return noise


def latents(latent: int) -> Draw:
    """Draw z from a standard normal: (n, rng) -> [n, latent]."""
    return lambda n, rng: torch.randn(n, latent, generator=rng, device=rng.device)


def gaussian(shape: tuple[int, ...]) -> Draw:
    """Draw standard normal noise: (n, rng) -> [n, *shape]."""
    return lambda n, rng: torch.randn(n, *shape, generator=rng, device=rng.device)


def share(n: int, rng: Generator) -> Tensor:
    """Draw one number an image, even in [0, 1): (n, rng) -> [n]."""
    return torch.rand(n, generator=rng, device=rng.device)


def uniform(numbers: int) -> Draw:
    """Draw numbers even in [0, 1): (n, rng) -> [n, numbers]."""
    return lambda n, rng: torch.rand(n, numbers, generator=rng, device=rng.device)
