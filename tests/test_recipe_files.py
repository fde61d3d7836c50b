"""Recipes in and out of files, digests, differences, and other projects' settings."""

import json
import math
import string
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trilemma.errors import RecipeError
from trilemma.recipe import files, foreign
from trilemma.recipe.closest import closest, unknown
from trilemma.recipe.naming import NOT_IN_DIGEST, canonical, differences, digest, flat, run_name
from trilemma.recipe.overrides import with_ema, with_lr
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    DiffusionRecipe,
    OptimizerRecipe,
    Recipe,
    TrainRecipe,
    UpscaleRecipe,
)

TEXT = st.text(string.printable + "猫é\"'\\", max_size=20)
RECIPES = st.builds(
    Recipe,
    seed=st.integers(0, 2**31),
    data=st.builds(
        DataRecipe,
        source=TEXT,
        root=TEXT,
        classes=st.lists(TEXT, max_size=3).map(tuple),
        held_out=st.floats(0, 1),
        flip=st.booleans(),
    ),
    family=st.one_of(
        st.builds(AdversarialRecipe, r1=st.floats(0, 1e6)),
        st.builds(DiffusionRecipe, timesteps=st.integers(1, 9999), sigma_mean=st.floats(-9, 9)),
    ),
    train=st.builds(TrainRecipe, epochs=st.floats(0, 1e9), early_stop=st.booleans()),
)


@given(RECIPES)
@settings(max_examples=60, deadline=None)
def test_any_recipe_survives_both_formats(recipe: Recipe) -> None:
    as_json = json.dumps(files.to_table(recipe)).encode()
    assert files.from_table(files.parse(as_json, where="x"), where="x") == recipe
    as_toml = files.to_text(recipe).encode()
    assert files.from_table(files.parse(as_toml, where="x"), where="x") == recipe


@pytest.mark.parametrize("name", ["a b 猫.toml", "recipe.json"])
def test_a_written_file_is_read_back_and_nothing_lies_beside_it(tmp_path: Path, name: str) -> None:
    recipe = Recipe(seed=7, family=DiffusionRecipe(steps=3))
    files.write(tmp_path / name, recipe)
    assert files.read(tmp_path / name) == recipe
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_what_is_not_said_keeps_the_default_of_its_place() -> None:
    """The optimizers of a GAN have beta1 0.5; naming only lr must not bring back Adam's 0.9."""
    table = {"family": {"critic_optimizer": {"lr": 1e-3}}}
    family = files.from_table(table, where="x").family
    assert isinstance(family, AdversarialRecipe)
    assert (family.critic_optimizer.lr, family.critic_optimizer.beta1) == (1e-3, 0.5)


def test_kind_chooses_the_dataclass_wherever_it_stands() -> None:
    recipe = files.from_table({"family": {"timesteps": 9, "kind": "diffusion"}}, where="x")
    assert recipe.family == DiffusionRecipe(timesteps=9)


