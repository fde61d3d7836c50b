"""StyleGAN2's generator.

Sources: Karras et al. 2020, arXiv:1912.04958, sections 2 to 4; arXiv:2006.06676 (ADA), whose
channels and clamps it has. Written from the papers alone.
"""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from trilemma.maths.lowpass import binomial
from trilemma.maths.pyramid import LEAST, pyramid
from trilemma.nets.mapping import Dense, Mapping, activated, exact
from trilemma.nets.resampling import lowered, raised
from trilemma.nets.stylebased import StyleBased

Noise = Generator | Iterator[Tensor] | Literal["const", "none"]  # drawn, or given by layers
EPSILON = 1e-8  # in demodulation


class StyleGAN2Generator(StyleBased):
    """Latent [N, latent], conditions [N, A] where it is told any -> images, about [-1, 1]."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        latent: int,
        style: int,
        layers: int,
        mapping_width: int,
        mapping_rate: float,
        mapping_activation: str,
        average_decay: float,
        embedding: int,
        width: int,
        width_max: int,
        widths: tuple[int, ...],
        output: str,
        activation: str,
        noise: bool,
        clamp: float,
        filter: tuple[float, ...],  # noqa: A002 the recipe's field
        truncation: float,
        truncation_rows: int,
        conditions: int = 0,
    ) -> None:
        """size: (height, width), both 4 x 2^k. conditions: A.

        The others: see the recipe's fields of these names.
        """
        mapping = Mapping(
            latent=latent,
            told=conditions,
            embedding=embedding or style,
            style=style,
            layers=layers,
            width=mapping_width or style,
            activation=mapping_activation,
            rate=mapping_rate,
            average_decay=average_decay,
        )
        synthesis = Synthesis(
            channels=channels,
            style=style,
            widths=widths or pyramid(size[0], width, width_max),
            output=output,
            activation=activation,
            noise=noise,
            clamp=clamp,
            taps=filter,
        )
        super().__init__(
            mapping,
            synthesis,
            truncation=truncation,
            truncation_rows=truncation_rows,
            conditions=conditions,
        )


class Synthesis(nn.Module):
    """Styles [N, rows, style] -> images [N, channels, side, side]."""

    def __init__(
        self,
        *,
        channels: int,
        style: int,
        widths: tuple[int, ...],
        output: str,
        activation: str,
        noise: bool,
        clamp: float,
        taps: tuple[float, ...],
    ) -> None:
        """widths: channels of the maps at 4 x 4, 8 x 8 and so on. taps: of the filter."""
        super().__init__()
        self.output, self.rows = output, 2 * len(widths)
        self.const = nn.Parameter(torch.randn(widths[0], LEAST, LEAST))
        self.register_buffer("taps", binomial(taps), persistent=False)
        self.blocks = nn.ModuleList()
        for level, after in enumerate(widths):
            before = widths[level - 1] if level else 0
            last = level == len(widths) - 1
            self.blocks.append(
                Block(
                    before,
                    after,
                    side=LEAST << level,
                    style=style,
                    colours=channels if last or output == "skip" else 0,
                    beside=output == "residual",
                    activation=activation,
                    noise=noise,
                    clamp=clamp,
                )
            )

    taps: Tensor

    def forward(self, styles: Tensor, noise: Noise = "const") -> Tensor:
        """Draw images; styles: two rows a block, and one for the last colours."""
        maps = self.const.expand(len(styles), -1, -1, -1)
        images: Tensor | None = None
        for level, block in enumerate(self.blocks):
            first = max(0, 2 * level - 1)  # the row of a block's colours is the next one's first
            maps, colours = block(maps, styles[:, first:], self.taps, noise)
            if images is not None:
                images = enlarged(images, self.taps)
            if colours is not None:
                images = colours if images is None else images + colours
        assert images is not None, "the last block makes colours"
        return images


def enlarged(maps: Tensor, taps: Tensor) -> Tensor:
    """Double the sides, with samples between by a filter."""
    count = len(taps)
    return raised(maps, 2 * taps, times=2, pads=((count + 1) // 2, (count - 2) // 2))


class Block(nn.Module):
    """Maps of one side to those of twice that: two convolutions, a way beside them, colours."""

    def __init__(
        self,
        before: int,
        after: int,
        *,
        side: int,
        style: int,
        colours: int,
        beside: bool,
        activation: str,
        noise: bool,
        clamp: float,
    ) -> None:
        """before: channels; 0: the first block, of one convolution. colours: 0: none are made."""
        super().__init__()
        layer = {"activation": activation, "noise": noise, "clamp": clamp, "style": style}
        self.conv0 = Layer(before, after, side=side, up=True, **layer) if before else None  # type: ignore[arg-type]
        self.conv1 = Layer(after, after, side=side, up=False, **layer)  # type: ignore[arg-type]
        self.colours = Colours(after, colours, style=style, clamp=clamp) if colours else None
        self.skip = nn.Parameter(torch.randn(after, before, 1, 1)) if beside and before else None

    def forward(
        self, maps: Tensor, styles: Tensor, taps: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor | None]:
        """Give maps and, of blocks that make them, colours."""
        beside, gain, row = None, 1.0, 0
        if self.skip is not None:
            gain = math.sqrt(0.5)
            weight = self.skip * (gain / math.sqrt(self.skip.shape[1]))
            beside = enlarged(functional.conv2d(maps, weight.to(maps.dtype)), taps)
        if self.conv0 is not None:
            maps, row = self.conv0(maps, styles[:, 0], taps, noise), 1
        maps = self.conv1(maps, styles[:, row], taps, noise, gain)
        maps = maps if beside is None else beside + maps
        return maps, None if self.colours is None else self.colours(maps, styles[:, row + 1])


class Layer(nn.Module):
    """A convolution whose weights a style scales, and which are scaled back (demodulation).

    Weights w'_oikl = s_i w_oikl / sqrt(sum_ikl (s_i w_oikl)^2 + 1e-8): eqs. 1 and 3. Maps are
    scaled by s before and by the root after one convolution for all images, which is the same.
    """

    constant: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        side: int,
        style: int,
        up: bool,
        activation: str,
        noise: bool,
        clamp: float,
    ) -> None:
        """side: of the maps that it makes. up: double the sides. clamp: 0: none."""
        super().__init__()
        self.up, self.activation, self.clamp = up, activation, clamp
        self.affine = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        if noise:
            self.register_buffer("constant", torch.randn(side, side))
            self.strength = nn.Parameter(torch.zeros(()))

    def forward(
        self, maps: Tensor, style: Tensor, taps: Tensor, noise: Noise, gain: float = 1.0
    ) -> Tensor:
        """Give maps [N, outputs, side, side]; gain: on the activation and the clamp."""
        with exact(style):
            scales = self.affine(style)
            squares = self.weight.square().sum((2, 3))
            back = (scales.square() @ squares.T + EPSILON).rsqrt()
        maps = maps * scales[:, :, None, None].to(maps.dtype)
        weight = self.weight.to(maps.dtype)
        maps = upward(maps, weight, taps) if self.up else functional.conv2d(maps, weight, padding=1)
        maps = maps * back[:, :, None, None].to(maps.dtype)
        maps = self.noisy(maps, noise) + self.bias[:, None, None].to(maps.dtype)
        return activated(maps, self.activation, gain=gain, clamp=self.clamp)

    def noisy(self, maps: Tensor, noise: Noise) -> Tensor:
        """Add the layer's noise: one value a place, the same for all channels."""
        if noise == "none" or not hasattr(self, "strength"):
            return maps
        if isinstance(noise, Generator):
            shape = (len(maps), 1, *maps.shape[2:])
            drawn = torch.randn(shape, generator=noise, device=noise.device).to(maps)
        elif isinstance(noise, Iterator):
            drawn = next(noise).to(maps)
        else:
            drawn = self.constant.to(maps.dtype)
        return maps + drawn * self.strength.to(maps.dtype)


def upward(maps: Tensor, weight: Tensor, taps: Tensor) -> Tensor:
    """Double the sides and convolve (a true convolution, kernels of 3 x 3), then filter.

    The filter follows a transposed convolution, so that zeros between samples are not multiplied;
    as convolutions may change places, that is the same as filtering first.
    """
    count = len(taps)
    before = (count + 1) // 2 - 1
    maps = functional.conv_transpose2d(maps, weight.transpose(0, 1), stride=2)
    return lowered(maps, 2 * taps, times=1, pads=(before, count - 2 - before))


class Colours(nn.Module):
    """Maps -> colours: a 1 x 1 convolution that a style scales, without demodulation."""

    def __init__(self, inputs: int, channels: int, *, style: int, clamp: float) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Give [N, channels, H, W]."""
        scales = self.affine(style) / math.sqrt(self.weight.shape[1])
        maps = maps * scales[:, :, None, None].to(maps.dtype)
        images = functional.conv2d(maps, self.weight.to(maps.dtype), self.bias.to(maps.dtype))
        return activated(images, "linear", clamp=self.clamp)
