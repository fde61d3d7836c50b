"""Inception and DINOv2 against other code, with weights of our own making."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu

from trilemma import weights
from trilemma.features import dinov2, extractors, inputs
from trilemma.nets.dinov2 import DINOv2

COLOURS = np.random.default_rng(3).integers(0, 256, (3, 9, 14, 3), dtype=np.uint8)


def own_weights(
    name: str, state: Mapping[str, Tensor], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let a row of the table name a file of these tensors in `folder`."""
    row = weights.WEIGHTS[name]
    torch.save(dict(state), folder / row.file)
    row = replace(row, sha256=weights.sha256_of(folder / row.file))
    monkeypatch.setattr(weights, "WEIGHTS", {**weights.WEIGHTS, name: row})


def test_inception_is_torch_fidelitys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    network = module.FeatureExtractorInceptionV3
    torch.manual_seed(0)
    with monkeypatch.context() as patch:  # its constructor insists on reading a file
        patch.setattr(network, "load_state_dict", lambda net, state: None)
        patch.setattr(module, "load_state_dict_from_url", lambda url, progress: {})
        net = network("random", ["2048", "logits_unbiased"])
    own_weights("inception", net.state_dict(), tmp_path, monkeypatch)
    extractor = extractors.load("inception", weights=str(tmp_path))
    pixels = COLOURS[:2]
    wanted = net(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    made = extractor(pixels)
    np.testing.assert_allclose(made.features, wanted[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(made.logits, wanted[1].numpy(), atol=1e-5)
    assert made.features.shape == (2, extractor.features)
    grey = inputs.to_channels(pixels[:1], 1)
    np.testing.assert_array_equal(
        extractor(grey).features, extractor(np.repeat(grey, 3, axis=3)).features
    )
    # The official file is these tensors and little else.
    numbers = sum(tensor.nbytes for tensor in net.state_dict().values())
    assert 0 < 95_628_359 - numbers < 500_000


def random_state(net: torch.nn.Module) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(5)
    return {
        name: torch.randn(tensor.shape, generator=rng) * 0.3
        for name, tensor in net.state_dict().items()
    }


def cubic(x: float) -> float:
    """Keys' kernel with a = -0.75, as PyTorch documents its bicubic."""
    x = abs(x)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def sampled(grid: Tensor, rows: int, columns: int) -> Tensor:
    """Sample grid [37, 37, D] at the centres of rows x columns, guard 0.1, edges repeated."""
    axes = []
    for count in (rows, columns):
        matrix = torch.zeros(count, 37)
        for i in range(count):
            place = (i + 0.5) * 37 / (count + 0.1) - 0.5
            for j in range(math.floor(place) - 1, math.floor(place) + 3):
                matrix[i, min(max(j, 0), 36)] += cubic(place - j)
        axes.append(matrix)
    return torch.einsum("ra,cb,abd->rcd", axes[0], axes[1], grid)


def literal_dinov2(state: Mapping[str, Tensor], image: Tensor, heads: int) -> Tensor:
    """One image [3, H, W] -> class token, patch by patch, head by head."""

    def norm(x: Tensor, name: str) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    rows, columns = image.shape[1] // 14, image.shape[2] // 14
    filters = state["patch_embed.proj.weight"].flatten(1)
    tokens = [state["cls_token"][0, 0] + state["pos_embed"][0, 0]]
    grid = sampled(state["pos_embed"][0, 1:].unflatten(0, (37, 37)), rows, columns)
    for r in range(rows):
        for c in range(columns):
            patch = image[:, 14 * r : 14 * r + 14, 14 * c : 14 * c + 14].flatten()
            tokens.append(filters @ patch + state["patch_embed.proj.bias"] + grid[r, c])
    x = torch.stack(tokens)
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    for i in range(depth):
        at = f"blocks.{i}"
        query, key, value = linear(norm(x, f"{at}.norm1"), f"{at}.attn.qkv").chunk(3, dim=1)
        mixed = []
        for q, k, v in zip(*(t.chunk(heads, dim=1) for t in (query, key, value)), strict=True):
            mixed.append(torch.softmax(q @ k.T / q.shape[1] ** 0.5, dim=1) @ v)
        joined = linear(torch.cat(mixed, dim=1), f"{at}.attn.proj")
        x = x + joined * state[f"{at}.ls1.gamma"]
        inner = gelu(linear(norm(x, f"{at}.norm2"), f"{at}.mlp.fc1"))
        x = x + linear(inner, f"{at}.mlp.fc2") * state[f"{at}.ls2.gamma"]
    return norm(x, "norm")[0]


def test_dinov2_equals_a_literal_transformer() -> None:
    net = DINOv2(width=12, depth=2, heads=3).eval()
    state = random_state(net)
    net.load_state_dict(state)
    images = torch.randn(2, 3, 28, 42, generator=torch.Generator().manual_seed(1))
    wanted = torch.stack([literal_dinov2(state, image, heads=3) for image in images])
    torch.testing.assert_close(net(images).detach(), wanted, atol=1e-4, rtol=1e-4)


def test_dinov2s_default_has_the_shapes_of_the_official_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    net = DINOv2()
    state = random_state(net)
    numbers = sum(tensor.nbytes for tensor in state.values())
    assert 0 < weights.WEIGHTS["dinov2"].bytes - numbers < 100_000
    own_weights("dinov2", state, tmp_path, monkeypatch)
    monkeypatch.setattr(dinov2, "SIDE", 28)  # 4 patches, for the time it takes
    extractor = extractors.load("dinov2", weights=str(tmp_path))
    net.load_state_dict(state)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 3), dtype=np.uint8)
    mean = torch.tensor([0.485, 0.456, 0.406])
    std = torch.tensor([0.229, 0.224, 0.225])
    image = ((torch.from_numpy(pixels) / 255 - mean) / std).permute(0, 3, 1, 2)
    made = extractor(pixels)
    np.testing.assert_allclose(made.features, net.eval()(image).detach().numpy(), atol=1e-4)
    assert made.features.shape == (1, extractor.features) == (1, 384)
    assert made.logits.shape == (1, 0)
