"""The compact network of Real-ESRGAN: a plain stack of convolutions on small images.

All work is done at the low resolution; the image is enlarged by repeated pixels, and the stack adds
what they lack. The sub-pixel layer is Shi et al. 2016, arXiv:1609.05158. Weights are named as in
Real-ESRGAN's files.
"""

from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from trilemma.nets.blocks import drawn

HE_PRELU = (2 / (1 + 0.25**2)) ** 0.5  # gain behind a PReLU as it begins (arXiv:1502.01852, eq. 15)
LAST = 0.1  # gain: the network begins near the repeated pixels


class SRVGGNetCompact(nn.Module):
    """Images [N, channels, h, w] in [0, 1] -> [N, channels, scale h, scale w], not clamped."""

    def __init__(
        self, *, channels: int = 3, features: int = 64, convs: int = 16, scale: int = 4
    ) -> None:
        """convs: convolutions between the first and the last, 16 in animevideov3."""
        super().__init__()
        self.channels, self.scale = channels, scale
        layers: list[nn.Module] = []
        for before in (channels, *[features] * convs):
            layer = drawn(nn.Conv2d(before, features, 3, 1, 1), gain=HE_PRELU)
            layers += [layer, nn.PReLU(features)]
        layers.append(drawn(nn.Conv2d(features, channels * scale**2, 3, 1, 1), gain=LAST))
        self.body = nn.Sequential(*layers)

    @property
    def radius(self) -> int:
        """Say how many pixels of the input to each side an output pixel depends on."""
        return (len(self.body) + 1) // 2

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge."""
        added = pixel_shuffle(self.body(images), self.scale)
        return added + interpolate(images, scale_factor=float(self.scale), mode="nearest")
