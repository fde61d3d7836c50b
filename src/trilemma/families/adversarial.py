"""A generator against a critic: networks x a loss x penalties -> Family."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from trilemma.families.family import (
    Batch,
    Draw,
    Family,
    Losses,
    Noise,
    Phase,
    Shared,
    TensorClock,
)
from trilemma.maths.augmentation import augment, count
from trilemma.maths.gan_losses import GAN_LOSSES, GanLoss, label_smoothing
from trilemma.maths.penalties import slopes_squared, slopes_squared_between
from trilemma.maths.rates import cosine_fade
from trilemma.nets.blocks import whole
from trilemma.nets.dcgan import DCGANCritic, DCGANGenerator
from trilemma.nets.perceptron import PerceptronCritic, PerceptronGenerator
from trilemma.nets.r3 import R3Critic, R3Generator
from trilemma.nets.resnet import ResidualCritic, ResidualGenerator
from trilemma.recipe.recipe import AdversarialRecipe, Recipe, parse_size

GENERATORS: Mapping[str, Callable[..., nn.Module]] = {
    "dcgan": DCGANGenerator,
    "perceptron": PerceptronGenerator,
    "r3": R3Generator,
    "residual": ResidualGenerator,
}
CRITICS: Mapping[str, Callable[..., nn.Module]] = {
    "dcgan": DCGANCritic,
    "perceptron": PerceptronCritic,
    "r3": R3Critic,
    "residual": ResidualCritic,
}


def build(recipe: Recipe) -> Family:
    """Make the networks, drawn from the recipe's seed, and the two phases that train them."""
    family = recipe.family
    assert isinstance(family, AdversarialRecipe), "the recipe's family is another one"
    size, channels = parse_size(recipe.data.size), recipe.data.channels
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        generator = make(GENERATORS, family.generator, size=size, channels=channels)
        critic = make(CRITICS, family.critic, size=size, channels=channels)
    latent = family.generator.latent
    duel = Duel(generator, critic, GAN_LOSSES[family.loss], family)
    noise: dict[str, Draw] = {"latents": latents(latent)}
    shape = (channels, *size)
    if family.instance_noise:
        noise |= {"on_real": gaussian(shape), "on_fake": gaussian(shape)}
    if family.augment:
        numbers = uniform(count(family.augment))
        noise |= {"change_real": numbers, "change_fake": numbers}
    if family.slopes == "differences":
        due = {"real": family.r1, "fake": family.r2}
        noise |= {f"step_{kind}": gaussian(shape) for kind, weight in due.items() if weight}
    return Family(
        nets=nn.ModuleDict({"generator": generator, "critic": critic}),
        optimizers={
            "generator": family.generator_optimizer,
            "critic": family.critic_optimizer,
        },
        phases=(
            Phase(
                name="critic",
                trains="critic",
                noise=noise,
                loss=duel.critic_loss,
                repeats=lambda at: family.critic_updates,
            ),
            Phase(name="generator", trains="generator", noise=noise, loss=duel.generator_loss),
        ),
        averaged=("generator",),
        shared=Shared("fakes", "generator", lambda noise: generator(noise["latents"])),
        splits=not (leaves_marks(generator) or leaves_marks(critic)),
        draw=lambda nets, rngs, labels, options: draw(nets, rngs, latent=latent),
        evaluations=lambda options: 1,
    )


