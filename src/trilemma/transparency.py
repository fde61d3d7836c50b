"""What enlarging needs to know of alpha: colours for what is hidden, bounds for what is seen."""

import numpy as np


def filled(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give pixels under alpha 0 the mean colour of the nearest ones that are seen.

    values [H, W, C], alpha [H, W]: uint8 or uint16; the same type comes back, and what is seen
    stays to the bit. Averages over halves, quarters, ... of the picture are pulled out, then pushed
    back in where nothing is seen: what has no colour takes that of the smallest square with one.
    """
    seen = (alpha > 0)[..., None]
    if not seen.any():
        return values
    colours = pulled(np.where(seen, values, 0).astype(np.float32), seen.astype(np.float32))
    return np.where(seen, values, np.rint(colours).astype(values.dtype))


def pulled(colours: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fill colours float32 [H, W, C] where weight [H, W, 1] is 0; elsewhere they stay."""
    if bool(weight.all()):
        return colours
    sums, count = halved(colours * weight), halved(weight)
    known = (count > 0).astype(np.float32)
    means = pulled(sums / np.maximum(count, 1e-6), known)
    large = means.repeat(2, 0).repeat(2, 1)[: colours.shape[0], : colours.shape[1]]
    return np.where(weight > 0, colours, large)


def halved(values: np.ndarray) -> np.ndarray:
    """Sum the squares of 2 x 2 of values [H, W, C]; odd sides are filled up with 0."""
    height, width, channels = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    parts = even.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, channels)
    sums: np.ndarray = parts.sum((1, 3), dtype=np.float32)
    return sums


def local_range(values: np.ndarray, *, wrap: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give the least and the largest of the 3 x 3 values [H, W] around each one."""
    low = high = np.pad(values, 1, "wrap" if wrap else "edge")
    low = np.minimum(np.minimum(low[:-2], low[1:-1]), low[2:])
    high = np.maximum(np.maximum(high[:-2], high[1:-1]), high[2:])
    low = np.minimum(np.minimum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    high = np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return low, high
