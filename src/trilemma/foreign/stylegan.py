"""A network of a snapshot -> the sizes and weights of one of ours, every shape checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trilemma.families.adversarial import CRITICS, GENERATORS, make
from trilemma.foreign import stylegan2, stylegan3
from trilemma.foreign.machine import RefusedError
from trilemma.foreign.records import Part, part_of
from trilemma.foreign.storages import Claim
from trilemma.foreign.stylelayers import refused, told
from trilemma.foreign.unfilled import Unfilled
from trilemma.recipe.checking import SIDE_MAX
from trilemma.recipe.style import StyleGAN2Critic, StyleGAN2Generator, StyleGAN3Generator

Sizes = StyleGAN2Critic | StyleGAN2Generator | StyleGAN3Generator
KNOWN = "known"  # a buffer of ours, which no file has
COUNT_MAX = 10_000  # labels


@dataclass(frozen=True, kw_only=True)
class Described:
    """A network of a file, worked out and checked, its numbers not yet read."""

    sizes: Sizes
    side: int  # pixels of the images
    channels: int
    told: int  # numbers of a condition
    claims: Mapping[str, Claim]  # by the names of our network

    @property
    def bytes(self) -> int:
        """Memory that its weights take, in float32."""
        return 4 * sum(claim.count for claim in self.claims.values())

    def tensors(self) -> dict[str, Tensor]:
        """Read the weights, float32. RefusedError: one is not finite."""
        found = {name: claim.tensor().float() for name, claim in self.claims.items()}
        for name, tensor in found.items():
            if not torch.isfinite(tensor).all():
                raise RefusedError(f"numbers that are not finite, in {name}")
        return found


def describe(values: Mapping[str, Any], name: str, *, critic: bool, bytes_max: int) -> Described:
    """Work out a network of a snapshot by its name there, such as G_ema.

    critic: which kind it must be. bytes_max: of all its weights. RefusedError: it is not there, is
    none of those that are read, or a tensor is not of the shape that the others ask for.
    """
    if values.get(name) is None:
        there = ", ".join(key[:20] for key, value in values.items() if value is not None)
        raise RefusedError(f"no network {name}; there are {there[:200]!a}")
    part = part_of(values[name], name)
    sizes, names = _sizes(part, critic)
    side, channels = part.whole("img_resolution"), part.whole("img_channels")
    if not 8 <= side <= SIDE_MAX or channels not in (1, 3):
        raise part.refuse(f"makes images of {side} pixels and {channels} channels")
    labels = told(part)
    if labels > COUNT_MAX:
        raise part.refuse(f"is told {labels:,} numbers; allowed: {COUNT_MAX:,}")
    claims = {here: _find(part, there) for here, there in names.items()}
    found = Described(sizes=sizes, side=side, channels=channels, told=labels, claims=claims)
    if found.bytes > bytes_max:
        raise part.refuse(f"claims {found.bytes:,} bytes of weights, more than its file has")
    _check_shapes(part, found, names)
    return found


def _sizes(part: Part, critic: bool) -> tuple[Sizes, Mapping[str, str]]:
    if critic and stylegan2.is_critic(part):
        return stylegan2.critic(part)
    if not critic and stylegan3.is_generator(part):
        return stylegan3.generator(part)
    if not critic and stylegan2.is_generator(part):
        return stylegan2.generator(part)
    raise refused(part)


def _find(part: Part, path: str) -> Claim:
    *way, name = path.split(".")
    for step in way:
        part = part.parts[step]
    return part.tensors[name]


def empty(found: Described) -> nn.Module:
    """Build the network of ours without its large weights."""
    table = CRITICS if isinstance(found.sizes, StyleGAN2Critic) else GENERATORS
    size = (found.side, found.side)
    with Unfilled():
        return make(table, found.sizes, size=size, channels=found.channels, conditions=found.told)


def _check_shapes(part: Part, found: Described, names: Mapping[str, str]) -> None:
    """Compare every tensor with the network of ours. RefusedError names the first that differs."""
    ours = {n: tuple(t.shape) for n, t in empty(found).state_dict().items() if n != KNOWN}
    for name, shape in ours.items():
        if name not in found.claims:
            raise part.refuse(f"has no tensor for {name}, {shape}")
        if found.claims[name].shape != shape:
            raise part.refuse(f"has a {names[name]} of {found.claims[name].shape}, must be {shape}")
    if more := sorted(found.claims.keys() - ours.keys()):
        raise part.refuse(f"has a tensor {names[more[0]][:100]!a}, which is no part of it")
