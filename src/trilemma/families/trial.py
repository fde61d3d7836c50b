"""Networks and losses of a user's own, tried on two images before a training writes anything.

They are tried on copies, so that the training begins as if nothing had been tried.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from trilemma import processes
from trilemma.errors import RecipeError
from trilemma.families import build, conditions
from trilemma.families.duel import has_batch_statistics, resting
from trilemma.families.family import At, Batch, Family, Phase
from trilemma.families.own import blamed
from trilemma.nets.blocks import BatchNorm2d
from trilemma.nets.conditioned import (
    AuxiliaryCritic,
    ConcatCritic,
    ConditionalGenerator,
    ProjectionCritic,
)
from trilemma.recipe.checking_duel import PENALTIES
from trilemma.recipe.own import Own, named
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, Recipe, parse_size

FEW = 2  # images
LISTED = 3  # weights that a line names


def tried(recipe: Recipe, *, beside: Path | None = None) -> None:
    """Refuse networks and losses of a user's own that cannot be trained: RecipeError.

    Looked at are shapes, finite numbers, whether images depend on the latent and on it alone, and
    whether the gradient of every loss reaches every weight. A recipe without any is not looked at.
    """
    owns = list(named(recipe))
    if not owns:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        family = build(recipe, beside=beside)
        for own in owns:
            if own.field != "family.loss":
                network(own, family.nets[own.field.rpartition(".")[2]], recipe)
        for phase in family.phases:
            descent(owns, phase, family, recipe)


def network(own: Own, net: nn.Module, recipe: Recipe) -> None:
    """Try one network by itself."""
    if not any(p.requires_grad for p in net.parameters()):
        raise wrong(own, "which has no weights to train")
    alone(own, net)
    family = recipe.family
    if own.field == "family.critic":
        sees_each_alone(own, net, recipe)
        scores(own, net, recipe)
    elif isinstance(family, DiffusionRecipe):
        with blamed(own), torch.no_grad():
            answer = net(pixels(recipe, FEW), torch.linspace(-1, 1, FEW))
        like(own, answer, shape(recipe), "noisy images and levels [2]")
    else:
        drawn(own, net, recipe)


def alone(own: Own, net: nn.Module) -> None:
    """Refuse what cannot be copied, stored, or trained in several processes."""
    with blamed(own):
        copy.deepcopy(net)
    tensors = net.state_dict().values()
    if len({tensor.data_ptr() for tensor in tensors if tensor.numel()}) < len(
        [tensor for tensor in tensors if tensor.numel()]
    ):
        raise wrong(own, "two of whose weights or buffers share memory, which no file can hold")
    theirs = [m for m in net.modules() if has_batch_statistics(m) and not any(m.children())]
    if processes.count() > 1 and not all(isinstance(m, BatchNorm2d) for m in theirs):
        raise wrong(
            own,
            "whose statistics are of one process's images; in several processes take "
            "trilemma.nets.blocks.BatchNorm2d",
        )


def sees_each_alone(own: Own, critic: nn.Module, recipe: Recipe) -> None:
    """Refuse a critic whose slope at one image cannot be penalised."""
    on = [name for name in PENALTIES if getattr(recipe.family, name)]
    if on and has_batch_statistics(critic):
        raise wrong(
            own,
            f"which normalises over the batch: {' and '.join(on)} need the slope at one image "
            "alone; take layer or group norm, or set "
            + " and ".join(f"family.{name} = 0" for name in on),
        )


def scores(own: Own, critic: nn.Module, recipe: Recipe) -> None:
    """Have two images scored."""
    told = isinstance(critic, AuxiliaryCritic | ConcatCritic | ProjectionCritic)
    inner = critic.get_submodule("critic") if told else critic
    maps = int(getattr(recipe.family, "condition", "") == "concat")
    images = pixels(recipe, FEW, more=maps)
    with blamed(own), torch.no_grad():
        found = inner(images)
        with resting(inner):
            together, alone_ = inner(images)[:1], inner(images[:1])
    like(own, found, (), "images, one score each")
    mixes = not torch.allclose(together, alone_, rtol=1e-3, atol=1e-4)
    if mixes and any(getattr(recipe.family, name) for name in PENALTIES):
        raise wrong(own, "whose score of an image depends on the others: a penalty needs it alone")
    if bool(found[0] == found[1]):
        raise wrong(own, "which gives two different images the same score")


def drawn(own: Own, generator: nn.Module, recipe: Recipe) -> None:
    """Have images drawn from two latents, in training and as they are sampled."""
    family = recipe.family
    assert isinstance(family, AdversarialRecipe)
    net, latent = generator, family.generator.latent
    if isinstance(generator, ConditionalGenerator):
        net, latent = generator.generator, latent + family.condition_width
    z = torch.randn(FEW, latent)
    with blamed(own), torch.no_grad():
        like(own, net(z), shape(recipe), f"latents [2, {latent}]")
        net.eval()
        images, again = net(z), net(z)
        net.train()
    like(own, images, shape(recipe), f"latents [2, {latent}]")
    if torch.equal(images[0], images[1]):
        raise wrong(own, "which draws the same image from two different latents")
    if not torch.equal(images, again):
        raise wrong(own, "which draws two images from one latent; all chance must come from z")


def descent(owns: Sequence[Own], phase: Phase, family: Family, recipe: Recipe) -> None:
    """Take the gradient of a phase's loss; refuse it where it misses a weight."""
    rng = Generator().manual_seed(0)
    batch = Batch(pixels(recipe, FEW), labels(recipe))
    noise = {name: draw(FEW, rng) for name, draw in phase.noise.items()}
    net = family.nets[phase.trains]
    weights = {name: p for name, p in net.named_parameters() if p.requires_grad}
    clock = At(torch.zeros(()), torch.zeros(()))
    with blamed(*owns):
        losses, _ = phase.loss(batch, noise, clock)
    mine = [own for own in owns if own.field in (f"family.{phase.trains}", "family.loss")] or owns
    known = " and ".join(f"{own.field} '{own.path}'" for own in mine)
    said = f"with {known} the loss of the {phase.trains}"
    if not losses.requires_grad:
        raise RecipeError(f"{said} has no gradient; is something detached?")
    if not losses.isfinite().all():
        raise RecipeError(f"{said} is not finite at the start")
    with blamed(*owns):
        found = torch.autograd.grad(losses.sum(), list(weights.values()), allow_unused=True)
    gradients = dict(zip(weights, found, strict=True))
    missed = [name for name, gradient in gradients.items() if gradient is None]
    if missed:
        listed = ", ".join(missed[:LISTED]) + (", ..." if missed[LISTED:] else "")
        raise RecipeError(
            f"{said} reaches {len(weights) - len(missed)} of its {len(weights)} weights, but not "
            f"{listed}; use them, or set their requires_grad to False"
        )
    if not any(bool(g.any()) for g in found if g is not None):
        raise RecipeError(f"{said} has a gradient that is 0 everywhere")
    if not all(bool(g.isfinite().all()) for g in found if g is not None):
        raise RecipeError(f"{said} has a gradient that is not finite")


