"""The moving average of networks: what is drawn, scored and kept."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from trilemma.maths.rates import average_decay


class Average:
    """Averaged copies of some networks; with half-life 0 plain copies of the last weights."""

    def __init__(
        self, live: nn.ModuleDict, names: Iterable[str], *, half_life: float, ramp: float
    ) -> None:
        """half_life in images; ramp: it is at most this share of the images seen."""
        self.live, self.half_life, self.ramp = live, half_life, ramp
        self.nets = nn.ModuleDict({name: copy.deepcopy(live[name]) for name in names})
        self.nets.eval().requires_grad_(False)
        self.nets.to(memory_format=torch.contiguous_format)

    @torch.no_grad()
    def update(self, images: int, *, images_seen: int) -> None:
        """Move towards the live weights by `images` more; images_seen counts them already.

        Running statistics of BatchNorm are averaged with the weights they belong to (the statistics
        of the last weights do not fit averaged ones); every other buffer is copied.
        """
        decay = average_decay(
            images, images_seen=images_seen, half_life=self.half_life, ramp=self.ramp
        )
        for name, net in self.nets.items():
            averaged = list(net.parameters()) + statistics(net)
            live = list(self.live[name].parameters()) + statistics(self.live[name])
            torch._foreach_lerp_(averaged, [tensor.detach() for tensor in live], 1 - decay)
            moved = {id(tensor) for tensor in averaged}
            for kept, now in zip(net.buffers(), self.live[name].buffers(), strict=True):
                if id(kept) not in moved:
                    kept.copy_(now)


def statistics(net: nn.Module) -> list[Tensor]:
    """Running means and variances of BatchNorm layers."""
    return [
        buffer
        for name, buffer in net.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    ]
