"""What several networks share."""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from trilemma import processes

HE = 2**0.5  # gain behind a ReLU (He et al. 2015, arXiv:1502.01852, eq. 10)
HE_LEAKY = (2 / (1 + 0.2**2)) ** 0.5  # behind a leaky one of slope 0.2 (the same, eq. 15)
Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)


def drawn(layer: Layer, *, gain: float) -> Layer:
    """Draw the weights from N(0, gain^2 / inputs of an output), set the bias to 0; give the layer.

    Inputs of mean square 1 then give outputs of std `gain`.
    """
    nn.init.normal_(layer.weight, 0.0, gain / layer.weight[0].numel() ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def divide_by_largest_singular_values(net: nn.Module) -> None:
    """Divide the weight [outputs, the rest] of every layer by its largest singular value.

    One power iteration a forward pass in training. Of grouped convolutions, the groups' matrices
    stand on each other, so that theirs are divided by more than a bound of 1 asks for.
    Source: Miyato et al. 2018, arXiv:1802.05957, algorithm 1.
    """
    for layer in list(net.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)


def whole(tensor: Tensor) -> Tensor:
    """Give numbers of 16 bits in float32, all others as they are: for sums and losses."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


class BatchNorm2d(nn.BatchNorm2d):
    """Normalise over the global batch, whatever the number of processes.

    In one process it is PyTorch's own layer. In several the sums go through our differentiable
    all-reduce (`nn.SyncBatchNorm` refuses the CPU), mean first, then the squares about it.
    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Normalise [N, C, H, W] by channel; N is this process's share of the batch."""
        if processes.count() == 1 or not self.training:
            return super().forward(images)
        wide = whole(images)
        sums = wide.sum((0, 2, 3))
        numbers = processes.total(sums.new_full((), images[:, 0].numel()))
        mean = processes.total(sums) / numbers
        centred = wide - mean[:, None, None]
        variance = processes.total(centred.square().sum((0, 2, 3))) / numbers
        self.follow(mean.detach(), (variance * numbers / (numbers - 1)).detach())
        scale = self.weight * (variance + self.eps).rsqrt()
        normal = centred * scale[:, None, None] + self.bias[:, None, None]
        return normal.to(images.dtype)

    def follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics; variance: unbiased."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked += 1
