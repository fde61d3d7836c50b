"""StyleGAN2's networks as a file describes them -> the sizes of ours.

Everything is worked out from the shapes of tensors and from attributes; names of classes and
defaults of any version say nothing.
"""

import math
import re
from collections.abc import Mapping
from typing import Literal

from trilemma.foreign.records import Part, alike, taps_of
from trilemma.foreign.stylelayers import (
    activation_of,
    by_rules,
    check_beside,
    check_gain,
    checked_dense,
    fitting,
    mapped,
    renamed,
)
from trilemma.maths.pyramid import LEAST, levels
from trilemma.recipe.checking_style import check_style_critic, check_stylegan2
from trilemma.recipe.style import StyleGAN2Critic, StyleGAN2Generator

WHOLE_BATCH = 4096  # images of a group that is the batch
FILTER = "resample_filter"  # a tensor of which the recipe has the numbers
ARCHITECTURES = {"skip": "skip", "residual": "resnet", "original": "orig"}  # here -> there
GENERATOR_NAMES = (  # a tensor's name there -> here
    (r"mapping\.fc(\d+)\.", r"mapping.layers.\1."),
    (r"mapping\.w_avg$", r"mapping.average"),
    (r"synthesis\.b4\.const$", r"synthesis.const"),
    (r"\.noise_const$", r".constant"),
    (r"\.noise_strength$", r".strength"),
    (r"\.torgb\.", r".colours."),
    (r"\.skip\.weight$", r".skip"),
)
CRITIC_NAMES = (
    (r"mapping\.fc(\d+)\.", r"mapping.layers.\1."),
    (r"\.fromrgb\.", r".colours."),
    (r"\.skip\.weight$", r".skip"),
    (r"^b4\.fc\.", r"end.dense."),
    (r"^b4\.out\.", r"end.last."),
    (r"^b4\.", r"end."),
)


def blocks_of(part: Part) -> list[Part]:
    """Give the parts b4, b8, b16, ..., at least two of them."""
    count = sum(bool(re.fullmatch(r"b\d{1,5}", name)) for name in part.parts)
    if count < 2:
        raise part.refuse(f"({part.name!a}) has {count} of the parts b4, b8, b16, ...")
    return [part.part(f"b{LEAST << level}") for level in range(count)]


def generator(part: Part) -> tuple[StyleGAN2Generator, Mapping[str, str]]:
    """Work out a generator; give its sizes, and names of its tensors here -> there."""
    blocks = blocks_of(part.part("synthesis"))
    part.expect("img_resolution", LEAST << (len(blocks) - 1))
    layers = [
        b.part(n) for b in blocks for n in ("conv0", "conv1") if b is not blocks[0] or n == "conv1"
    ]
    colours = [block.parts["torgb"] for block in blocks if "torgb" in block.parts]
    for layer in layers:
        checked_layer(layer, up=layer.path.endswith("conv0"))
    for layer in (*layers, *colours):
        checked_dense(layer.part("affine"), rate=1.0, activation="linear")
    for layer in colours:
        layer.expect("weight_gain", 1 / math.sqrt(layer.shape("weight", 4)[1]))
    for block in blocks:
        if "skip" in block.parts:
            check_beside(block.part("skip"), up=2, down=1)
    z = mapped(part.part("mapping"))
    noisy = alike(layers, "noise", ["noise_strength" in layer.tensors for layer in layers])
    for layer in layers:
        if "use_noise" in layer.state and layer.state["use_noise"] is not noisy:
            raise layer.refuse("says another thing about noise than its tensors")
    clamps = [layer.clamp() for layer in (*layers, *colours)]
    output = way(blocks, "torgb", blocks[0])
    sizes = StyleGAN2Generator(
        latent=z.latent,
        style=z.style,
        layers=z.layers,
        mapping_width=z.width,
        mapping_rate=z.rate,
        mapping_activation=z.activation,
        average_decay=z.average_decay,
        embedding=z.embedding,
        widths=tuple(block.part("conv1").shape("weight", 4)[0] for block in blocks),
        output=output,
        activation=alike(layers, "activation", [activation_of(layer) for layer in layers]),
        noise=noisy,
        clamp=alike([*layers, *colours], "conv_clamp", clamps),
        filter=taps_of(filtering(blocks[1:], "conv0", output)),
    )
    return fitting(part, sizes, check_stylegan2), names(part, GENERATOR_NAMES)


def checked_layer(layer: Part, *, up: bool) -> None:
    """Check what our layer takes for granted: kernels of 3 x 3, sides doubled or kept, the gain."""
    if layer.shape("weight", 4)[2:] != (3, 3):
        raise layer.refuse(f"has kernels of {layer.shape('weight', 4)[2:]}, must be 3 x 3")
    layer.expect("up", 2 if up else 1)
    layer.expect("padding", 1)
    check_gain(layer)


Way = Literal["skip", "residual", "original"]


def filtering(blocks: list[Part], layer: str, kind: Way) -> list[Part]:
    """List the parts whose filter is used: others have one, too, which need not be the same."""
    beside = [block.parts["skip"] for block in blocks if "skip" in block.parts]
    whole = blocks if kind == "skip" else []
    return [*(block.part(layer) for block in blocks), *beside, *whole]


