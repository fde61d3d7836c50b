"""How StyleGAN2 is trained: lazy terms, path lengths, mixed styles, noise; by hand and by steps."""

import json
import math
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

import tiny
from trilemma import watch
from trilemma.data.batches import Batches
from trilemma.data.values import Source
from trilemma.devices import Choice
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.adversarial import generate
from trilemma.families.duel import Duel
from trilemma.families.family import At, Batch, DrawOptions, Family
from trilemma.families.styled import MeanLength, Styled
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.maths.penalties import path_lengths, path_weight
from trilemma.nets.mapping import mixed
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import AdversarialRecipe, Recipe
from trilemma.recipe.style import StyleGAN2Critic, StyleGAN2Generator
from trilemma.step import Compute, Task, prepare, update

START = At(torch.tensor(0.0), torch.tensor(0.0))
FAMILY = AdversarialRecipe(
    generator=StyleGAN2Generator(latent=6, style=8, layers=2, width=4, width_max=8),
    critic=StyleGAN2Critic(width=4, width_max=8, group=2, layers=2),
)
WHOLE = {"r1": 1.0, "r1_every": 3, "mixing": 0.5, "path_length": 1.0, "path_every": 2}


def recipe_of(root: Path | str = "", **changes: Any) -> Recipe:
    whole = tiny.recipe(root, replace(FAMILY, **changes))
    return replace(whole, data=replace(whole.data, size="8x8"))


def inputs(family: Family, phase: int = 0, n: int = 4) -> tuple[Batch, dict[str, Tensor]]:
    rng = Generator().manual_seed(1)
    noise = {name: draw(n, rng) for name, draw in family.phases[phase].noise.items()}
    return Batch(torch.rand(n, 1, 8, 8, generator=rng) * 2 - 1), noise


def test_styles_are_mixed_from_a_row_on() -> None:
    w, other = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[-1.0], [-2.0], [-3.0]])
    numbers = torch.tensor([[0.3, 0.0], [0.29, 0.999], [0.31, 0.5]])
    found = mixed(w, other, numbers, share=0.305, rows=4)[:, :, 0]
    assert found.tolist() == [[1, -1, -1, -1], [2, 2, 2, -2], [3, 3, 3, 3]]


def test_path_lengths_against_finite_differences() -> None:
    """J^T y, one number of w after the other, through a whole generator in float64."""
    net: Any = build(recipe_of()).nets["generator"].double()
    rng = Generator().manual_seed(2)
    w = torch.randn(3, 8, generator=rng).double()
    y = torch.randn(3, 1, 8, 8, generator=rng).double()

    def drawn(styles: Tensor) -> Tensor:
        images: Tensor = net.synthesis(styles[:, None].expand(-1, net.synthesis.rows, -1), "none")
        return images

    given = w.clone().requires_grad_()
    found = path_lengths(drawn(given), given, y)
    step, squares = 1e-5, torch.zeros(3).double()
    with torch.no_grad():
        for number in range(8):
            moved = torch.zeros(8).double()
            moved[number] = step
            slope = (drawn(w + moved) - drawn(w - moved)) / (2 * step)
            squares += ((slope * y).sum((1, 2, 3)) / 8).square()
    torch.testing.assert_close(found.detach(), squares.sqrt(), rtol=1e-7, atol=1e-9)
    found.sum().backward()
    assert net.synthesis.blocks[0].conv1.weight.grad.abs().max() > 0


def test_the_papers_weight_of_path_lengths() -> None:
    for power in (3, 6, 10):  # 64: a fifth; 1024: a ninth
        assert path_weight(1 << power) == pytest.approx(1 / (power - 1))


def test_the_mean_length_begins_with_the_first_and_follows() -> None:
    mean = MeanLength()
    for length, wanted in ((2.0, 2.0), (4.0, 2.02), (0.0, 1.9998)):
        mean.move(At(0, 0.0), {"path_length": torch.tensor(length)})
        assert float(mean.mean) == pytest.approx(wanted)


