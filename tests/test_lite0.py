"""EfficientNet-Lite0 against another implementation, a literal one, and real photographs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv2d

from trilemma import weights
from trilemma.features import extractors, lite0
from trilemma.features.extractor import Extractor
from trilemma.nets.efficientnet_lite import EfficientNetLite0, SameConv

PHOTOS = Path(
    os.environ.get("TRILEMMA_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data"
) / "photos"  # fmt: skip

# Made by the package efficientnet_lite_pytorch 0.1.0 (the loader of these weights) on picture().
LOGITS_AT = [0, 1, 17, 88, 281, 500, 777, 999]
FEATURES_AT = [0, 5, 100, 640, 1279]
REFERENCE = {  # side: (logits, features)
    128: (
        [-0.1717, -1.9986, -0.177, -1.4249, -1.9504, -0.1448, -1.1772, -0.5434],
        [1.2664, 0.0, 2.2721, 0.05, 0.0],
    ),
    96: (
        [-2.2152, -3.6793, -1.2538, -2.6533, -0.9893, 1.4014, 0.7746, 0.209],
        [0.4412, 0.1295, 3.014, 0.0, 0.0],
    ),
}


@pytest.fixture(scope="module")
def net() -> EfficientNetLite0:
    net = EfficientNetLite0()
    net.load_state_dict(weights.state_dict(weights.find("lite0")))
    return net.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return extractors.load("lite0")


def picture(side: int) -> Tensor:
    """An image [1, 3, side, side] in 0..255 that is asymmetric in rows, columns and colours."""
    y = torch.arange(side).view(1, side, 1)
    x = torch.arange(side).view(1, 1, side)
    c = torch.arange(3).view(3, 1, 1)
    return ((x * 7 + y * 13 * (c + 1) + (x * y) // (5 + c)) % 256).float()[None]


@pytest.mark.parametrize("side", REFERENCE)
def test_equal_to_the_weights_own_loader(net: EfficientNetLite0, side: int) -> None:
    features, logits = net((picture(side) - 127) / 128)
    wanted_logits, wanted_features = REFERENCE[side]
    assert logits[0, LOGITS_AT].tolist() == pytest.approx(wanted_logits, abs=2e-3)
    assert features[0, FEATURES_AT].tolist() == pytest.approx(wanted_features, abs=1e-3)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize(("height", "width"), [(6, 7), (9, 4)])
def test_padding_is_tensorflows_same(kernel: int, stride: int, height: int, width: int) -> None:
    """TensorFlow: output i begins at i * stride - floor(total / 2), outside counts as zero."""
    torch.manual_seed(0)
    layer = SameConv(1, 1, kernel, stride=stride)
    image = torch.randn(1, 1, height, width)
    rows, columns = -(-height // stride), -(-width // stride)
    above = max((rows - 1) * stride + kernel - height, 0) // 2
    left = max((columns - 1) * stride + kernel - width, 0) // 2
    wanted = torch.zeros(rows, columns)
    for i in range(rows):
        for j in range(columns):
            for di in range(kernel):
                for dj in range(kernel):
                    y, x = i * stride - above + di, j * stride - left + dj
                    if 0 <= y < height and 0 <= x < width:
                        wanted[i, j] += image[0, 0, y, x] * layer.weight[0, 0, di, dj]
    torch.testing.assert_close(layer(image)[0, 0], wanted.detach(), check_stride=False)


def test_the_norms_use_tensorflows_epsilon(net: EfficientNetLite0) -> None:
    """The stem by hand: convolve, normalise with eps 1e-3, clip to [0, 6]."""
    state = net.state_dict()
    image = (picture(32) - 127) / 128
    padded = torch.nn.functional.pad(image, (0, 1, 0, 1))
    x = conv2d(padded, state["_conv_stem.weight"], stride=2)
    mean, variance, scale, shift = (
        state[f"_bn0.{name}"].view(1, -1, 1, 1)
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    wanted = ((x - mean) / (variance + 1e-3).sqrt() * scale + shift).clamp(0, 6)
    got = torch.nn.functional.relu6(net._bn0(net._conv_stem(image)))
    torch.testing.assert_close(got, wanted)


def test_the_extractor_is_the_network_on_colour_bytes(
    net: EfficientNetLite0, extractor: Extractor
) -> None:
    """At its own size nothing is resized; grey is three equal channels; batches do not matter."""
    pixels = picture(lite0.SIDE).permute(0, 2, 3, 1).to(torch.uint8).numpy()
    features, logits = net((picture(lite0.SIDE) - 127) / 128)
    got = extractor(np.concatenate([pixels, pixels[:, ::-1]]))
    assert got.features.shape == (2, extractor.features)
    assert got.logits.shape == (2, 1000)
    np.testing.assert_allclose(got.features[:1], features.numpy(), atol=1e-4)
    np.testing.assert_allclose(got.logits[:1], logits.numpy(), atol=1e-3)
    grey = pixels[..., :1]
    np.testing.assert_array_equal(
        extractor(grey).features, extractor(np.repeat(grey, 3, axis=3)).features
    )
    assert extractor.weights_sha256[:8] in extractor.id


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="TRILEMMA_TEST_DATA names no folder with photos")
@pytest.mark.parametrize(
    ("file", "classes"),  # ImageNet's: 88 macaw, 954 banana, 294 brown bear
    [
        ("kodak_PhotoCD_PCD0992_23.jpg", {88}),
        ("jetson_banana_0.jpg", {954}),
        ("jetson_brown_bear.jpg", {294}),
    ],
)
def test_it_knows_what_is_on_a_photograph(
    extractor: Extractor, file: str, classes: set[int]
) -> None:
    pixels = np.asarray(Image.open(PHOTOS / file).convert("RGB"))[None]
    assert int(extractor(pixels).logits.argmax()) in classes
