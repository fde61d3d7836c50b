"""What a network is told of an image: the labels of a recipe's data as rows of numbers [N, A]."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor, nn

from trilemma.errors import RecipeError
from trilemma.maths.conditions import one_hot, scaled, wrong_attributes, wrong_class
from trilemma.recipe.recipe import DataRecipe

KNOWN = "known"  # the buffer of nets/conditioned and nets/unet


def count(data: DataRecipe) -> int:
    """Count the numbers of a condition, A. RecipeError: the recipe does not know the labels yet."""
    if not data.labels:
        raise RecipeError(
            "family.condition needs labels, and data.labels is empty; train on a source with "
            "classes (a folder for each), or give --data.attributes FILE.csv"
        )
    return len(data.labels)


def are_classes(data: DataRecipe) -> bool:
    """Are the labels classes, of which an image has one? Else they are attributes."""
    return not data.label_low


def encoded(data: DataRecipe, labels: Tensor) -> Tensor:
    """Turn labels, int64 [N] or float32 [N, A], into conditions float32 [N, A]."""
    if are_classes(data):
        return one_hot(labels, count=len(data.labels))
    low, high = (labels.new_tensor(ends) for ends in (data.label_low, data.label_high))
    return scaled(labels, low=low, high=high)


def wrongness(data: DataRecipe) -> Callable[[Tensor, Tensor], Tensor]:
    """Give the loss of a guess at conditions."""
    return wrong_class if are_classes(data) else wrong_attributes


def remember(net: nn.Module, data: DataRecipe, labels: Tensor) -> None:
    """Keep the conditions of some training images: of images drawn without asking for any.

    labels: of the whole set. A network that is told nothing keeps nothing.
    """
    known = kept(net)
    if known is None:
        return
    rng = Generator().manual_seed(0)
    chosen = torch.cat(
        [torch.randperm(len(labels), generator=rng)] * (len(known) // len(labels) + 1)
    )
    known.copy_(encoded(data, labels[chosen[: len(known)]]))


def told(net: nn.Module, rngs: Sequence[Generator], asked: Tensor | None) -> Tensor | None:
    """Give the conditions that are asked for, or one of those kept for each rng: [N, A].

    None: the network is told nothing. Each rng draws one number either way, so that what it draws
    next is the same.
    """
    known = kept(net)
    if known is None:
        return None
    chosen = [int(torch.randint(len(known), (), generator=rng, device=rng.device)) for rng in rngs]
    return known[chosen] if asked is None else asked.to(known)


def kept(net: nn.Module) -> Tensor | None:
    """Find the conditions of training images that a network keeps, [K, A]; None: none is told."""
    return next((b for n, b in net.named_buffers() if n.rpartition(".")[2] == KNOWN), None)
