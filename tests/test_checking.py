"""Recipes that cannot be trained are refused in a line; those at the edge are not."""

import re
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from trilemma import signs
from trilemma.data.named import NAMED
from trilemma.errors import RecipeError
from trilemma.features import extractors
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.maths.samplers import SAMPLERS
from trilemma.recipe import checking, foreign
from trilemma.recipe.checking import check
from trilemma.recipe.files import from_table
from trilemma.recipe.recipe import Recipe


def recipe(dotted: dict[str, Any]) -> Recipe:
    """Give the default recipe with some fields changed, by dotted name."""
    table: dict[str, Any] = {}
    for name, value in dotted.items():
        *path, last = name.split(".")
        place = table
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return from_table(table, where="x")


DIFFUSION = {"family.kind": "diffusion"}
HEADS = {  # widths 8, 16, 24 at sides 64, 32, 16
    **DIFFUSION,
    "family.generator.width": 8,
    "family.generator.multipliers": [1, 2, 3],
    "family.generator.attention": [16],
}
R3 = {"family.generator.name": "r3", "family.critic.name": "r3"}
RESIDUAL = {"family.generator.name": "residual", "family.critic.name": "residual"}
DENSE = {"family.generator.name": "perceptron", "family.critic.name": "perceptron"}
UPSCALE = {"family.kind": "upscale", "data.size": "192x96", "family.crop": 16}
STAGES = {**UPSCALE, "family.stage_two": 0.5, "family.adversarial": 0.1}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**UPSCALE, "data.size": "130x96"}, "a side of 130, no multiple of family.scale = 4"),
    ({**UPSCALE, "data.size": "32x16"}, "data.size is the large side: 16 is 4 small pixels"),
    ({**UPSCALE, "family.crop": 48}, "family.crop is 48; allowed: 8 to 24"),
    ({**UPSCALE, "family.scale": 5}, "family.scale is 5; allowed: 2 to 4"),
    ({**UPSCALE, "family.pixel_loss": "l2"}, "l2"),
    ({**UPSCALE, "data.low": ""}, "data.low is empty; allowed: bicubic, real, generator=RUN"),
    ({**UPSCALE, "family.perceptual": 0.1}, "family.stage_two = 1 says never"),
    ({**UPSCALE, "family.pixel": 0.0}, "nothing is learnt in stage one"),
    ({**UPSCALE, "family.critic_first": 8}, "family.adversarial = 0 leaves no critic"),
    ({**UPSCALE, "watch.metric": "lpips"}, "watch.metric"),
    ({**STAGES, "family.crop": 9}, "sees sides of 36 pixels; allowed: multiples of 8"),
    ({**STAGES, "family.crop": 10, "family.critic.name": "srgan"}, "multiples of 16"),
    (
        {**UPSCALE, "family.scale": 3, "family.crop": 16, "family.generator.name": "rrdb"},
        "family.scale 3 is none of its",
    ),
    ({"data.low": "real"}, "family.kind = 'adversarial' takes no small images"),
    ({"watch.metric": "psnr_y"}, "watch.metric"),
    ({"seed": -1}, "seed is -1; allowed: 0 to 4294967295"),
    ({"seed": 2**32}, "seed is 4.29497e+09; allowed"),
    ({"data.size": "big"}, "data.size is 'big'; allowed: width x height such as 96x64"),
    ({"data.size": "0"}, "data.size (height) is 0"),
    ({"data.channels": 2}, "data.channels is 2; allowed: 1 (grey), 3 (colour)"),
    ({"data.held_out": 1.0}, "data.held_out is 1"),
    ({"data.memory": 0.0}, "data.memory is 0"),
    ({"data.classes": ["a", "a"]}, "names one twice"),
    ({"family.loss": "bec"}, "unknown family.loss 'bec'"),
    ({"family.r1": -1.0}, "family.r1 is -1"),
    ({"family.r1": 1.0}, "set family.critic.batchnorm = false"),
    ({"family.loss": "non-saturating"}, "'non-saturating' is 'bce' here"),
    ({"family.loss": "WGAN-GP"}, "is 'wasserstein' with family.gp = 10.0 here"),
    ({"data.attributes": "a.csv"}, "family.condition = 'none' tells no network of it"),
    ({"family.r2": 1.0}, "set family.critic.batchnorm = false"),
    ({"family.label_real": 0.5}, "family.label_real is 0.5"),
    ({"family.label_real": 0.9, "family.loss": "relativistic"}, "is for the loss bce"),
    ({"family.critic_updates": 0}, "family.critic_updates is 0"),
    ({"family.generator.latent": 0}, "family.generator.latent is 0"),
    ({"family.critic.width": 600}, "family.critic.width_max is 512"),
    ({"data.size": "63x64"}, "data.size 63x64 does not suit"),
    ({"data.size": "30x64", "family.critic.width": 0}, "30x64 does not suit"),
    ({**R3, "data.size": "50"}, "data.size 50x50 does not suit family.generator.name = 'r3'"),
    ({**RESIDUAL, "data.size": "50"}, "50x50 does not suit family.generator.name = 'residual'"),
    ({**R3, "family.generator.latent": 0}, "family.generator.latent is 0"),
    ({**RESIDUAL, "family.critic.width_max": 16}, "family.critic.width_max is 16, less than"),
    ({**R3, "family.critic.blocks": 0}, "family.critic.blocks is 0; allowed: more than 0"),
    ({**R3, "family.critic.expansion": 0}, "family.critic.expansion is 0"),
    ({**R3, "family.generator.group": 0}, "family.generator.group is 0"),
    (
        {**R3, "family.generator.group": 5},
        "family.generator.group is 5; allowed: what divides the 64 features inside a bottleneck "
        "at 64x64 (width x expansion)",
    ),
    (  # 48 divides 96 and 192, the first two, but not 2 x 100
        {**R3, "family.critic.width": 48, "family.critic.width_max": 100, "family.critic.group": 48}
        | {"data.size": "64x96"},
        "family.critic.group is 48; allowed: what divides the 200 features inside a bottleneck "
        "at 16x24",
    ),
    ({**DENSE, "family.generator.depth": 0}, "family.generator.depth is 0"),
    ({**DENSE, "family.critic.width": -1}, "family.critic.width is -1"),
    ({"family.generator_optimizer.lr": 0.0}, "family.generator_optimizer.lr is 0"),
    ({"family.critic_optimizer.beta2": 1.0}, "family.critic_optimizer.beta2 is 1"),
    ({**DIFFUSION, "family.optimizer.clip": -1.0}, "family.optimizer.clip is -1"),
    ({**DIFFUSION, "family.sampler": "heunn"}, "did you mean heun?"),
    ({**DIFFUSION, "family.schedule": "cos"}, "unknown family.schedule 'cos'"),
    ({**DIFFUSION, "family.prediction": "x1"}, "unknown family.prediction 'x1'"),
    ({**DIFFUSION, "family.steps": 1001}, "more than family.timesteps; allowed: 1 to 1000"),
    ({**DIFFUSION, "family.sigma_max": 0.002}, "family.sigma_max is 0.002"),
    ({**DIFFUSION, "family.generator.unshuffle": 2, "data.size": "63"}, "unshuffle"),
    ({**DIFFUSION, "family.generator.multipliers": []}, "family.generator.multipliers is []"),
    ({**DIFFUSION, "family.generator.attention": [0]}, "family.generator.attention is [0]"),
    ({**DIFFUSION, "family.generator.dropout": 1.0}, "family.generator.dropout is 1"),
    ({"train.batch_size": 0}, "train.batch_size is 0"),
    ({"train.epochs": 0}, "train.epochs, images and minutes are all 0"),
    ({"train.epochs": -1}, "train.epochs is -1"),
    ({"train.plateau": 1.5}, "train.plateau is 1.5"),
    ({"train.plateau": 0.0}, "train.plateau is 0"),
    ({"train.keep": 0}, "train.keep is 0"),
    ({"watch.metric": "fid"}, "unknown watch.metric 'fid'; allowed: fd, kid"),
    ({"watch.extractor": "inceptoin"}, "did you mean inception?"),
    ({"watch.n": 1001}, "watch.n is 1001; allowed: 3 to 1000"),
    ({"watch.n": 2}, "watch.n is 2; allowed: 3 to 1000"),
    ({"watch.steps": 51}, "watch.steps is 51"),
    (
        {**DIFFUSION, "watch.sampler": "heun", "watch.steps": 26},
        "51 network evaluations with heun; allowed: 0 to 25",
    ),
    ({**DIFFUSION, "family.sampler": "heun", "watch.steps": 50}, "99 network evaluations"),
    (
        {**DIFFUSION, "family.timesteps": 9, "family.steps": 9, "watch.steps": 10},
        "watch.steps is 10, more than family.timesteps; allowed: 0 to 9",
    ),
    (
        {**HEADS, "family.generator.heads": 5},
        "family.generator.heads is 5; allowed: what divides "
        "the 24 features that get attention at side 16",
    ),
    ({**DIFFUSION, "watch.sampler": "dimm"}, "did you mean ddim?"),
    ({"speed.device": "gpu"}, "speed.device is 'gpu'; allowed: auto, cpu, cuda"),
    ({"speed.device": "cuda:x"}, "speed.device is 'cuda:x'"),
    ({"speed.threads": -1}, "speed.threads is -1"),
]


