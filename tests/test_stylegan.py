"""Style-based networks against networks of the official format, and against their formulas."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylefiles import JUDGE, SMALL2, SMALL3, made
from trilemma.data.batches import Batches
from trilemma.data.named import read_digits
from trilemma.data.values import Source
from trilemma.families import build
from trilemma.families.adversarial import CRITICS, GENERATORS, make
from trilemma.families.family import At
from trilemma.foreign import snapshots, stylegan
from trilemma.nets.mapping import ACTIVATIONS, Dense, normalised, truncated
from trilemma.nets.resampling import lowered, raised
from trilemma.nets.stylegan2 import Layer as Layer2
from trilemma.nets.stylegan2 import upward
from trilemma.nets.stylegan2_critic import deviation
from trilemma.recipe import checking_style, style
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe, TrainRecipe
from trilemma.step import Task, prepare, update

FIXTURES = (
    "sg2ada_cond32", "sg2ada_f64", "sg2ada_fp16clamp64", "sg2ada_gray32", "sg2ada_orig16",
    "sg2ada_resnet32", "sg2in3_f32", "sg3r_64", "sg3r_magema32", "sg3t_64", "sg3t_cond32",
    "sg3t_crit0_margin32", "sg3t_transform64", "extra/extra_sg2_torch2_proto5",
    "extra/extra_sg2_torchsave_zip", "extra/extra_sg3r_torchsave_legacy",
    "extra/extra_sg3t_cuda_proto2",
)  # fmt: skip


def read(folder: Path, name: str, net: str) -> tuple[Any, dict[str, Tensor]]:
    """Give a network of a fixture, and what the official code made with it."""
    place = folder / name
    file = next(place.parent.glob(f"{place.name}.p*"))
    snapshot = snapshots.read(file)
    found = stylegan.describe(snapshot.values, net, critic=net == "D", bytes_max=4 * snapshot.bytes)
    table = CRITICS if net == "D" else GENERATORS
    size = (found.side, found.side)
    module = make(table, found.sizes, size=size, channels=found.channels, conditions=found.told)
    module.load_state_dict(found.tensors(), strict=not found.told)
    with np.load(f"{place}.npz") as arrays:
        kept = [name for name in arrays if arrays[name].dtype.kind in "fi"]
        made_by = {name: torch.from_numpy(np.asarray(arrays[name])) for name in kept}
    return module.eval().requires_grad_(False), made_by


def test_all_fixtures_are_listed(shared_stylegan: Path) -> None:
    there = {
        str(path.relative_to(shared_stylegan).with_suffix(""))
        for path in shared_stylegan.rglob("*.npz")
    }
    assert there == {*FIXTURES}


@pytest.mark.parametrize("name", FIXTURES)
def test_generators_of_the_official_format(shared_stylegan: Path, name: str) -> None:
    """Styles to 1e-5, images to 1e-4 of the largest value: truncated or not, with a cutoff."""
    net, wanted = read(shared_stylegan, name, "G_ema")
    z, c = wanted["z"].float(), wanted["c"] if wanted["c"].shape[1] else None
    compared = 0
    cut = int(wanted["truncation_cutoff"])
    for tag, psi, rows in (("psi1", 1.0, 0), ("psi07", 0.7, 0), ("psi07cut", 0.7, cut)):
        styles = net.styles(z, c, psi=psi, cut=rows)
        torch.testing.assert_close(styles, wanted[f"ws_{tag}"], rtol=0, atol=1e-5)
        for noise in ("const", "none"):
            images = wanted.get(f"img_{tag}_{noise}")
            if images is not None:
                more = (noise,) if f"img_{tag}_none" in wanted else ()
                atol = 1e-4 * max(1.0, float(images.abs().max()))
                torch.testing.assert_close(net.synthesis(styles, *more), images, rtol=0, atol=atol)
                compared += 1
    assert compared in (3, 6)


@pytest.mark.parametrize("name", FIXTURES)
def test_critics_of_the_official_format(shared_stylegan: Path, name: str) -> None:
    net, wanted = read(shared_stylegan, name, "D")
    images, logits = wanted["img_psi1_const"], wanted["d_logits"].flatten()
    scores = net(images, wanted["c"])[0] if wanted["c"].shape[1] else net(images)
    torch.testing.assert_close(scores, logits, rtol=1e-5, atol=1e-5)


def zeros_between(maps: Tensor, times: int) -> Tensor:
    n, c, h, w = maps.shape
    spread = maps.new_zeros(n, c, h * times, w * times)
    spread[:, :, ::times, ::times] = maps
    return spread


def convolved(maps: Tensor, plane: Tensor) -> Tensor:
    """Convolve each channel, both axes of the kernel flipped."""
    channels = maps.shape[1]
    kernel = plane.flip(0, 1).expand(channels, 1, *plane.shape)
    return functional.conv2d(maps, kernel, groups=channels)


@pytest.mark.parametrize("times", [1, 2, 3, 4])
@pytest.mark.parametrize("pads", [(3, 2), (7, 6), (-2, 1), (0, -3), (9, 9)])
def test_resampling_against_zeros_between(times: int, pads: tuple[int, int]) -> None:
    rng = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 9, 9, generator=rng, dtype=torch.float64)
    taps = torch.randn(5, generator=rng, dtype=torch.float64)
    plane = torch.outer(taps, taps)
    spread = functional.pad(zeros_between(maps, times), (*pads, *pads))
    found = raised(maps, taps, times=times, pads=pads)
    torch.testing.assert_close(found, convolved(spread, plane))
    thinned = convolved(functional.pad(maps, (*pads, *pads)), plane)[:, :, ::times, ::times]
    torch.testing.assert_close(lowered(maps, taps, times=times, pads=pads), thinned)
    other = torch.randn(5, 5, generator=rng, dtype=torch.float64)
    thinned = convolved(functional.pad(maps, (*pads, *pads)), other)[:, :, ::times, ::times]
    torch.testing.assert_close(lowered(maps, other, times=times, pads=pads), thinned)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_upward_filters_first_in_the_plain_order(count: int) -> None:
    """Zeros between, the filter times 4, then kernels of 3 x 3, both axes flipped."""
    rng = torch.Generator().manual_seed(count)
    maps = torch.randn(2, 3, 6, 6, generator=rng, dtype=torch.float64)
    weight = torch.randn(4, 3, 3, 3, generator=rng, dtype=torch.float64)
    taps = torch.randn(count, generator=rng, dtype=torch.float64)
    pads = (1 + (count + 1) // 2, 1 + (count - 2) // 2)
    spread = functional.pad(zeros_between(maps, 2), (*pads, *pads))
    wanted = functional.conv2d(convolved(spread, 4 * torch.outer(taps, taps)), weight.flip(2, 3))
    assert wanted.shape == (2, 4, 12, 12)
    torch.testing.assert_close(upward(maps, weight, taps), wanted)


def test_modulation_and_demodulation_image_by_image() -> None:
    """Weights scaled and scaled back for each image by itself, as equations 1 and 3 are written."""
    torch.manual_seed(0)
    sizes = {"side": 8, "style": 6, "up": False, "activation": "lrelu", "clamp": 0.7}
    layer = Layer2(3, 5, noise=True, **sizes).double().requires_grad_(False)
    layer.strength.fill_(0.3)
    layer.bias.normal_()
    maps, style_of = torch.randn(4, 3, 8, 8).double(), torch.randn(4, 6).double()
    found = layer(maps, style_of, torch.ones(2), "const", 0.5)
    for i in range(4):
        s = layer.affine(style_of[i : i + 1])[0]
        weight = layer.weight * s[:, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        y = functional.conv2d(maps[i : i + 1], weight, padding=1)
        y = y + 0.3 * layer.constant + layer.bias[:, None, None]
        y = torch.where(y > 0, y, 0.2 * y) * math.sqrt(2) * 0.5
        torch.testing.assert_close(found[i : i + 1], y.clamp(-0.35, 0.35))


def test_demodulated_maps_have_unit_variance() -> None:
    """Of inputs of unit variance, whatever the style's scale: section 2.2."""
    torch.manual_seed(1)
    sizes = {"side": 64, "style": 6, "up": False, "activation": "linear", "clamp": 0.0}
    layer = Layer2(16, 32, noise=False, **sizes).requires_grad_(False)
    for scale in (0.01, 100.0):
        layer.affine.bias.fill_(scale)
        maps = layer(torch.randn(2, 16, 64, 64), torch.zeros(2, 6), torch.ones(2), "none")
        assert maps[:, :, 1:-1, 1:-1].var() == pytest.approx(1, rel=0.02)


