"""Small networks that enlarge, for the tests around upscaling."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle

from trilemma.upscalers import Upscaler


class Nearest(nn.Module):
    """Repeat each pixel: every answer is known."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, images: Tensor) -> Tensor:
        return interpolate(images, scale_factor=self.scale, mode="nearest")


class Small(nn.Module):
    """Three convolutions of 3 x 3 beside the repeated pixels: 3 pixels are seen around."""

    def __init__(self, scale: int, *, width: int = 6) -> None:
        super().__init__()
        self.scale = scale
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.first = nn.Conv2d(3, width, 3, padding=1)
            self.middle = nn.Conv2d(width, width, 3, padding=1)
            self.last = nn.Conv2d(width, 3 * scale**2, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        seen = self.middle(self.first(images).relu()).relu()
        near = interpolate(images, scale_factor=self.scale, mode="nearest")
        return near + 0.5 * pixel_shuffle(self.last(seen), self.scale)


def nearest(scale: int = 4) -> Upscaler:
    return around(Nearest(scale), scale, margin=0)


def small(scale: int = 4, *, width: int = 6) -> Upscaler:
    return around(Small(scale, width=width), scale, margin=3)


def around(net: nn.Module, scale: int, *, margin: int) -> Upscaler:
    name = type(net).__name__.lower()
    return Upscaler(
        name=name, net=net, scale=scale, margin=margin, licence="none", sha256=f"{name}{scale}"
    )
