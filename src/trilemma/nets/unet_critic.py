"""Real-ESRGAN's critic: a U-Net with spectral normalization, a score for every pixel.

Source: Wang et al. 2021, arXiv:2107.10833, section 3.3; the normalization of Miyato et al. 2018,
arXiv:1802.05957.
"""

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from trilemma.nets.blocks import HE_LEAKY, drawn

HALVINGS = 3


def down(before: int, after: int) -> nn.Conv2d:
    """Make a layer that halves the sides, its weight divided by its largest singular value."""
    return normalised(nn.Conv2d(before, after, 4, 2, 1, bias=False))


def same(before: int, after: int) -> nn.Conv2d:
    """Make a layer that keeps the sides, its weight divided by its largest singular value."""
    return normalised(nn.Conv2d(before, after, 3, 1, 1, bias=False))


def normalised(layer: nn.Conv2d) -> nn.Conv2d:
    """Divide the weight of a layer, in every forward pass, by its largest singular value."""
    spectral_norm(drawn(layer, gain=HE_LEAKY))
    return layer


class UNetCritic(nn.Module):
    """Images [N, channels, H, W] -> scores [N, H, W], unbounded; H and W are multiples of 8."""

    def __init__(self, *, channels: int = 3, width: int = 64) -> None:
        """width: channels of the first layer, doubled at each of three halvings."""
        super().__init__()
        self.conv0 = drawn(nn.Conv2d(channels, width, 3, 1, 1), gain=HE_LEAKY)
        self.conv1 = down(width, 2 * width)
        self.conv2 = down(2 * width, 4 * width)
        self.conv3 = down(4 * width, 8 * width)
        self.conv4 = same(8 * width, 4 * width)
        self.conv5 = same(4 * width, 2 * width)
        self.conv6 = same(2 * width, width)
        self.conv7 = same(width, width)
        self.conv8 = same(width, width)
        self.conv9 = drawn(nn.Conv2d(width, 1, 3, 1, 1), gain=1.0)

    def forward(self, images: Tensor) -> Tensor:
        """Score every pixel: down, up with the maps of the way down added, then three layers."""
        assert all(side % 2**HALVINGS == 0 for side in images.shape[2:]), "no multiples of 8"
        x0 = bent(self.conv0(images))
        x1 = bent(self.conv1(x0))
        x2 = bent(self.conv2(x1))
        x = bent(self.conv3(x2))
        x = bent(self.conv4(doubled(x))) + x2
        x = bent(self.conv5(doubled(x))) + x1
        x = bent(self.conv6(doubled(x))) + x0
        scores: Tensor = self.conv9(bent(self.conv8(bent(self.conv7(x)))))
        return scores[:, 0]


def bent(x: Tensor) -> Tensor:
    """Apply the leaky ReLU."""
    return leaky_relu(x, 0.2)


def doubled(x: Tensor) -> Tensor:
    """Double the sides, bilinearly."""
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
