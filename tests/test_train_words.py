"""The words of `trilemma train`: presets, short forms, lengths, kinds, files, runs."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from trilemma.cli import main as cli
from trilemma.cli.arguments import SHORT, parse_train
from trilemma.cli.parsing import options
from trilemma.errors import TrilemmaError
from trilemma.families.adversarial import CRITICS
from trilemma.recipe import files, presets
from trilemma.recipe.checking import check
from trilemma.recipe.networks import R3Generator, ResidualCritic
from trilemma.recipe.overrides import FILLED_IN
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, Recipe


def test_help_of_train_has_the_preset_s_values_and_every_field(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["train", "mnist-ddpm", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for option in options(Recipe, at=presets.find("mnist-ddpm").recipe):
        there = option.flag in text.replace(",", "").split()
        assert there != (option.name in FILLED_IN), option
    assert "passes over the data; 0: see images (default: 100.0)" in text
    assert "--family.timesteps" in text
    assert "--family.critic" not in text
    for short in SHORT:
        assert short in text


def test_every_short_form_stands_for_a_field() -> None:
    flags = {option.flag for option in options(Recipe)}
    assert set(SHORT.values()) <= flags
    assert not set(SHORT) & flags


def test_a_preset_with_overrides_in_any_spelling() -> None:
    words = "mnist-dcgan --batch_size 32 --train.patience=3 --no-early-stop --data.classes 1 7"
    command = parse_train([*words.split(), "--family.generator.width", "9", "--seed", "4"])
    base = presets.find("mnist-dcgan").recipe
    family = base.family
    assert isinstance(family, AdversarialRecipe)
    assert command.recipe == replace(
        base,
        seed=4,
        data=replace(base.data, classes=("1", "7")),
        family=replace(family, generator=replace(family.generator, width=9)),
        train=replace(base.train, batch_size=32, patience=3, early_stop=False),
    )
    assert command.seeds == (4,)
    assert command.typed == {
        "train.batch_size", "train.patience", "train.early_stop", "data.classes",
        "family.generator.width", "seed",
    }  # fmt: skip


def test_the_preset_may_stand_anywhere() -> None:
    expected = parse_train(["mnist-ddpm", "--dry-run", "--seeds", "3,1", "--out", "there"])
    assert (expected.seeds, expected.out, expected.dry_run) == ((3, 1), Path("there"), True)
    for line in (
        "--dry-run mnist-ddpm --seeds 3,1 --out there",
        "--seeds 3,1 --out there mnist-ddpm --dry-run",
        "--preset mnist-ddpm --dry-run --seeds=3,1 --out=there",
        "--seeds 3,1 --dry-run --preset=mnist-ddpm --out there",
        "--seeds 3 1 --out there mnist-ddpm --dry-run",
        "--out there --dry-run --seeds 3 1 mnist-ddpm",
        "--out there --dry-run --seeds 3,1 mnist-ddpm",
    ):
        assert parse_train(line.split()) == expected, line


def test_negative_numbers_are_values() -> None:
    family = parse_train(["mnist-ddpm", "--family.sigma-mean", "-1.5"]).recipe.family
    assert isinstance(family, DiffusionRecipe)
    assert family.sigma_mean == -1.5


def test_rates_and_averaging_go_where_they_belong() -> None:
    words = ["mnist-dcgan", "--ema", "0.999", "--batch-size", "256", "--lr", "3e-4"]
    recipe = parse_train(words).recipe
    assert recipe.train.ema_images == 177_000, "twice the batch, twice the half-life"
    assert isinstance(recipe.family, AdversarialRecipe)
    assert recipe.family.generator_optimizer.lr == recipe.family.critic_optimizer.lr == 3e-4


@pytest.mark.parametrize(
    ("line", "lengths"),
    [
        ("mnist-dcgan", (100.0, 0, 0.0)),
        ("mnist-dcgan --minutes 5", (100.0, 0, 5.0)),
        ("mnist-dcgan --images 640", (0.0, 640, 0.0)),
        ("digits-gan --epochs 2", (2.0, 0, 0.0)),
        ("digits-gan --train.epochs 2 --train.minutes 3", (2.0, 0, 3.0)),
        ("folder-gan --epochs 2", (2.0, 0, 0.0)),
    ],
)
def test_how_long(line: str, lengths: tuple[float, int, float]) -> None:
    """Epochs and images take the place of the preset's length; minutes are a limit to it."""
    train = parse_train(line.split()).recipe.train
    assert (train.epochs, train.images, train.minutes) == lengths
    assert isinstance(train.minutes, float)