@pytest.mark.parametrize(("dotted", "said"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_cannot_be_trained_is_refused_in_a_line(dotted: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)) as caught:
        check(recipe(dotted))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "dotted",
    [
        {},
        {"seed": 2**32 - 1},
        {"family.r1": 1.0, "family.r2": 0.5, "family.critic.batchnorm": False},
        {"family.r1": 1.0, **RESIDUAL, "family.critic.norm": "layer"},
        {"family.r1": 1.0, **RESIDUAL, "data.size": "28", "family.critic.spectral_norm": True},
        {"family.r2": 1.0, **R3, "data.size": "96x64"},
        {**R3, "family.critic.group": 64, "family.critic.width": 32},
        {"family.r1": 1.0, **DENSE, "data.size": "1"},
        {**DENSE, "data.size": "63x50"},
        {"family.loss": "relativistic"},
        {"family.label_real": 0.9},
        *({"data.size": size} for size in ("28", "32", "48", "64", "96x64", "128", "256")),
        {**DIFFUSION, "family.process": "edm", "family.steps": 2000},
        {**DIFFUSION, "data.size": "63x50"},
        {**DIFFUSION, "watch.sampler": "heun", "watch.steps": 25},
        {**DIFFUSION, "watch.steps": 50},
        {**DIFFUSION, "family.process": "edm", "family.timesteps": 9, "watch.steps": 10},
        {**HEADS, "family.generator.heads": 3},
        {"watch.n": 3},
        {"train.epochs": 0, "train.minutes": 1.0},
        {"watch.extractor": "my/classifier.safetensors"},
        {"speed.device": "cuda:11"},
        {**UPSCALE, "watch.metric": "psnr_y"},
        {**UPSCALE, "family.crop": 0, "data.channels": 1, "family.scale": 2},
        {**STAGES, "family.perceptual": 0.1, "family.critic.name": "srgan"},
        {**STAGES, "family.stage_two": 0, "family.pixel": 0.0, "family.loss": "relativistic"},
        {**UPSCALE, "family.generator.name": "srgan", "family.scale": 3, "data.low": "real"},
    ],
    ids=str,
)
def test_what_can_be_trained_passes(dotted: dict[str, Any]) -> None:
    check(recipe(dotted))


