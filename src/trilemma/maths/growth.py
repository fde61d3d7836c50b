"""How networks grow while they are trained: which side, and how far its layers have come in.

A level is a side: 0 the smallest, each next one twice as large. A level takes `images`; in the
first half its layers fade in, in the second they stay. The first level has no first half.
Source: Karras et al. 2018, arXiv:1710.10196, section 2 and appendix A.
"""

from torch import Tensor


def level_at(images_seen: int, *, images: int, last: int) -> int:
    """Give the level, 0 to `last`, where it stays."""
    return min(last, (2 * images_seen + images) // (2 * images))


def fade_in(images_seen: Tensor, *, images: int, level: int) -> Tensor:
    """Give alpha, 0 to 1: the share of a level's own layers in what is seen of it. 0-d."""
    return (2 * images_seen / images + 1 - 2 * level).clamp(0, 1)


def begins(level: int, *, images: int) -> int:
    """Give the images after which a level is the one, the first round of it at the latest."""
    return max(0, level * images - images // 2)
