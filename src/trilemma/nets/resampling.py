"""Maps with more or fewer samples, behind a filter; each axis by itself where the filter allows it.

A filter of taps [n] is that of one axis, laid over both; [n, n] is laid over the plane at once.
"""

from torch import Tensor
from torch.nn import functional

Pads = tuple[int, int]  # samples added before and after, on both axes; below 0: cut off


def raised(maps: Tensor, taps: Tensor, *, times: int, pads: Pads) -> Tensor:
    """Put zeros behind every sample, times - 1 of them, pad, and filter (a true convolution).

    maps [N, C, H, W]; taps [n], whose gain is the caller's. Gives
    [N, C, times H + pads - n + 1, ...]. Zeros are never multiplied: this is a transposed
    convolution, of which the part is taken that the pads leave.
    """
    return _raised(_raised(maps, taps, times, pads, 3), taps, times, pads, 2)


def _raised(maps: Tensor, taps: Tensor, times: int, pads: Pads, axis: int) -> Tensor:
    features, count = maps.shape[1], len(taps)
    shape, steps = ((1, count), (1, times)) if axis == 3 else ((count, 1), (times, 1))
    kernel = taps.to(maps.dtype).reshape(1, 1, *shape).expand(features, 1, *shape)
    whole = functional.conv_transpose2d(maps, kernel, stride=steps, groups=features)
    start = count - 1 - pads[0]
    length = maps.shape[axis] * times + sum(pads) - count + 1
    return padded(whole, (-start, start + length - whole.shape[axis]), axis)


def lowered(maps: Tensor, taps: Tensor, *, times: int, pads: Pads) -> Tensor:
    """Pad, filter (a true convolution), and keep every times-th sample.

    maps [N, C, H, W]; taps [n] or [n, n].
    """
    features, count = maps.shape[1], len(taps)
    taps = taps.to(maps.dtype).flip(*range(taps.dim()))
    for axis in (3, 2):
        maps = padded(maps, pads, axis)
    if taps.dim() == 2:
        kernel = taps.expand(features, 1, count, count)
        return functional.conv2d(maps, kernel, stride=times, groups=features)
    row = taps.reshape(1, 1, 1, count).expand(features, 1, 1, count)
    maps = functional.conv2d(maps, row, stride=(1, times), groups=features)
    column = row.transpose(2, 3)
    return functional.conv2d(maps, column, stride=(times, 1), groups=features)


def padded(maps: Tensor, pads: Pads, axis: int) -> Tensor:
    """Lay zeros around maps along an axis; below 0: cut samples off."""
    if pads == (0, 0):
        return maps
    sides = pads if axis == 3 else (0, 0, *pads)
    return functional.pad(maps, sides)
