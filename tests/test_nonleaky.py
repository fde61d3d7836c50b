"""Non-leaky augmentation: a denoiser is told what was done, and of nothing when it draws."""

from dataclasses import replace

import pytest
import torch
from torch import Generator, Tensor, nn

import tiny
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.family import At, Batch, DrawOptions
from trilemma.maths.augmentation import AUGMENTATIONS, augment, count, told, told_count
from trilemma.recipe.checking import check

CLOCK = At(torch.tensor(0), torch.tensor(0.0))
NAMES = ("flip", "turn")


def numbers(*rows: tuple[float, ...]) -> Tensor:
    """Give rows of (share, number) of flip and of turn."""
    return torch.tensor(rows)


def test_what_is_told_is_what_was_done() -> None:
    """Shares below the chance of 0.5 are made: [made, mirrored, made, 1 - cos, sin of the turn]."""
    rows = numbers((0.9, 0.9, 0.9, 0.3), (0.1, 0.9, 0.9, 0.3), (0.1, 0.2, 0.1, 0.3))
    said = told(rows, NAMES, torch.tensor(0.5))
    expected = torch.tensor([[0, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 1, 1]]).float()
    torch.testing.assert_close(said, expected, atol=1e-6, rtol=0)
    images = torch.rand(3, 1, 4, 4, generator=Generator().manual_seed(1))
    changed = augment(images, rows, NAMES, torch.tensor(0.5))
    assert torch.equal(changed[0], images[0])
    assert torch.equal(changed[1], images[1].flip(2))
    assert torch.equal(changed[2], images[2].rot90(1, (1, 2)))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_of_an_unchanged_image_nothing_is_told(name: str) -> None:
    rows = torch.rand(5, count((name,), chosen=True), generator=Generator().manual_seed(1))
    assert not told(rows, (name,), torch.tensor(0.0)).any()
    assert told(rows, (name,), torch.tensor(1.0)).shape == (5, told_count((name,)))


def test_the_loss_is_of_changed_images_and_a_network_that_knows() -> None:
    settings = replace(tiny.DIFFUSION, process="flow", augment=("flip",), augment_chance=1.0)
    settings = replace(settings, sigma_mean=0.0, sigma_std=1.0)
    family = build(tiny.recipe("", settings))
    net = family.nets["generator"]
    asked: list[Tensor] = []
    net.register_forward_hook(
        lambda _, given, kept, answer: asked.append(kept["changed"]), with_kwargs=True
    )
    images, eps = torch.randn(2, 2, 1, 28, 28, generator=Generator().manual_seed(1))
    rows = torch.tensor([[0.5, 0.9], [0.5, 0.1]])
    noise = {"noise": eps, "level": torch.tensor([0.0, 1.0]), "change": rows}
    losses, _ = family.phases[0].loss(Batch(images), noise, CLOCK)
    assert asked[0].tolist() == [[1, 1], [1, 0]]
    mirrored = torch.stack([images[0].flip(2), images[1]])
    torch.testing.assert_close(losses, (eps - mirrored).square().mean((1, 2, 3)))


def test_pictures_are_drawn_as_of_unchanged_images() -> None:
    """Whatever it has learnt of changes: with their weights at random, nothing drawn moves."""
    family = build(tiny.recipe("", replace(tiny.DIFFUSION, augment=NAMES)))
    net = family.nets["generator"]
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0.0, 0.1)
    drawn = []
    for std in (0.0, 5.0):
        nn.init.normal_(net.get_parameter("changed.weight"), 0.0, std)
        rngs = [Generator().manual_seed(1)]
        drawn.append(family.draw(family.nets, rngs, None, DrawOptions()))
    assert torch.equal(*drawn)


def test_refused_in_one_line() -> None:
    for match, fields in {
        "names one twice": {"augment": ("flip", "flip")},
        "family.augment": {"augment": ("flop",)},
        "augment_chance": {"augment_chance": 1.5},
    }.items():
        with pytest.raises(RecipeError, match=match):
            check(tiny.recipe("", replace(tiny.DIFFUSION, **fields)))  # type: ignore[arg-type]
