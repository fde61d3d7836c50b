"""Style-based networks of ours as files in the official layout: attributes and names by its words.

Written from the description of the format; the numbers are random.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from snapshotfiles import network
from trilemma.families.adversarial import CRITICS, GENERATORS, make
from trilemma.maths.lowpass import bands
from trilemma.recipe.style import StyleGAN2Critic, StyleGAN2Generator, StyleGAN3Generator

SMALL2 = StyleGAN2Generator(
    latent=12,
    style=16,
    layers=2,
    embedding=16,
    mapping_width=16,
    width=4,
    width_max=8,
    widths=(8, 8, 4),
)
SMALL3 = StyleGAN3Generator(
    latent=12, style=16, layers=2, widths=(8, 8, 8, 6), depth=4, critical=2, margin=4
)
JUDGE = StyleGAN2Critic(widths=(8, 8, 4), asked=8, layers=2)


def made(sizes: Any, *, side: int = 16, channels: int = 3, told: int = 0) -> nn.Module:
    """Make a network with random numbers everywhere, biases and averages included."""
    table = CRITICS if isinstance(sizes, StyleGAN2Critic) else GENERATORS
    torch.manual_seed(side + told)
    if told == 0 and hasattr(sizes, "asked"):
        sizes = replace(sizes, asked=0)
    net = make(table, sizes, size=(side, side), channels=channels, conditions=told)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith(("bias", "strength", "average")):
                tensor += 0.1 * torch.randn(tensor.shape)
            if name.endswith("magnitude"):
                tensor *= 1.5
    return net.eval().requires_grad_(False)


def dense(layer: Any) -> Any:
    gain = layer.rate / math.sqrt(layer.weight.shape[1])
    return network(
        "FullyConnectedLayer",
        {"weight": layer.weight, "bias": layer.bias},
        activation=layer.activation,
        weight_gain=gain,
        bias_gain=layer.rate,
    )


def mapping(net: Any, latent: int) -> Any:
    layers: dict[str, Any] = {f"fc{i}": dense(layer) for i, layer in enumerate(net.layers)}
    layers["embed"] = dense(net.embed) if net.embed is not None else None
    buffers = {"w_avg": net.average} if net.average_decay else {}
    return network(
        "MappingNetwork", {}, buffers, layers, z_dim=latent, w_avg_beta=net.average_decay or None
    )


def convolution(layer: Any, **more: Any) -> Any:
    """Describe a layer of a StyleGAN2 generator."""
    buffers: dict[str, Tensor | None] = {"resample_filter": more.pop("taps")}
    parameters = {"weight": layer.weight, "bias": layer.bias}
    if hasattr(layer, "strength"):
        buffers["noise_const"] = layer.constant
        parameters["noise_strength"] = layer.strength
    return network(
        "SynthesisLayer",
        parameters,
        buffers,
        {"affine": dense(layer.affine)},
        activation=layer.activation,
        conv_clamp=layer.clamp or None,
        padding=1,
        act_gain=math.sqrt(2),
        use_noise=hasattr(layer, "strength"),
        **more,
    )


def beside(weight: Tensor, plane: Tensor, *, up: int, down: int) -> Any:
    """Describe the way beside a block's convolutions."""
    return network(
        "Conv2dLayer",
        {"weight": weight},
        {"resample_filter": plane},
        activation="linear",
        up=up,
        down=down,
        conv_clamp=None,
        padding=0,
        weight_gain=1 / math.sqrt(weight.shape[1]),
        act_gain=1,
    )


def stylegan2(net: Any, sizes: StyleGAN2Generator, *, side: int, channels: int, told: int) -> Any:
    """Describe a generator."""
    plane = torch.outer(net.synthesis.taps, net.synthesis.taps)
    blocks: dict[str, Any] = {}
    for level, block in enumerate(net.synthesis.blocks):
        parts: dict[str, Any] = {"conv1": convolution(block.conv1, up=1, taps=plane)}
        if block.conv0 is not None:
            parts["conv0"] = convolution(block.conv0, up=2, taps=plane)
        if block.colours is not None:
            colours = block.colours
            parts["torgb"] = network(
                "ToRGBLayer",
                {"weight": colours.weight, "bias": colours.bias},
                {},
                {"affine": dense(colours.affine)},
                conv_clamp=colours.clamp or None,
                weight_gain=1 / math.sqrt(colours.weight.shape[1]),
            )
        if block.skip is not None:
            parts["skip"] = beside(block.skip, plane, up=2, down=1)
        start = {} if level else {"const": net.synthesis.const}
        blocks[f"b{4 << level}"] = network(
            "SynthesisBlock", start, {"resample_filter": plane}, parts
        )
    return network(
        "Generator",
        modules={
            "synthesis": network("SynthesisNetwork", modules=blocks),
            "mapping": mapping(net.mapping, sizes.latent),
        },
        z_dim=sizes.latent,
        c_dim=told,
        w_dim=sizes.style,
        img_resolution=side,
        img_channels=channels,
    )


def judge_layer(layer: Any, plane: Tensor, down: int = 1) -> Any:
    side = layer.weight.shape[2]
    return network(
        "Conv2dLayer",
        {"weight": layer.weight, "bias": layer.bias},
        {"resample_filter": plane},
        activation=layer.activation,
        conv_clamp=layer.clamp or None,
        up=1,
        down=down,
        padding=side // 2,
        weight_gain=1 / math.sqrt(layer.weight[0].numel()),
        act_gain=math.sqrt(2),
    )


