"""One process or many (as `torchrun` starts them): slices, sums and means over the global batch.

With one process everything here is the identity, and torch's collectives are never touched.
"""

import atexit
import gc
import importlib
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from trilemma.errors import MachineError, TrilemmaError

PATIENCE = timedelta(hours=6)  # the others wait while process 0 decodes a large set
Array = NDArray[Any]
Result = TypeVar("Result")


def start(device: torch.device | str = "cpu") -> None:
    """Join the other processes, if `torchrun` has started several; otherwise do nothing.

    device: as `devices.pick` gave it; CUDA joins through nccl, anything else through gloo.
    MachineError if they do not meet.
    """
    if announced() < 2 or dist.is_initialized():
        return
    backend = "nccl" if torch.device(device).type == "cuda" else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(device)  # objects travel through the current GPU
    # They take the group that stands when they are first imported as the default of functions, and
    # torch's optimizers import the first: the group's threads then outlived `end`, and one of them
    # could abort the process at its very end ("terminate called without an active exception").
    for module in ("torch.distributed.nn.functional", "torch.distributed.fsdp"):
        importlib.import_module(module)
    try:
        dist.init_process_group(backend)
    except (RuntimeError, ValueError) as error:
        raise MachineError(
            f"{announced()} processes were announced (WORLD_SIZE) but do not meet: "
            f"{error}; start them with torchrun, or unset WORLD_SIZE"
        ) from error
    atexit.register(end)


def end() -> None:
    """Leave the other processes; do nothing if there are none. It happens by itself at the exit."""
    if dist.is_initialized():
        gc.collect()  # sharded networks are circles that hold the group, and so its threads
        dist.destroy_process_group()


def rank() -> int:
    """Give the number of this process, from 0; process 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """Give the number of this process on its machine, from 0: of the GPU that is its own.

    Known before `start`, which needs the device.
    """
    return int(os.environ.get("LOCAL_RANK", "0")) if announced() > 1 else 0


def count() -> int:
    """Give how many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def my_slice(n: int) -> slice:
    """Give this process's part of n images of the global batch.

    The parts are consecutive, together everything, and differ by at most one image.
    """
    return part_of(n, rank(), count())


def part_of(n: int, index: int, parts: int) -> slice:
    """Give part `index` of n items cut into `parts` consecutive parts, the longer ones first."""
    assert 0 <= index < parts, f"part {index} of {parts}"
    short, longer = divmod(n, parts)
    begin = index * short + min(index, longer)
    return slice(begin, begin + short + (index < longer))


def sum_over_processes(tensors: Sequence[Tensor]) -> None:
    """Add up each tensor over the processes, in place, as one flattened all-reduce a dtype."""
    if count() == 1:
        return
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        alike = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in alike])
        dist.all_reduce(flat)
        pieces = torch.split(flat, [tensor.numel() for tensor in alike])
        for tensor, piece in zip(alike, pieces, strict=True):
            tensor.detach().copy_(piece.view_as(tensor))


def total(tensor: Tensor) -> Tensor:
    """Add up a tensor over the processes; gradients flow back to the tensor of every process.

    The losses of all processes are one sum, so the gradient of each summand is the sum of the
    gradients that arrive at the result in all of them.
    """
    if count() == 1:
        return tensor
    summed: Tensor = _Total.apply(tensor)
    return summed


def mean(values: Tensor) -> Tensor:
    """Average over the first axis of the global batch: [n, ...] -> [...], differentiable.

    Processes may hold different numbers of images; the mean is over all of them.
    """
    if count() == 1:
        return values.mean(0)
    images = total(torch.full((), len(values), dtype=values.dtype, device=values.device))
    return total(values.sum(0)) / images


def greatest(value: Tensor) -> Tensor:
    """Give the greatest of the values that the processes hold, without a gradient."""
    if count() == 1:
        return value.detach()
    most = value.detach().clone()
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return most


def share(value: object) -> Any:
    """Give every process the value that process 0 has: a choice made once, a run's name."""
    if count() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def first_one(work: Callable[[], Result]) -> Result:
    """Let process 0 work before the others, which then find in the cache what it left there.

    An error of ours in the first is raised in all of them. They wait in a group of their own, for
    hours if it must be: anywhere else so long a wait is a process that hangs.
    """
    if count() == 1:
        return work()
    waiting: Any = dist.new_group(backend="gloo", timeout=PATIENCE)  # torch: or a number
    mine: list[Result] = []
    error: TrilemmaError | None = None
    if rank() == 0:
        try:
            mine.append(work())
        except TrilemmaError as found:
            error = found
            error.everywhere = True
    box = [error]
    dist.broadcast_object_list(box, src=0, group=waiting)
    dist.destroy_process_group(waiting)
    (error,) = box
    if error is not None:
        raise error
    return mine[0] if mine else work()


def together(work: Callable[[slice], Array], n: int) -> Array:
    """Let each process work on its slice of n things; all get the whole, [n, ...], in order.

    work: (slice of the n things) -> array, an entry a thing. Fewer things than processes are not
    worth it: every process works on all of them.
    """
    if count() == 1 or n < count():
        return work(slice(0, n))
    parts: list[Array] = [np.empty(0)] * count()
    dist.all_gather_object(parts, work(my_slice(n)))
    return np.concatenate(parts)


def anywhere(flag: bool) -> bool:
    """Is the flag set in any process? All of them get the same answer: to stop, to save."""
    if count() == 1:
        return flag
    flags: list[bool] = [False] * count()
    dist.all_gather_object(flags, flag)
    return any(flags)


def barrier() -> None:
    """Wait until every process is here."""
    if count() > 1:
        dist.barrier()


class _Total(torch.autograd.Function):
    """An all-reduce whose backward is an all-reduce, so that it may be differentiated twice."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        summed = tensor.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return total(gradients[0])


def announced() -> int:
    """Say how many processes a launcher such as torchrun announced; 1: this one alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))