def like(own: Own, found: object, wanted: tuple[int, ...], given: str) -> None:
    """Refuse an answer of another shape, of whole numbers, or not finite."""
    if not isinstance(found, Tensor):
        raise wrong(own, f"which gives {type(found).__name__} for {given}; allowed: a tensor")
    if found.shape != (FEW, *wanted):
        raise wrong(
            own,
            f"which gives {list(found.shape)} for {FEW} {given}; allowed: {[FEW, *wanted]}",
        )
    if not (found.is_floating_point() and bool(found.isfinite().all())):
        raise wrong(own, f"which gives numbers that are not finite floats for {given}")


def wrong(own: Own, why: str) -> RecipeError:
    """Say in a line what is wrong with code of a user's own."""
    return RecipeError(f"{own.field} is '{own.path}', {why}")


def shape(recipe: Recipe) -> tuple[int, ...]:
    """Give the shape of an image, (C, H, W)."""
    return (recipe.data.channels, *parse_size(recipe.data.size))


def pixels(recipe: Recipe, n: int, *, more: int = 0) -> Tensor:
    """Make images of noise in [-1, 1], with more channels."""
    channels, *sides = shape(recipe)
    return torch.rand(n, channels + more, *sides) * 2 - 1


def labels(recipe: Recipe) -> Tensor | None:
    """Make labels, where networks are told any: the first class, or the least of each attribute."""
    if recipe.family.condition == "none":
        return None
    if conditions.are_classes(recipe.data):
        return torch.zeros(FEW, dtype=torch.long)
    return torch.tensor([recipe.data.label_low] * FEW)
