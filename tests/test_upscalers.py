"""From a name or a file to a network: every format, and files that are none or worse."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trilemma import upscalers
from trilemma.errors import MissingExtraError, RunError
from trilemma.foreign import others
from trilemma.nets.rrdb import RRDBNet
from trilemma.nets.srgan import SRGANGenerator
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.upscalers import Upscaler, load_upscaler

CPU = torch.device("cpu")
IMAGES = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(5))
State = dict[str, Tensor]


def quietly(line: str) -> None:
    raise AssertionError(f"said {line}")


def load(path: Path) -> Upscaler:
    return load_upscaler(str(path), device=CPU, say=quietly)


@pytest.fixture(scope="module")
def rrdb() -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(features=8, blocks=2).eval().requires_grad_(False)


def same(up: Upscaler, net: nn.Module) -> bool:
    """Do both give the same image to the bit, and is it an image?"""
    with torch.no_grad():
        wanted = net(IMAGES)
        return bool((up.net(IMAGES) == wanted).all()) and bool(wanted.std() > 1e-3)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".safetensors", ".PTH"])
@pytest.mark.parametrize(
    "net",
    [
        RRDBNet(features=8, growth=4, blocks=1),
        RRDBNet(features=8, growth=4, blocks=1, scale=2),
        RRDBNet(features=8, growth=4, blocks=1, scale=2, unshuffle=1),
        RRDBNet(features=8, growth=4, blocks=1, scale=1),
        RRDBNet(features=8, growth=4, blocks=1, scale=8),
        SRVGGNetCompact(features=8, convs=2, scale=4),
        SRVGGNetCompact(features=8, convs=0, scale=1),
        SRGANGenerator(features=8, blocks=2).eval(),
        SRGANGenerator(features=8, blocks=1, scale=3, batchnorm=False),
    ],
    ids=lambda net: f"{type(net).__name__} x{net.scale}",
)
def test_ours_come_back(
    net: RRDBNet | SRVGGNetCompact | SRGANGenerator, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"mine{suffix}"
    write = save_file if suffix == ".safetensors" else torch.save
    write(net.state_dict(), path)
    up = load(path)
    assert same(up, net)
    assert (up.name, up.scale, up.margin) == ("mine", net.scale, min(net.radius, upscalers.DEEP))
    assert up.multiple == getattr(net, "unshuffle", 1)
    assert re.fullmatch("[0-9a-f]{64}", up.sha256)
    assert not up.net.training
    assert not any(parameter.requires_grad for parameter in up.net.parameters())


def test_averages_come_before_the_last_weights(rrdb: RRDBNet, tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in rrdb.state_dict().items()}
    torch.save({"params": other, "params_ema": rrdb.state_dict()}, tmp_path / "both.pth")
    torch.save({"params": rrdb.state_dict(), "iteration": 7}, tmp_path / "one.pth")
    torch.save({"model": {"state_dict": rrdb.state_dict()}}, tmp_path / "in two.pth")
    for name in ("both", "one"):
        assert same(load(tmp_path / f"{name}.pth"), rrdb)


@pytest.mark.parametrize("front", ["module.", "generator.", "module._orig_mod."])
def test_fronts_are_dropped(rrdb: RRDBNet, front: str, tmp_path: Path) -> None:
    state = {front + name: tensor for name, tensor in rrdb.state_dict().items()}
    torch.save(state, tmp_path / "wrapped.pth")
    assert same(load(tmp_path / "wrapped.pth"), rrdb)


def test_halves_become_float32(rrdb: RRDBNet, tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in rrdb.state_dict().items()}
    save_file(half, tmp_path / "half.safetensors")
    up = load(tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in up.net.parameters()} == {torch.float32}
    again = RRDBNet(features=8, blocks=2)
    again.load_state_dict({name: tensor.float() for name, tensor in half.items()})
    assert same(up, again)


def test_loading_draws_no_numbers(rrdb: RRDBNet, tmp_path: Path) -> None:
    torch.save(rrdb.state_dict(), tmp_path / "x.pth")
    before = torch.get_rng_state()
    load(tmp_path / "x.pth")
    assert torch.equal(before, torch.get_rng_state())


def older(name: str) -> str:
    """Give a weight of Real-ESRGAN the name that it has in the ESRGAN repository of 2020."""
    for old, new in (
        ("RRDB_trunk", "body"), ("RDB", "rdb"), ("trunk_conv", "conv_body"),
        ("upconv1", "conv_up1"), ("upconv2", "conv_up2"), ("HRconv", "conv_hr"),
    ):  # fmt: skip
        name = re.sub(rf"\b{new}(?=\d?\.)", old, name)
    return name


def test_names_of_2020(rrdb: RRDBNet, tmp_path: Path) -> None:
    state = {older(name): tensor for name, tensor in rrdb.state_dict().items()}
    assert "RRDB_trunk.1.RDB3.conv5.bias" in state
    assert {"trunk_conv.weight", "upconv2.weight", "HRconv.bias", "conv_last.bias"} <= state.keys()
    torch.save(state, tmp_path / "esrgan.pth")
    assert same(load(tmp_path / "esrgan.pth"), rrdb)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_names_of_2018(scale: int, tmp_path: Path) -> None:
    """spandrel's own RRDBNet has ESRGAN's first names: model.0, model.1.sub.N.RDB1.conv1.0."""
    esrgan = pytest.importorskip("spandrel.architectures.ESRGAN").ESRGAN
    theirs = esrgan(num_filters=8, num_blocks=2, scale=scale).eval()
    state = theirs.state_dict()
    assert {"model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight", "model.1.sub.2.bias"} <= set(
        state
    )
    torch.save(state, tmp_path / "old.pth")
    up = load(tmp_path / "old.pth")
    assert isinstance(up.net, RRDBNet)
    assert up.scale == scale
    with torch.no_grad():
        wanted = theirs(IMAGES)
        assert wanted.std() > 1e-4
        assert (up.net(IMAGES) - wanted).abs().max() < 1e-6


def test_one_channel_is_applied_to_each(tmp_path: Path) -> None:
    grey = SRVGGNetCompact(channels=1, features=4, convs=1, scale=2)
    torch.save(grey.state_dict(), tmp_path / "grey.pth")
    up = load(tmp_path / "grey.pth")
    with torch.no_grad():
        large = up.net(IMAGES)
        assert large.shape == (2, 3, 16, 24)
        assert (large[1:, 2:] - grey(IMAGES[1:, 2:])).abs().max() < 1e-6


def test_other_numbers_of_channels_are_refused(tmp_path: Path) -> None:
    torch.save(SRVGGNetCompact(channels=4, features=4, convs=1).state_dict(), tmp_path / "rgba.pth")
    refused(tmp_path / "rgba.pth", "4 channels")


def refused(path: Path, said: str, kind: type[Exception] = RunError) -> str:
    with pytest.raises(kind, match=said) as caught:
        load_upscaler(str(path), device=CPU, say=quietly)
    line = str(caught.value)
    assert "\n" not in line
    assert path.name in line
    assert len(line) < 400 + len(str(path))
    return line


class Hostile:
    """Unpickled as a command that makes a file."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"{sys.executable} -c \"open('harmed', 'w')\"",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_hostile_file_is_refused_in_one_line(
    legacy: bool, rrdb: RRDBNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(
        {"params": rrdb.state_dict(), "more": Hostile()},
        tmp_path / "bad.pth",
        _use_new_zipfile_serialization=not legacy,
    )
    refused(tmp_path / "bad.pth", "no file of plain tensors")
    assert not (tmp_path / "harmed").exists()
    torch.load(tmp_path / "bad.pth", weights_only=False)  # it would have
    assert (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "value",
    [None, 3, [torch.zeros(1)], {}, {"a": 1}, {1: torch.zeros(1)}, {"params": {"a": "b"}}],
    ids=str,
)
def test_no_tensors_are_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "x.pth")
    refused(tmp_path / "x.pth", "no tensors by name")