def test_equalized_layers_keep_the_variance_at_any_rate() -> None:
    torch.manual_seed(2)
    for rate in (1.0, 0.01):
        layer = Dense(200, 300, rate=rate).requires_grad_(False)
        assert layer.weight.std() == pytest.approx(1 / rate, rel=0.02)
        assert layer(torch.randn(2000, 200)).var() == pytest.approx(1, rel=0.05)


def test_activations_against_their_formulas() -> None:
    x = torch.tensor([-1.5, -0.1, 0.0, 0.4, 2.0], dtype=torch.float64)
    e = x.exp()
    alpha, scale = 1.6732632423543772, 1.0507009873554805
    wanted = {
        "elu": torch.where(x > 0, x, e - 1),
        "linear": x,
        "lrelu": torch.where(x > 0, x, 0.2 * x) * math.sqrt(2),
        "relu": x.clamp(min=0) * math.sqrt(2),
        "selu": torch.where(x > 0, x, alpha * (e - 1)) * scale,
        "sigmoid": e / (1 + e),
        "softplus": (1 + e).log(),
        "swish": x * e / (1 + e) * math.sqrt(2),
        "tanh": (e - 1 / e) / (e + 1 / e),
    }
    assert wanted.keys() == ACTIVATIONS.keys() == {*style.ACTIVATIONS}
    for name, values in wanted.items():
        apply, gain = ACTIVATIONS[name]
        torch.testing.assert_close(apply(x) * gain, values)


