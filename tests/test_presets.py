"""The named recipes: those that ship, those of the user, and what a preset file may say."""

import tomllib
from dataclasses import replace
from importlib.resources import files as resources
from pathlib import Path

import pytest

from trilemma.errors import RecipeError
from trilemma.recipe import presets
from trilemma.recipe.checking import check
from trilemma.recipe.following import follows
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, StartRecipe

SHIPPED = sorted(
    Path(file.name).stem for file in (resources("trilemma.recipe") / "presets").iterdir()
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with a place for presets."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    return tmp_path / "presets"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_preset_is_possible_told_in_a_line_and_begins_with_its_command(name: str) -> None:
    preset = presets.find(name)
    assert preset.name == name
    for stage in preset.stages:
        recipe = stage.recipe  # one that goes on from a run needs one
        begun = follows(recipe) and not recipe.start.run
        check(replace(recipe, start=StartRecipe(run="a run")) if begun else recipe)
        assert recipe.preset == (f"{name}-{stage.name}" if stage.name else name)
    assert 20 < len(preset.about) < 100
    text = (resources("trilemma.recipe") / "presets" / f"{name}.toml").read_text("utf-8")
    assert text.startswith(f"# trilemma train {name}")
    assert "measured" in tomllib.loads(text)


@pytest.mark.parametrize("name", ["mnist-dcgan", "mnist-ddpm"])
def test_the_documents_numbers(name: str) -> None:
    """100 epochs, batch 128, lr 1e-4, EMA 0.999, patience 10; 1000 timesteps, clip 1.0."""
    recipe = presets.find(name).recipe
    train, family = recipe.train, recipe.family
    assert (train.epochs, train.batch_size, train.ema_images) == (100, 128, 88_700)
    assert (train.early_stop, train.patience) == (True, 10)
    if isinstance(family, DiffusionRecipe):
        assert (family.optimizer.lr, family.optimizer.clip, family.timesteps) == (1e-4, 1.0, 1000)
    else:
        assert (family.loss, family.generator.latent) == ("bce", 100)
        for optimizer in (family.generator_optimizer, family.critic_optimizer):
            assert (optimizer.lr, optimizer.beta1) == (1e-4, 0.5)


def test_the_documents_numbers_for_cifar10() -> None:
    recipe = presets.find("cifar10-dcgan").recipe
    family = recipe.family
    assert isinstance(family, AdversarialRecipe)
    assert (recipe.data.size, family.generator.latent, family.loss) == ("64x64", 100, "bce")
    assert (family.critic_optimizer.lr, family.critic_optimizer.beta1) == (2e-4, 0.5)
    assert recipe.watch.best == "generator_loss"


def test_one_level_of_extends_merges_tables_and_replaces_arrays(folder: Path) -> None:
    (folder / "mine.toml").write_text(
        'about = "mine"\nextends = "mnist-ddpm"\n[family.generator]\nmultipliers = [1, 3]\n'
    )
    mine, base = presets.find("mine"), presets.find("mnist-ddpm")
    assert isinstance(mine.recipe.family, DiffusionRecipe)
    assert isinstance(base.recipe.family, DiffusionRecipe)
    assert mine.recipe.family.generator.multipliers == (1, 3)
    assert mine.recipe.family.generator.width == base.recipe.family.generator.width
    assert mine.recipe.data == base.recipe.data
    assert (mine.about, mine.recipe.preset) == ("mine", "mine")
    assert presets.names()[-1] == "mine"


def test_extending_with_another_kind_drops_the_base_s_family(folder: Path) -> None:
    (folder / "mine.toml").write_text('extends = "mnist-dcgan"\n[family]\nkind = "diffusion"\n')
    assert presets.find("mine").recipe.family == DiffusionRecipe()


def test_measured_is_kept_apart(folder: Path) -> None:
    (folder / "mine.toml").write_text('[measured]\nminutes = 4.8\ncommit = "abc"\n')
    assert presets.find("mine").measured == {"minutes": 4.8, "commit": "abc"}
    (folder / "yours.toml").write_text('extends = "mine"\n')
    assert presets.find("yours").measured == {}, "a measurement is of one recipe alone"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('extends = "mnist-gan-fast"', "only one level is allowed: extend 'digits-gan'"),
        ('extends = "mnist-dcgn"', "mnist-dcgan"),
        ("extends = 3", "extends is 3"),
        ("measured = 3", "measured is 3"),
        ('about = """a\nb"""', "one line of text"),
        ("[train]\nepoch = 3", "mine.toml: unknown field 'train.epoch'"),
    ],
)
def test_a_preset_with_a_mistake_is_one_line(folder: Path, text: str, said: str) -> None:
    (folder / "mine.toml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        presets.find("mine")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_and_a_name_that_is_there_twice(folder: Path) -> None:
    with pytest.raises(
        RecipeError,
        match=r"unknown preset 'fashon-mnist-gan-fast'.*closest: fashion-mnist-gan-fast, ",
    ):
        presets.find("fashon-mnist-gan-fast")
    (folder / "mnist-ddpm.toml").write_text("seed = 1\n")
    with pytest.raises(RecipeError, match="rename yours"):
        presets.find("mnist-ddpm")
    assert presets.read(folder / "mnist-ddpm.toml").recipe.seed == 1


def test_tiny_presets_are_small() -> None:
    for name in SHIPPED:
        if name.startswith("tiny-"):
            train = presets.find(name).recipe.train
            assert 0 < train.images <= 2000
            assert (train.epochs, train.minutes) == (0, 0)
