"""Changes to what a critic sees, real and fake alike, so that few images go a longer way.

The critic cannot learn its images by heart, and the generator's gradient comes back through the
change. It stays out of the samples as long as what the changes make of a distribution of images can
be undone: made of every image, a quarter turn cannot; made of a share p < 1 of them, it can.
Source: Zhao et al. 2020, arXiv:2006.10738 (DiffAugment), section 4; Karras et al. 2020,
arXiv:2006.06676 (ADA), section 2.2 and appendix C.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import grid_sample

SHIFT = 1 / 8  # of a side, at most
CUT = 1 / 2  # of a side
ZOOM = 0.2  # std of the binary logarithm of a factor on the sides; ADA, appendix B
RARE = 1e-3  # share of either tail of it that is cut off


def even(numbers: Tensor) -> Tensor:
    """Tell numbers as they are, in [-1, 1)."""
    return 2 * numbers - 1


def mirrored(numbers: Tensor) -> Tensor:
    """Tell whether an image is mirrored: 1 or 0."""
    return (numbers >= 0.5).to(numbers.dtype)


def angles(radians: Tensor) -> Tensor:
    """Tell angles [N, 1] without a seam, and 0 as zeros: [N, 2]."""
    return torch.cat([1 - radians.cos(), radians.sin()], 1)


class Augmentation(NamedTuple):
    """One change: images [N, C, H, W] in [-1, 1] and numbers [N, k] in [0, 1) -> the images."""

    numbers: int
    change: Callable[[Tensor, Tensor], Tensor]
    told: Callable[[Tensor], Tensor] = even  # numbers -> what a network is told of it, [N, t]
    leaks: bool = False  # into the samples, where every image is changed
    square: bool = False  # only of square images


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


def flip(images: Tensor, numbers: Tensor) -> Tensor:
    """Mirror left to right where the number is 1/2 or more; numbers: [N, 1]."""
    return torch.where(numbers[:, :, None, None] < 0.5, images, images.flip(3))


def turn(images: Tensor, numbers: Tensor) -> Tensor:
    """Turn square images by 0, 1, 2 or 3 quarters, counter-clockwise; numbers: [N, 1]."""
    quarters = (4 * numbers[:, :, None, None]).floor()
    turned = images
    for count in (1, 2, 3):
        turned = torch.where(quarters == count, images.rot90(count, (2, 3)), turned)
    return turned


def geometry(images: Tensor, numbers: Tensor) -> Tensor:
    """Scale, turn by any angle, and stretch along any direction, in one bilinear resampling.

    numbers: [N, 4], of the scale, the angle, the stretch and its direction. Scale and stretch are
    2^(0.2 x normal): ADA's, without the rarest. What comes in is 0.
    """
    scale, angle, stretch, direction = numbers.T[:, :, None, None]
    larger, longer = (
        torch.exp2(ZOOM * torch.special.ndtri(number.clamp(RARE, 1 - RARE)))
        for number in (scale, stretch)
    )
    angle, direction = 2 * torch.pi * angle, torch.pi * direction
    # From a place in the answer, in pixels from the middle, to the place it is taken from; without
    # a product of matrices, which autocast would round to a quarter of a pixel.
    height, width = images.shape[2:]
    x, y = ((torch.arange(n).to(numbers) - (n - 1) / 2) for n in (width, height))
    y = y[:, None]
    x, y = x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()
    ahead_x, ahead_y = direction.cos(), direction.sin()
    ahead = (longer - 1 / longer) * (x * ahead_x + y * ahead_y)
    x, y = x / longer + ahead * ahead_x, y / longer + ahead * ahead_y
    grid = torch.stack([larger * x * (2 / width), larger * y * (2 / height)], -1)
    changed: Tensor = _Resampled.apply(images.to(grid.dtype), grid)
    return changed


class _Resampled(Function):
    """Bilinear resampling of images [N, C, H, W] at a grid [N, H, W, 2] in [-1, 1]; 0 outside.

    It is linear in the images. PyTorch 2.9 has no second derivative of its own for it.
    """

    @staticmethod
    def forward(images: Tensor, grid: Tensor) -> Tensor:
        return grid_sample(images, grid, "bilinear", "zeros", align_corners=False)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(slopes[0], grid), None


class _Spread(Function):
    """The transpose of resampling: what was taken from a place goes back to it."""

    @staticmethod
    def forward(slopes: Tensor, grid: Tensor) -> Tensor:
        transposed = torch.ops.aten.grid_sampler_2d_backward
        spread: Tensor = transposed(slopes, slopes, grid, 0, 0, False, [True, False])[0]
        return spread

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, *images: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Resampled.apply(images[0], grid), None


AUGMENTATIONS: Mapping[str, Augmentation] = {
    "color": Augmentation(3, color),
    "translation": Augmentation(2, translation),
    "cutout": Augmentation(2, cutout),
    "flip": Augmentation(1, flip, mirrored, leaks=True),
    "turn": Augmentation(
        1, turn, lambda n: angles((4 * n).floor() * torch.pi / 2), leaks=True, square=True
    ),
    "geometry": Augmentation(
        4,
        geometry,
        lambda n: torch.cat(  # a stretch is the same in opposite directions
            [
                *(even(n[:, :1]), angles(2 * torch.pi * n[:, 1:2])),
                *(even(n[:, 2:3]), angles(2 * torch.pi * n[:, 3:])),
            ],
            1,
        ),
        leaks=True,
    ),
}


def count(names: tuple[str, ...], *, chosen: bool = False) -> int:
    """Count the numbers that these changes take, an image; chosen: they are made of some only."""
    return sum(AUGMENTATIONS[name].numbers + chosen for name in names)


def augment(
    images: Tensor, numbers: Tensor, names: tuple[str, ...], chance: Tensor | None = None
) -> Tensor:
    """Make the changes, one after the other; numbers: [N, count(names)], even in [0, 1).

    chance: 0-d, with which each change is made of each image, apart from the others; the numbers
    are [N, count(names, chosen=True)] then. None: every change is made of every image.
    """
    extra = 0 if chance is None else 1
    for name, share in zip(names, parted(numbers, names, extra), strict=True):
        changed = AUGMENTATIONS[name].change(images, share[:, extra:])
        if chance is not None:
            changed = torch.where(share[:, :1, None, None] < chance, changed, images)
        images = changed
    return images


def told(numbers: Tensor, names: tuple[str, ...], chance: Tensor) -> Tensor:
    """Say which changes `augment` makes of each image under this chance: [N, t], 0 where none.

    A denoiser that is told so does not draw changed images when it is told of none.
    Source: Karras et al. 2022, arXiv:2206.00364, appendix F.2 (non-leaky augmentation).
    """
    said = []
    for name, share in zip(names, parted(numbers, names, 1), strict=True):
        made = (share[:, :1] < chance).to(numbers.dtype)
        said += [made, made * AUGMENTATIONS[name].told(share[:, 1:])]
    return torch.cat(said, 1)


def told_count(names: tuple[str, ...]) -> int:
    """Count the numbers that `told` gives of an image."""
    if not names:
        return 0
    numbers = torch.zeros(1, count(names, chosen=True))
    return told(numbers, names, torch.zeros(())).shape[1]


def parted(numbers: Tensor, names: tuple[str, ...], extra: int) -> tuple[Tensor, ...]:
    """Give each change its numbers."""
    return torch.split(numbers, [AUGMENTATIONS[name].numbers + extra for name in names], dim=1)


def overfitting(*, real: Tensor, fake: Tensor, middle: float | None) -> Tensor:
    """Say of each real image whether the critic takes it for one: its mean rises as it learns.

    real, fake: critic scores [N]. middle: the score halfway between real and fake; with it this is
    sign(real - middle), whose mean is r_t. None: only differences of scores mean anything, and it
    is sign(real - fake), by position. Where both sides' scores are normal with one variance around
    middles that lie opposite, r_t = 0.6 is 0.77 of these differences.
    Source: Karras et al. 2020, arXiv:2006.06676, section 3.1, eq. 1.
    """
    return (real - fake).sign() if middle is None else (real - middle).sign()


def next_chance(chance: Tensor, *, signal: Tensor, target: float, images: int, ramp: int) -> Tensor:
    """Raise the chance of a change where the signal is above its target, lower it where below.

    By images / ramp, so that it goes from 0 to 1 in `ramp` images at the soonest.
    Source: Karras et al. 2020, arXiv:2006.06676, section 3.1.
    """
    moved: Tensor = (chance + (signal - target).sign() * (images / ramp)).clamp(0, 1)
    return moved


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
