"""Networks without their large weights: for shapes, in place of memory and random numbers."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

SMALL = 1 << 16  # numbers; up to so many are drawn, as others may be computed from them


class Unfilled(TorchFunctionMode):
    """Put tensors of the `meta` device in place of large random ones, as long as the block lasts.

    The whole device as a context would do the same to everything else; arithmetic on it loads the
    parts of PyTorch that compile, 160 MB and some seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make a tensor, or what `func` makes."""
        if func in (torch.randn, torch.normal):
            shape = _shape(args[2:] if func is torch.normal else args)
            if prod(shape) > SMALL:
                return torch.empty(shape, device="meta")
        return func(*args, **(kwargs or {}))


def _shape(args: tuple[Any, ...]) -> tuple[int, ...]:
    given = args[0] if len(args) == 1 and isinstance(args[0], tuple | list) else args
    assert not any(isinstance(side, Tensor) for side in given)
    return tuple(given)
