"""Points that a generator's pictures are made of: w of style-based networks, z of the others."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trilemma.errors import RunError
from trilemma.nets.stylebased import StyleBased

HEARD = 4  # first layers of a network that are listened to
CONSTANT = "constant"  # the buffer of a style-based layer that holds its noise


@dataclass(frozen=True)
class Space:
    """Points [N, rows, D] between what is drawn and the pictures."""

    generator: nn.Module
    name: Literal["w", "z"]
    rows: int  # layers that are each told a point; z: 1

    def points(self, z: Tensor, told: Tensor | None, *, psi: float | None = None) -> Tensor:
        """Give the points of latents [N, latent]; psi: None: truncated as the recipe says."""
        net: Any = self.generator
        z = z.to(next(net.parameters()))
        if self.name == "z":
            return z[:, None]
        styles: Tensor = net.styles(z, told, psi=net.truncation if psi is None else psi)
        return styles

    def images(
        self, points: Tensor, told: Tensor | None, noise: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """Make images of points, float32; noise: in place of layers' own, by name."""
        net: Any = self.generator
        if self.name == "w":
            made: Tensor = functional_call(net.synthesis, dict(noise or {}), (points,))
        else:
            made = net(points[:, 0]) if told is None else net(points[:, 0], told)
        return made.float()

    def centre(self) -> Tensor | None:
        """Give the mean point [D]; None: the network keeps none."""
        if self.name == "z":
            return torch.zeros(())
        average: Tensor | None = getattr(self.generator.mapping, "average", None)
        return average

    def noise(self) -> dict[str, Tensor]:
        """Give the noise of style-based layers by name, [S, S]; there may be none."""
        if self.name == "z":
            return {}
        kept = self.generator.synthesis.named_buffers()  # type: ignore[union-attr]
        return {name: buffer for name, buffer in kept if name.rpartition(".")[2] == CONSTANT}


def space_of(nets: nn.ModuleDict) -> Space:
    """Find where the pictures of a generator are points."""
    net = nets["generator"]
    if isinstance(net, StyleBased):
        return Space(net, "w", net.synthesis.rows)
    return Space(net, "z", 1)


def matrix(space: Space, size: int, told: Tensor | None) -> Tensor:
    """Give the weights A [R, D] with which the first layers take a point, side by side.

    Of w: of every layer that it scales. Of z: what the first layer answers to each number of it.
    told: conditions [1, A]. RunError: no layer is found that takes z.
    """
    if space.name == "w":
        layers = [m for m in space.generator.synthesis.modules() if _scaled(m)]  # type: ignore[union-attr]
        found: list[Any] = [layer.affine for layer in layers]
        return torch.cat([a.weight * (a.rate / a.weight.shape[1] ** 0.5) for a in found])
    answers = [answer for _, answer in _first(space, _axes(size), _alike(told, size + 1))]
    moved = ((answer[1:] - answer[:1]).flatten(1).T for answer in answers)
    taker = next((weights for weights in moved if weights.any()), None)
    if taker is None:
        raise RunError("no layer is found that takes z; directions need one with a weight")
    return taker


def activations(space: Space, z: Tensor, told: Tensor | None) -> Tensor:
    """Give what the second layer is given, [N, F]: the activations of the one that takes z.

    told: conditions [N, A]. RunError: no such layer is found.
    """
    one = None if told is None else told[:1]
    trial = _first(space, _axes(z.shape[1]), _alike(one, z.shape[1] + 1))
    takers = [at for at, (given, _) in enumerate(trial) if (given != given[:1]).any()]
    if len(takers) < 2:
        raise RunError("no layer is found behind the one that takes z; ask for sefa directions")
    return _first(space, z, told)[takers[1]][0].flatten(1)


class _EnoughError(Exception):
    """All that is wanted of a network was heard."""


def _first(space: Space, z: Tensor, told: Tensor | None) -> list[tuple[Tensor, Tensor]]:
    """Give what the first layers with weights are given and answer, in the order they run."""
    heard: list[tuple[Tensor, Tensor]] = []

    def hear(layer: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        heard.append((given[0].detach(), answer.detach()))
        if len(heard) == HEARD:
            raise _EnoughError

    layers = [m for m in space.generator.modules() if _weighs(m)]
    hooks = [layer.register_forward_hook(hear) for layer in layers]
    try:
        with torch.no_grad(), contextlib.suppress(_EnoughError):
            space.images(space.points(z, told), told)
    finally:
        for hook in hooks:
            hook.remove()
    return heard


def _axes(size: int) -> Tensor:
    """Give 0 and then each axis of z, [1 + size, size]."""
    return torch.cat([torch.zeros(1, size), torch.eye(size)])


def _alike(told: Tensor | None, count: int) -> Tensor | None:
    return None if told is None else told.expand(count, -1)


def _scaled(layer: nn.Module) -> bool:
    """Is it a convolution that w scales? The waves of StyleGAN3 are not: w moves them."""
    weight = getattr(layer, "weight", None)
    return hasattr(layer, "affine") and isinstance(weight, Tensor) and weight.ndim == 4


def _weighs(layer: nn.Module) -> bool:
    weight = getattr(layer, "weight", None)
    return isinstance(weight, Tensor) and weight.ndim > 1 and not list(layer.children())
