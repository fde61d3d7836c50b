"""A denoiser that is trained on against a critic, so that one evaluation draws the picture.

G(z) = D(sigma z; sigma): what the denoiser expects behind noise of one high level is a blur at
first, and a critic makes a picture of it. Of real images at lower levels it may learn the same, for
two steps and more. The denoiser as it was stays beside it, so both ways to draw are in one run.
Source: Sauer et al. 2023, arXiv:2311.17042 (adversarial post-training of a denoiser, levels);
the losses are those of any generator against a critic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Generator, Tensor, nn

from trilemma.families import conditions, diffusion
from trilemma.families.adaptive import adaptive
from trilemma.families.adversarial import make_critic, untold
from trilemma.families.diffusion import Asked, How, has_guide
from trilemma.families.draws import draws, gaussian, share
from trilemma.families.duel import Duel, group, leaves_marks
from trilemma.families.family import (
    Batch,
    Draw,
    DrawOptions,
    Family,
    Losses,
    Noise,
    Phase,
    Shared,
    TensorClock,
)
from trilemma.families.own import NONE, Rows
from trilemma.families.process import PROCESSES, Process
from trilemma.families.rounds import once_in, rounds
from trilemma.maths.consistency import consistency
from trilemma.maths.gan_losses import GAN_LOSSES, GanLoss
from trilemma.maths.noise import per_image
from trilemma.maths.samplers import randn_each
from trilemma.nets.blocks import whole
from trilemma.nets.encoder import EncoderCritic
from trilemma.nets.unet import UNet
from trilemma.recipe.recipe import OneStepRecipe, Recipe, parse_size

TEACHER, GUIDE = "teacher", "guide"  # the denoiser as it was, and what guided it
BEGINS = {  # which of the parent's networks each is
    TEACHER: "generator",
    GUIDE: GUIDE,
    "critic.encoder": "generator",
    "critic.critic.encoder": "generator",
}
RUNGS = 12  # noise levels between which the consistency term goes down


def build(recipe: Recipe, own: Rows = NONE) -> Family:
    """Make the denoiser, what it was, and a critic; the parent's weights come from `warmstart`.

    own: rows that stand in no table.
    RecipeError: an unknown sampler, or sizes that do not fit.
    """
    family = recipe.family
    assert isinstance(family, OneStepRecipe), "the recipe's family is another one"
    before = family.denoiser
    shape = (recipe.data.channels, *parse_size(recipe.data.size))
    process = PROCESSES[before.process](before)
    nets = networks(recipe, family, shape, process, own)
    net, critic = nets["generator"], nets["critic"]
    controller = adaptive(recipe)
    if controller is not None:
        nets["adaptive"] = controller
    loss: GanLoss = {**GAN_LOSSES, **own}[family.loss]
    student = Student(net, process, family)
    duel = Duel(student.generate, critic, loss, recipe, controller)
    noise = {"latents": gaussian(shape)} | draws(recipe, family, loss)
    if family.levels:
        noise["rung"] = share
    kept = tuple(name for name in nets if name in ("generator", TEACHER, GUIDE))
    ties = Ties(student, nets, duel)
    return Family(
        nets=nets,
        optimizers={"generator": family.generator_optimizer, "critic": family.critic_optimizer},
        phases=(*rounds(duel, family, noise), *ties.phases(shape)),
        averaged=kept,
        begins=BEGINS,
        shared=Shared("fakes", "generator", duel.fakes),
        group=group(critic),
        splits=not (leaves_marks(net) or duel.apart),
        latents=partial(randn_each, shape),
        render=student.render,
        evaluations=student.evaluations,
        drawn_with=student.drawn_with,
        how=student.how,
        judge=untold if family.condition == "none" else None,
    )


def networks(
    recipe: Recipe,
    family: OneStepRecipe,
    shape: tuple[int, int, int],
    process: Process,
    own: Rows,
) -> nn.ModuleDict:
    """Make the denoiser, itself again as teacher, its guide if it has one, and the critic."""
    before = replace(recipe, family=family.denoiser)
    names = ["generator", TEACHER, *([GUIDE] if has_guide(family.denoiser) else [])]
    nets = {name: diffusion.make_generator(before, shape, own) for name in names}
    for net in nets.values():
        process.prepare(net)
    for name in names[1:]:
        nets[name].requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        critic = make_critic(recipe, family, encoding(family, own))
    return nn.ModuleDict({**nets, "critic": critic})


def own_steps(family: OneStepRecipe, options: DrawOptions) -> int:
    """Say in how many steps the trained network draws; 0: it is the denoiser as it was."""
    steps = options.steps or (0 if options.sampler else family.steps)
    return steps if not options.sampler and steps <= 1 + len(family.levels) else 0


def encoding(family: OneStepRecipe, own: Rows) -> Rows:
    """Give the rows and one for a critic that is the first half of the denoiser."""
    sizes = asdict(family.denoiser.generator) | {"dropout": 0.0}
    del sizes["name"]

    def encoder(*, size: tuple[int, int], channels: int, hidden: int) -> nn.Module:
        half = UNet(size=size, channels=channels, **sizes)
        return EncoderCritic(half, size=size, channels=channels, hidden=hidden)

    return {**own, "encoder": encoder}


@dataclass(frozen=True)
class Student:
    """How the denoiser draws: at once, in a few steps, or as it did before."""

    net: nn.Module  # the live one
    process: Process
    recipe: OneStepRecipe

    @property
    def sigmas(self) -> tuple[float, ...]:
        """Levels of noise from which it draws, falling."""
        return (self.recipe.sigma, *self.recipe.levels)

    def generate(self, batch: Batch, noise: Noise, told: Tensor | None) -> Tensor:
        """Make an image of pure noise, or of a real one under less of it, evenly often."""
        z = noise["latents"]
        rung = noise["rung"] if "rung" in noise else z.new_zeros(len(z))
        index = (rung * len(self.sigmas)).long()
        sigma = z.new_tensor(self.sigmas)[index]
        x = per_image(sigma, z) * z
        if self.recipe.levels:
            x = x + per_image((index > 0).to(z.dtype), z) * batch.images
        return self.denoised(self.net, x, sigma, told)

    def denoised(self, net: nn.Module, x: Tensor, sigma: Tensor, told: Tensor | None) -> Tensor:
        """Ask a denoiser, in x's precision."""
        return self.process.denoised(net if told is None else Asked(net, told), x, sigma)

    def before(self, options: DrawOptions) -> How:
        """Say how the teacher draws."""
        return diffusion.chosen(self.recipe.denoiser, options)

    def evaluations(self, options: DrawOptions) -> int:
        """Count network evaluations of an image."""
        return own_steps(self.recipe, options) or diffusion.evaluations(
            self.process, self.before(options)
        )

    def drawn_with(self, options: DrawOptions) -> tuple[str, ...]:
        """Name the networks that draw: the trained one, or those of the denoiser as it was."""
        if own_steps(self.recipe, options):
            return ("generator",)
        return (TEACHER,) if self.before(options).guidance == 1 else (TEACHER, GUIDE)

    def how(self, options: DrawOptions) -> str:
        """Say how images are drawn, for people."""
        steps = own_steps(self.recipe, options)
        if not steps:
            return f"as before post-training: {diffusion.in_words(self.before(options))}"
        return "one step" if steps == 1 else f"{steps} steps"

    def render(
        self,
        nets: nn.ModuleDict,
        noise: Tensor,
        rngs: Sequence[Generator],
        asked: Tensor | None,
        options: DrawOptions,
    ) -> Tensor:
        """Make the image of each noise [N, C, H, W], in [-1, 1]; asked: conditions [N, A]."""
        steps = own_steps(self.recipe, options)
        if not steps:
            how = self.before(options)
            return diffusion.render(self.process, teachers(nets), noise, rngs, asked, how)
        net = nets["generator"]
        noise = noise.to(next(net.parameters()))
        told = conditions.told(net, rngs, asked)
        images = torch.zeros_like(noise)
        with torch.no_grad():
            for number, sigma in enumerate(self.sigmas[:steps]):
                if number:
                    noise = randn_each(noise.shape[1:], rngs).to(noise)
                x = images + sigma * noise
                images = self.denoised(net, x, x.new_full((len(x),), sigma), told).clamp(-1, 1)
        return images.float()


