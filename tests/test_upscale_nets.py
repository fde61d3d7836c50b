"""Networks that enlarge, and their critics: shapes, what a pixel depends on, other programs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from trilemma.nets.rrdb import RRDBNet, filled
from trilemma.nets.srgan import SRGANCritic, SRGANGenerator
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.nets.unet_critic import UNetCritic

Net = RRDBNet | SRGANGenerator | SRVGGNetCompact
NETS: dict[str, tuple[Net, int]] = {}  # name -> network, its radius by hand


def setup_module() -> None:
    torch.manual_seed(0)
    rrdb = {"features": 4, "growth": 2, "blocks": 1}
    # 1 + 15 + 1 convolutions, and 2 pixels for those behind the upsampling
    NETS["rrdb x4"] = (RRDBNet(**rrdb, scale=4), 19)
    NETS["rrdb x8"] = (RRDBNet(**rrdb, scale=8), 19)
    NETS["rrdb x2, not unshuffled"] = (RRDBNet(**rrdb, scale=2, unshuffle=1), 19)
    NETS["rrdb x2"] = (RRDBNet(**rrdb, scale=2), 19 * 2 + 1)
    NETS["rrdb x1"] = (RRDBNet(**rrdb, scale=1), 19 * 4 + 3)
    NETS["srvgg x4"] = (SRVGGNetCompact(features=4, convs=2, scale=4), 4)
    NETS["srvgg x3"] = (SRVGGNetCompact(features=4, convs=1, scale=3), 3)
    # kernels of 9, 2 x 1 block, 1 and, from the end, 4 -> 2 + 1 -> 2 + 1
    NETS["srgan x4"] = (SRGANGenerator(features=4, blocks=1, scale=4), 4 + 2 + 1 + 3)
    NETS["srgan x3"] = (SRGANGenerator(features=4, blocks=1, scale=3), 4 + 2 + 1 + 3)
    for net, _ in NETS.values():
        lively(net)


def lively(net: nn.Module) -> None:
    """Give every layer weights that pass a change on, in float64, so that none is rounded away."""
    for parameter in net.double().eval().requires_grad_(False).parameters():
        parameter.copy_(torch.randn(parameter.shape) * 0.3 + 0.2)


NAMES = (
    "rrdb x4", "rrdb x8", "rrdb x2, not unshuffled", "rrdb x2", "rrdb x1", "srvgg x4", "srvgg x3",
    "srgan x4", "srgan x3",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_pixel_depends_on_its_radius_and_no_further(name: str) -> None:
    net, radius = NETS[name]
    assert net.radius == radius
    side, at = 2 * radius + 20, radius + 8
    image = torch.rand(1, 3, 4, side, dtype=torch.float64)
    other = image.clone()
    other[..., at] += 0.5
    changed = (net(image) != net(other)).any((0, 1, 2)).nonzero()[:, 0] // net.scale
    first, last = int(changed[0]), int(changed[-1])
    unshuffle = getattr(net, "unshuffle", 1)
    assert at - radius <= first <= at - radius + 2 * unshuffle
    assert at + radius - 2 * unshuffle <= last <= at + radius


@pytest.mark.parametrize("name", NAMES)
def test_sides_are_multiplied(name: str) -> None:
    net, _ = NETS[name]
    large = net(torch.rand(2, 3, 5, 7, dtype=torch.float64))
    assert large.shape == (2, 3, 5 * net.scale, 7 * net.scale)


def test_sides_that_do_not_fit_are_mirrored() -> None:
    row = torch.arange(5.0).reshape(1, 1, 1, 5).expand(1, 1, 4, 5)
    assert filled(row, 4)[0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1]
    narrow = torch.arange(2.0).reshape(1, 1, 1, 2).expand(1, 1, 4, 2)
    assert filled(narrow, 4)[0, 0, 0].tolist() == [0, 1, 1, 1]
    assert filled(row[..., :4], 4) is not None
    assert filled(row[..., :4], 4).shape == (1, 1, 4, 4)


@pytest.mark.parametrize("net", [RRDBNet(blocks=2), SRVGGNetCompact(), SRGANGenerator()])
def test_a_new_network_gives_an_image_and_learns(net: Net) -> None:
    """Outputs are of the size of images, and no layer is without a gradient."""
    large = net(torch.rand(1, 3, 8, 8))
    assert 0.01 < large.square().mean().sqrt() < 10
    large.square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_dense_block_by_hand() -> None:
    """All convolutions pass on the sum of what they see: x, c, 2c, 4c, 8c, then 16c with c = x."""
    net = RRDBNet(channels=1, features=1, growth=1, blocks=1)
    block = net.body[0].rdb1
    for layer in (block.conv1, block.conv2, block.conv3, block.conv4, block.conv5):
        layer.weight.data.zero_()
        layer.weight.data[:, :, 1, 1] = 1
        layer.bias.data.zero_()
    x = torch.full((1, 1, 1, 1), 3.0)
    assert block(x).item() == pytest.approx(3 + 0.2 * 16 * 3)
    # c = -.2 |x|; 1, -.2, (.8 -> leaky(-.8) = -.16), ... each: leaky of the sum of all before
    seen = [-3.0]
    for _ in range(4):
        seen.append(0.2 * sum(seen))
    assert block(-x).item() == pytest.approx(-3 + 0.2 * sum(seen))


@pytest.mark.parametrize(
    ("net", "name"),
    [
        (RRDBNet(features=8, blocks=2), "ESRGAN"),
        (RRDBNet(features=8, blocks=2, scale=2), "ESRGAN"),
        (RRDBNet(features=8, blocks=2, scale=1), "ESRGAN"),
        (RRDBNet(features=8, blocks=2, scale=8), "ESRGAN"),
        (SRVGGNetCompact(features=8, convs=3), "Compact"),
        (SRVGGNetCompact(features=8, convs=3, scale=2), "Compact"),
    ],
    ids=lambda value: f"{type(value).__name__}{getattr(value, 'scale', '')}",
)
def test_spandrel_loads_ours(net: Net, name: str, tmp_path: Path) -> None:
    spandrel = pytest.importorskip("spandrel")
    torch.save({"params_ema": net.state_dict()}, tmp_path / "ours.pth")
    theirs = spandrel.ModelLoader("cpu").load_from_file(tmp_path / "ours.pth")
    assert (theirs.architecture.id, theirs.scale) == (name, net.scale)
    images = torch.rand(1, 3, 7 + (net.scale == 2), 12)  # spandrel fills up to 4 at scale 2, too
    with torch.no_grad():
        assert_close(theirs(images), net(images).clamp(0, 1))


def assert_close(found: Tensor, wanted: Tensor) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 1e-5
    assert wanted.std() > 1e-3  # not all of one value


def test_srgan_critic_is_figure_4() -> None:
    critic = SRGANCritic(size=(96, 64), width=64)
    convolutions = [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.stride[0]) for layer in convolutions] == [
        (64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2),
    ]  # fmt: skip
    dense = [layer for layer in critic.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in dense] == [1024, 1]
    assert len([layer for layer in critic.modules() if isinstance(layer, nn.BatchNorm2d)]) == 7
    assert critic(torch.rand(2, 3, 96, 64)).shape == (2,)


def test_srgan_generator_is_figure_4() -> None:
    net = SRGANGenerator()
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    shape = [(layer.in_channels, layer.out_channels, layer.kernel_size[0]) for layer in layers]
    assert shape == [(3, 64, 9), *[(64, 64, 3)] * 33, *[(64, 256, 3)] * 2, (64, 3, 9)]
    assert len([layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]) == 33


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_critics_learn(spectral_norm: bool) -> None:
    critic = SRGANCritic(size=(32, 32), width=4, hidden=8, spectral_norm=spectral_norm)
    critic(torch.rand(2, 3, 32, 32)).sum().backward()
    assert all(parameter.grad is not None for parameter in critic.parameters())


def test_unet_critic_scores_every_pixel() -> None:
    critic = UNetCritic(width=4)
    scores = critic(torch.rand(2, 3, 16, 24))
    assert scores.shape == (2, 16, 24)
    scores.sum().backward()
    assert all(parameter.grad is not None for parameter in critic.parameters())


def test_unet_critic_is_normalised_inside() -> None:
    """Eight of the ten layers have a largest singular value of 1, once the iteration is there."""
    torch.manual_seed(1)
    critic = UNetCritic(width=4)
    before = norms(critic)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter *= 3
        for _ in range(200):
            critic(torch.rand(1, 3, 8, 8))
    after = norms(critic)
    inside = [after[f"conv{number}"] for number in range(1, 9)]
    assert inside == pytest.approx([1.0] * 8, abs=0.01)
    outside = ("conv0", "conv9")
    assert [after[name] for name in outside] == pytest.approx([3 * before[n] for n in outside])


def norms(critic: nn.Module) -> dict[str, float]:
    """Give the largest singular value of every layer."""
    return {
        name: torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        for name, layer in critic.named_children()
        if isinstance(layer, nn.Conv2d)
    }


def test_unet_critic_sees_near_and_far() -> None:
    """A score moves with its own pixel most, and with the picture as a whole."""
    torch.manual_seed(2)
    critic = UNetCritic(width=4).eval()
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(image)[0, 16, 16], image)
    seen = slope.abs().sum((0, 1))
    row, column = divmod(int(seen.argmax()), 32)
    assert abs(row - 16) <= 2
    assert abs(column - 16) <= 2
    assert (seen > 0).any(0).sum() > 24