def test_whole_numbers_are_numbers_too() -> None:
    train = files.from_table({"train": {"epochs": 3}}, where="x").train
    assert (train.epochs, type(train.epochs)) == (3.0, float)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[train]\nepoch = 3", ("unknown field 'train.epoch'", "train.epochs")),
        ("colour = 3", ("unknown field 'colour'", "seed")),
        ("[train]\nbatch_size = 'many'", ("train.batch_size is 'many' (text)", "a whole number")),
        ("[train]\nbatch_size = 1.5", ("train.batch_size is 1.5", "a whole number")),
        ("[train]\nbatch_size = true", ("train.batch_size is True", "a whole number")),
        ("[train]\nepochs = true", ("train.epochs is True", "a number")),
        ("[train]\nepochs = nan", ("train.epochs is nan", "a finite number")),
        ("[data]\nflip = 1", ("data.flip is 1", "true or false")),
        ("[data]\nclasses = 'cat'", ("data.classes is 'cat'", "an array")),
        ("[data]\nclasses = [1]", ("data.classes is 1", "text")),
        ("data = 3", ("data is 3", "[data]")),
        ("[data]\non_error = 'stopp'", ("data.on_error is 'stopp'", "skip, stop")),
        ("[family]\nkind = 'diffusio'", ("family.kind 'diffusio'", "did you mean diffusion?")),
        ("[family]\nkind = 3", ("family.kind '3'", "adversarial, diffusion")),
        ("[family]\ntimesteps = 3", ("unknown field 'family.timesteps'", "family.loss")),
        ("schema = 2", ("schema 2 is newer", "update trilemma")),
        ("schema = 0", ("schema is 0",)),
        ("schema = true", ("schema is True",)),
        ("schema =", ("neither TOML nor JSON",)),
        ('{"seed": }', ("neither TOML nor JSON",)),
    ],
)
def test_a_mistake_is_one_line_with_file_field_found_allowed(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    path = tmp_path / "my.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        files.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes("preset = 'é'".encode("latin-1"))
    for name, said in [("none.toml", "no such file"), (".", "folder"), ("latin.toml", "UTF-8")]:
        with pytest.raises(RecipeError, match=said):
            files.read(tmp_path / name)


def test_the_mark_that_notepad_writes_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfseed = 5\r\n")
    assert files.read(tmp_path / "a.toml").seed == 5


def test_merge_goes_into_tables_replaces_arrays_and_leaves_its_inputs() -> None:
    base = {"a": 1, "t": {"x": 1, "y": [1, 2]}, "n": {"name": "one", "w": 1}}
    over = {"t": {"y": [3], "z": 4}, "n": {"name": "two"}}
    merged = files.merge(base, over)
    assert merged == {"a": 1, "t": {"x": 1, "y": [3], "z": 4}, "n": {"name": "two"}}
    assert base["t"] == {"x": 1, "y": [1, 2]}


def test_digest_is_the_sha256_of_canonical_json() -> None:
    recipe = Recipe(seed=3)
    kept = {name: value for name, value in flat(recipe).items() if name not in NOT_IN_DIGEST}
    kept["data.fingerprint"] = "abc"
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    assert canonical(recipe, "abc") == text
    assert digest(recipe, "abc") == sha256(text.encode()).hexdigest()
    assert run_name(replace(recipe, preset="a/b c"), "abc") == (
        f"a-b-c-s3-{digest(recipe, 'abc')[:8]}"
    )


def changed(name: str, value: object) -> Recipe:
    """Give a recipe that differs from the default in one field."""
    table: dict[str, object] = {name.rpartition(".")[2]: value}
    for part in reversed(name.split(".")[:-1]):
        table = {part: table}
    return files.from_table(table, where="x")


def other(value: object) -> object:
    """Give another value of the same type."""
    kinds = {bool: lambda v: not v, int: lambda v: v + 1, float: lambda v: v + 1.0}
    return kinds.get(type(value), lambda v: v)(value)


@pytest.mark.parametrize("name", [n for n, v in flat(Recipe()).items() if other(v) != v])
def test_each_field_is_in_the_digest_or_named_as_left_out(name: str) -> None:
    if name == "schema":
        return
    recipe = changed(name, other(flat(Recipe())[name]))
    assert (digest(recipe, "f") == digest(Recipe(), "f")) == (name in NOT_IN_DIGEST)


def test_what_is_left_out_of_the_digest_exists_and_the_path_is_left_out() -> None:
    upscaler = Recipe(family=UpscaleRecipe())
    assert {*flat(Recipe()), *flat(upscaler)} >= NOT_IN_DIGEST
    moved = changed("data.root", "elsewhere")
    assert digest(moved, "f") == digest(Recipe(), "f")
    assert digest(moved, "g") != digest(Recipe(), "f")
    assert digest(changed("speed.precision", "bf16"), "f") != digest(Recipe(), "f")


def test_differences_name_the_field_and_both_values() -> None:
    first = Recipe(family=AdversarialRecipe(loss="bce"))
    assert differences(first, first) == []
    second = replace(first, seed=2, family=AdversarialRecipe(loss="relativistic"))
    assert differences(first, second) == [
        ("seed", 0, 2),
        ("family.loss", "bce", "relativistic"),
    ]
    kinds = {n: (a, b) for n, a, b in differences(first, Recipe(family=DiffusionRecipe()))}
    assert kinds["family.loss"] == ("bce", None)
    assert kinds["family.timesteps"] == (None, 1000)


def test_averaging_converts_to_a_half_life() -> None:
    """0.999 a step at batch 128: 0.999^(n/128) = 1/2 at n = 88,678, three digits: 88,700."""
    images = with_ema(Recipe(), 0.999).train.ema_images
    assert images == 88_700
    assert math.isclose(0.999 ** (images / 128), 0.5, rel_tol=1e-3)
    assert with_ema(Recipe(), 0.0).train.ema_images == 0
    with pytest.raises(RecipeError, match=r"ema is 1; allowed"):
        with_ema(Recipe(), 1.0)


def test_one_rate_goes_to_every_optimizer_and_the_end_falls_along() -> None:
    slow = OptimizerRecipe(lr=1e-3, lr_end=2e-4, schedule="cosine")
    family = AdversarialRecipe(critic_optimizer=slow)
    after = with_lr(Recipe(family=family), 5e-3).family
    assert isinstance(after, AdversarialRecipe)
    assert after.generator_optimizer.lr == after.critic_optimizer.lr == 5e-3
    assert math.isclose(after.critic_optimizer.lr_end, 1e-3)
    diffusion = with_lr(Recipe(family=DiffusionRecipe()), 5e-3).family
    assert isinstance(diffusion, DiffusionRecipe)
    assert diffusion.optimizer == OptimizerRecipe(lr=5e-3, clip=1.0)


def test_settings_of_another_project() -> None:
    settings_ = {
        "model": "GAN",
        "dataset": "MNIST",
        "training": {"batch_size": 64, "num_epochs": 20, "learning_rate": 0.0003, "beta1": 0.4},
        "ema_decay": 0.99,
        "latent-dim": 32,
        "image_size": [32, 48],
    }
    recipe, lines = foreign.recipe_of(settings_, where="parameters.json")
    family = recipe.family
    assert isinstance(family, AdversarialRecipe)
    assert (recipe.data.source, recipe.data.size, recipe.preset) == (
        "mnist",
        "48x32",
        "mnist-dcgan",
    )
    assert (recipe.train.batch_size, recipe.train.epochs) == (64, 20.0)
    assert (family.generator_optimizer.lr, family.critic_optimizer.beta1) == (0.0003, 0.4)
    assert family.generator.latent == 32
    assert recipe.train.ema_images == with_ema(recipe, 0.99).train.ema_images == 4410
    assert "parameters.json: training.learning_rate = 0.0003  ->  " in "\n".join(lines)


def test_settings_with_timesteps_are_of_a_diffusion_model() -> None:
    recipe, _ = foreign.recipe_of({"T": 300, "epochs": 5, "data_dir": "pics"}, where="p.json")
    assert isinstance(recipe.family, DiffusionRecipe)
    assert (recipe.family.timesteps, recipe.data.root) == (300, "pics")
    assert (recipe.train.epochs, recipe.train.images) == (5.0, 0)


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({}, "no setting in it"),
        ({"hello": 1}, r"unknown setting 'hello' \(closest: \w+\)"),
        ({"dataset": "mnistt"}, "did you mean mnist"),
        ({"batch_size": "x"}, "batch_size = 'x'; allowed: a whole number"),
        ({"lr": "x"}, "lr = 'x'; allowed: a number"),
    ],
)
def test_settings_that_cannot_be_used(given_: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        foreign.recipe_of(given_, where="p.json")


def test_closest_names() -> None:
    names = [f"name-{letter}" for letter in string.ascii_lowercase] + ["mnist-dcgan"]
    assert closest("MNSIT-dcgan", names) == ["mnist-dcgan"]
    assert closest("mnist", names)[0] == "mnist-dcgan"
    assert closest("", names) == []
    assert "closest: mnist-dcgan" in unknown("preset", "mnis-dcgan", names)
    assert unknown("loss", "bec", ["bce"]) == (
        "unknown loss 'bec'; allowed: bce; did you mean bce?"
    )