def teachers(nets: nn.ModuleDict) -> nn.ModuleDict:
    """Give the networks under the names that a diffusion model has for them."""
    named = {"generator": nets[TEACHER]}
    return nn.ModuleDict(named | ({GUIDE: nets[GUIDE]} if GUIDE in nets else {}))


@dataclass(frozen=True)
class Ties:
    """What holds the network to the denoiser that it was: its old task, its old answers."""

    student: Student
    nets: nn.ModuleDict
    duel: Duel

    def phases(self, shape: tuple[int, int, int]) -> tuple[Phase, ...]:
        """Give the phases that are asked for; each is a step of the generator's optimizer."""
        recipe, made = self.student.recipe, []
        if recipe.rehearse:
            before = replace(self.duel.whole_recipe, family=recipe.denoiser)
            task = diffusion.denoising(before, self.student.net, self.student.process, "rehearse")
            due = once_in(recipe.rehearse, images=self.duel.images_a_round)
            made.append(replace(task, repeats=due))
        if recipe.distill != "none":
            noise: Mapping[str, Draw] = {"tie_noise": gaussian(shape), "tie_rung": share}
            made.append(
                Phase(name="distill", trains="generator", noise=noise, loss=self.consistent)
            )
        return tuple(made)

    def consistent(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Answer alike along the way that the teacher goes from noise to an image."""
        recipe, told = self.student.recipe, self.duel.condition(batch)
        how = diffusion.chosen(recipe.denoiser, DrawOptions())
        losses = consistency(
            partial(self.student.denoised, self.student.net, told=told),
            diffusion.denoiser(self.student.process, teachers(self.nets), how, told),
            images=batch.images,
            eps=noise["tie_noise"],
            rung=noise["tie_rung"],
            rungs=RUNGS,
            sigma_max=recipe.sigma,
            sigma_min=recipe.denoiser.sigma_min,
        )
        return recipe.distill_weight * whole(losses), {}