def test_normalised_latents_and_truncated_styles() -> None:
    z = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    assert normalised(z)[0].tolist() == pytest.approx([3 / 12.5**0.5, 4 / 12.5**0.5])
    assert normalised(z)[1].tolist() == [0, 0]
    w, average = torch.tensor([[1.0, 5.0]]), torch.tensor([3.0, 1.0])
    found = truncated(w, average, psi=0.25, rows=3, cut=2)
    assert found[0].tolist() == [[2.5, 2.0], [2.5, 2.0], [1.0, 5.0]]
    assert truncated(w, average, psi=0.25, rows=2, cut=0)[0].tolist() == [[2.5, 2.0]] * 2
    assert truncated(w, average, psi=1, rows=2, cut=1)[0].tolist() == [[1.0, 5.0]] * 2


def test_deviation_within_groups_by_loops() -> None:
    maps = torch.randn(6, 4, 2, 3, generator=torch.Generator().manual_seed(3)).double()
    found = deviation(maps, group=3, count=2)
    assert found.shape == (6, 2, 2, 3)
    for image in range(6):
        first = image // 3 * 3
        for part in range(2):
            total = 0.0
            for channel in (2 * part, 2 * part + 1):
                for y in range(2):
                    for x in range(3):
                        values = maps[first : first + 3, channel, y, x].numpy()
                        total += math.sqrt(values.var() + 1e-8)
            torch.testing.assert_close(
                found[image, part], torch.full((2, 3), total / 12, dtype=torch.float64)
            )
    assert deviation(maps[:5], group=4, count=1).abs().max() <= 1e-4, "5 images: groups of one"