def test_a_wrong_name_lists_every_loss() -> None:
    """So that a loss that is added need not be written into the help, too."""
    with pytest.raises(RecipeError) as refused:
        check(recipe({"family.loss": "?"}))
    assert f"allowed: {', '.join(GAN_LOSSES)}" in str(refused.value)


def test_names_that_stand_twice_are_those_of_the_table() -> None:
    """A recipe is checked two layers below the tables of extractors, data sets and distances."""
    assert set(checking.METRICS) == signs.METRICS.keys()
    assert set(checking.EXTRACTORS) == {"auto", *extractors.EXTRACTORS}
    assert set(foreign.SOURCES) == {"folder", *NAMED}


def listed(module: str, field: str) -> set[str]:
    """Read the names at the start of a field's help: words with commas, up to a semicolon."""
    spec = find_spec(f"trilemma.{module}")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).read_text(encoding="utf-8")
    pattern = rf"^    {field}: str = .*?# (?:of (?:a )?\w+: )?([^;\n]+)"
    match = re.search(pattern, text, re.MULTILINE)
    assert match is not None, f"{module} has no help for {field}"
    names = match[1].replace(", or a path", "")
    return {name.strip() for name in names.split(",")}


@pytest.mark.parametrize(
    ("module", "field", "names"),
    [
        ("recipe.recipe", "sampler", SAMPLERS),
        ("recipe.recipe", "extractor", checking.EXTRACTORS),
        ("cli.sample", "sampler", SAMPLERS),
        ("cli.evaluate", "sampler", SAMPLERS),
        ("cli.evaluate", "extractor", checking.EXTRACTORS),
        ("cli.features", "sampler", SAMPLERS),
        ("cli.features", "extractor", checking.EXTRACTORS),
    ],
)
def test_help_lists_the_names_of_the_table(module: str, field: str, names: Collection[str]) -> None:
    assert listed(module, field) == set(names)
