"""What a critic sees is changed as DiffAugment says, alike for real and fake, differentiably."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch import Tensor

import tiny
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.family import At, Batch
from trilemma.maths.augmentation import AUGMENTATIONS, augment, count
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import AdversarialRecipe

ALL = tuple(AUGMENTATIONS)
SIDES = [(8, 8), (16, 24), (28, 28), (7, 9)]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sides", SIDES)
def test_translation_moves_by_whole_pixels_and_fills_with_grey(sides: tuple[int, int]) -> None:
    images = drawn(200, 2, *sides) * 2 - 1
    numbers = drawn(200, 2, seed=1)
    moved = augment(images, numbers, ("translation",))
    height, width = sides
    most = [int(side / 8 + 0.5) for side in sides]
    seen = set()
    for image, answer, (u, v) in zip(images, moved, numbers.tolist(), strict=True):
        down = int(u * (2 * most[0] + 1)) - most[0]
        right = int(v * (2 * most[1] + 1)) - most[1]
        seen.add((down, right))
        padded = np.pad(image.numpy(), ((0, 0), (most[0],) * 2, (most[1],) * 2))
        top, left = most[0] - down, most[1] - right
        expected = padded[:, top : top + height, left : left + width]
        assert np.array_equal(answer.numpy(), expected)
    assert {down for down, _ in seen} == set(range(-most[0], most[0] + 1))
    assert {right for _, right in seen} == set(range(-most[1], most[1] + 1))


@pytest.mark.parametrize("sides", SIDES)
def test_cutout_blanks_a_rectangle_of_half_the_sides(sides: tuple[int, int]) -> None:
    blank = augment(torch.ones(2000, 1, *sides), drawn(2000, 2), ("cutout",))[:, 0] == 0
    lengths = [int(side / 2 + 0.5) for side in sides]
    rows, columns = blank.any(2), blank.any(1)
    assert torch.equal(blank, rows[:, :, None] & columns[:, None, :])
    for inside, side, length in zip((rows, columns), sides, lengths, strict=True):
        assert inside.sum(1).max() == length
        assert inside.sum(1).min() >= length // 2
        edges = inside[:, 1:] != inside[:, :-1]
        assert edges.sum(1).max() <= 2, "one piece"
        assert inside.float().mean(0).min() > 0, f"every place of {side} is blanked at times"
        flipped = inside.float().mean(0).flip(0)
        assert torch.allclose(inside.float().mean(0), flipped, atol=0.06), "neither end is favoured"


def test_color_is_brightness_saturation_contrast_in_that_order() -> None:
    images, numbers = drawn(5, 3, 6, 6) * 2 - 1, drawn(5, 3, seed=1)
    changed = augment(images, numbers, ("color",)).numpy()
    for image, answer, (b, s, c) in zip(images.numpy(), changed, numbers.numpy(), strict=True):
        bright = image + (b - 0.5)
        grey = bright.mean(0)
        saturated = grey + (bright - grey) * 2 * s
        mean = saturated.mean()
        assert np.allclose(answer, mean + (saturated - mean) * (0.5 + c), atol=1e-6)


def test_numbers_of_one_half_change_no_color_and_grey_images_stay_grey() -> None:
    images = drawn(4, 3, 8, 8) * 2 - 1
    assert torch.allclose(augment(images, torch.full((4, 3), 0.5), ("color",)), images, atol=1e-6)
    grey = images[:, :1].expand(-1, 3, -1, -1)
    changed = augment(grey, drawn(4, 3), ("color",))
    assert torch.allclose(changed, changed[:, :1].expand_as(changed), atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_gradients_come_back_exactly(name: str) -> None:
    width = 4 if AUGMENTATIONS[name].square else 5
    images = drawn(1, 3, 4, width).double().requires_grad_()
    numbers = drawn(1, count((name,)), seed=1).double()
    assert torch.autograd.gradcheck(lambda x: augment(x, numbers, (name,)), images)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, numbers, (name,)).square(), images)


def test_a_flip_mirrors_and_a_turn_turns_as_numpy_does() -> None:
    images = drawn(8, 2, 6, 6)
    eighths = torch.arange(8)[:, None] / 8
    flipped, turned = (augment(images, eighths, (name,)).numpy() for name in ("flip", "turn"))
    for i, image in enumerate(images.numpy()):
        assert np.array_equal(flipped[i], image[..., ::-1] if i >= 4 else image)
        assert np.array_equal(turned[i], np.rot90(image, i // 2, (1, 2)))


@pytest.mark.parametrize("sides", SIDES)
def test_geometry_is_one_affine_resampling(sides: tuple[int, int]) -> None:
    """Against SciPy's, pixel by pixel, with the matrix put together in NumPy."""
    images, numbers = drawn(6, 2, *sides) * 2 - 1, drawn(6, 4, seed=3)
    changed = augment(images, numbers, ("geometry",)).numpy()
    middle = (np.array(sides) - 1) / 2
    for image, answer, (u, v, w, x) in zip(images.numpy(), changed, numbers.tolist(), strict=True):
        scale, stretch = (2 ** (0.2 * NormalDist().inv_cdf(n)) for n in (u, w))
        turn, along = (
            np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])  # (down, right)
            for a in (2 * np.pi * v, -np.pi * x)
        )
        back = scale * along.T @ np.diag([1 / stretch, stretch]) @ along @ turn
        offset = middle - back @ middle
        for channel, found in zip(image, answer, strict=True):
            expected = affine_transform(channel, back, offset, order=1, mode="grid-constant")
            assert np.allclose(found, expected, atol=1e-4)


