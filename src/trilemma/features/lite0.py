"""`lite0`: EfficientNet-Lite0 with ImageNet's weights, 1280 features, offline.

It was trained at 224 pixels. Measured on CIFAR-10, one neighbour by cosine, 500 training and 250
test images, error 0.03, and the seconds of one core for 1,000 images:

    side             64    128   160   192   224
    right            .42   .67   .71   .77   .78
    seconds          3     13    22    29    54
"""

import torch

from trilemma import weights
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.features.inputs import resized, to_channels, to_tensor
from trilemma.nets.efficientnet_lite import FEATURES, EfficientNetLite0
from trilemma.places import Say, quiet

SIDE = 192  # pixels; what 224 sees, at half its cost


def load(*, path: str = "", say: Say = quiet, device: torch.device) -> Extractor:
    """Load it; path: of the weights, "" for the package's. Errors as `weights.find`."""
    file = weights.find("lite0", path=path, say=say)
    net = EfficientNetLite0()
    net.load_state_dict(weights.state_dict(file))
    net = net.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
    sha256 = weights.WEIGHTS["lite0"].sha256
    return Extractor(
        name="lite0",
        id=f"lite0-{SIDE}-{sha256[:8]}",
        weights_sha256=sha256,
        resize=f"colour, bicubic (Pillow, 8 bit) to {SIDE}x{SIDE}",
        features=FEATURES,
        slow=True,
        licence=weights.WEIGHTS["lite0"].licence,
        batch=8,
        extract=lambda pixels: _extract(net, pixels, device),
    )


@torch.inference_mode()
def _extract(net: EfficientNetLite0, pixels: Pixels, device: torch.device) -> Features:
    pixels = resized(to_channels(pixels, 3), height=SIDE, width=SIDE)
    images = (to_tensor(pixels, device) - 127) / 128
    features, logits = net(images.to(memory_format=torch.channels_last))
    return Features(features.cpu().numpy(), logits.cpu().numpy())
