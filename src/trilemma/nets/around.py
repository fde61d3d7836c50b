"""Around an upscaling network: the mean of eight views, several times in a row, another scale."""

from torch import Tensor, nn

from trilemma.maths.lanczos import lanczos


class EightViews(nn.Module):
    """Average what a network makes of the four turns of an image and of its mirror image."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] -> float32, turned back before they are averaged."""
        return sum((self.view(images, turns, flip) for turns, flip in VIEWS[1:]),
                   self.view(images, 0, False)) / len(VIEWS)  # fmt: skip

    def view(self, images: Tensor, turns: int, flip: bool) -> Tensor:
        """Show the network one view; give its answer upright."""
        seen = images.flip(3) if flip else images
        made: Tensor = self.net(seen.rot90(turns, (2, 3))).float().rot90(-turns, (2, 3))
        return made.flip(3) if flip else made


VIEWS = tuple((turns, flip) for flip in (False, True) for turns in range(4))


class Repeated(nn.Module):
    """Apply a network several times, each to what the one before made."""

    def __init__(self, net: nn.Module, times: int) -> None:
        super().__init__()
        self.net, self.times = net, times

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] -> images, scale ** times as large."""
        made = images
        for _ in range(self.times):
            made = self.net(made.to(images.dtype))
        return made


class Resized(nn.Module):
    """Bring what a network makes to another scale by Lanczos."""

    def __init__(self, net: nn.Module, *, made: int, wanted: int) -> None:
        super().__init__()
        self.net, self.made, self.wanted = net, made, wanted

    def forward(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] -> float32 [N, C, wanted H, wanted W]."""
        return lanczos(self.net(images).float(), up=self.wanted, down=self.made)
