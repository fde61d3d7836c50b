"""StyleGAN2's critic.

Sources: Karras et al. 2020, arXiv:1912.04958, section 4 (the ways beside the convolutions);
arXiv:1710.10196, section 3 (what tells how varied a batch is); Miyato and Koyama 2018,
arXiv:1802.05637 (what is told). Written from the papers alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trilemma.maths.lowpass import binomial
from trilemma.maths.pyramid import LEAST, pyramid
from trilemma.nets.blocks import whole
from trilemma.nets.mapping import Dense, Mapping, activated
from trilemma.nets.resampling import lowered

EPSILON = 1e-8  # in the variance over a group


class StyleGAN2Critic(nn.Module):
    """Images [N, channels, side, side] -> scores [N], unbounded; with conditions (scores, None)."""

    taps: Tensor

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        width: int,
        width_max: int,
        widths: tuple[int, ...],
        input: str,  # noqa: A002 the recipe's field
        activation: str,
        clamp: float,
        filter: tuple[float, ...],  # noqa: A002 the recipe's field
        group: int,
        group_maps: int,
        asked: int,
        layers: int,
        mapping_rate: float,
        spectral_norm: bool = False,
        conditions: int = 0,
    ) -> None:
        """size: (height, width), both 4 x 2^k. The others: see the recipe's fields of these names.

        conditions: A, the numbers of a condition; 0: it is told none.
        """
        super().__init__()
        assert not spectral_norm, "its weights are scaled when they are used"
        widths = widths or (*pyramid(size[0], width, width_max),)
        self.input, self.conditional = input, conditions > 0
        self.register_buffer("taps", binomial(filter), persistent=False)
        asked = asked or widths[0]
        self.mapping = (
            Mapping(
                latent=0,
                told=conditions,
                embedding=asked,
                style=asked,
                layers=layers,
                width=asked,
                rate=mapping_rate,
                average_decay=0.0,
            )
            if conditions
            else None
        )
        self.blocks = nn.ModuleList(
            Block(
                widths[level],
                widths[level - 1],
                colours=channels if input == "skip" or level == len(widths) - 1 else 0,
                beside=input == "residual",
                activation=activation,
                clamp=clamp,
            )
            for level in reversed(range(1, len(widths)))
        )
        self.end = End(
            widths[0],
            outputs=asked if conditions else 1,
            colours=channels if input == "skip" or not self.blocks else 0,
            activation=activation,
            clamp=clamp,
            group=group,
            group_maps=group_maps,
        )

    def forward(
        self, images: Tensor, condition: Tensor | None = None
    ) -> Tensor | tuple[Tensor, None]:
        """Score images; condition [N, A] of critics that are told any."""
        maps: Tensor | None = None
        for block in self.blocks:
            maps = block(maps, images, self.taps)
            images = halved(images, self.taps) if self.input == "skip" else images
        found = whole(self.end(maps, images))
        if self.mapping is None:
            return found.flatten()
        fits = (found * self.mapping(None, condition)).sum(1)
        return fits / math.sqrt(found.shape[1]), None


def halved(maps: Tensor, taps: Tensor) -> Tensor:
    """Halve the sides behind a filter."""
    count = len(taps)
    return lowered(maps, taps, times=2, pads=((count - 1) // 2, (count - 2) // 2))


class Convolution(nn.Module):
    """A convolution of equalized learning rate, and its activation."""

    def __init__(
        self, inputs: int, outputs: int, side: int, *, activation: str, clamp: float
    ) -> None:
        """side: of the kernels."""
        super().__init__()
        self.activation, self.clamp = activation, clamp
        self.weight = nn.Parameter(torch.randn(outputs, inputs, side, side))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, maps: Tensor, taps: Tensor | None = None, gain: float = 1.0) -> Tensor:
        """Give maps; taps: of a filter behind which the sides are halved."""
        weight = equalized(self.weight).to(maps.dtype)
        side = weight.shape[2]
        if taps is None:
            maps = functional.conv2d(maps, weight, padding=side // 2)
        else:
            count = len(taps)
            pads = (side // 2 + (count - 1) // 2, side // 2 + (count - 2) // 2)
            maps = lowered(maps, taps, times=1, pads=pads)
            maps = functional.conv2d(maps, weight, stride=2)
        maps = maps + self.bias[:, None, None].to(maps.dtype)
        return activated(maps, self.activation, gain=gain, clamp=self.clamp)


def equalized(weight: Tensor) -> Tensor:
    """Divide a kernel [outputs, inputs, k, k] by the root of the inputs of an output."""
    return weight / math.sqrt(weight[0].numel())


class Block(nn.Module):
    """Maps to those of half the side: two convolutions, and a way beside them."""

    def __init__(
        self,
        before: int,
        after: int,
        *,
        colours: int,
        beside: bool,
        activation: str,
        clamp: float,
    ) -> None:
        """before, after: channels. colours: of images that are added at the start; 0: none."""
        super().__init__()
        more = {"activation": activation, "clamp": clamp}
        self.colours = Convolution(colours, before, 1, **more) if colours else None  # type: ignore[arg-type]
        self.conv0 = Convolution(before, before, 3, **more)  # type: ignore[arg-type]
        self.conv1 = Convolution(before, after, 3, **more)  # type: ignore[arg-type]
        self.skip = nn.Parameter(torch.randn(after, before, 1, 1)) if beside else None

    def forward(self, maps: Tensor | None, images: Tensor, taps: Tensor) -> Tensor:
        """Give maps; maps None: those of the images alone."""
        maps = with_colours(maps, images, self.colours)
        if self.skip is None:
            deeper: Tensor = self.conv1(self.conv0(maps), taps)
            return deeper
        gain = math.sqrt(0.5)
        weight = (equalized(self.skip) * gain).to(maps.dtype)
        beside = functional.conv2d(halved(maps, taps), weight)
        added: Tensor = beside + self.conv1(self.conv0(maps), taps, gain)
        return added


def with_colours(maps: Tensor | None, images: Tensor, colours: nn.Module | None) -> Tensor:
    """Add what is made of images to maps, where either is there."""
    seen: Tensor | None = None if colours is None else colours(images)
    if maps is None or seen is None:
        found: Tensor | None = seen if maps is None else maps
        assert found is not None, "the first block sees the images"
        return found
    return maps + seen


class End(nn.Module):
    """Maps 4 x 4 -> [N, outputs]: how varied the batch is, a convolution and two dense layers."""

    def __init__(
        self,
        inputs: int,
        *,
        outputs: int,
        colours: int,
        activation: str,
        clamp: float,
        group: int,
        group_maps: int,
    ) -> None:
        """group: images whose deviation is taken, at most. group_maps: maps of it; 0: none."""
        super().__init__()
        self.group, self.group_maps = group, group_maps
        self.mixes = group_maps > 0  # a score depends on the batch
        more = {"activation": activation, "clamp": clamp}
        self.colours = Convolution(colours, inputs, 1, **more) if colours else None  # type: ignore[arg-type]
        self.conv = Convolution(inputs + group_maps, inputs, 3, **more)  # type: ignore[arg-type]
        self.dense = Dense(inputs * LEAST**2, inputs, activation=activation)
        self.last = Dense(inputs, outputs)

    def forward(self, maps: Tensor | None, images: Tensor) -> Tensor:
        """Give scores, or what is compared with the condition."""
        maps = with_colours(maps, images, self.colours)
        if self.group_maps:
            spread = deviation(maps, group=self.group, count=self.group_maps)
            maps = torch.cat([maps, spread], 1)
        scores: Tensor = self.last(self.dense(self.conv(maps).flatten(1)))
        return scores


def deviation(maps: Tensor, *, group: int, count: int) -> Tensor:
    """Give the standard deviation within groups of images, as maps [N, count, H, W].

    Of consecutive images, at most `group` of them, as many as divide the batch; the mean over the
    places and over each of `count` parts of the channels.
    Source: Karras et al. 2018, arXiv:1710.10196, section 3.
    """
    n, channels, height, width = maps.shape
    group = next(k for k in range(min(group, n), 0, -1) if n % k == 0)
    parts = maps.float().reshape(n // group, group, count, channels // count, height, width)
    spread = (parts.var(1, unbiased=False) + EPSILON).sqrt().mean((2, 3, 4))
    every = spread[:, None, :, None, None].expand(-1, group, -1, height, width)
    return every.reshape(n, count, height, width).to(maps.dtype)
