import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

import tiny
from test_pairs import photos
from trilemma.families import build
from trilemma.families.enlarging import Enlarging
from trilemma.families.family import At, Batch
from trilemma.families.perceptive import Perceptive
from trilemma.maths.image_losses import total_variation
from trilemma.recipe.checking import check
from trilemma.recipe.networks import RRDB, SRGAN, Compact, SRGANCritic, UNetCritic
from trilemma.recipe.recipe import (
    DataRecipe,
    OptimizerRecipe,
    Recipe,
    SpeedRecipe,
    TrainRecipe,
    UpscaleRecipe,
    WatchRecipe,
)
from trilemma.watch import train

SMALL = UpscaleRecipe(
    crop=8,
    generator=Compact(width=8, convs=2),
    critic=UNetCritic(width=4),
    generator_optimizer=OptimizerRecipe(lr=2e-3, beta2=0.99),
)
BOTH = replace(
    SMALL, stage_two=0.5, adversarial=0.05, perceptual=0.1, variation=0.01, critic_first=16
)


def recipe(root: Path, family: UpscaleRecipe = SMALL, **settings: object) -> Recipe:
    length = TrainRecipe(batch_size=4, epochs=0.0, images=64, ema_images=50, keep=9)
    return Recipe(
        preset="tiny",
        data=DataRecipe(root=str(root), size="64x48", held_out=0.25),
        family=family,
        train=replace(length, **settings),  # type: ignore[arg-type]
        watch=WatchRecipe(metric="psnr_y", every=32, n=4, grid=2),
        speed=SpeedRecipe(device="cpu", precision="reference", threads=1),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("upscale") / "high", 12)


def phases_at(family: UpscaleRecipe, images: int, total: int, root: Path) -> list[str]:
    at = At(images, images / total)
    phases = build(recipe(root, family)).phases
    return [phase.name for phase in phases if phase.repeats(at)]


def test_stages_by_hand(tmp_path: Path) -> None:
    """Of 1,000 images: pixels up to 500, the critic alone up to 516, then both."""
    for images, names in (
        (0, ["pixels"]),
        (499, ["pixels"]),
        (500, ["critic"]),
        (515, ["critic"]),
        (516, ["critic", "generator"]),
        (999, ["critic", "generator"]),
    ):
        assert phases_at(BOTH, images, 1000, tmp_path) == names, images
    assert phases_at(SMALL, 999, 1000, tmp_path) == ["pixels"]
    at_once = replace(BOTH, stage_two=0.0)
    assert phases_at(at_once, 0, 1000, tmp_path) == ["critic"]
    assert phases_at(at_once, 16, 1000, tmp_path) == ["critic", "generator"]
    no_critic = replace(SMALL, stage_two=0.5, perceptual=1.0)
    assert phases_at(no_critic, 500, 1000, tmp_path) == ["generator"]