def test_the_path_term_is_the_weighted_square_of_what_lengths_are_off() -> None:
    family = build(recipe_of(**WHOLE))
    phase = family.phases[3]
    assert (phase.name, phase.trains) == ("path", "generator")
    batch, noise = inputs(family, 3)
    losses, scalars = phase.loss(batch, noise, START)
    lengths = scalars["path_length"]
    assert lengths.std() > 0
    wanted = 2 * path_weight(8) * (lengths - lengths.mean()).square()
    torch.testing.assert_close(losses.detach(), wanted)
    family.nets["path"].mean.fill_(0.7)
    losses, _ = phase.loss(batch, noise, START)
    torch.testing.assert_close(losses.detach(), 2 * path_weight(8) * (lengths - 0.7).square())
    losses.sum().backward()
    net: Any = family.nets["generator"]
    for weight in (net.mapping.layers[0].weight, net.synthesis.const):
        assert weight.grad.abs().max() > 0


def test_lazy_terms_run_once_in_so_many_rounds() -> None:
    family = build(recipe_of(**WHOLE))
    assert [phase.name for phase in family.phases] == ["critic", "slope", "generator", "path"]
    for phase, due in zip(family.phases, ("1111111", "1001001", "1111111", "1010101"), strict=True):
        found = [phase.repeats(At(round_ * 8, 0.0)) for round_ in range(7)]
        assert "".join(map(str, found)) == due


