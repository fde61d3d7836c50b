"""Changes to what a critic sees, real and fake alike, so that few images go a longer way.

The critic cannot learn its images by heart, and the generator's gradient comes back through the
change; nothing of it leaks into the samples as long as real images are changed as fakes are.
Source: Zhao et al. 2020, arXiv:2006.10738 (DiffAugment), section 4.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

SHIFT = 1 / 8  # of a side, at most
CUT = 1 / 2  # of a side


class Augmentation(NamedTuple):
    """One change: images [N, C, H, W] in [-1, 1] and numbers [N, k] in [0, 1) -> the images."""

    numbers: int
    change: Callable[[Tensor, Tensor], Tensor]


def color(images: Tensor, numbers: Tensor) -> Tensor:
    """Brighten by up to 0.5, then scale saturation by 0 to 2 and contrast by 0.5 to 1.5.

    numbers: [N, 3]. One half of each changes nothing.
    """
    brightness, saturation, contrast = numbers.T[:, :, None, None, None]
    images = images + (brightness - 0.5)
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (2 * saturation)
    level = images.mean((1, 2, 3), keepdim=True)
    changed: Tensor = level + (images - level) * (contrast + 0.5)
    return changed


def translation(images: Tensor, numbers: Tensor) -> Tensor:
    """Move by whole pixels, up to an eighth of each side; what comes in is 0.

    numbers: [N, 2], down and to the right. A product with two matrices of ones and zeros: exact but
    for the rounding of autocast, and its gradient needs no scattered additions.
    """
    down, right = (
        _shift(along, side, images.dtype)
        for along, side in zip(numbers.T, images.shape[2:], strict=True)
    )
    return down @ images @ right.mT


def cutout(images: Tensor, numbers: Tensor) -> Tensor:
    """Blank a rectangle of half the sides around any pixel; it may lie partly outside.

    numbers: [N, 2], the row and the column of its middle.
    """
    inside = [_near(along, side) for along, side in zip(numbers.T, images.shape[2:], strict=True)]
    return images * ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "color": Augmentation(3, color),
    "translation": Augmentation(2, translation),
    "cutout": Augmentation(2, cutout),
}


def count(names: tuple[str, ...]) -> int:
    """Count the numbers that these changes take, an image."""
    return sum(AUGMENTATIONS[name].numbers for name in names)


def augment(images: Tensor, numbers: Tensor, names: tuple[str, ...]) -> Tensor:
    """Make the changes, one after the other; numbers: [N, count(names)], even in [0, 1)."""
    shares = torch.split(numbers, [AUGMENTATIONS[name].numbers for name in names], dim=1)
    for name, share in zip(names, shares, strict=True):
        images = AUGMENTATIONS[name].change(images, share)
    return images


def _shift(along: Tensor, side: int, dtype: torch.dtype) -> Tensor:
    """[N] in [0, 1) -> matrices [N, 1, side, side] that move a column down by so many pixels."""
    most = int(side * SHIFT + 0.5)
    by = (along * (2 * most + 1)).floor() - most
    places = torch.arange(side, device=along.device)
    return (places[:, None] - places == by[:, None, None]).to(dtype)[:, None]


def _near(along: Tensor, side: int) -> Tensor:
    """[N] in [0, 1) -> [N, side]: is the place in the part that is cut?"""
    length = int(side * CUT + 0.5)
    middle = (along * (side + 1 - length % 2)).floor()
    first = (middle - length // 2)[:, None]
    places = torch.arange(side, device=along.device)
    return (places >= first) & (places < first + length)