def critic(net: Any, sizes: StyleGAN2Critic, *, side: int, channels: int, told: int) -> Any:
    """Describe a critic."""
    plane = torch.outer(net.taps, net.taps)
    parts: dict[str, Any] = {}
    for place, block in enumerate(net.blocks):
        inner: dict[str, Any] = {
            "conv0": judge_layer(block.conv0, plane),
            "conv1": judge_layer(block.conv1, plane, down=2),
        }
        if block.colours is not None:
            inner["fromrgb"] = judge_layer(block.colours, plane)
        if block.skip is not None:
            inner["skip"] = beside(block.skip, plane, up=1, down=2)
        parts[f"b{side >> place}"] = network(
            "DiscriminatorBlock", {}, {"resample_filter": plane}, inner
        )
    end = net.end
    parts["b4"] = network(
        "DiscriminatorEpilogue",
        modules={
            "conv": judge_layer(end.conv, plane),
            "fc": dense(end.dense),
            "out": dense(end.last),
            "mbstd": network(
                "MinibatchStdLayer", group_size=end.group, num_channels=end.group_maps
            ),
            **({"fromrgb": judge_layer(end.colours, plane)} if end.colours is not None else {}),
        },
    )
    if net.mapping is not None:
        parts["mapping"] = mapping(net.mapping, 0)
    return network(
        "Discriminator", modules=parts, c_dim=told, img_resolution=side, img_channels=channels
    )


def stylegan3(net: Any, sizes: StyleGAN3Generator, *, side: int, channels: int, told: int) -> Any:
    """Describe a StyleGAN3 generator."""
    course = bands(
        layers=sizes.depth,
        critical=sizes.critical,
        side=side,
        first_cutoff=sizes.first_cutoff,
        first_stopband=sizes.first_stopband,
        last_stopband=sizes.last_stopband,
        margin=sizes.margin,
    )
    parts: dict[str, Any] = {}
    for i, layer in enumerate(net.synthesis.layers):
        before, after = course[max(0, i - 1)], course[i]
        up, down = (layer._buffers.get(name) for name in ("up", "down"))
        x, y = layer.pads
        parts[f"L{i}_{after.size}_{layer.weight.shape[0]}"] = network(
            "SynthesisLayer",
            {"weight": layer.weight, "bias": layer.bias},
            {"magnitude_ema": layer.magnitude, "up_filter": up, "down_filter": down},
            {"affine": dense(layer.affine)},
            is_torgb=i == sizes.depth,
            is_critically_sampled=i >= sizes.depth - sizes.critical,
            use_fp16=np.bool_(True),
            in_channels=layer.weight.shape[1],
            out_channels=layer.weight.shape[0],
            in_size=np.broadcast_to(np.int64(before.size), [2]).copy(),
            out_size=np.broadcast_to(np.int64(after.size), [2]).copy(),
            in_sampling_rate=np.float64(before.rate),
            out_sampling_rate=after.rate,
            tmp_sampling_rate=layer.times * before.rate,
            in_cutoff=np.float64(before.cutoff),
            out_cutoff=np.float64(after.cutoff),
            in_half_width=np.float64(before.half_width),
            out_half_width=np.float64(after.half_width),
            conv_kernel=layer.weight.shape[2],
            conv_clamp=layer.clamp or None,
            magnitude_ema_beta=0.999,
            up_factor=layer.times,
            up_taps=1 if up is None else len(up),
            down_factor=layer.thinned,
            down_taps=1 if down is None else len(down),
            down_radial=down is not None and down.ndim == 2,
            padding=[x, y, x, y],
        )
    waves = net.synthesis.input
    names = [*parts]
    parts["input"] = network(
        "SynthesisInput",
        {"weight": waves.weight},
        {"transform": waves.transform, "freqs": waves.frequencies, "phases": waves.phases},
        {"affine": dense(waves.affine)},
        channels=len(waves.weight),
        size=np.array([course[0].size] * 2),
        sampling_rate=course[0].rate,
        bandwidth=course[0].cutoff,
    )
    synthesis = network(
        "SynthesisNetwork",
        modules=parts,
        layer_names=names,
        num_critical=sizes.critical,
        margin_size=sizes.margin,
        output_scale=sizes.output_scale,
    )
    return network(
        "Generator",
        modules={"synthesis": synthesis, "mapping": mapping(net.mapping, sizes.latent)},
        z_dim=sizes.latent,
        c_dim=told,
        w_dim=sizes.style,
        img_resolution=side,
        img_channels=channels,
    )


DESCRIBED: Mapping[str, Callable[..., Any]] = {"stylegan2": stylegan2, "stylegan3": stylegan3}


def snapshot(
    sizes: Any,
    *,
    side: int = 16,
    channels: int = 3,
    told: int = 0,
    judge: StyleGAN2Critic = JUDGE,
) -> tuple[dict[str, Any], nn.Module, nn.Module]:
    """Give what a file holds, its averaged generator, and its critic."""
    facts = {"side": side, "channels": channels, "told": told}
    net, seen = made(sizes, **facts), made(judge, **facts)
    last = made(sizes, **facts)
    with torch.no_grad():
        for parameter in last.parameters():
            parameter *= 1.05
    write = DESCRIBED[sizes.name]
    values = {
        "G": write(last, sizes, **facts),
        "D": critic(seen, judge, **facts),
        "G_ema": write(net, sizes, **facts),
        "augment_pipe": None,
        "training_set_kwargs": {"path": "D:/data/pictures", "resolution": side},
    }
    return values, net, seen
