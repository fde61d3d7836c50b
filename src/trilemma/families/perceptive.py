"""The network that says how alike two images look, with its weights, which come when needed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from trilemma import weights
from trilemma.maths.image_losses import perceptual
from trilemma.nets.perceptual import LiteMaps, VGGMaps
from trilemma.places import Say, quiet


def _lite(path: Path) -> nn.Module:
    maps = LiteMaps()
    maps.net.load_state_dict(weights.state_dict(path))
    return maps


def _vgg(path: Path) -> nn.Module:
    maps = VGGMaps()
    known = weights.state_dict(path)
    prefix = "features."
    kept = {name.removeprefix(prefix): x for name, x in known.items() if name.startswith(prefix)}
    own = maps.features.state_dict()
    maps.features.load_state_dict({name: kept[name] for name in own})
    return maps


MAPS: Mapping[str, Callable[[Path], nn.Module]] = {"lite0": _lite, "vgg19": _vgg}


class Perceptive(nn.Module):
    """Images against images [N, C, H, W] in [-1, 1] -> distances [N]; it has no weights at first.

    A generator that only draws has no use for half a gigabyte of VGG19.
    """

    def __init__(self, name: str, *, path: str = "") -> None:
        """name: a row of MAPS; path: of its weights, "" for where they are looked for."""
        super().__init__()
        self.name, self.path = name, path
        self.maps: nn.Module | None = None

    def load(self, say: Say = quiet) -> "Perceptive":
        """Load the weights, once. OfflineError, RunError, MissingExtraError: as `weights.find`."""
        if self.maps is None:
            found = weights.find(self.name, path=self.path, say=say)
            self.maps = MAPS[self.name](found).eval().requires_grad_(False)
        return self

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        """Measure; gradients go to `made`. Grey images are looked at as grey colours."""
        assert self.maps is not None, "its weights were not loaded"
        if made.shape[1] == 1:
            made, real = (images.expand(-1, 3, -1, -1) for images in (made, real))
        with torch.no_grad():
            known = self.maps(real)
        return perceptual(made=self.maps(made), real=known)