@dataclass(frozen=True)
class Duel:
    """The two losses; they share networks and settings, and nothing else."""

    generator: nn.Module
    critic: nn.Module
    loss: GanLoss
    recipe: AdversarialRecipe

    def critic_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Tell real from fake; penalise the slope where the recipe says so."""
        recipe = self.recipe
        with torch.no_grad():
            fakes = noise["fakes"] if "fakes" in noise else self.generator(noise["latents"])
            images = self.shown(batch.images, noise, "real", at)
            fakes = self.shown(fakes, noise, "fake", at)
        shown = {"real": images.detach(), "fake": fakes.detach()}  # fakes may be the generator's
        due = {k: w for k, w in (("real", recipe.r1), ("fake", recipe.r2)) if w}
        scores, squares = self.slopes(shown, noise, due)
        losses = self.loss.critic(**scores)
        if recipe.label_real != 1:
            losses = losses + label_smoothing(scores["real"], target=recipe.label_real)
        scalars = {f"d_{kind}": score.detach().sigmoid() for kind, score in scores.items()}
        fade = cosine_fade(at.fraction, end=recipe.penalty_end)
        for kind, squared in squares.items():
            losses = losses + 0.5 * due[kind] * fade * squared
            scalars[f"slope_{kind}"] = squared.detach().sqrt()
        return losses, scalars

    def generator_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Have fakes taken for real."""
        fakes = noise["fakes"] if "fakes" in noise else self.generator(noise["latents"])
        fake = whole(self.critic(self.shown(fakes, noise, "fake", at)))
        real = torch.zeros_like(fake)
        if self.loss.paired:
            with torch.no_grad():
                real = whole(self.critic(self.shown(batch.images, noise, "real", at)))
        losses = self.loss.generator(real=real, fake=fake)
        return losses, {"d_fake_after": fake.detach().sigmoid()}

    def slopes(
        self, shown: Mapping[str, Tensor], noise: Noise, due: Mapping[str, float]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Score real and fake images, and give the squared slope at those that are penalised."""
        if due and self.recipe.slopes == "differences":
            step = self.recipe.slope_step
            moved = {f"{kind}, moved": shown[kind] + step * noise[f"step_{kind}"] for kind in due}
            found = self.scores({**shown, **moved})
            scores = {kind: found[kind] for kind in shown}
            return scores, {
                kind: slopes_squared_between(scores[kind], found[f"{kind}, moved"], step=step)
                for kind in due
            }
        for kind in due:
            shown[kind].requires_grad_()
        scores = self.scores(shown)
        if not due:
            return scores, {}
        squares = slopes_squared(torch.cat(list(scores.values())), *(shown[kind] for kind in due))
        return scores, dict(zip(due, squares, strict=True))

    def scores(self, shown: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Score images: apart under BatchNorm (the split batch), else together, which is equal."""
        if leaves_marks(self.critic):
            return {kind: whole(self.critic(images)) for kind, images in shown.items()}
        together = whole(self.critic(torch.cat(list(shown.values()))))
        return dict(zip(shown, together.chunk(len(shown)), strict=True))

    def shown(self, images: Tensor, noise: Noise, kind: str, at: TensorClock) -> Tensor:
        """Change images as the critic is to see them; kind: real or fake.

        Instance noise fades (Sonderby et al. 2017, arXiv:1610.04490); augmentations stay.
        """
        recipe = self.recipe
        if f"on_{kind}" in noise:
            until = recipe.instance_noise_images
            gone = at.images_seen / until if until else at.fraction
            blur = recipe.instance_noise * (1 - gone).clamp(min=0)
            images = images + blur * noise[f"on_{kind}"]
        if f"change_{kind}" in noise:
            numbers = noise[f"change_{kind}"]
            changed = augment(images.to(numbers.dtype), numbers, recipe.augment)
            images = changed.to(numbers.dtype)  # autocast may have made a product bf16
        return images


def make(
    table: Mapping[str, Callable[..., nn.Module]],
    net: object,
    *,
    size: tuple[int, int],
    channels: int,
) -> nn.Module:
    """Build the network that a recipe's dataclass describes; its fields are the arguments."""
    fields = asdict(net)  # type: ignore[call-overload]
    return table[fields.pop("name")](size=size, channels=channels, **fields)


def has_batch_statistics(net: nn.Module) -> bool:
    """Does an image's output depend on its batch mates?"""
    return any(isinstance(layer, nn.BatchNorm2d) for layer in net.modules())


def leaves_marks(net: nn.Module) -> bool:
    """Does a pass change others: by batch statistics, or by a spectral norm's power iteration?"""
    return has_batch_statistics(net) or any(is_parametrized(layer) for layer in net.modules())


def latents(latent: int) -> Draw:
    """Draw z from a standard normal: (n, rng) -> [n, latent]."""
    return lambda n, rng: torch.randn(n, latent, generator=rng, device=rng.device)


def gaussian(shape: tuple[int, ...]) -> Draw:
    """Draw standard normal noise: (n, rng) -> [n, *shape]."""
    return lambda n, rng: torch.randn(n, *shape, generator=rng, device=rng.device)


def uniform(numbers: int) -> Draw:
    """Draw numbers even in [0, 1): (n, rng) -> [n, numbers]."""
    return lambda n, rng: torch.rand(n, numbers, generator=rng, device=rng.device)


def draw(nets: nn.ModuleDict, rngs: Sequence[Generator], *, latent: int) -> Tensor:
    """Draw one image for each generator of random numbers, which draws its z."""
    z = torch.stack([torch.randn(latent, generator=rng, device=rng.device) for rng in rngs])
    weights = next(nets["generator"].parameters())
    images: Tensor = nets["generator"](z.to(weights.device))
    return images.float()
