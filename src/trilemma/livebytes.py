"""How many bytes of tensors a computation holds at once, whatever the allocator keeps."""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of every tensor that is made, until it is let go."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now, self.peak = 0, 0  # bytes
        self.known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Let PyTorch compute, and look at what it made."""
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, Tensor):
                self.take(each)
        return made

    def take(self, tensor: Tensor) -> None:
        """Count a tensor's memory, unless it is shared with one that is counted."""
        storage = tensor.untyped_storage()
        place, size = storage._cdata, storage.nbytes()
        if place in self.known or not size:
            return
        self.known.add(place)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self.drop, place, size)

    def drop(self, place: int, size: int) -> None:
        """Let go of a tensor's memory."""
        self.known.discard(place)
        self.now -= size


def peak_bytes(compute: Callable[[], object]) -> int:
    """Run something; give the most bytes of new tensors that it held at once."""
    with torch.inference_mode(), Watched() as watched:
        compute()
    peak: int = watched.peak
    return peak
