"""StyleGAN3's generator as a file describes it -> the sizes of ours, each layer checked."""

import re
from collections.abc import Mapping
from typing import Any

from trilemma.foreign.records import Part, alike, square
from trilemma.foreign.stylelayers import by_rules, checked_dense, fitting, mapped, renamed
from trilemma.maths.lowpass import Band, bands, steps
from trilemma.recipe.checking import SIDE_MAX
from trilemma.recipe.checking_style import check_stylegan3
from trilemma.recipe.style import StyleGAN3Generator

DEPTH_MAX = 100  # layers; the papers have 14
TAPS_MAX = 64  # of a filter for each sample
FILTER_MAX = 512  # taps of a filter
UPSAMPLING_MAX = 16  # rate of the non-linearities, over the maps'
NAMES = (
    (r"mapping\.fc(\d+)\.", r"mapping.layers.\1."),
    (r"mapping\.w_avg$", r"mapping.average"),
    (r"synthesis\.input\.freqs$", r"synthesis.input.frequencies"),
    (r"synthesis\.L(\d+)_\d+_\d+\.", r"synthesis.layers.\1."),
    (r"\.magnitude_ema$", r".magnitude"),
    (r"\.up_filter$", r".up"),
    (r"\.down_filter$", r".down"),
)
STOPBANDS = (  # keyword of the file's network, what the paper has
    ("first_stopband", 2**2.1),
    ("last_stopband_rel", 2**0.3),
)


def is_generator(part: Part) -> bool:
    """Is this what a StyleGAN3 generator is made of?"""
    synthesis = part.parts.get("synthesis", part)
    return "mapping" in part.parts and "input" in synthesis.parts


def generator(part: Part) -> tuple[StyleGAN3Generator, Mapping[str, str]]:
    """Work out a generator; give its sizes, and names of its tensors here -> there."""
    synthesis = part.part("synthesis")
    layers = layers_of(synthesis)
    side = part.whole("img_resolution")
    if not 8 <= side <= SIDE_MAX or side & (side - 1):
        raise part.refuse(f"has img_resolution = {side}, must be 8, 16, 32, ... {SIDE_MAX}")
    sizes = fitting(part, sizes_of(part, synthesis, layers), check_stylegan3)
    course = bands(
        layers=sizes.depth,
        critical=sizes.critical,
        side=side,
        first_cutoff=sizes.first_cutoff,
        first_stopband=sizes.first_stopband,
        last_stopband=sizes.last_stopband,
        margin=sizes.margin,
    )
    check_input(synthesis.part("input"), course[0])
    for number, layer in enumerate(layers):
        check_layer(layer, sizes, course[max(0, number - 1)], course[number], number)
    return sizes, renamed(part, lambda path: by_rules(path, NAMES))


def layers_of(synthesis: Part) -> list[Part]:
    """Give the layers in the order that the file gives them."""
    given = synthesis.state.get("layer_names")
    found = given if isinstance(given, list) else []
    if not all(isinstance(name, str) for name in found) or not 2 <= len(found) <= DEPTH_MAX:
        raise synthesis.refuse("has no list of layer_names")
    for number, name in enumerate(found):
        if not re.fullmatch(rf"L{number}_\d+_\d+", name):
            raise synthesis.refuse(f"has a layer {name[:40]!a}, must be L{number}_SIZE_CHANNELS")
    if len(synthesis.parts) != len(found) + 1:
        raise synthesis.refuse(f"has {len(synthesis.parts)} parts, must have {len(found) + 1}")
    return [synthesis.part(name) for name in found]


