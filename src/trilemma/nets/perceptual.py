"""Frozen networks whose maps say how alike two images look: VGG19 and EfficientNet-Lite0.

Each takes images [N, 3, H, W] in [-1, 1] and gives several maps [N, C, h, w], the finest first.
"""

from torch import Tensor, nn
from torch.nn.functional import relu6

from trilemma.nets.efficientnet_lite import EfficientNetLite0

LITE_TAPS = (0, 2, 4, 10)  # the last blocks at a half, a fourth, an eighth, a sixteenth of the side
# Of torchvision's vgg19().features: conv2_2, conv3_4, conv4_4, conv5_4, each before its ReLU
# (Wang et al. 2018, arXiv:1809.00219, section 3.2: maps after it are mostly 0 and say less).
VGG_TAPS = (7, 16, 25, 34)
VGG_MEAN, VGG_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, values in [0, 1]


class LiteMaps(nn.Module):
    """The outputs of four blocks of EfficientNet-Lite0, which see (bytes - 127) / 128."""

    def __init__(self) -> None:
        super().__init__()
        self.net = EfficientNetLite0()

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give 16, 24, 40 and 112 maps."""
        net = self.net
        x = relu6(net._bn0(net._conv_stem((images * 127.5 + 0.5) / 128)))
        found = []
        for number, block in enumerate(net._blocks[: LITE_TAPS[-1] + 1]):
            x = block(x)
            if number in LITE_TAPS:
                found.append(x)
        return found


class VGGMaps(nn.Module):
    """Four convolutions of VGG19 (Simonyan and Zisserman 2014, arXiv:1409.1556)."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import vgg19  # late: it takes a second

        self.features = vgg19(weights=None, init_weights=False).features[: VGG_TAPS[-1] + 1]
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # or the maps that were given would change

    def forward(self, images: Tensor) -> list[Tensor]:
        """Give 128, 256, 512 and 512 maps."""
        mean, std = (images.new_tensor(x).reshape(3, 1, 1) for x in (VGG_MEAN, VGG_STD))
        x = ((images + 1) / 2 - mean) / std
        found = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in VGG_TAPS:
                found.append(x)
        return found