@pytest.mark.parametrize("typed", ["--minutes", "--train.minutes"])
def test_a_mistake_is_named_as_it_was_typed(typed: str) -> None:
    with pytest.raises(TrilemmaError, match=rf"^{typed} is 'soon'; allowed: a number"):
        parse_train(["mnist-dcgan", typed, "soon"])


def test_a_folder_alone_takes_folder_gan() -> None:
    recipe = parse_train(["--data.root", "my photos"]).recipe
    assert (recipe.preset, recipe.data.root) == ("folder-gan", "my photos")


def test_kind_and_name_switch_the_dataclass() -> None:
    words = ["--data.root", "x", "--family.kind", "diffusion", "--family.generator", "unet"]
    recipe = parse_train([*words, "--timesteps", "7"]).recipe
    assert recipe.family == DiffusionRecipe(timesteps=7)


@pytest.mark.parametrize("preset", ["mnist-gan-fast", "folder-dcgan"])
@pytest.mark.parametrize("spelled", ["--family.{}.name", "--family.{}"])
def test_another_network_has_its_own_defaults(preset: str, spelled: str) -> None:
    """What the preset says of the network that was replaced says nothing of this one."""
    words = [preset, spelled.format("generator"), "r3", "--family.generator.width", "48"]
    before, after = parse_train([preset]).recipe, parse_train(words).recipe
    assert isinstance(before.family, AdversarialRecipe)
    assert after == replace(before, family=replace(before.family, generator=R3Generator(width=48)))
    other = parse_train(
        [preset, spelled.format("critic"), "residual", "--family.critic.norm=layer"]
    )
    assert other.recipe.family.critic == ResidualCritic(norm="layer")  # type: ignore[union-attr]
    for recipe in (after, other.recipe):
        check(recipe)
        assert files.from_table(files.to_table(recipe), where="x") == recipe


def test_an_option_of_another_network_is_refused() -> None:
    with pytest.raises(TrilemmaError, match=r"'--family.generator.refine' is for another kind"):
        parse_train(["digits-gan", "--family.generator", "r3", "--family.generator.refine"])
    names = sorted({*CRITICS, "encoder"})  # which is of a denoiser, and no row of theirs
    with pytest.raises(TrilemmaError, match=", ".join(names)):
        parse_train(["digits-gan", "--family.critic", "resnet"])


def test_a_file_in_place_of_a_preset(tmp_path: Path) -> None:
    wanted = Recipe(preset="mine", seed=6, family=DiffusionRecipe(steps=3))
    for name in ("mine.toml", "mine.json"):
        files.write(tmp_path / name, wanted)
        assert parse_train(["--config", str(tmp_path / name)]).recipe == wanted
    (tmp_path / "old.json").write_text(json.dumps({"nz": 32, "batch_size": 8}))
    command = parse_train(["--config", str(tmp_path / "old.json"), "--seed", "2"])
    assert (command.recipe.train.batch_size, command.recipe.preset) == (8, "old")
    assert command.recipe.seed == 2
    assert any("nz = 32  ->  family.generator.latent = 32" in n for n in command.notes)


def test_a_run_to_go_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Recipe(preset="p", seed=6)
    (tmp_path / "p-s6").mkdir()
    files.write(tmp_path / "p-s6" / "recipe.toml", wanted)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path))
    with_at = tmp_path / "a@b"
    shutil.copytree(tmp_path / "p-s6", with_at)
    for run in ("p-s6", "p-s6@640", str(tmp_path / "p-s6"), "a@b", "a@b@640", f"{with_at}@640"):
        command = parse_train(["--continue", run, "--epochs", "3"])
        assert (command.continue_run, command.recipe.seed) == (run, 6)
        assert command.recipe.train.epochs == 3.0
        assert "train.epochs" in command.typed