def test_tensors_that_are_not_in_the_file_are_refused(tmp_path: Path) -> None:
    """A tensor of one number that claims to be a gigabyte, as strides of 0 allow."""
    torch.save({"body.0.weight": torch.zeros(1).expand(1 << 28)}, tmp_path / "x.pth")
    refused(tmp_path / "x.pth", "claim to be")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".onnx"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04", b"\x80\x02}q\x00.", None])
def test_broken_files_are_refused(suffix: str, content: bytes | None, tmp_path: Path) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnxruntime")
    path = tmp_path / f"broken{suffix}"
    if content is not None:
        path.write_bytes(content)
    refused(path, "no such file" if content is None else "give")


@pytest.mark.parametrize("legacy", [False, True])
def test_damaged_files_are_refused_or_read(legacy: bool, tmp_path: Path) -> None:
    """Whatever byte is another or missing: a network, or one line."""
    rng = np.random.default_rng(3)
    whole = tmp_path / "whole.pth"
    net = SRVGGNetCompact(features=2, convs=0)
    torch.save(net.state_dict(), whole, _use_new_zipfile_serialization=not legacy)
    content, read = whole.read_bytes(), 0
    for turn in range(150):
        damaged = bytearray(content)
        at = int(rng.integers(min(len(content), 800) if turn % 2 else len(content)))
        if turn % 5:
            damaged[at] = int(rng.integers(256))
        else:
            del damaged[at:]
        (tmp_path / "x.pth").write_bytes(damaged)
        try:
            load(tmp_path / "x.pth")
            read += 1
        except (RunError, MissingExtraError) as error:
            assert "\n" not in str(error)
    assert read < 150