def literal_layer(layer: Any, maps: Tensor, w: Tensor) -> Tensor:
    """Compute a layer of StyleGAN3 as it is written: weights an image, zeros between, all rates."""
    scales = layer.affine(w)
    weight = layer.weight
    if layer.colours:
        scales = scales / math.sqrt(weight.shape[1])
    else:
        weight = weight / weight.square().mean((1, 2, 3), keepdim=True).sqrt()
        scales = scales / scales.square().mean().sqrt()
    made_by = []
    for image, s in zip(maps, scales, strict=True):
        own = weight * s[:, None, None]
        if not layer.colours:
            own = own / (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        own = own / layer.magnitude.sqrt()
        made_by.append(functional.conv2d(image[None], own, padding=own.shape[2] - 1))
    y = torch.cat(made_by) + layer.bias[:, None, None]
    y = functional.pad(zeros_between(y, layer.times), (*layer.pads, *layer.pads))
    if "up" in layer._buffers:
        y = convolved(y, torch.outer(layer.up, layer.up) * layer.times**2)
    if not layer.colours:
        y = torch.where(y > 0, y, 0.2 * y) * math.sqrt(2)
    y = y.clamp(-layer.clamp, layer.clamp) if layer.clamp else y
    if "down" in layer._buffers:
        down = layer.down if layer.down.ndim == 2 else torch.outer(layer.down, layer.down)
        y = convolved(y, down)
    return y[:, :, :: layer.thinned, :: layer.thinned]


@pytest.mark.parametrize("changes", [{}, {"kernel": 1, "radial": True, "clamp": 1.0}])
def test_layers_of_stylegan3_as_they_are_written(changes: dict[str, Any]) -> None:
    net = made(replace(SMALL3, **changes)).double()
    styles = net.styles(torch.randn(3, SMALL3.latent).double())
    maps = net.synthesis.input(styles[:, 0])
    for row, layer in enumerate(net.synthesis.layers, start=1):
        wanted = literal_layer(layer, maps, styles[:, row])
        maps = layer(maps, styles[:, row])
        torch.testing.assert_close(maps, wanted)
    assert maps.shape == (3, 3, 16, 16)


def test_waves_one_by_one() -> None:
    net = made(SMALL3).double()
    waves, w = net.synthesis.input, torch.randn(2, 16).double()
    waves.transform.copy_(torch.tensor([[1.4, -0.3, 0.1], [0.2, 1.1, -0.2], [0, 0, 1]]))
    waves.weight.copy_(torch.eye(len(waves.weight)) * math.sqrt(len(waves.weight)))
    found = waves(w)
    size, rate, bandwidth = waves.band.size, waves.band.rate, waves.band.cutoff
    for image in range(2):
        a, b, tx, ty = (x / math.hypot(*waves.affine(w)[image, :2]) for x in waves.affine(w)[image])
        turn = torch.stack([torch.stack([a, -b]), torch.stack([b, a])])
        to = waves.transform[:2, :2]
        at = waves.transform[:2, 2] - torch.stack([tx, ty])
        for j, (f, p) in enumerate(zip(waves.frequencies, waves.phases, strict=True)):
            moved = f @ turn @ to
            phase = p + f @ turn @ at
            above = (moved.norm() - bandwidth) / (rate / 2 - bandwidth)
            for y, x in ((0, 0), (3, 7), (size - 1, 1)):
                place = [((k + 0.5) / size - 0.5) * size / rate for k in (x, y)]
                turns = moved @ torch.tensor(place, dtype=torch.float64) + phase
                wanted = (1 - above).clamp(0, 1) * torch.sin(2 * math.pi * turns)
                torch.testing.assert_close(found[image, j, y, x], wanted)


def test_noise_is_one_value_a_place_and_scaled() -> None:
    net = made(SMALL2)
    styles = net.styles(torch.randn(2, SMALL2.latent))
    fixed, without = net.synthesis(styles), net.synthesis(styles, "none")
    assert torch.equal(fixed, net.synthesis(styles, "const"))
    drawn = [net.synthesis(styles, torch.Generator().manual_seed(i)) for i in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    for other in (drawn[2], fixed, without):
        assert (drawn[0] - other).abs().max() > 1e-3


def test_the_mean_style_is_followed_in_training_alone() -> None:
    net = made(replace(SMALL2, average_decay=0.75)).train()
    before = net.mapping.average.clone()
    w = net.mapping(torch.randn(5, SMALL2.latent))
    torch.testing.assert_close(net.mapping.average, 0.75 * before + 0.25 * w.mean(0))
    net.eval()
    kept = net.mapping.average.clone()
    net.mapping(torch.randn(5, SMALL2.latent))
    assert torch.equal(net.mapping.average, kept)


def test_the_recipe_s_truncation_is_for_drawing() -> None:
    z = torch.randn(2, SMALL2.latent)
    net = made(replace(SMALL2, truncation=0.5, truncation_rows=3))
    wanted = net.synthesis(net.styles(z, psi=0.5, cut=3))
    assert torch.equal(net(z), wanted)
    net.train()
    net.mapping.average_decay = 0.0
    assert torch.equal(net(z), net.synthesis(net.styles(z)))


CASES: dict[str, Callable[[], nn.Module]] = {
    **{
        f"stylegan2, {way}": lambda way=way: made(replace(SMALL2, output=way))
        for way in ("skip", "residual", "original")
    },
    "stylegan3": lambda: made(SMALL3),
    "stylegan3, radial": lambda: made(replace(SMALL3, kernel=1, radial=True)),
    "told": lambda: made(SMALL2, told=3),
    **{
        f"critic, {way}": lambda way=way: made(replace(JUDGE, input=way))
        for way in ("skip", "residual", "original")
    },
    "critic, told": lambda: made(JUDGE, told=3),
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_reach_every_weight(name: str) -> None:
    net = CASES[name]().train().requires_grad_(True)
    told = (torch.eye(3),) if "told" in name else ()
    given = torch.randn(3, 3, 16, 16) if "critic" in name else torch.randn(3, 12)
    out = net(given, *told)
    out = out[0] if isinstance(out, tuple) else out
    out.square().sum().backward()
    lacking = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert lacking == []


@pytest.mark.parametrize("clamp", [0.0, 256.0])
def test_the_papers_networks_start_at_the_scale_of_images(clamp: float) -> None:
    torch.manual_seed(0)
    wide = {"latent": 64, "style": 64}
    two = make(
        GENERATORS,
        style.StyleGAN2Generator(**wide, width=8, width_max=64, clamp=clamp),
        size=(32, 32),
        channels=3,
    )
    three = make(
        GENERATORS,
        style.StyleGAN3Generator(**wide, width=8, width_max=64, clamp=clamp),
        size=(32, 32),
        channels=3,
    )
    with torch.no_grad():
        for net, low, high in ((two, 0.3, 10), (three, 0.01, 3)):
            assert low < net(torch.randn(4, 64)).std() < high


@pytest.mark.parametrize("name", [name for name in CASES if "critic" not in name])
def test_drawing_in_16_bits_keeps_styles_exact(name: str) -> None:
    """bf16 under autocast: images stay within two levels of 255 of their range on average."""
    net = CASES[name]().requires_grad_(False)
    told = (torch.eye(3),) if "told" in name else ()
    z = torch.randn(3, 12, generator=torch.Generator().manual_seed(1))
    images = net(z, *told)
    with torch.autocast("cpu", torch.bfloat16):
        styles = net.styles(z, *told)
        rough = net(z, *told).float()
    assert torch.equal(styles, net.styles(z, *told))
    wide = float(images.max() - images.min())
    assert (rough - images).abs().mean() < 2 * wide / 255


@pytest.mark.parametrize("condition", ["none", "projection"])
@pytest.mark.parametrize("sizes", [SMALL2, SMALL3])
def test_a_few_steps_on_digits(sizes: Any, condition: str) -> None:
    pixels, labels = read_digits(Path(), "train")
    named = tuple("0123456789") if condition != "none" else ()
    source = Source(
        name="digits",
        split="train",
        pixels=np.pad(pixels[:64, 4:24:2, 4:24:2], ((0, 0), (3, 3), (3, 3), (0, 0))),
        labels=labels[:64],
        classes=named,
        names=[""] * 64,
        fingerprint="0",
    )
    recipe = Recipe(
        data=DataRecipe(size="16x16", channels=1, labels=named),
        family=AdversarialRecipe(
            r1=1.0, condition=condition, generator=sizes, critic=replace(JUDGE, asked=0)
        ),
        train=TrainRecipe(batch_size=8),
    )
    task = Task(
        recipe=recipe,
        family=build(recipe),
        batches=Batches(source, 8, seed=0),
        device=torch.device("cpu"),
    )
    prepare(task)
    assert not task.family.splits, "a score depends on the batch"
    before = [p.clone() for p in task.family.nets.parameters()]
    for step in range(3):
        at = At(step * 8, step / 3)
        round_ = update(task, at, images_total=24, rate=1.0)
        assert all(torch.isfinite(loss) for loss in round_.losses.values())
    after = task.family.nets.parameters()
    assert not any(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert not any(task.bad.values())


def shift_error(net: Any, pixels: int) -> float:
    """Give the signal-to-noise ratio, dB, of images moved by whole pixels: EQ-T of the paper."""
    styles = net.styles(torch.randn(8, SMALL3.latent, generator=torch.Generator().manual_seed(0)))
    images = net.synthesis(styles)
    side = images.shape[3]
    net.synthesis.input.transform[0, 2] = -pixels / side
    moved = net.synthesis(styles)
    net.synthesis.input.transform[0, 2] = 0.0
    crop = slice(6, -6)
    apart = (moved[:, :, crop, pixels:] - images[:, :, crop, :-pixels])[..., 4:-4]
    return float(10 * torch.log10(4 / apart.square().mean()))


def test_moving_the_waves_moves_the_picture() -> None:
    """Translation equivariance: section 4.1; random weights, the whole signal 2 wide."""
    sizes = replace(SMALL3, widths=(), width=16, width_max=32, depth=8, margin=10)
    net = made(sizes, side=32)
    scale = float(net.synthesis(net.styles(torch.randn(8, 12))).std())
    net.synthesis.output_scale /= scale  # images of std 1
    assert shift_error(net, 3) > 40
    for layer in net.synthesis.layers[:-1]:  # nearest neighbours: aliasing
        first = (len(layer.up) - layer.times) // 2
        layer.up.zero_()[first : first + layer.times] = 1 / layer.times
        layer.down.zero_()[len(layer.down) // 2] = 1
    assert shift_error(net, 3) < 30


@pytest.mark.parametrize(
    ("changes", "size", "words"),
    [
        ({}, (24, 24), "square, of 8, 16, 32"),
        ({}, (16, 32), "square, of 8, 16, 32"),
        ({"widths": (4, 4)}, (16, 16), "widths has 2 numbers; allowed: none, or 3"),
        ({"filter": (1.0,)}, (16, 16), "filter has 1 taps"),
        ({"activation": "sine"}, (16, 16), "sine"),
        ({"layers": 0}, (16, 16), "layers is 0"),
        ({"truncation": 0.7, "average_decay": 0.0}, (16, 16), "no mean style"),
    ],
)
def test_sizes_that_cannot_be(changes: dict[str, Any], size: tuple[int, int], words: str) -> None:
    from trilemma.errors import RecipeError

    net = replace(style.StyleGAN2Generator(), **changes)
    with pytest.raises(RecipeError, match=words):
        checking_style.check_stylegan2(net, "family.generator", size)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"critical": 14}, "critical is 14"),
        ({"kernel": 2}, "kernel is 2"),
        ({"first_cutoff": 40.0}, "first_cutoff is 40"),
        ({"first_stopband": 2.0}, "first_stopband is 2; allowed: above 2, up to 64"),
        ({"first_stopband": 65.0}, "first_stopband is 65"),
        ({"first_cutoff": 0.1, "first_stopband": 0.2}, "allowed: above 0.25"),
        ({"last_stopband": 1e-300}, "last_stopband is 1e-300; allowed: 1 to 8"),
        ({"margin": 129}, "margin is 129; allowed: 0 to 128"),
        ({"radial": True, "filter_size": 5, "lrelu_upsampling": 3}, "even number of taps"),
    ],
)
def test_stylegan3_that_cannot_be(changes: dict[str, Any], words: str) -> None:
    from trilemma.errors import RecipeError

    net = replace(style.StyleGAN3Generator(), **changes)
    with pytest.raises(RecipeError, match=words):
        checking_style.check_stylegan3(net, "family.generator", (64, 64))
