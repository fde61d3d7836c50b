"""Maps from 4 x 4 on, each twice as large as the one before, and how many channels they have."""

LEAST = 4  # samples, the side of the smallest maps


def levels(side: int) -> int:
    """Give how many maps there are from the smallest to those of a side, 4 x 2^k: k + 1."""
    return (side // LEAST).bit_length()


def pyramid(side: int, width: int, width_max: int) -> tuple[int, ...]:
    """Give the channels of maps from 4 x 4 to the full side: doubled a halving, up to a limit.

    Source: Karras et al. 2018, arXiv:1710.10196, table 2.
    """
    return tuple(min(width_max, width << step) for step in reversed(range(levels(side))))