def test_geometry_of_a_quarter_is_a_turn_and_of_the_middle_nothing() -> None:
    images = drawn(1, 3, 8, 8)
    still = augment(images, torch.tensor([[0.5, 0.0, 0.5, 0.3]]), ("geometry",))
    assert torch.allclose(still, images, atol=1e-5)
    quarter = augment(images, torch.tensor([[0.5, 0.25, 0.5, 0.7]]), ("geometry",))
    assert torch.allclose(quarter, images.rot90(1, (2, 3)), atol=1e-5)


def test_geometry_keeps_its_places_under_autocast() -> None:
    images, numbers = drawn(4, 3, 32, 32), drawn(4, 4, seed=1)
    plain = augment(images, numbers, ("geometry",))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = augment(images.bfloat16(), numbers, ("geometry",))
    assert torch.allclose(rounded.float(), plain, atol=1e-2)


def test_scales_are_log_normal_and_without_their_rarest() -> None:
    """A blot shrinks by the scale squared; the stretch leaves its area."""
    blot = torch.zeros(2000, 1, 32, 32)
    blot[:, :, 12:20, 12:20] = 1
    numbers = drawn(2000, 4)
    areas = augment(blot, numbers, ("geometry",)).sum((1, 2, 3)) / 64
    scales = -areas.log2() / 2
    assert scales.mean() == pytest.approx(0, abs=0.02)
    assert scales.std() == pytest.approx(0.2, abs=0.02)
    ends = augment(blot[:2], torch.tensor([[0.0, 0, 0.5, 0], [0.99999, 0, 0.5, 0]]), ("geometry",))
    largest = ends.sum((1, 2, 3)) / 64
    assert largest.log2().abs().max() < 2 * 0.2 * 3.2


def test_each_image_is_changed_by_its_own_numbers_alone() -> None:
    images, numbers = drawn(6, 3, 8, 8), drawn(6, count(ALL), seed=1)
    whole = augment(images, numbers, ALL)
    apart = [augment(images[i : i + 1], numbers[i : i + 1], ALL) for i in range(6)]
    assert torch.equal(whole, torch.cat(apart))


@pytest.mark.parametrize("share", [False, True])
def test_the_critic_sees_real_and_fake_changed_by_numbers_of_their_own(share: bool) -> None:
    """In both phases, whether the fakes are made once or twice; gradients come back through it."""
    family = build(replace(tiny.recipe(""), family=replace(tiny.GAN, augment=ALL)))
    rng = torch.Generator().manual_seed(0)
    start = At(torch.tensor(0.0), torch.tensor(0.0))
    batch = Batch(torch.rand(4, 1, 28, 28, generator=rng) * 2 - 1)
    noise = {name: draw(4, rng) for name, draw in family.phases[0].noise.items()}
    generator, critic = family.nets["generator"], family.nets["critic"]
    with torch.no_grad():
        fakes = generator(noise["latents"])
    given = {"fakes": generator(noise["latents"])} if share else {}
    real, fake = (
        augment(images, noise[f"change_{kind}"], ALL)
        for kind, images in (("real", batch.images), ("fake", fakes))
    )
    seen: list[Tensor] = []
    critic.register_forward_pre_hook(lambda net, inputs: seen.append(inputs[0].detach().clone()))
    for phase, order in zip(family.phases, ((real, fake), (fake, real)), strict=True):
        family.nets.zero_grad()
        seen.clear()
        phase.loss(batch, {**noise, **given}, start)[0].sum().backward()
        torch.testing.assert_close(torch.cat(seen), torch.cat(order))
    gradients = [p.grad for p in generator.parameters()]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (("colour",), r"family\.augment.*color"),
        (("color", "color"), r"family\.augment names one twice: color, color"),
    ],
)
def test_a_wrong_name_is_one_line(augment: tuple[str, ...], message: str) -> None:
    recipe = replace(tiny.recipe(""), family=AdversarialRecipe(augment=augment))
    with pytest.raises(RecipeError, match=message):
        check(recipe)