def way(blocks: list[Part], colours: str, first: Part) -> Way:
    """Tell skip, residual and original apart by the parts that there are."""
    found: Way
    beside = [block for block in blocks if "skip" in block.parts]
    seen = [block for block in blocks if colours in block.parts]
    if beside:
        found = "residual"
    elif len(seen) > 1:
        found = "skip"
    else:
        found = "original"
    expected = len(blocks) if found == "skip" else 1
    whole = len(blocks) - 1 if found == "residual" else 0
    if len(seen) != expected or len(beside) != whole:
        raise first.refuse(f"is one of {len(blocks)} blocks of which {len(seen)} have {colours}")
    for block in blocks:
        if block.word("architecture", ARCHITECTURES[found]) != ARCHITECTURES[found]:
            allowed = f"{ARCHITECTURES[found]!a}, as its parts say"
            raise block.differs("architecture", block.state["architecture"], allowed)
    return found


def names(part: Part, rules: tuple[tuple[str, str], ...], last: int = 0) -> dict[str, str]:
    """Name every tensor of a network but its filters: here -> there.

    last: of a critic, whose first block has the largest maps, the level of that one.
    """

    def rename(path: str) -> str:
        here = by_rules(path, rules)
        block = None if path.endswith(FILTER) else re.search(r"(^|synthesis\.)b(\d+)\.", here)
        if block is None:
            return here
        level = levels(int(block[2])) - 1
        place = last - level if last else level
        return here.replace(block[0], f"{block[1]}blocks.{place}.", 1)

    found = renamed(part, rename)
    return {here: path for here, path in found.items() if not path.endswith(FILTER)}


def critic(part: Part) -> tuple[StyleGAN2Critic, Mapping[str, str]]:
    """Work out a critic; give its sizes, and names of its tensors here -> there."""
    last, *others = blocks_of(part)
    part.expect("img_resolution", LEAST << len(others))
    seen = [*others, last]
    layers = [block.part(name) for block in others for name in ("conv0", "conv1")]
    layers += [block.parts["fromrgb"] for block in seen if "fromrgb" in block.parts]
    layers.append(last.part("conv"))
    for layer in layers:
        checked_convolution(layer, halves=layer.path.endswith("conv1"))
    beside = [block.parts["skip"] for block in others if "skip" in block.parts]
    for layer in beside:
        check_beside(layer, up=1, down=2)
    activation = alike(layers, "activation", [activation_of(layer) for layer in layers])
    checked_dense(last.part("fc"), rate=1.0, activation=activation)
    outputs = checked_dense(last.part("out"), rate=1.0, activation="linear")[0]
    z = mapped(part.part("mapping")) if "mapping" in part.parts else None
    last.expect("cmap_dim", outputs if z else 0, default=outputs if z else 0)
    first = last.part("conv").shape("weight", 4)[0]
    spread, entry = last.parts.get("mbstd"), way(seen, "fromrgb", last)
    group = WHOLE_BATCH if spread is None or spread.state.get("group_size") is None else 0
    sizes = StyleGAN2Critic(
        widths=(first, *(block.part("conv0").shape("weight", 4)[0] for block in others)),
        input=entry,
        activation=activation,
        clamp=alike(layers, "conv_clamp", [layer.clamp() for layer in layers]),
        filter=taps_of(filtering(others, "conv1", entry)),
        group=group or (spread.whole("group_size") if spread else 1),
        group_maps=spread.whole("num_channels") if spread else 0,
        asked=outputs if z else 0,
        layers=z.layers if z else 0,
        mapping_rate=z.rate if z else 0.01,
    )
    if z and (z.latent, z.embedding, z.style) != (0, outputs, outputs):
        raise part.refuse(f"compares {outputs} numbers with {z.style} that labels become")
    if z and (z.activation, z.width) != ("lrelu", outputs):
        raise part.refuse(
            f"has a mapping network of the activation {z.activation} and {z.width} units, must be "
            f"lrelu and {outputs}"
        )
    return fitting(part, sizes, check_style_critic), names(part, CRITIC_NAMES, len(others))


def checked_convolution(layer: Part, *, halves: bool) -> None:
    """Check what our convolution takes for granted: its side, its gains, halving or not."""
    _, inputs, height, width = layer.shape("weight", 4)
    side = 1 if layer.path.endswith("fromrgb") else 3
    if (height, width) != (side, side):
        raise layer.refuse(f"has kernels of {height} x {width}, must be {side} x {side}")
    layer.expect("weight_gain", 1 / math.sqrt(inputs * side**2))
    check_gain(layer)
    layer.expect("down", 2 if halves else 1)
    layer.expect("up", 1)
    layer.expect("padding", side // 2)


def is_generator(part: Part) -> bool:
    """Is this what a StyleGAN2 generator is made of?"""
    return "mapping" in part.parts and "b4" in part.parts.get("synthesis", part).parts


def is_critic(part: Part) -> bool:
    """Is this what a StyleGAN2 critic is made of?"""
    return {"b4", "b8"} <= part.parts.keys() and "out" in part.parts["b4"].parts
