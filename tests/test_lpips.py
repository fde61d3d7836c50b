"""LPIPS: the package's own distance, with weights that we hand it and nothing downloaded."""

import hashlib
import importlib.util
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trilemma import weights
from trilemma.errors import DataError, MissingExtraError, OfflineError
from trilemma.features import lpips as ours
from trilemma.features.lpips import LPIPS, load, wanted
from trilemma.pairscores import parted

CPU = torch.device("cpu")
HERE = importlib.util.find_spec("lpips") is not None
needs_lpips = pytest.mark.skipif(not HERE, reason="lpips is not installed")


def backbone(net: str) -> nn.Module:
    """Make torchvision's network, small behind the convolutions, which LPIPS does not use."""
    import torchvision

    with torch.random.fork_rng():
        torch.manual_seed(0)
        if net == "alex":
            made = torchvision.models.alexnet(weights=None)
        else:
            made = torchvision.models.vgg16(weights=None, init_weights=False)
    made.classifier = nn.Sequential()
    assert isinstance(made, nn.Module)
    return made


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    """Put random backbones where torchvision's are looked for, and into the table."""
    states = {}
    for kind in LPIPS.values():
        states[kind.net] = backbone(kind.net).state_dict()
        row = weights.WEIGHTS[kind.weights]
        torch.save(states[kind.net], tmp_path / row.file)
        digest = hashlib.sha256((tmp_path / row.file).read_bytes()).hexdigest()
        table = {**weights.WEIGHTS, kind.weights: replace(row, sha256=digest)}
        monkeypatch.setattr(weights, "WEIGHTS", table)
    monkeypatch.setenv("TRILEMMA_WEIGHTS", str(tmp_path))
    return states


@needs_lpips
@pytest.mark.parametrize("metric", LPIPS)
def test_it_is_the_packages_distance(metric: str, files: dict[str, dict[str, Tensor]]) -> None:
    """The package's network, its features filled layer by layer from the same random ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lpips

        theirs = lpips.LPIPS(net=LPIPS[metric].net, pnet_rand=True, verbose=False)
    layers = [layer for part in theirs.net.children() for layer in part if hasattr(layer, "weight")]
    known = files[LPIPS[metric].net]
    names = [name.removesuffix(".weight") for name in known if name.endswith(".weight")]
    assert len(layers) == len(names)
    for layer, name in zip(layers, names, strict=True):
        layer.load_state_dict({key: known[f"{name}.{key}"] for key in ("weight", "bias")})
    rng = torch.Generator().manual_seed(1)
    made, real = (torch.rand(2, 3, 40, 56, generator=rng) * 2 - 1 for _ in range(2))
    found = load(metric, device=CPU)(made, real)
    with torch.inference_mode():
        assert torch.equal(found, theirs(made, real).flatten())
    assert found.shape == (2,)
    assert found.min() > 0
    assert load(metric, device=CPU)(real, real).abs().max() == 0


@needs_lpips
def test_grey_small_and_the_global_generator(files: dict[str, dict[str, Tensor]]) -> None:
    before = torch.random.get_rng_state()
    distance = load("lpips", device=CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
    grey = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    three = grey.expand(-1, 3, -1, -1)
    assert torch.equal(distance(grey, -grey), distance(three, -three))
    assert distance(grey[..., :31], -grey[..., :31]).isnan().all()


@needs_lpips
def test_what_is_measured_unasked(
    files: dict[str, dict[str, Tensor]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert wanted((), say=said.append) == ("lpips", "lpips_vgg")
    assert not said
    assert wanted(("psnr_y", "lpips_vgg")) == ("lpips_vgg",)
    monkeypatch.setenv("TRILEMMA_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    assert wanted((), say=said.append) == ()
    assert len(said) == 1
    assert "alexnet-owt-7be5be79.pth (244 MB) is not here" in said[0]


@needs_lpips
def test_offline_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRILEMMA_WEIGHTS", raising=False)
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path))

    def offline(*args: object, **named: object) -> Path:
        raise OfflineError("alexnet: cannot be downloaded; set TRILEMMA_WEIGHTS to its folder")

    monkeypatch.setattr(weights, "download", offline)
    with pytest.raises(OfflineError, match="TRILEMMA_WEIGHTS"):
        load("lpips", device=CPU)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ours, "find_spec", lambda name: None)
    said: list[str] = []
    assert wanted((), say=said.append) == ()
    assert not said
    with pytest.raises(MissingExtraError, match=r"pip install 'trilemma\[lpips\]'"):
        load("lpips", device=CPU)


def test_it_is_for_pairs() -> None:
    assert parted(("fd", "lpips"), pairs=True) == (("fd",), ("lpips",))
    with pytest.raises(DataError, match="against its own original"):
        parted(("fd", "lpips"), pairs=False)