def sizes_of(part: Part, synthesis: Part, layers: list[Part]) -> StyleGAN3Generator:
    """Read the sizes; of what no attribute holds, the arguments the network was made with."""
    z = mapped(part.part("mapping"))
    if z.activation != "lrelu" or z.width != z.style or z.embedding not in (0, z.style):
        raise part.refuse("has a mapping network of other widths, or another activation")
    first = layers[0]
    rates = [first.whole(name) for name in ("in_sampling_rate", "out_sampling_rate")]
    stopbands = [argument(part, name, default) for name, default in STOPBANDS]
    return StyleGAN3Generator(
        latent=z.latent,
        style=z.style,
        layers=z.layers,
        mapping_rate=z.rate,
        average_decay=z.average_decay,
        widths=tuple(layer.shape("weight", 4)[0] for layer in layers[:-1]),
        depth=len(layers) - 1,
        critical=synthesis.whole("num_critical", 2),
        first_cutoff=synthesis.part("input").number("bandwidth"),
        first_stopband=stopbands[0],
        last_stopband=stopbands[1],
        margin=synthesis.whole("margin_size", 10),
        kernel=first.shape("weight", 4)[2],
        radial=any(
            len(t.shape) == 2
            for layer in layers
            for n, t in layer.tensors.items()
            if n == "down_filter"
        ),
        filter_size=taps_a_sample(layers),
        lrelu_upsampling=min(UPSAMPLING_MAX, first.whole("tmp_sampling_rate") // max(1, *rates)),
        clamp=alike(layers, "conv_clamp", [layer.clamp() for layer in layers]),
        output_scale=synthesis.number("output_scale", 0.25),
    )


def argument(part: Part, name: str, default: float) -> float:
    """Find a number among the arguments that a generator was made with."""
    given: Any = part.state.get("_init_kwargs")
    nested: Any = given.get("synthesis_kwargs") if isinstance(given, dict) else None
    for found in (given, nested):
        value = found.get(name) if isinstance(found, dict) else None
        if type(value) in (int, float) and 0 < value < SIDE_MAX:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
    return default


def taps_a_sample(layers: list[Part]) -> int:
    """Give the taps of a filter for each sample of the lower rate."""
    for layer in layers:
        for kind in ("up", "down"):
            factor = layer.whole(f"{kind}_factor")
            if factor > 1:
                found = layer.whole(f"{kind}_taps") // factor
                if not 1 <= found <= TAPS_MAX:
                    raise layer.refuse(f"has {found} taps a sample; allowed: 1 to {TAPS_MAX}")
                return found
    return 6  # no layer has a filter


def check_input(part: Part, band: Band) -> None:
    """Check the waves that all begins with."""
    channels = part.shape("weight", 2)[0]
    part.expect("channels", channels)
    part.expect("sampling_rate", band.rate)
    part.expect("bandwidth", band.cutoff)
    if square(part, "size") != band.size:
        raise part.refuse(f"has a size of {square(part, 'size')}, must be {band.size}")
    if checked_dense(part.part("affine"), rate=1.0, activation="linear")[0] != 4:
        raise part.refuse("is moved by other than 4 numbers")


def check_layer(
    layer: Part, sizes: StyleGAN3Generator, before: Band, after: Band, number: int
) -> None:
    """Check every attribute of a layer against the formulas. RefusedError names what differs."""
    last = number == sizes.depth
    upsampling = 1 if last else sizes.lrelu_upsampling
    kernel = 1 if last else sizes.kernel
    way = steps(before, after, kernel=kernel, filter_size=sizes.filter_size, upsampling=upsampling)
    if max(way.up, way.down) > FILTER_MAX:
        raise layer.refuse(f"has filters of {max(way.up, way.down)} taps; allowed: {FILTER_MAX}")
    outputs, inputs = layer.shape("weight", 4)[:2]
    checked_dense(layer.part("affine"), rate=1.0, activation="linear")
    for name, value in {
        "in_channels": inputs,
        "out_channels": outputs,
        "in_sampling_rate": before.rate,
        "out_sampling_rate": after.rate,
        "tmp_sampling_rate": way.rate,
        "in_cutoff": before.cutoff,
        "out_cutoff": after.cutoff,
        "in_half_width": before.half_width,
        "out_half_width": after.half_width,
        "conv_kernel": kernel,
        "up_factor": way.times,
        "down_factor": way.thinned,
        "up_taps": way.up,
        "down_taps": way.down,
    }.items():
        layer.expect(name, value)
    for name, size in (("in_size", before.size), ("out_size", after.size)):
        if square(layer, name) != size:
            raise layer.refuse(f"has {name} = {square(layer, name)}, must be {size}")
    pads = [*way.pads, *way.pads]
    if layer.state.get("padding", pads) != pads:
        raise layer.refuse(f"has another padding than {pads}")
    for flag, value in (
        ("is_torgb", last),
        ("is_critically_sampled", number >= sizes.depth - sizes.critical),
    ):
        if layer.state.get(flag, value) is not value:
            raise layer.differs(flag, layer.state[flag], str(value))
