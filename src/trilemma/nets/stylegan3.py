"""StyleGAN3's generator, both configurations: translations (t), and rotations, too (r).

Source: Karras et al. 2021, arXiv:2106.12423, section 3 and appendices C and D. Written from the
paper alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trilemma.maths.lowpass import Band, bands, steps, windowed_jinc, windowed_sinc
from trilemma.nets.fourier import Waves
from trilemma.nets.mapping import Dense, Mapping, activated, exact
from trilemma.nets.resampling import lowered, padded, raised
from trilemma.nets.stylebased import StyleBased

EPSILON = 1e-8  # in normalisations
DECAY = 0.999  # of the mean square of what a layer is given, a batch


class StyleGAN3Generator(StyleBased):
    """Latent [N, latent], conditions [N, A] where it is told any -> images, about [-1, 1]."""

    def __init__(
        self,
        *,
        size: tuple[int, int],
        channels: int,
        latent: int,
        style: int,
        layers: int,
        mapping_rate: float,
        average_decay: float,
        width: int,
        width_max: int,
        widths: tuple[int, ...],
        depth: int,
        critical: int,
        first_cutoff: float,
        first_stopband: float,
        last_stopband: float,
        margin: int,
        kernel: int,
        radial: bool,
        filter_size: int,
        lrelu_upsampling: int,
        clamp: float,
        output_scale: float,
        truncation: float,
        truncation_rows: int,
        conditions: int = 0,
    ) -> None:
        """size: (height, width), equal. conditions: A.

        The others: see the recipe's fields of these names.
        """
        mapping = Mapping(
            latent=latent,
            told=conditions,
            embedding=style,
            style=style,
            layers=layers,
            width=style,
            rate=mapping_rate,
            average_decay=average_decay,
        )
        course = bands(
            layers=depth,
            critical=critical,
            side=size[0],
            first_cutoff=first_cutoff,
            first_stopband=first_stopband,
            last_stopband=last_stopband,
            margin=margin,
        )
        synthesis = Synthesis(
            course,
            widths or channels_of(course, size[0] * width, width_max)[:-1],
            channels=channels,
            style=style,
            critical=critical,
            kernel=kernel,
            radial=radial,
            filter_size=filter_size,
            lrelu_upsampling=lrelu_upsampling,
            clamp=clamp,
            output_scale=output_scale,
        )
        super().__init__(
            mapping,
            synthesis,
            truncation=truncation,
            truncation_rows=truncation_rows,
            conditions=conditions,
        )


def channels_of(course: list[Band], base: int, most: int) -> tuple[int, ...]:
    """Give the channels of each layer: as many as the cutoff leaves, up to a limit."""
    return tuple(round(min(base / 2 / band.cutoff, most)) for band in course)


class Synthesis(nn.Module):
    """Styles [N, rows, style] -> images [N, channels, side, side]."""

    def __init__(
        self,
        course: list[Band],
        widths: tuple[int, ...],
        *,
        channels: int,
        style: int,
        critical: int,
        kernel: int,
        radial: bool,
        filter_size: int,
        lrelu_upsampling: int,
        clamp: float,
        output_scale: float,
    ) -> None:
        """course: of all layers, the last makes colours. widths: channels, of all but the last."""
        super().__init__()
        last = len(course) - 1
        self.rows, self.output_scale = last + 2, output_scale
        self.input = Waves(course[0], widths[0], style=style)
        self.layers = nn.ModuleList(
            Layer(
                course[max(0, i - 1)],
                course[i],
                widths[max(0, i - 1)],
                channels if i == last else widths[i],
                style=style,
                colours=i == last,
                kernel=1 if i == last else kernel,
                radial=radial and i < last - critical,
                filter_size=filter_size,
                upsampling=1 if i == last else lrelu_upsampling,
                clamp=clamp,
            )
            for i in range(last + 1)
        )

    def forward(self, styles: Tensor) -> Tensor:
        """Draw images; the first row of styles moves and turns the waves that all begins with."""
        maps: Tensor = self.input(styles[:, 0])
        for row, layer in enumerate(self.layers, start=1):
            maps = layer(maps, styles[:, row])
        return maps * self.output_scale


class Layer(nn.Module):
    """A convolution by a style, then a non-linearity at a higher rate, between two filters."""

    magnitude: Tensor
    up: Tensor
    down: Tensor

    def __init__(
        self,
        before: Band,
        after: Band,
        inputs: int,
        outputs: int,
        *,
        style: int,
        colours: bool,
        kernel: int,
        radial: bool,
        filter_size: int,
        upsampling: int,
        clamp: float,
    ) -> None:
        """before, after: of the maps given and made. colours: the last layer, which is linear.

        upsampling: how many times the higher of both rates the non-linearity is computed at.
        """
        super().__init__()
        self.mixes = True  # a pass follows a statistic of the batch
        way = steps(before, after, kernel=kernel, filter_size=filter_size, upsampling=upsampling)
        self.colours, self.clamp, self.size = colours, clamp, after.size
        self.times, self.thinned, self.pads = way.times, way.thinned, way.pads
        self.affine = Dense(style, inputs, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("magnitude", torch.ones(()))
        if way.up > 1:
            self.register_buffer("up", _sinc(before, way.up, way.rate))
        if way.down > 1:
            design = _jinc if radial else _sinc
            self.register_buffer("down", design(after, way.down, way.rate))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Give maps [N, outputs, size, size]."""
        if self.training:
            with torch.no_grad():
                square = maps.detach().float().square().mean()
                self.magnitude.lerp_(square, 1 - DECAY)
        maps = self.convolved(maps, style)
        maps = maps + self.bias[:, None, None].to(maps.dtype)
        maps = self.lifted(maps)
        maps = activated(maps, "linear" if self.colours else "lrelu", clamp=self.clamp)
        if "down" not in self._buffers:
            return maps
        return lowered(maps, self.down, times=self.thinned, pads=(0, 0))

    def convolved(self, maps: Tensor, style: Tensor) -> Tensor:
        """Convolve with weights that a style scales, and that are scaled back but for colours."""
        with exact(style):
            scales, weight, back = self.scaled(style)
        maps = maps * scales[:, :, None, None].to(maps.dtype)
        maps = functional.conv2d(maps, weight.to(maps.dtype), padding=weight.shape[2] - 1)
        return maps if back is None else maps * back[:, :, None, None].to(maps.dtype)

    def scaled(self, style: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Give scales of the maps given [N, inputs], weights, and scales back [N, outputs]."""
        weight: Tensor = self.weight
        scales, back = self.affine(style), None
        if self.colours:
            scales = scales / math.sqrt(weight.shape[1])
        else:
            weight = weight * (weight.square().mean((1, 2, 3), keepdim=True)).rsqrt()
            scales = scales * scales.square().mean().rsqrt()
            back = (scales.square() @ weight.square().sum((2, 3)).T + EPSILON).rsqrt()
        return scales * self.magnitude.rsqrt(), weight, back

    def lifted(self, maps: Tensor) -> Tensor:
        """Bring maps to the rate of the non-linearity."""
        if "up" in self._buffers:
            return raised(maps, self.up * self.times, times=self.times, pads=self.pads)
        return padded(padded(maps, self.pads, 3), self.pads, 2)


def _sinc(band: Band, taps: int, rate: int) -> Tensor:
    width = 2 * band.half_width
    return windowed_sinc(taps, cutoff=band.cutoff, width=width, rate=rate).float()


def _jinc(band: Band, taps: int, rate: int) -> Tensor:
    width = 2 * band.half_width
    return windowed_jinc(taps, cutoff=band.cutoff, width=width, rate=rate).float()