class Nearest(nn.Module):
    """Repeat every pixel four times: an upscaler without weights."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_the_losses_are_their_terms_by_hand() -> None:
    """A critic that says the mean of an image: BCE of it, TV, MSE and the weights."""
    settings = UpscaleRecipe(
        pixel_loss="mse", pixel=2.0, variation=3.0, adversarial=5.0, stage_two=0.0
    )
    critic = nn.Sequential(
        nn.AvgPool2d(32), nn.Flatten(), nn.Linear(3, 1, bias=False), nn.Flatten(0)
    )
    nn.init.constant_(critic[2].weight, 1 / 3)  # type: ignore[arg-type]
    losses = Enlarging(settings, Nearest(), critic, None)
    low, real = torch.rand(2, 3, 8, 8) * 2 - 1, torch.rand(2, 3, 32, 32)
    made = low.repeat_interleave(4, 2).repeat_interleave(4, 3)
    fake = made.mean((1, 2, 3))
    wanted = (
        2 * (made - real).square().mean((1, 2, 3))
        + 3 * total_variation(made)
        + 5 * torch.log1p(torch.exp(-fake))
    )
    clock = At(torch.tensor(0.0), torch.tensor(0.0))
    found, scalars = losses.whole_loss(Batch(real, None, low), {}, clock)
    torch.testing.assert_close(found, wanted)
    assert scalars.keys() == {"pixel", "variation", "adversarial"}
    found, _ = losses.critic_loss(Batch(real, None, low), {}, clock)
    known = real.mean((1, 2, 3))
    torch.testing.assert_close(found, torch.log1p(torch.exp(-known)) + torch.log1p(torch.exp(fake)))
    found, _ = losses.pixel_loss(Batch(real, None, low), {}, clock)
    torch.testing.assert_close(found, 2 * (made - real).square().mean((1, 2, 3)))


def test_perceptual_distance_tells_blur_from_sameness_and_moves_the_made_image() -> None:
    looks = Perceptive("lite0").load()
    real = torch.rand(2, 3, 64, 64) * 2 - 1
    assert looks(real, real).tolist() == [0.0, 0.0]
    blurred = nn.functional.avg_pool2d(real, 3, 1, 1).requires_grad_()
    near = looks(real + 0.02 * torch.randn_like(real), real)
    far = looks(blurred, real)
    assert (far > 4 * near).all()
    far.sum().backward()
    assert blurred.grad is not None
    assert blurred.grad.abs().max() > 0
    grey = real[:, :1]
    torch.testing.assert_close(
        looks(grey * 0.5, grey), looks(grey.expand(-1, 3, -1, -1) * 0.5, grey.expand(-1, 3, -1, -1))
    )


@pytest.mark.parametrize(
    "generator",
    [Compact(width=4, convs=1), RRDB(width=4, blocks=1, growth=4), SRGAN(width=4, blocks=1)],
)
@pytest.mark.parametrize("critic", [UNetCritic(width=4), SRGANCritic(width=4, hidden=8)])
def test_every_network_is_built_and_enlarges(
    generator: object, critic: object, folder: Path
) -> None:
    one = recipe(folder, replace(BOTH, generator=generator, critic=critic))  # type: ignore[arg-type]
    check(one)
    family = build(one)
    low = torch.rand(2, 3, 8, 8) * 2 - 1
    options = torch.empty(2, 0)
    from trilemma.families.family import DrawOptions

    made = family.render(family.nets, options, [], low, DrawOptions())
    assert made.shape == (2, 3, 32, 32)
    assert made.abs().max() <= 1
    scores = family.nets["critic"](made)
    assert len(scores) == 2


def test_a_training_goes_through_both_stages_and_keeps_the_best(
    folder: Path, tmp_path: Path
) -> None:
    trained = train(recipe(folder, BOTH, images=128), out=tmp_path / "run")
    assert trained.state is not None
    assert trained.state.images_seen == 128
    steps = tiny.events(tmp_path / "run", "step")
    named = {name for event in steps for name in event["losses"]}
    assert named == {"pixels", "critic", "generator"}
    scores = [event["scalars"] for event in tiny.events(tmp_path / "run", "score")]
    assert {"psnr_y", "ssim_y", "perceptual"} <= scores[-1].keys()
    assert trained.state.best == max(score["psnr_y"] for score in scores[1:])
    assert list((tmp_path / "run" / "samples").glob("*.png"))


def test_a_resumed_training_is_the_same_to_the_bit(folder: Path, tmp_path: Path) -> None:
    whole = recipe(folder, BOTH)
    whole = replace(whole, data=replace(whole.data, low="real", flip=True))
    train(whole, out=tmp_path / "once")
    train(whole, out=tmp_path / "twice")
    last = sorted((tmp_path / "twice" / "checkpoints").iterdir(), key=lambda p: int(p.name))[-1]
    import shutil

    shutil.rmtree(last)
    log = [json.loads(line) for line in (tmp_path / "twice" / "log.jsonl").read_text().splitlines()]
    kept = [event for event in log if event["event"] != "end"]
    (tmp_path / "twice" / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept))
    train(whole, out=tmp_path / "twice")
    ends = [
        (tmp_path / name / "checkpoints" / last.name / "nets.safetensors").read_bytes()
        for name in ("once", "twice")
    ]
    assert ends[0] == ends[1]


def test_pixels_alone_come_nearer_than_repeated_ones(folder: Path, tmp_path: Path) -> None:
    trained = train(recipe(folder, images=400), out=tmp_path / "run")
    assert trained.state is not None
    scores = [event["scalars"]["psnr_y"] for event in tiny.events(tmp_path / "run", "score")]
    assert scores[-1] > scores[0] + 1


def test_early_stopping_waits_for_stage_two(folder: Path, tmp_path: Path) -> None:
    """With no score ever better, patience 1 ends it at the first scoring of the second half."""
    still = replace(BOTH, critic_first=0, generator_optimizer=OptimizerRecipe(lr=1e-12))
    one = recipe(folder, still, images=128, early_stop=True, patience=1)
    one = replace(one, watch=replace(one.watch, every=16))
    trained = train(one, out=tmp_path / "run")
    assert trained.state is not None
    assert 64 <= trained.state.images_seen < 128
