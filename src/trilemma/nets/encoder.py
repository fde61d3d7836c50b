"""A critic made of the first half of a U-Net, so that it can begin with a denoiser's own weights.

Source of the idea: Sauer et al. 2024, arXiv:2403.12015, section 3 (a critic that lives in the
denoiser's features, in place of a network trained on other images).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from trilemma.nets.blocks import HE_LEAKY, drawn
from trilemma.nets.unet import UNet

LEVEL = -0.4  # ln(sigma) / 4 that the encoder is told: sigma 0.2, little noise


class EncoderCritic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], unbounded."""

    def __init__(self, encoder: UNet, *, size: tuple[int, int], channels: int, hidden: int) -> None:
        """encoder: a U-Net of images [N, channels, *size], of which the first half stays.

        hidden: units between its last map and the score.
        """
        super().__init__()
        self.encoder = encoder
        for half in ("grow", "up", "norm", "last"):
            delattr(self.encoder, half)
        with torch.no_grad():
            maps = self.maps(torch.zeros(1, channels, *size))
        self.width_of_features = hidden
        self.hidden = drawn(nn.Linear(maps.numel(), hidden), gain=HE_LEAKY)
        self.last = drawn(nn.Linear(hidden, 1), gain=1.0)

    def maps(self, images: Tensor) -> Tensor:
        """Give the encoder's last maps [N, C, h, w]; attention by matrices, to be derived twice."""
        level = images.new_full((len(images),), LEVEL)
        with sdpa_kernel(SDPBackend.MATH):
            return self.encoder.encoded(images, self.encoder.level(level))[0]

    def features(self, images: Tensor) -> Tensor:
        """Give what the score is made of, [N, hidden]."""
        return F.leaky_relu(self.hidden(self.maps(images).flatten(1)), 0.2)

    def score(self, features: Tensor) -> Tensor:
        """Score features [N, hidden]: [N]."""
        scores: Tensor = self.last(features).flatten(0)
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """Score images."""
        return self.score(self.features(images))
