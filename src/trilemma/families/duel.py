"""What generator and critic lower: a row of losses, penalties, and what each is told."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from trilemma import processes
from trilemma.families import conditions
from trilemma.families.adaptive import SIGNAL, Adaptive
from trilemma.families.family import Batch, Clock, Losses, Noise, TensorClock
from trilemma.maths.augmentation import augment, overfitting
from trilemma.maths.gan_losses import GanLoss, label_smoothing
from trilemma.maths.penalties import (
    apart_from_one,
    between,
    slopes_squared,
    slopes_squared_between,
)
from trilemma.maths.rates import cosine_fade
from trilemma.nets.blocks import whole
from trilemma.recipe.recipe import DuelRecipe, Recipe

# (batch, noise, conditions [N, A] or None) -> fakes [N, C, H, W]
Generate = Callable[[Batch, Noise, Tensor | None], Tensor]


class Judged(NamedTuple):
    """What a critic says of images."""

    scores: Tensor  # [N]
    guess: Tensor | None = None  # of their conditions [N, A], from an auxiliary classifier


@dataclass(frozen=True)
class Duel:
    """The two losses; they share networks and settings, and nothing else."""

    generate: Generate
    critic: nn.Module
    loss: GanLoss
    whole_recipe: Recipe
    adaptive: Adaptive | None = None  # None: every image is augmented

    @property
    def recipe(self) -> DuelRecipe:
        """The family's part of the recipe."""
        family = self.whole_recipe.family
        assert isinstance(family, DuelRecipe)
        return family

    @property
    def apart(self) -> bool:
        """Are real and fake images scored apart? BatchNorm is not to mix them (split batch)."""
        return leaves_marks(self.critic)

    @property
    def lazy(self) -> bool:
        """Is the slope at real images looked at by a phase of its own, in some rounds?"""
        return self.recipe.r1 > 0 and self.recipe.r1_every > 1

    @property
    def images_a_round(self) -> int:
        """Real images that a round takes."""
        return self.whole_recipe.train.batch_size * self.recipe.critic_updates

    def critic_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Tell real from fake; penalise the slope where the recipe says so."""
        recipe, condition = self.recipe, self.condition(batch)
        with torch.no_grad():
            fakes = noise["fakes"] if "fakes" in noise else self.fakes(batch, noise)
            images = self.shown(batch.images, noise, "real", at)
            fakes = self.shown(fakes, noise, "fake", at).to(images.dtype)  # not autocast's bf16
        shown = {"real": images.detach(), "fake": fakes.detach()}  # fakes may be the generator's
        due = {
            k: w for k, w in (("real", 0.0 if self.lazy else recipe.r1), ("fake", recipe.r2)) if w
        }
        judged, squares = self.slopes(shown, noise, due, condition)
        scores = {kind: judged[kind].scores for kind in shown}
        losses = self.loss.critic(**scores)
        if recipe.label_real != 1:
            losses = losses + label_smoothing(scores["real"], target=recipe.label_real)
        if recipe.drift:
            losses = losses + recipe.drift * scores["real"].square()
        for said in judged.values():
            losses = losses + self.misnamed(said, condition)
        scalars = self.told(scores) | self.learnt(scores)
        fade = cosine_fade(at.fraction, end=recipe.penalty_end)
        for kind, squared in squares.items():
            losses = losses + 0.5 * due[kind] * fade * squared
            scalars[f"slope_{kind}"] = squared.detach().sqrt()
        for kind, (weight, squared) in self.steepness(shown, noise, condition).items():
            losses = losses + weight * fade * apart_from_one(squared)
            scalars[f"slope_{kind}"] = slope = squared.detach().sqrt()
            if kind == "between":
                scalars["lipschitz"] = processes.greatest(slope.max()).expand(len(slope))
        return losses, scalars

    def slope_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Penalise the slope at real images for all the rounds since it was looked at last."""
        recipe, condition = self.recipe, self.condition(batch)
        images = self.shown(batch.images, noise, "real", at).detach()
        due = {"real": recipe.r1 * recipe.r1_every}
        _, squares = self.slopes({"real": images}, noise, due, condition)
        squared, fade = squares["real"], cosine_fade(at.fraction, end=recipe.penalty_end)
        return 0.5 * due["real"] * fade * squared, {"slope_real": squared.detach().sqrt()}

    def generator_loss(self, batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        """Have fakes taken for real."""
        condition = self.condition(batch)
        fakes = noise["fakes"] if "fakes" in noise else self.fakes(batch, noise)
        said = self.judge(self.shown(fakes, noise, "fake", at), condition)
        real = torch.zeros_like(said.scores)
        if self.loss.paired:
            with torch.no_grad():
                real = self.judge(self.shown(batch.images, noise, "real", at), condition).scores
        losses = self.loss.generator(real=real, fake=said.scores) + self.misnamed(said, condition)
        after = said.scores.detach()
        if self.loss.paired:
            return losses, {"d_pair_after": (real - after).sigmoid()}
        name = "d_fake_after" if self.loss.logistic else "score_fake_after"
        return losses, {name: after.sigmoid() if self.loss.logistic else after}

    def fakes(self, batch: Batch, noise: Noise) -> Tensor:
        """Draw fakes that are to show what the batch's images show."""
        return self.generate(batch, noise, self.condition(batch))

    def condition(self, batch: Batch) -> Tensor | None:
        """Give what the networks are told of the batch, [N, A]."""
        if self.recipe.condition == "none":
            return None
        assert batch.labels is not None, "the source has no labels"
        return conditions.encoded(self.whole_recipe.data, batch.labels)

    def judge(self, images: Tensor, condition: Tensor | None) -> Judged:
        """Ask the critic."""
        if condition is None:
            return Judged(whole(self.critic(images)))
        scores, guess = self.critic(images, condition)
        return Judged(whole(scores), None if guess is None else whole(guess))

    def misnamed(self, said: Judged, condition: Tensor | None) -> Tensor:
        """Give how far the auxiliary classifier's guess is off, weighted: [N]."""
        if said.guess is None or condition is None:
            return torch.zeros_like(said.scores)
        wrong = conditions.wrongness(self.whole_recipe.data)
        return self.recipe.auxiliary * wrong(said.guess, condition)

    def told(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give what is logged of the scores: probabilities where they are, else themselves."""
        plain = {kind: score.detach() for kind, score in scores.items()}
        if self.loss.paired:  # only differences say something
            return {"d_pair": (plain["real"] - plain["fake"]).sigmoid()}
        if self.loss.logistic:
            return {f"d_{kind}": score.sigmoid() for kind, score in plain.items()}
        told = {f"score_{kind}": score for kind, score in plain.items()}
        return told | ({"wasserstein": plain["real"] - plain["fake"]} if self.loss.distance else {})

    def slopes(
        self,
        shown: Mapping[str, Tensor],
        noise: Noise,
        due: Mapping[str, float],
        condition: Tensor | None,
    ) -> tuple[dict[str, Judged], dict[str, Tensor]]:
        """Judge real and fake images, and give the squared slope at those that are penalised."""
        if due and self.recipe.slopes == "differences":
            step = self.recipe.slope_step
            moved = {f"{kind}, moved": shown[kind] + step * noise[f"step_{kind}"] for kind in due}
            found = self.judged({**shown, **moved}, condition)
            return {kind: found[kind] for kind in shown}, {
                kind: slopes_squared_between(
                    found[kind].scores, found[f"{kind}, moved"].scores, step=step
                )
                for kind in due
            }
        for kind in due:
            shown[kind].requires_grad_()
        judged = self.judged(shown, condition)
        if not due:
            return judged, {}
        scores = torch.cat([said.scores for said in judged.values()])
        squares = slopes_squared(scores, *(shown[kind] for kind in due))
        return judged, dict(zip(due, squares, strict=True))

    def steepness(
        self, shown: Mapping[str, Tensor], noise: Noise, condition: Tensor | None
    ) -> dict[str, tuple[float, Tensor]]:
        """Give the weight of (slope - 1)^2 and the squared slope [N] where they are looked at.

        Between real and fake images a Wasserstein critic's slope is looked at without a weight,
        too, so that clipping and penalty can be compared.
        """
        recipe, real = self.recipe, shown["real"].detach()
        places = {}
        if "between" in noise:
            places["between"] = between(real, shown["fake"].detach(), noise["between"])
        if "near" in noise:
            places["near"] = real + recipe.dragan_std * noise["near"]
        weights = {"between": recipe.gp, "near": recipe.dragan}
        found = {}
        for kind, images in places.items():
            images.requires_grad_()
            with contextlib.nullcontext() if weights[kind] else resting(self.critic):
                scores = self.judge(images, condition).scores
                (squared,) = slopes_squared(scores, images, again=weights[kind] > 0)
            found[kind] = (weights[kind], squared)
        return found

    def judged(self, shown: Mapping[str, Tensor], condition: Tensor | None) -> dict[str, Judged]:
        """Judge images: real and fake apart where they must be, else together, which is equal."""
        if self.apart:
            return {kind: self.judge(images, condition) for kind, images in shown.items()}
        many = None if condition is None else condition.repeat(len(shown), 1)
        scores, guess = self.judge(torch.cat(list(shown.values())), many)
        guesses = [None] * len(shown) if guess is None else guess.chunk(len(shown))
        pairs = zip(scores.chunk(len(shown)), guesses, strict=True)
        return {kind: Judged(*pair) for kind, pair in zip(shown, pairs, strict=True)}

    def learnt(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Say how much the critic has learnt by heart, and the chance that answers it."""
        if self.adaptive is None:
            return {}
        plain = {kind: score.detach() for kind, score in scores.items()}
        apart = self.loss.paired or self.loss.distance  # only differences of scores mean anything
        signal = overfitting(**plain, middle=None if apart else self.loss.middle)
        return {SIGNAL: signal, "ada_p": self.adaptive.chance.expand(len(signal))}

    def after_critic(self, at: Clock, scalars: Mapping[str, Tensor]) -> None:
        """Clip the critic's weights and move the chance of augmentations, where asked to."""
        self.clip()
        if self.adaptive is not None:
            self.adaptive.move(scalars[SIGNAL], images=self.whole_recipe.train.batch_size)

    @torch.no_grad()
    def clip(self) -> None:
        """Keep the critic's weights small (Arjovsky et al. 2017, arXiv:1701.07875, algorithm 1)."""
        most = self.recipe.clip_weights
        if most:
            for weight in self.critic.parameters():
                if weight.requires_grad:  # frozen layers stay as they are
                    weight.clamp_(-most, most)

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
            chance = None if self.adaptive is None else self.adaptive.chance
            changed = augment(images.to(numbers.dtype), numbers, recipe.augment, chance)
            images = changed.to(numbers.dtype)  # autocast may have made a product bf16
        return images


@contextlib.contextmanager
def resting(net: nn.Module) -> Iterator[None]:
    """Look at a network without leaving a mark: neither statistics nor power iterations move."""
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


def has_batch_statistics(net: nn.Module) -> bool:
    """Does an image's output depend on its batch mates?"""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    return any(isinstance(m, kinds) or getattr(m, "mixes", False) for m in net.modules())


def group(net: nn.Module) -> int:
    """Count the consecutive images that a network looks at together, at most; 1: each alone."""
    mixing = [m for m in net.modules() if getattr(m, "mixes", False)]
    return max((getattr(m, "group", 1) for m in mixing), default=1)


def leaves_marks(net: nn.Module) -> bool:
    """Does a pass change others: by batch statistics, or by a spectral norm's power iteration?"""
    normed = any(parametrize.is_parametrized(layer) for layer in net.modules())
    return normed or has_batch_statistics(net)
