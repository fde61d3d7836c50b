"""What style-based networks of every version have in common in files: checked piece by piece."""

import math
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from trilemma.errors import RecipeError
from trilemma.foreign.machine import RefusedError, printable
from trilemma.foreign.records import Part, alike, shown
from trilemma.nets.mapping import ACTIVATIONS

Sizes = TypeVar("Sizes")
Size = tuple[int, int]  # height, width


class Mapped(NamedTuple):
    """The sizes of a mapping network."""

    latent: int
    told: int
    embedding: int
    style: int
    layers: int
    width: int
    rate: float
    activation: str
    average_decay: float


def mapped(part: Part) -> Mapped:
    """Work out a mapping network."""
    numbers = [n for n in part.parts if re.fullmatch(r"fc\d{1,3}", n)]
    dense = [part.part(f"fc{number}") for number in range(len(numbers))]
    told = embedding = 0
    if "embed" in part.parts:
        embedding, told = checked_dense(part.part("embed"), rate=1.0, activation="linear")
    if not dense:
        raise part.refuse("has no layers fc0, fc1, ...")
    rate = alike(dense, "bias_gain", [layer.number("bias_gain") for layer in dense])
    if not 0 < rate <= 100:
        raise part.refuse(f"has a learning rate of {rate:g} times the others'")
    activation = alike(dense, "activation", [activation_of(layer) for layer in dense])
    shapes = [checked_dense(layer, rate=rate, activation=activation) for layer in dense]
    latent = shapes[0][1] - embedding
    part.expect("z_dim", latent)
    decay = part.number("w_avg_beta", 0.998) if "w_avg" in part.tensors else 0.0
    if not 0 <= decay <= 1:
        raise part.refuse(f"has w_avg_beta = {decay:g}, must be in [0, 1]")
    return Mapped(
        latent=latent,
        told=told,
        embedding=embedding,
        style=shapes[-1][0],
        layers=len(dense),
        width=shapes[0][0],
        rate=rate,
        activation=activation,
        average_decay=decay,
    )


def checked_dense(part: Part, *, rate: float, activation: str) -> tuple[int, int]:
    """Check a dense layer against its formula; give (outputs, inputs)."""
    outputs, inputs = part.shape("weight", 2)
    if part.shape("bias", 1) != (outputs,):
        raise part.refuse(f"has {part.shape('bias', 1)[0]} biases for {outputs} outputs")
    if activation_of(part) != activation:
        raise part.refuse(f"has the activation {activation_of(part)}, must have {activation}")
    part.expect("weight_gain", rate / math.sqrt(inputs))
    part.expect("bias_gain", rate)
    return outputs, inputs


def activation_of(part: Part) -> str:
    """Give the activation of a layer. RefusedError: it is an unknown one."""
    found = part.word("activation", "lrelu")
    if found not in ACTIVATIONS:
        raise part.refuse(f"has the activation {shown(found)}; known: {', '.join(ACTIVATIONS)}")
    return found


def check_gain(part: Part) -> None:
    """Refuse a layer whose gain is not that of its activation."""
    part.expect("act_gain", ACTIVATIONS[activation_of(part)].gain)


def check_beside(part: Part, *, up: int, down: int) -> None:
    """Check a way beside convolutions: 1 x 1, linear, without bias or limit; sides change once."""
    inputs, (height, width) = part.shape("weight", 4)[1], part.shape("weight", 4)[2:]
    if (height, width) != (1, 1):
        raise part.refuse(f"has kernels of {height} x {width}, must be 1 x 1")
    if part.word("activation", "linear") != "linear":
        raise part.differs("activation", part.state["activation"], "'linear'")
    if part.clamp():
        raise part.refuse(f"has conv_clamp = {part.clamp():g}, must be none")
    part.expect("weight_gain", 1 / math.sqrt(inputs))
    part.expect("act_gain", 1.0)
    part.expect("up", up)
    part.expect("down", down)
    part.expect("padding", 0)


def fitting(part: Part, sizes: Sizes, rule: Callable[[Sizes, str, Size], None]) -> Sizes:
    """Give the sizes of a network that a recipe may have. RefusedError: it may not."""
    side = part.whole("img_resolution")
    try:
        rule(sizes, part.path, (side, side))
    except RecipeError as error:
        raise RefusedError(str(error)) from error
    return sizes


def renamed(part: Part, rename: Callable[[str], str]) -> dict[str, str]:
    """Name every tensor of a network: here -> there. RefusedError: two have one name here."""
    found: dict[str, str] = {}
    for path in paths(part):
        here = rename(path)
        if here in found:
            raise part.refuse(f"has both {printable(found[here])} and {printable(path)}")
        found[here] = path
    return found


def by_rules(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    """Give the name that a tensor has here."""
    for pattern, ours in rules:
        name = re.sub(pattern, ours, name)
    return name


def paths(part: Part) -> list[str]:
    """List the tensors of a network by dots."""
    inner = [f"{name}.{path}" for name, one in part.parts.items() for path in paths(one)]
    return [*part.tensors, *inner]


def told(part: Part) -> int:
    """Give how many numbers a network is told beside its input; checked against its attribute."""
    embed = part.parts.get("mapping", part).parts.get("embed")
    count = embed.shape("weight", 2)[1] if embed else 0
    part.expect("c_dim", count)
    return count


def refused(part: Part) -> RefusedError:
    """Say that a network is none of those that are read."""
    found = ", ".join([*part.parts][:5]) or "nothing"
    return part.refuse(
        f"is of the class {part.name!a} and is made of {found[:100]!a}; read are generators of "
        "StyleGAN2 and StyleGAN3 and critics of StyleGAN2"
    )
