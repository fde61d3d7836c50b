from itertools import pairwise

import pytest
import torch
from torch import nn

from trilemma.nets.dcgan import DCGANCritic, DCGANGenerator, fits, halvings

SIDES = [(28, 28), (32, 32), (64, 64), (96, 96), (128, 128), (64, 96), (40, 24)]


def generator(
    size: tuple[int, int], *, channels: int = 1, batchnorm: bool = True, refine: bool = False
) -> DCGANGenerator:
    return DCGANGenerator(
        size=size,
        channels=channels,
        latent=10,
        width=4,
        width_max=16,
        batchnorm=batchnorm,
        refine=refine,
    )


def critic(
    size: tuple[int, int], *, hidden: int = 0, batchnorm: bool = True, spectral: bool = False
) -> DCGANCritic:
    return DCGANCritic(
        size=size,
        channels=1,
        width=4,
        width_max=16,
        hidden=hidden,
        batchnorm=batchnorm,
        spectral_norm=spectral,
    )


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(size: tuple[int, int], channels: int) -> None:
    images = generator(size, channels=channels)(torch.randn(2, 10))
    assert images.shape == (2, channels, *size)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("size", SIDES)
def test_critic_gives_one_number_an_image(size: tuple[int, int]) -> None:
    assert critic(size)(torch.randn(3, 1, *size)).shape == (3,)


@pytest.mark.parametrize("hidden", [0, 5])
def test_a_hidden_layer_stands_before_the_score(hidden: int) -> None:
    net = critic((64, 96), hidden=hidden)
    assert net(torch.randn(3, 1, 64, 96)).shape == (3,)
    widths = [layer.out_features for layer in net.layers if isinstance(layer, nn.Linear)]
    assert widths == ([5, 1] if hidden else [])


@pytest.mark.parametrize("size", [(28, 28), (64, 96)])
@pytest.mark.parametrize("hidden", [0, 5])
def test_features_are_what_the_last_layer_sees(size: tuple[int, int], hidden: int) -> None:
    """The last layer is dense, or a convolution over the whole map, which is as much."""
    net = critic(size, hidden=hidden, batchnorm=False)
    images = torch.randn(3, 1, *size)
    features, last = net.features(images), net.layers[-2]
    times = halvings(*size)
    map_ = min(16, 4 << (times - 1)) * (size[0] >> times) * (size[1] >> times)
    assert features.shape == (3, net.width_of_features) == (3, hidden or map_)
    by_hand = features @ last.weight.flatten() + last.bias
    torch.testing.assert_close(net.score(features), by_hand)
    assert torch.equal(net(images), net.layers(images))
    torch.testing.assert_close(net.score(features), net(images))


def test_names_in_checkpoints_stay() -> None:
    """Bundles and runs of before hold these."""
    plain = critic((28, 28), hidden=5, batchnorm=False).state_dict()
    assert [*plain] == [f"layers.{n}.{kind}" for n in (0, 2, 5, 7) for kind in ("weight", "bias")]
    divided = critic((28, 28), batchnorm=False, spectral=True).state_dict()
    assert {name.split(".", 2)[2] for name in divided} == {
        "bias",
        "parametrizations.weight.original",
        "parametrizations.weight.0._u",
        "parametrizations.weight.0._v",
    }


def test_refining_adds_one_convolution_of_the_last_width() -> None:
    plain, refined = generator((28, 28)), generator((28, 28), refine=True)
    assert refined(torch.randn(2, 10)).shape == (2, 1, 28, 28)
    count = [sum(p.numel() for p in net.parameters()) for net in (plain, refined)]
    assert count[1] - count[0] == 9 * 4 * 4 + 2 * 4


def test_halvings() -> None:
    expected = {28: 2, 32: 3, 64: 4, 96: 4, 128: 5}
    assert {side: halvings(side, side) for side in expected} == expected


@pytest.mark.parametrize("size", SIDES)
def test_sides_of_the_documents_fit(size: tuple[int, int]) -> None:
    assert fits(*size)


@pytest.mark.parametrize("size", [(27, 27), (50, 50), (36, 200), (4, 4)])
def test_other_sides_do_not(size: tuple[int, int]) -> None:
    assert not fits(*size)


def test_the_tutorial_network_is_the_special_case() -> None:
    """64 x 64, width 64: 512, 256, 128, 64 channels, 3,576,704 and 2,765,568 weights.

    Counted by hand from the paper's figure 1 without its projection bias: 4 x 4 kernels, BatchNorm
    with two numbers a channel; first and last layers of the critic with a bias here.
    """
    net = DCGANGenerator(
        size=(64, 64), channels=3, latent=100, width=64, width_max=512, batchnorm=True, refine=False
    )
    weights = 16 * (100 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    norms = 2 * (512 + 256 + 128 + 64)
    assert sum(p.numel() for p in net.parameters()) == weights + norms + 3
    judge = DCGANCritic(
        size=(64, 64),
        channels=3,
        width=64,
        width_max=512,
        hidden=0,
        batchnorm=True,
        spectral_norm=False,
    )
    weights = 16 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    norms = 2 * (128 + 256 + 512)
    assert sum(p.numel() for p in judge.parameters()) == weights + norms + 64 + 1


def test_no_bias_stands_before_batchnorm() -> None:
    for net in (generator((28, 28)), critic((28, 28))):
        layers = list(net.layers)
        for layer, following in pairwise(layers):
            if isinstance(following, nn.BatchNorm2d):
                assert layer.bias is None


def test_spectral_norm_is_the_largest_singular_value() -> None:
    torch.manual_seed(0)
    net = critic((28, 28), batchnorm=False, spectral=True)
    for _ in range(200):  # one power iteration a forward pass
        net(torch.randn(1, 1, 28, 28))
    net.eval()
    for layer in net.layers:
        if isinstance(layer, nn.Conv2d):
            largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
            assert largest.item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("batchnorm", [True, False])
def test_untrained_images_are_neither_flat_nor_clipped(batchnorm: bool) -> None:
    torch.manual_seed(0)
    net = DCGANGenerator(
        size=(32, 32),
        channels=1,
        latent=64,
        width=32,
        width_max=128,
        batchnorm=batchnorm,
        refine=False,
    )
    spread = net(torch.randn(64, 64)).std().item()
    assert 0.01 < spread < 0.8
