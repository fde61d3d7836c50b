"""A network split over the processes (FSDP2): each holds a part of every weight and its moments.

Nothing else knows of torch's DTensors. Everything here leaves a network of one process, and its
tensors, as they are.
"""

import atexit
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trilemma import processes


def place(nets: nn.ModuleDict, device: torch.device, *, shard: bool) -> None:
    """Move networks to their device; shard: of every weight only this process's part stays.

    A sharded network gathers the weights of a block when it is run, and drops them again; the
    gradients of all processes are summed, each process keeps its part. All processes must run it
    equally often. It can no longer be copied, nor laid out anew.
    """
    if not shard:
        nets.to(device)
        return
    # Late: these imports take half a second, which no other verb has to wait for.
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    mesh = init_device_mesh(device.type, (processes.count(),))
    # Caches of torch keep the mesh to the very end, and it the group, whose threads then abort
    # the process now and then; `processes.end` comes after this.
    atexit.register(vars(mesh).get("_pg_registry", {}).clear)
    for net in nets.values():
        for block in (*blocks(net), net):
            fully_shard(block, mesh=mesh, reshard_after_forward=True)
        for module in net.modules():
            if isinstance(module, FSDPModule):  # summed, not averaged: losses are divided already
                module.set_gradient_divide_factor(1.0)
                module.set_force_sum_reduction_for_comms(True)  # gloo has no other sum


def blocks(net: nn.Module) -> Iterator[nn.Module]:
    """Give what is gathered at once: every part of a network, or of a list in it, with weights."""
    for part in net.children():
        if isinstance(part, nn.ModuleList):
            yield from blocks(part)
        elif any(True for _ in part.parameters()):
            yield part


def is_sharded(tensor: Tensor) -> bool:
    """Is this a part of a tensor that is split over the processes?"""
    return hasattr(tensor, "full_tensor")  # a DTensor, known without the import


def unsummed(gradients: Iterable[Tensor]) -> list[Tensor]:
    """List the gradients that are still to be summed over the processes."""
    return [gradient for gradient in gradients if not is_sharded(gradient)]


def local(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Give what this process holds of each tensor; it shares the memory."""
    wide: list[Any] = [tensor.detach() for tensor in tensors]
    return [tensor.to_local() if is_sharded(tensor) else tensor for tensor in wide]


def whole(tensor: Tensor) -> Tensor:
    """Put a sharded tensor together; every process must call this, and gets it."""
    split: Any = tensor
    full: Tensor = split.full_tensor() if is_sharded(tensor) else tensor
    return full


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put sharded tensors together, in the main memory of process 0: nothing in the others.

    Every process must call this. One tensor at a time is whole on the devices.
    """
    kept: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if processes.rank() == 0:
            kept[name] = full.detach().cpu() if is_sharded(tensor) else full
    return kept


def like(tensor: Tensor, model: Tensor) -> Tensor:
    """Split a whole tensor as `model` of the same shape is, without asking other processes."""
    if not is_sharded(model) or is_sharded(tensor) or tensor.shape != model.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    laid: Any = model
    return distribute_tensor(tensor, laid.device_mesh, laid.placements, src_data_rank=None)
