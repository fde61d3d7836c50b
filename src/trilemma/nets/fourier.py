"""What StyleGAN3 begins with: plane waves that a style moves and turns.

Source: Karras et al. 2021, arXiv:2106.12423, section 3.1 and appendix C. Written from the paper
alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from trilemma.maths.lowpass import Band
from trilemma.nets.mapping import Dense, exact


class Waves(nn.Module):
    """Plane waves, moved and turned by a style: [N, channels, size, size]."""

    transform: Tensor
    frequencies: Tensor
    phases: Tensor

    def __init__(self, band: Band, channels: int, *, style: int) -> None:
        """band: of the first layer; frequencies are even on a disc as large as its cutoff."""
        super().__init__()
        self.band = band
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Dense(style, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        way = torch.randn(channels, 2)
        squared = way.square().sum(1, keepdim=True)
        self.register_buffer("transform", torch.eye(3))  # from the picture to the waves
        self.register_buffer(
            "frequencies", way / (squared.sqrt() * squared.exp().pow(0.25)) * band.cutoff
        )
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, style: Tensor) -> Tensor:
        """Give the waves; those whose frequency a transform lifts too far fade out."""
        with exact(style):
            return self.waves(style)

    def waves(self, style: Tensor) -> Tensor:
        """Give the waves in the precision of the weights."""
        moved = self.moved(style)
        phases = self.phases + (self.frequencies @ moved[:, :2, 2:]).squeeze(2)
        frequencies = self.frequencies @ moved[:, :2, :2]
        band = self.band
        above = (frequencies.norm(dim=2) - band.cutoff) / (band.rate / 2 - band.cutoff)
        places = (torch.arange(band.size, device=style.device) + 0.5) / band.size - 0.5
        places = places * (band.size / band.rate)
        x = frequencies[:, :, :1] * places
        y = frequencies[:, :, 1:] * places
        turns = x[:, :, None, :] + y[:, :, :, None] + phases[:, :, None, None]
        waves = torch.sin(turns * (2 * math.pi)) * (1 - above).clamp(0, 1)[:, :, None, None]
        weight = self.weight / math.sqrt(len(self.weight))
        return functional.conv2d(waves, weight[:, :, None, None])

    def moved(self, style: Tensor) -> Tensor:
        """Give each image's way from places in the picture to those in the waves: [N, 3, 3]."""
        a, b, x, y = self.affine(style).unbind(1)
        length = torch.hypot(a, b)
        a, b, x, y = (number / length for number in (a, b, x, y))
        none, one = torch.zeros_like(a), torch.ones_like(a)
        turn = torch.stack([a, -b, none, b, a, none, none, none, one], 1).reshape(-1, 3, 3)
        shift = torch.stack([one, none, -x, none, one, -y, none, none, one], 1).reshape(-1, 3, 3)
        return turn @ shift @ self.transform
