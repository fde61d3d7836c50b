"""`inception`: the Inception network of the original FID, through `torch-fidelity` (an extra)."""

import torch

from trilemma import weights
from trilemma.errors import MissingExtraError
from trilemma.features.extractor import Extractor, Features, Pixels
from trilemma.features.inputs import to_channels
from trilemma.places import Say, quiet

FEATURES = 2048


def load(*, path: str = "", say: Say = quiet, device: torch.device) -> Extractor:
    """Load it; path: of the weights, "" to look for them and download. Errors as `weights.find`.

    Its logits [N, 1008] are those without bias, which the original Inception Score uses.
    """
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "extractor inception needs torch-fidelity, which is not installed; "
            "pip install 'trilemma[inception]', or use --extractor lite0"
        ) from error
    # torch-fidelity unpickles the file; only the one file with the right sha256 gets that far.
    file = weights.find("inception", path=path, say=say)
    net = FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"], str(file)).to(
        device
    )
    sha256 = weights.WEIGHTS["inception"].sha256
    return Extractor(
        name="inception",
        id=f"inception-{sha256[:8]}",
        weights_sha256=sha256,
        resize="colour, bilinear (TensorFlow 1, not antialiased) to 299x299",
        features=FEATURES,
        slow=True,
        licence=weights.WEIGHTS["inception"].licence,
        batch=32,
        extract=lambda pixels: _extract(net, pixels, device),
    )


@torch.inference_mode()
def _extract(net: torch.nn.Module, pixels: Pixels, device: torch.device) -> Features:
    colour = torch.from_numpy(to_channels(pixels, 3)).to(device)
    features, logits = net(colour.permute(0, 3, 1, 2))
    return Features(features.cpu().numpy(), logits.cpu().numpy())
