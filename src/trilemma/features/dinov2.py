"""`dinov2`: the class token of DINOv2's ViT-S/14, 384 features, no classes."""

import numpy as np
import torch

from trilemma import weights
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.features.inputs import resized, to_channels, to_tensor
from trilemma.nets.dinov2 import DINOv2
from trilemma.places import Say, quiet

SIDE = 224  # pixels: 16 patches, the size the paper's frozen features are measured at
MEAN = (0.485, 0.456, 0.406)  # ImageNet's, of colours in [0, 1]
STD = (0.229, 0.224, 0.225)


def load(*, path: str = "", say: Say = quiet, device: torch.device) -> Extractor:
    """Load it; path: of the weights, "" to look for them and download. Errors as `weights.find`."""
    file = weights.find("dinov2", path=path, say=say)
    net = DINOv2()
    net.load_state_dict(weights.state_dict(file))
    net = net.to(device).eval().requires_grad_(False)
    sha256 = weights.WEIGHTS["dinov2"].sha256
    return Extractor(
        name="dinov2",
        id=f"dinov2-vits14-{sha256[:8]}",
        weights_sha256=sha256,
        resize=f"colour, bicubic (Pillow, 8 bit) to {SIDE}x{SIDE}",
        features=net.norm.normalized_shape[0],
        slow=True,
        licence=weights.WEIGHTS["dinov2"].licence,
        batch=32,
        extract=lambda pixels: _extract(net, pixels, device),
    )


@torch.inference_mode()
def _extract(net: DINOv2, pixels: Pixels, device: torch.device) -> Features:
    pixels = resized(to_channels(pixels, 3), height=SIDE, width=SIDE)
    colours = to_tensor(pixels, device) / 255
    mean, std = (torch.tensor(c, device=device).view(1, 3, 1, 1) for c in (MEAN, STD))
    features = net((colours - mean) / std).cpu().numpy()
    return Features(features, np.empty((len(features), 0), dtype=np.float32))
