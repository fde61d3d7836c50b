"""LPIPS 0.1 (Zhang et al. 2018, arXiv:1801.03924) through the package `lpips`, an extra.

The package brings its linear layers; AlexNet's and VGG16's weights are torchvision's, and would be
downloaded by it in silence. So it gets them from us: `weights.find` says where they are from.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from trilemma import weights
from trilemma.errors import MissingExtraError
from trilemma.places import Say, quiet

LEAST = 32  # pixels: a side on which AlexNet's fifth layer still has one


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One of the networks that LPIPS knows."""

    net: str  # as the package calls it
    weights: str  # a row of weights.WEIGHTS

    @property
    def name(self) -> str:
        """Name it as the column of a score does."""
        return f"lpips 0.1 {self.net}"

    @property
    def sha256(self) -> str:
        """Give the sha256 of torchvision's file."""
        return weights.WEIGHTS[self.weights].sha256


LPIPS: Mapping[str, Kind] = {  # metric -> network
    "lpips": Kind(net="alex", weights="alexnet"),
    "lpips_vgg": Kind(net="vgg", weights="vgg16"),
}


def load(
    metric: str, *, path: str = "", device: torch.device, say: Say = quiet
) -> Callable[[Tensor, Tensor], Tensor]:
    """Load a row of LPIPS: images [N, C, H, W] in [-1, 1], twice -> distances [N].

    nan where a side is below 32 pixels. path: of torchvision's file. MissingExtraError: the package
    is missing; others as `weights.find`.
    """
    refuse_missing(metric)
    kind = LPIPS[metric]
    file = weights.find(kind.weights, path=path, say=say)
    net = filled(untrained(kind.net), weights.state_dict(file)).to(device)

    def distances(made: Tensor, real: Tensor) -> Tensor:
        if min(made.shape[2:]) < LEAST:
            return torch.full((len(made),), torch.nan)
        if made.shape[1] == 1:
            made, real = (images.expand(-1, 3, -1, -1) for images in (made, real))
        found: Tensor = net(made, real).flatten()
        return found

    return distances


def refuse_missing(metric: str) -> None:
    """Refuse where the package is not installed: MissingExtraError."""
    if find_spec("lpips") is None:
        raise MissingExtraError(
            f"{metric} needs the package lpips, which is not installed; pip install "
            "'trilemma[lpips]'"
        )


def untrained(net: str) -> Any:
    """Build the package's network with its own linear layers and nothing downloaded."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # it calls torchvision as one did in 2021
        import lpips

        return lpips.LPIPS(net=net, pnet_rand=True, verbose=False).requires_grad_(False)


def filled(net: Any, known: Mapping[str, Tensor]) -> Any:
    """Give it torchvision's weights: features.3.weight is the layer 3 of one of its slices."""
    own = net.net.state_dict()
    named = {name: known[f"features.{name.partition('.')[2]}"] for name in own}
    net.net.load_state_dict(named)
    return net.eval()


def wanted(asked: Iterable[str], *, say: Say = quiet) -> tuple[str, ...]:
    """Choose what to measure: what was asked for; else what is here, with a line if it is not.

    Nothing where the package is not installed.
    """
    named = tuple(metric for metric in asked if metric in LPIPS)
    if named or find_spec("lpips") is None:
        return named
    rows = {metric: weights.WEIGHTS[kind.weights] for metric, kind in LPIPS.items()}
    here = tuple(metric for metric, row in rows.items() if weights.present(row) is not None)
    if not here:
        row = rows["lpips"]
        say(
            f"lpips is left out: {row.file} ({row.bytes / 1e6:.0f} MB) is not here; put it into "
            "the folder TRILEMMA_WEIGHTS, or download it: --metrics lpips"
        )
    return here
