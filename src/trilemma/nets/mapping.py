"""What style-based networks share: layers of equalized learning rate, and z -> w.

Sources: Karras et al. 2019, arXiv:1812.04948, section 2; Karras et al. 2018, arXiv:1710.10196,
section 4.1 (weights that are drawn from N(0, 1) and scaled when they are used).
"""

import math
from collections.abc import Callable
from collections.abc import Mapping as Table
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from trilemma import processes


class Activation(NamedTuple):
    """A non-linearity, and the factor that keeps the mean square of what it is given."""

    apply: Callable[[Tensor], Tensor]
    gain: float


ACTIVATIONS: Table[str, Activation] = {
    "elu": Activation(functional.elu, 1.0),
    "linear": Activation(lambda x: x, 1.0),
    "lrelu": Activation(lambda x: functional.leaky_relu(x, 0.2), math.sqrt(2)),
    "relu": Activation(functional.relu, math.sqrt(2)),
    "selu": Activation(functional.selu, 1.0),
    "sigmoid": Activation(torch.sigmoid, 1.0),
    "softplus": Activation(functional.softplus, 1.0),
    "swish": Activation(functional.silu, math.sqrt(2)),
    "tanh": Activation(torch.tanh, 1.0),
}


def activated(maps: Tensor, activation: str, *, gain: float = 1.0, clamp: float = 0.0) -> Tensor:
    """Apply an activation, its gain times `gain`, and cut off beyond clamp times `gain`; 0: not."""
    apply, own = ACTIVATIONS[activation]
    maps = apply(maps) * (own * gain)
    return maps.clamp(-clamp * gain, clamp * gain) if clamp else maps


class Dense(nn.Module):
    """A dense layer of equalized learning rate: y = act(x (W m / sqrt(in))^T + b m)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        activation: str = "linear",
        rate: float = 1.0,
        bias: float = 0.0,
    ) -> None:
        """rate: m, how fast it learns beside others. bias: as it starts, before m."""
        super().__init__()
        self.activation, self.rate = activation, rate
        self.weight = nn.Parameter(torch.normal(0.0, 1 / rate, (outputs, inputs)))
        self.bias = nn.Parameter(torch.full((outputs,), bias))

    def forward(self, x: Tensor) -> Tensor:
        """Give [..., outputs]."""
        gain = self.rate / math.sqrt(self.weight.shape[1])
        y = functional.linear(x, self.weight * gain, self.bias * self.rate)
        return activated(y, self.activation)


class Mapping(nn.Module):
    """z [N, latent], and conditions [N, told] -> w [N, style]."""

    average: Tensor

    def __init__(
        self,
        *,
        latent: int,
        told: int,
        embedding: int,
        style: int,
        layers: int,
        width: int,
        activation: str = "lrelu",
        rate: float = 0.01,
        average_decay: float = 0.998,
    ) -> None:
        """latent: 0 where there is no z. told: numbers of a condition, which become `embedding`.

        width: of the layers but the last. average_decay: of the mean w, a batch; 0: none is kept.
        """
        super().__init__()
        self.latent, self.average_decay = latent, average_decay
        self.embed = Dense(told, embedding) if told else None
        first = latent + (embedding if told else 0)
        widths = [first, *[width] * (layers - 1), style] if layers else [first]
        self.layers = nn.ModuleList(
            Dense(before, after, activation=activation, rate=rate)
            for before, after in pairwise(widths)
        )
        if average_decay:
            self.register_buffer("average", torch.zeros(style))

    def forward(self, z: Tensor | None, condition: Tensor | None = None) -> Tensor:
        """Map, in float32 whatever the precision.

        In training the mean of w is followed, but not where a critic is shown the same.
        """
        with exact(next(self.parameters())):
            return self.mapped(z, condition)

    def mapped(self, z: Tensor | None, condition: Tensor | None) -> Tensor:
        """Map in the precision of the weights."""
        kind = next(self.parameters()).dtype
        parts = [normalised(z.to(kind))] if z is not None and self.latent else []
        if self.embed is not None:
            assert condition is not None, "these networks are told conditions"
            parts.append(normalised(self.embed(condition.to(kind))))
        w = torch.cat(parts, 1)
        for layer in self.layers:
            w = layer(w)
        if self.training and self.average_decay and torch.is_grad_enabled():
            self.follow(w.detach().to(self.average.dtype))
        return w

    @torch.no_grad()
    def follow(self, w: Tensor) -> None:
        """Move the mean of w towards that of the global batch."""
        count = processes.total(w.new_tensor(len(w)))
        self.average.lerp_(processes.total(w.sum(0)) / count, 1 - self.average_decay)


def exact(tensor: Tensor) -> torch.autocast:
    """Turn 16 bits off: where few numbers decide about all others, they would be seen."""
    return torch.autocast(tensor.device.type, enabled=False)


def normalised(x: Tensor) -> Tensor:
    """Divide by the root mean square over features: x / sqrt(mean(x^2) + 1e-8).

    Source: Karras et al. 2018, arXiv:1710.10196, section 4.2.
    """
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def mixed(w: Tensor, other: Tensor, numbers: Tensor, *, share: float, rows: int) -> Tensor:
    """Copy w [N, style] to rows; of a share of the images the later rows are of the other w.

    Gives [N, rows, style]. numbers [N, 2], even in [0, 1): is an image mixed, and from which row on
    (1 to rows - 1)? Source: Karras et al. 2019, arXiv:1812.04948, section 3.1.
    """
    first = 1 + (numbers[:, 1] * (rows - 1)).long()
    first = torch.where(numbers[:, 0] < share, first, rows)
    later = torch.arange(rows, device=w.device) >= first[:, None]
    return torch.where(later[:, :, None], other[:, None], w[:, None])


def truncated(w: Tensor, average: Tensor, *, psi: float, rows: int, cut: int) -> Tensor:
    """Copy w [N, style] to rows, the first `cut` of them moved towards the average.

    Gives [N, rows, style]. psi: 1 leaves w as it is, 0 gives the average. cut: 0: all rows.
    Source: Karras et al. 2019, arXiv:1812.04948, appendix B.
    """
    copies = w[:, None].expand(-1, rows, -1)
    if psi == 1:
        return copies
    moved = average + psi * (copies - average)
    return torch.cat([moved[:, : cut or rows], copies[:, cut or rows :]], 1)