class Linear(nn.Module):
    """D(x) = <w, x>: its slope is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-0.1, 0.2, 64))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight


def test_a_rare_look_at_the_slope_weighs_as_much_as_all_it_stands_for() -> None:
    family, critic = build(recipe_of()), Linear()
    batch, noise = inputs(family)

    def duel(**changes: Any) -> Duel:
        fakes = partial(generate, family.nets["generator"])
        return Duel(fakes, critic, GAN_LOSSES["bce"], recipe_of(**changes))

    with torch.no_grad():
        squared = critic.weight.square().sum()
        real = critic(batch.images)
    lazy = duel(r1=3.0, r1_every=5)
    found, scalars = lazy.slope_loss(batch, noise, START)
    torch.testing.assert_close(found.detach(), (0.5 * 3.0 * 5 * squared).expand(4))
    torch.testing.assert_close(scalars["slope_real"], squared.sqrt().expand(4))
    without = duel().critic_loss(batch, noise, START)[0].detach()
    torch.testing.assert_close(lazy.critic_loss(batch, noise, START)[0].detach(), without)
    drifting = duel(drift=0.25).critic_loss(batch, noise, START)[0].detach()
    torch.testing.assert_close(drifting - without, 0.25 * real.square())


def test_noise_is_laid_out_layer_by_layer() -> None:
    family = build(recipe_of())
    net: Any = family.nets["generator"]
    styled = Styled(net, FAMILY)
    assert styled.sides == [4, 8, 8]
    batch, noise = inputs(family)
    assert noise["maps"].shape == (4, 16 + 64 + 64)
    with torch.no_grad():
        for block in net.synthesis.blocks:
            for layer in filter(None, (block.conv0, block.conv1)):
                layer.strength.fill_(0.5)
        found = styled.generate(batch, noise, None)
        styles = net.styles(noise["latents"])
        for name, part in (("first", slice(0, 16)), ("last", slice(80, 144))):
            other = {**noise, "maps": noise["maps"].clone()}
            other["maps"][:, part] = 0
            assert not torch.equal(styled.generate(batch, other, None), found), name
        layers = [noise["maps"][:, a:b].reshape(4, 1, s, s) for a, b, s in
                  ((0, 16, 4), (16, 80, 8), (80, 144, 8))]  # fmt: skip
        torch.testing.assert_close(net.synthesis(styles, iter(layers)), found)


def test_the_mean_style_moves_once_a_round() -> None:
    """The critic is shown the same fakes, without gradients."""
    family = build(recipe_of())
    net: Any = family.nets["generator"]
    batch, noise = inputs(family)
    family.phases[0].loss(batch, noise, START)
    assert not net.mapping.average.any()
    family.phases[1].loss(batch, noise, START)
    once = net.mapping.average.clone()
    assert once.any()


def test_styles_that_are_all_the_mean_draw_one_picture() -> None:
    family = build(recipe_of(generator=replace(FAMILY.generator, truncation=0.0)))
    nets = family.nets.eval()
    nets["generator"].mapping.average.normal_()
    with torch.no_grad():
        rngs = [Generator().manual_seed(seed) for seed in (1, 2)]
        drawn = family.draw(nets, rngs, None, DrawOptions())
    torch.testing.assert_close(drawn[0], drawn[1])
    assert drawn.std() > 0


def task(batch: int, **changes: Any) -> Task:
    whole = recipe_of(**changes)
    whole = replace(whole, train=replace(whole.train, batch_size=batch))
    source = Source(
        name="x",
        split="train",
        pixels=np.zeros((4, 8, 8, 1), dtype=np.uint8),
        labels=np.zeros(4, dtype=np.int64),
        classes=(),
        names=[""] * 4,
        fingerprint="0",
    )
    batches = Batches(source, batch, seed=0)
    return Task(recipe=whole, family=build(whole), batches=batches, device=torch.device("cpu"))


def test_a_batch_holds_whole_groups() -> None:
    prepare(task(6))
    with pytest.raises(RecipeError, match=r"whole groups of 2.*multiples of 2"):
        prepare(task(7))


def stepped(**how: Any) -> tuple[Task, dict[str, Tensor]]:
    """Take a round of every phase; give the weights after it."""
    made = task(4, **WHOLE)
    made.compute = Compute(**how)
    prepare(made)
    for seen in (0, 4):
        round_ = update(made, At(seen, 0.0), images_total=100, rate=1.0)
        assert all(loss.isfinite() for loss in round_.losses.values())
    return made, made.family.nets.state_dict()


def test_images_made_once_for_two_phases_change_nothing() -> None:
    _, once = stepped(shares=True)
    _, twice = stepped(shares=False)
    assert once["generator.mapping.average"].any()
    for name, tensor in once.items():
        assert torch.equal(tensor, twice[name]), name


def test_it_trains_in_16_bits_too() -> None:
    made, _ = stepped(choice=Choice(precision="bf16"))
    assert all(tensor.isfinite().all() for tensor in made.family.nets.state_dict().values())


@pytest.mark.parametrize("told", [False, True])
def test_a_resumed_training_is_the_same_to_the_bit(told: bool, tmp_path: Path) -> None:
    more: dict[str, Any] = (
        {"condition": "projection"} if told else {"augment": ("color",), "ada_target": 0.5}
    )
    recipe = recipe_of(tiny.digits(tmp_path / "digits.npz"), **WHOLE, **more)
    whole = watch.train(recipe, out=tmp_path / "whole").folder.path
    half = shutil.copytree(whole, tmp_path / "half")
    shutil.rmtree(half / "checkpoints/64")
    kept = [event for event in tiny.events(half) if event["event"] != "end"]
    (half / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept), encoding="utf-8")
    watch.train(recipe, out=half)
    for file in ("nets", "average", "optimizer"):
        ends = [
            (run / "checkpoints/64" / f"{file}.safetensors").read_bytes() for run in (whole, half)
        ]
        assert ends[0] == ends[1], file
    logged = [event["losses"] for event in tiny.events(whole, "step")]
    assert {name for losses in logged for name in losses} == {
        "critic",
        "slope",
        "generator",
        "path",
    }
    assert all(math.isfinite(value) for losses in logged for value in losses.values())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mixing": 1.5}, "family.mixing is 1.5"),
        ({"path_every": 0}, "path_every is 0"),
        ({"r1_every": 0}, "r1_every is 0"),
        ({"mixing": 0.9, "generator": tiny.GAN.generator}, "set family.mixing = 0.0"),
        ({"path_length": 1.0, "generator": tiny.GAN.generator}, "set family.path_length = 0.0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        check(recipe_of(**changes))