def test_what_only_looks_like_ours(rrdb: RRDBNet, tmp_path: Path) -> None:
    """Names of ours with other shapes, one too few or too many: never a network by halves."""
    pytest.importorskip("spandrel")
    state = rrdb.state_dict()
    for change in (
        {"body.1.rdb2.conv3.weight": torch.zeros(3, 3)},
        {"conv_first.weight": torch.zeros(())},
        {"conv_last.weight": torch.zeros(0, 8, 3, 3)},
        {"conv_hr.bias": torch.zeros(8, dtype=torch.int64)},
        {"extra.weight": torch.zeros(1)},
    ):
        torch.save(state | change, tmp_path / "x.pth")
        try:
            assert not isinstance(load(tmp_path / "x.pth").net, RRDBNet)
        except RunError as error:
            assert "\n" not in str(error)


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # of spandrel's SwinIR
def test_swinir_through_spandrel(tmp_path: Path) -> None:
    swinir = pytest.importorskip("spandrel.architectures.SwinIR").SwinIR
    torch.manual_seed(0)
    theirs = swinir(
        img_size=16, window_size=8, depths=[2, 2], num_heads=[2, 2], embed_dim=12, mlp_ratio=2,
        upscale=2, upsampler="pixelshuffledirect", resi_connection="1conv",
    ).eval()  # fmt: skip
    torch.save({"params": theirs.state_dict()}, tmp_path / "swinir.pth")
    up = load(tmp_path / "swinir.pth")
    assert (up.scale, up.margin) == (2, upscalers.DEEP)
    images = torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        assert (up.net(images) - theirs(images).clamp(0, 1)).abs().max() < 1e-6
        assert up.net(torch.rand(1, 3, 13, 11)).shape == (1, 3, 26, 22)


def test_without_spandrel_one_line_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"layers.0.weight": torch.zeros(3)}, tmp_path / "swinir.pth")
    monkeypatch.setattr(others, "find_spec", lambda name: None)
    line = refused(tmp_path / "swinir.pth", r"pip install 'trilemma\[models\]'", MissingExtraError)
    assert "1 tensors" in line


def test_a_spandrel_that_cannot_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"layers.0.weight": torch.zeros(3)}, tmp_path / "swinir.pth")
    monkeypatch.setattr(others, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingExtraError, match="cannot be imported"):
        load(tmp_path / "swinir.pth")


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_onnx(half: bool, channels: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    kind = np.float16 if half else np.float32
    path = write_onnx(tmp_path / "up.onnx", channels=channels, kind=kind, scale=2)
    up = load(path)
    assert (up.scale, up.multiple, up.margin) == (2, 1, upscalers.DEEP)
    repeated = IMAGES.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert (up.net(IMAGES) - repeated).abs().max() < (1e-3 if half else 1e-6)
    assert up.net(IMAGES.bfloat16()).dtype == torch.bfloat16


def test_onnx_one_image_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    up = load(write_onnx(tmp_path / "up.onnx", batch=1))
    assert up.net(IMAGES).shape == (2, 3, 16, 24)


@pytest.mark.parametrize(
    ("said", "sides", "channels"),
    [("dynamic height", (64, 64), 3), ("4 channels", ("h", "w"), 4)],
)
def test_onnx_that_cannot_be_used(
    said: str, sides: tuple[str | int, ...], channels: int, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    refused(write_onnx(tmp_path / "up.onnx", sides=sides, channels=channels), said)


def write_onnx(
    path: Path,
    *,
    channels: int = 3,
    batch: str | int = "n",
    sides: tuple[str | int, ...] = ("h", "w"),
    kind: type[np.generic] = np.float32,
    scale: int = 2,
) -> Path:
    """Write a network that repeats every pixel."""
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    number = make.np_dtype_to_tensor_dtype(np.dtype(kind))
    factors = onnx.numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "factors")
    graph = make.make_graph(
        [make.make_node("Resize", ["x", "", "factors"], ["y"], mode="nearest",
                        coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        "repeat",
        [make.make_tensor_value_info("x", number, [batch, channels, *sides])],
        [make.make_tensor_value_info("y", number, [batch, channels, None, None])],
        [factors],
    )  # fmt: skip
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def test_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.onnx").write_bytes(b"x")
    monkeypatch.setattr(others, "find_spec", lambda name: None)
    refused(tmp_path / "x.onnx", r"pip install 'trilemma\[onnx\]'", MissingExtraError)


@pytest.mark.parametrize("name", ["realesrgan-x4plsu", "x.txt", "", "nothing"])
def test_an_unknown_name_is_one_line(name: str) -> None:
    with pytest.raises(RunError, match="realesrgan-x4plus") as caught:
        load_upscaler(name, device=CPU)
    assert "\n" not in str(caught.value)


def test_the_heavy_extras_are_imported_when_needed() -> None:
    code = "import sys, trilemma.upscalers; print({'spandrel', 'onnxruntime'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
