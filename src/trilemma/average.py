"""The moving average of networks, and its guides: what is drawn, scored and kept."""

import copy

import torch
from torch import Tensor, nn

from trilemma import sharding
from trilemma.families.family import Clock, Family
from trilemma.maths.rates import average_decay


def kept(family: Family) -> nn.ModuleDict:
    """Copy the networks that images are drawn with: the averaged ones and their guides."""
    copied = {name: family.nets[name] for name in family.averaged}
    copied.update({name: family.nets[guide.of] for name, guide in family.guides.items()})
    return nn.ModuleDict({name: copy.deepcopy(net) for name, net in copied.items()})


class Average:
    """Averaged copies of some networks; with half-life 0 plain copies of the last weights."""

    def __init__(self, family: Family, *, half_life: float, ramp: float) -> None:
        """half_life in images; ramp: it is at most this share of the images seen."""
        self.family, self.half_life, self.ramp = family, half_life, ramp
        self.nets = kept(family).eval().requires_grad_(False)
        self.nets.to(memory_format=torch.contiguous_format)

    @torch.no_grad()
    def update(self, images: int, at: Clock) -> None:
        """Move towards the live weights by `images` more; the clock counts them already.

        Running statistics of BatchNorm are averaged with the weights they belong to (the statistics
        of the last weights do not fit averaged ones); every other buffer is copied. A guide
        follows until its moment has come.
        """
        decay = average_decay(
            images, images_seen=at.images_seen, half_life=self.half_life, ramp=self.ramp
        )
        for name in self.family.averaged:
            net, live = self.nets[name], self.family.nets[name]
            averaged = sharding.local([*net.parameters(), *statistics(net)])
            now = sharding.local([*live.parameters(), *statistics(live)])
            torch._foreach_lerp_(averaged, now, 1 - decay)
            moved = {id(buffer) for buffer in statistics(net)}
            for buffer, new in zip(net.buffers(), live.buffers(), strict=True):
                if id(buffer) not in moved:
                    buffer.copy_(new)
        for name, guide in self.family.guides.items():
            if at.fraction <= guide.at:
                self.nets[name].load_state_dict(self.nets[guide.of].state_dict())


def statistics(net: nn.Module) -> list[Tensor]:
    """Running means and variances of BatchNorm layers."""
    return [
        buffer
        for name, buffer in net.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    ]
