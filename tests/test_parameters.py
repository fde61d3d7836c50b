"""Whole settings files of other projects: every key mapped, explained, or the run stopped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

from settings_files import FILES, GP, File
from trilemma import runfolder
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import main
from trilemma.errors import RecipeError
from trilemma.images import write_png
from trilemma.recipe import foreign, presets
from trilemma.recipe.checking import check
from trilemma.recipe.files import to_table
from trilemma.recipe.foreign_reading import flat
from trilemma.recipe.naming import flat as fields_of
from trilemma.recipe.overrides import with_ema
from trilemma.recipe.recipe import AdversarialRecipe, Recipe

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "parameters.json"


def read(settings: dict[str, Any]) -> tuple[Recipe, tuple[str, ...]]:
    return foreign.recipe_of(settings, where="parameters.json")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    return tmp_path


def pictures(folder: Path, count: int = 20) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        write_png(folder / f"{number:02d}.png", rng.integers(0, 256, (16, 16, 3), np.uint8))
    return folder


@pytest.mark.parametrize("name", FILES)
def test_a_file_means_what_it_says(name: str) -> None:
    file = FILES[name]
    recipe, lines = read(file.settings)
    found = fields_of(recipe)
    assert recipe.preset == file.preset, lines
    assert {field: found[field] for field in file.fields} == file.fields
    check(recipe)


@pytest.mark.parametrize("name", FILES)
def test_no_key_is_silent(name: str) -> None:
    """A line for each key, which says a field with its value, or why there is none."""
    _, lines = read(FILES[name].settings)
    for path, _ in flat(FILES[name].settings):
        about = [line for line in lines if line.startswith(f"parameters.json: {'.'.join(path)} = ")]
        assert len(about) == 1
        assert about[0].partition("  ->  ")[2]


@given(
    st.dictionaries(
        st.sampled_from([*sorted({k for f in FILES.values() for k in f.settings}), "hello", "x_y"]),
        st.one_of(st.integers(0, 9), st.booleans(), st.none(), st.just("x"), st.just([0.5, 0.9])),
        min_size=1,
        max_size=5,
    )
)
@hypothesis_settings(max_examples=150, deadline=None)
def test_whatever_a_file_holds_is_told_or_refused_in_a_line(settings: dict[str, Any]) -> None:
    try:
        _, lines = read(settings)
    except RecipeError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("parameters.json: ")
        unknown = {"hello", "x_y"} & settings.keys()
        assert all(name in str(error) for name in unknown)
        return
    assert not {"hello", "x_y"} & settings.keys()
    for name in settings:
        assert any(line.startswith(f"parameters.json: {name} = ") for line in lines)


def test_lines_say_what_keys_became() -> None:
    _, lines = read(
        {"lambda_gp": 10, "critic": {"lr": 3e-4}, "lr": 1e-4, "num_workers": 4, "seed": None}
        | {"n_critic": 5, "timesteps": 9, "sample_dir": "s"}
    )
    text = "\n".join(lines)
    for said in (
        "read as wgan-gp (lambda_gp says so); what is not said is as in folder-wgan-gp",
        "lambda_gp = 10  ->  family.gp = 10.0",
        "critic.lr = 0.0003  ->  family.critic_optimizer.lr = 0.0003",
        "lr = 0.0001  ->  family.generator_optimizer.lr = 0.0001\n",
        "num_workers = 4  ->  not needed: ",
        "seed = null  ->  not set",
        "timesteps = 9  ->  not used by wgan-gp",
        "sample_dir = 's'  ->  samples lie in RUN/samples",
        "samples are drawn after every epoch",
    ):
        assert said in f"{text}\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lamda_gp": 1, "lr": 1}, "unknown setting 'lamda_gp' (closest: lambda_gp)"),
        (
            {"epcohs": 1, "model": {"n_critc": 2}, "lr": 1e-4},
            "2 unknown settings: 'epcohs' (closest: epochs), 'model.n_critc' (closest: n_critic)",
        ),
        ({"encoder": {"lr": 1e-4}}, "unknown setting 'encoder.lr' (closest: lr)"),
        ({"gan_type_train": "x"}, "may mean several things"),
        ({"lr": 1e-4, "learning_rate": 2e-4}, "lr = 0.0001 and learning_rate = 0.0002 say diff"),
        ({"n_critic": 5, "critic": {"steps": 4}}, "n_critic = 5 and critic.steps = 4 say"),
        ({"batch_size": "many"}, "batch_size = 'many'; allowed: a whole number, 1 or more"),
        ({"lambda_gp": [10]}, "lambda_gp = [10]; allowed: a number, 0 or more"),
        ({"dataset": "mnistt"}, "did you mean mnist"),
        ({"dataset": "celeba"}, "or give a folder of images as data_dir"),
        ({"section": {}}, "unknown setting 'section'"),
        ({}, "no setting in it"),
    ],
)
def test_what_stops_the_run(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(settings)
    message = str(caught.value)
    assert message.startswith("parameters.json: ")
    assert said in message
    assert "\n" not in message


def test_the_same_said_twice_is_fine() -> None:
    recipe, _ = read({"lr": 1e-4, "optimizer": {"lr": 1e-4, "betas": [0.5, 0.9]}, "b1": 0.5})
    assert isinstance(recipe.family, AdversarialRecipe)
    assert recipe.family.critic_optimizer.beta1 == 0.5


def test_averaging_is_per_step_of_the_batch_that_is_said() -> None:
    recipe, _ = read({"batch_size": 32, "ema_decay": 0.99, "lambda_gp": 10})
    assert recipe.train.ema_images == with_ema(recipe, 0.99).train.ema_images == 2210


def test_bases_have_constant_rates() -> None:
    """A learning rate is put in as it is: nothing beside it would have to fall along."""
    for name in presets.names():
        if name.endswith(("-dcgan", "-ddpm", "-wgan", "-wgan-gp")):
            found = fields_of(presets.find(name).recipe)
            assert not any(v for n, v in found.items() if n.endswith(("lr_end", "muon_lr")))


def test_where_the_images_lie(here: Path) -> None:
    """Where the command runs, else beside the file; a name may be a folder in dataset/."""
    pictures(here / "beside" / "pics")
    pictures(here / "dataset" / "faces")
    asked = {"data_dir": "pics", "lambda_gp": 10}
    recipe, lines = foreign.recipe_of(asked, where="beside/p.json")
    assert Path(recipe.data.root) == Path("beside/pics")
    assert any("pics is not here; read from" in line for line in lines)
    pictures(here / "pics")
    assert foreign.recipe_of(asked, where="beside/p.json")[0].data.root == "pics"
    assert Path(read({"dataset": "faces"})[0].data.root) == Path("dataset/faces")
    assert read({"dataset": "dataset"})[0].data.root == "dataset"
    assert Path(read({"dataset": "faces", "root": "dataset"})[0].data.root) == Path("dataset/faces")
    assert read({"dataset": "celeba", "root": "pics"})[0].data.root == "pics"
    mnist = read({"dataset": "mnist", "root": "pics"})[0].data
    assert (mnist.source, mnist.root) == ("mnist", "pics")


def test_dataset_is_the_default_place(here: Path) -> None:
    recipe, lines = read({"lambda_gp": 10})
    assert recipe.data.root == "dataset"
    assert any("there is no dataset/ here: put them into dataset/images/" in line for line in lines)
    pictures(here / "dataset" / "faces")
    recipe, lines = read({"lambda_gp": 10})
    assert recipe.data.root == "dataset"
    assert any("read from dataset/" in line for line in lines)


def test_without_images_a_line_says_where_to_put_them(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "parameters.json").write_text('{"lambda_gp": 10}')
    assert main(["train", "--config", "parameters.json"]) != 0
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert "dataset is no file" in last
    assert f"put images into {Path('dataset/images')}" in last


def test_toml_and_json_say_the_same(here: Path) -> None:
    (here / "a.json").write_text(json.dumps({"critic": {"lr": 3e-4}, "lambda_gp": 10, "epochs": 2}))
    (here / "a.toml").write_text("lambda_gp = 10\nepochs = 2\n[critic]\nlr = 3e-4\n")
    in_json, in_toml = (parse_train(["--config", f"a.{end}"]) for end in ("json", "toml"))
    assert in_json.recipe == in_toml.recipe
    assert in_json.recipe.preset == "a"
    assert [n.replace("a.json", "a.toml") for n in sorted(in_json.notes)] == sorted(in_toml.notes)


def test_recipes_of_ours_are_read_as_such(here: Path) -> None:
    """With a schema, or extending a preset, or in TOML with our fields: typing errors are ours."""
    mine = presets.find("tiny-gan").recipe
    (here / "mine.json").write_text(json.dumps(to_table(mine)))
    command = parse_train(["--config", "mine.json"])
    assert (command.recipe.family, command.notes) == (mine.family, ())
    (here / "more.json").write_text('{"extends": "digits-gan", "seed": 4}')
    assert parse_train(["--config", "more.json"]).recipe.seed == 4
    (here / "part.toml").write_text("seed = 5\n[train]\nbatch_size = 9\nepoch = 3\n")
    with pytest.raises(RecipeError, match=r"unknown field 'train.epoch'"):
        parse_train(["--config", "part.toml"])


def test_the_command_line_has_the_last_word(here: Path) -> None:
    (here / "p.json").write_text(json.dumps(FILES["flat"].settings))
    recipe = parse_train(["--config", "p.json", "--epochs", "3", "--data.root", "other"]).recipe
    assert (recipe.train.epochs, recipe.data.root) == (3.0, "other")


def test_the_example_is_wgan_gp_with_the_numbers_of_its_paper() -> None:
    """Gulrajani et al. 2017, algorithm 1: lambda 10, five critic steps, Adam 1e-4, 0, 0.9."""
    recipe, lines = read(json.loads(EXAMPLE.read_text(encoding="utf-8")))
    family = recipe.family
    assert isinstance(family, AdversarialRecipe)
    assert (family.loss, family.gp, family.critic_updates) == ("wasserstein", 10.0, 5)
    for optimizer in (family.generator_optimizer, family.critic_optimizer):
        assert (optimizer.lr, optimizer.beta1, optimizer.beta2) == (1e-4, 0.0, 0.9)
    assert (recipe.data.root, recipe.data.size, recipe.train.batch_size) == ("dataset", "64", 64)
    assert fields_of(recipe)["family.critic.batchnorm"] is False
    assert recipe.preset == GP
    assert not any("not used" in line for line in lines)
    check(recipe)


def test_a_grid_of_samples_after_each_epoch(here: Path) -> None:
    """Twenty images, two of them held out: 18 a pass; batches of 8, three passes, one update."""
    pictures(here / "dataset" / "faces")
    small: dict[str, Any] = {
        "lambda_gp": 10,
        "n_critic": 1,
        "image_size": 16,
        "batch_size": 6,
        "epochs": 3,
    }
    small |= {"ngf": 8, "ndf": 8, "num_samples": 4, "device": "cpu"}
    (here / "parameters.json").write_text(json.dumps(small))
    words = "train --config parameters.json --out runs/mine --precision reference --speed.threads 1"
    assert main([*words.split(), "--watch.n", "4", "--watch.extractor", "pixels"]) == 0
    grids = sorted(path.name for path in (here / "runs/mine/samples").iterdir())
    assert grids == [f"{images:09d}.png" for images in (0, 18, 36, 54)]
    log = (here / "runs/mine/train.log").read_text(encoding="utf-8")
    assert "finished" in log


def test_many_grids_make_a_film_of_few_that_ends_with_the_last(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine grids, at most four frames: each third, numbers 2, 5 and 8; grey is their number."""
    monkeypatch.setattr(runfolder, "GIF_FRAMES", 4)
    (here / "samples").mkdir()
    for number in range(9):
        pixels = np.full((8, 8, 1), 20 * number, np.uint8)
        write_png(here / "samples" / f"{number:09d}.png", pixels)
    runfolder.write_progress(runfolder.RunFolder(here))
    with Image.open(here / "progress.gif") as film:
        frames = (np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(film))
        shades = [round(float(frame.mean()) / 20) for frame in frames]
    assert shades == [2, 5, 8]


def test_files_are_of_many_styles() -> None:
    assert len(FILES) >= 25
    assert all(isinstance(file, File) for file in FILES.values())
