"""A small classifier whose pooled last layer serves as features: the ruler for labelled sources."""

from torch import Tensor, nn


class Classifier(nn.Module):
    """Five convolutions, a mean over all places, one linear layer.

    images [N, channels, H, W] in [-1, 1], H and W at least 4 -> features [N, features], >= 0, and
    logits [N, classes]. It is convolutional up to the mean, so any size goes in; but it was trained
    at one, and the features of other sizes are distributed otherwise.
    """

    def __init__(self, *, channels: int, classes: int, width: int = 32, features: int = 64) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_layer(channels, width, kernel=5, stride=2),
            *_layer(width, 2 * width, kernel=3, stride=1),
            *_layer(2 * width, 3 * width, kernel=3, stride=2),
            *_layer(3 * width, 3 * width, kernel=3, stride=1),
            *_layer(3 * width, features, kernel=3, stride=1),
        )
        self.head = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give (features, logits)."""
        features = self.body(images).mean(dim=(2, 3))
        return features, self.head(features)


def _layer(inputs: int, outputs: int, *, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
