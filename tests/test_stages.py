"""Presets of several trainings: their files, the words for each, runs told of earlier ones."""

import json
import shlex
import signal
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import trilemma as tr
from enlargers import nearest
from tiny import events, snapshot, timeless
from trilemma import pipelines
from trilemma.checkpoint import unpack
from trilemma.cli import main as cli
from trilemma.cli.arguments import TrainCommand
from trilemma.cli.stagewords import StagesCommand, parse_training
from trilemma.errors import RecipeError, RunError, StoppedError, TrilemmaError
from trilemma.images import to_pixels, write_png
from trilemma.maths.resize import imresize
from trilemma.recipe import files, presets
from trilemma.recipe.recipe import DiffusionRecipe, OneStepRecipe, Recipe, UpscaleRecipe
from trilemma.recipe.stages import filled
from trilemma.runs import find_run
from trilemma.staging import Done, check_stages, drawn_and_enlarged, train_stages
from trilemma.watch import Trained, train

COMMON = """
speed = { device = "cpu", precision = "reference", threads = 1 }
watch = { n = 12, grid = 4, every = 16, extractor = "pixels" }
train = { batch_size = 4, images = 32, epochs = 0.0 }
"""
FIRST = """
[[stages]]
name = "generator"
preset = "tiny-gan"
share = 0.5
data = { source = "folder", size = "16x16", channels = 3, held_out = 0.25 }
family.generator = { latent = 4, width = 4, width_max = 8 }
family.critic = { width = 4, width_max = 8 }
"""
SECOND = """
[[stages]]
name = "upscaler"
share = 1.5
data = { size = "32x32", held_out = 0.25, low = "generator={generator}" }
family = { kind = "upscale", scale = 2, crop = 8, generator = { name = "compact", width = 8, \
convs = 1 } }
"""
PAIR = FIRST + COMMON + SECOND + COMMON.replace("watch = {", 'watch = { metric = "psnr_y",')
TWICE = (
    FIRST
    + COMMON
    + FIRST.replace('"generator"', '"again"', 1)
    + COMMON
    + '\nstart.run = "{generator}"\n'
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write 24 soft pictures, 32x32 in colour."""
    folder = tmp_path_factory.mktemp("stages") / "pictures"
    rng = torch.Generator().manual_seed(4)
    images = imresize(torch.rand((24, 3, 5, 5), generator=rng) * 2 - 1, (32, 32))
    for number, pixels in enumerate(to_pixels(images).numpy()):
        folder.mkdir(exist_ok=True, parents=True)
        write_png(folder / f"{number:02d}.png", pixels)
    return str(folder)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with two presets of the user's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "pair.toml").write_text(f'about = "two"\n{PAIR}', encoding="utf-8")
    (tmp_path / "presets" / "twice.toml").write_text(TWICE, encoding="utf-8")
    return tmp_path


def runs() -> dict[str, Path]:
    """Give the runs below ./runs by their preset."""
    found = Path("runs").glob("*/recipe.toml")
    return {files.read(path).preset: path.parent for path in found}


def test_a_file_of_stages_is_read() -> None:
    pair = presets.find("pair")
    generator, upscaler = pair.stages
    assert (pair.about, generator.name, generator.base) == ("two", "generator", "tiny-gan")
    assert (generator.share, upscaler.share) == (0.25, 0.75)
    assert (generator.recipe.preset, upscaler.recipe.preset) == ("pair-generator", "pair-upscaler")
    base = presets.find("tiny-gan").recipe
    assert generator.recipe.family == replace(
        base.family,
        generator=generator.recipe.family.generator,
        critic=generator.recipe.family.critic,  # type: ignore[union-attr]
    )
    assert upscaler.recipe.data.low == "generator={generator}"
    assert isinstance(upscaler.recipe.family, UpscaleRecipe)
    assert filled(upscaler.recipe, {"generator": "a/b"}).data.low == "generator=a/b"
    assert filled(upscaler.recipe, {"other": "a/b"}) == upscaler.recipe


def test_minutes_are_split_by_shares() -> None:
    Path("presets/timed.toml").write_text("minutes = 8.0\n" + PAIR, encoding="utf-8")
    minutes = [stage.recipe.train.minutes for stage in presets.find("timed").stages]
    assert minutes == [2.0, 6.0]
    assert sum(stage.share for stage in presets.find("cats-pipeline").stages) == pytest.approx(1)
    assert presets.find("cats-pipeline").stages[0].recipe.train.minutes == pytest.approx(36)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "generator"', "", "the name of a stage is ''; allowed: small letters"),
        ('name = "generator"', 'name = "Gen_1"', "the name of a stage is 'Gen_1'"),
        ('name = "upscaler"', 'name = "generator"', "two stages are called 'generator'"),
        ("{generator}", "{generatr}", "unknown earlier stage 'generatr'; allowed: generator; did"),
        ('preset = "tiny-gan"', 'preset = "tiny-gn"', "unknown preset 'tiny-gn'"),
        ('preset = "tiny-gan"', 'preset = "cats-pipeline"', "is 2 trainings one after the other"),
        ("share = 0.5", "share = 0.0", "stage generator: share is 0; allowed: more than 0"),
        ("share = 0.5", 'share = "much"', "stage generator: share is 'much'"),
        ("share = 0.5", "shares = 0.5", "stage generator: unknown field 'shares'"),
        ("crop = 8", "crob = 8", "stage upscaler: unknown field 'family.crob'"),
        ("scale = 2", 'scale = "2"', "stage upscaler: family.scale is '2'"),
        ("\n[[stages]]", "\nminutes = true\n[[stages]]", "minutes is True; allowed: a number"),
        ("\n[[stages]]", "\nseed = 1\n[[stages]]", "'seed' beside stages; allowed: about"),
        ("\n[[stages]]", "\nschema = 2\n[[stages]]", "schema 2 is newer"),
    ],
)
def test_a_file_with_a_mistake_is_one_line(old: str, new: str, said: str) -> None:
    assert old in PAIR
    Path("presets/bad.toml").write_text(PAIR.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        presets.find("bad")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["stages = 3", "stages = []", "stages = [3]"])
def test_stages_are_tables(text: str) -> None:
    Path("presets/bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"allowed: (tables|a table), \[\[stages\]\]"):
        presets.find("bad")


def words(text: str) -> StagesCommand:
    command = parse_training(shlex.split(text))
    assert isinstance(command, StagesCommand)
    return command


def recipes(text: str) -> tuple[Recipe, Recipe]:
    first, second = (stage.recipe for stage in words(text).stages)
    return first, second


def test_words_are_for_all_stages_or_for_one() -> None:
    before = recipes("pair")
    first, second = recipes(
        "--data.root there pair --seed 4 --minutes 2 --device cpu --speed.threads 3 "
        "--stage.upscaler.batch-size 8 --stage.upscaler.no-early-stop --stage.upscaler.lr=1e-3 "
        "--stage.generator.data.flip --stage.generator.epochs 3 --stage.generator.ema 0"
    )
    for one in (first, second):
        assert (one.data.root, one.seed, one.speed.threads) == ("there", 4, 3)
    assert (first.train.minutes, second.train.minutes) == (0.5, 1.5)
    assert (first.train.epochs, first.train.images) == (3, 0), "epochs replace images"
    assert (second.train.epochs, second.train.images) == (0, 32)
    assert (first.train.batch_size, second.train.batch_size) == (4, 8)
    assert (first.data.flip, second.data.flip) == (True, False)
    assert (first.train.ema_images, second.train.ema_images) == (0, before[1].train.ema_images)
    assert isinstance(second.family, UpscaleRecipe)
    assert second.family.generator_optimizer.lr == 1e-3
    assert first.family == before[0].family


def test_words_of_the_whole_command() -> None:
    command = words("pair --seeds 0,2 --out there --dry-run --trust")
    assert (command.name, command.seeds, command.out) == ("pair", (0, 2), Path("there"))
    assert (command.dry_run, command.trust, command.own) == (True, True, ())
    own = words("pair --stage.generator.family.loss my_module:loss")
    assert own.own == ("my_module:loss",)
    for spelled in ("pair.toml", "./pair.toml"):
        Path("pair.toml").write_text(PAIR, encoding="utf-8")
        named = words(f"--config {spelled} --stage.upscaler.images 8")
        assert named.stages[1].recipe.train.images == 8
        assert named.beside == Path()
    assert isinstance(parse_training(["tiny-gan"]), TrainCommand)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pair --batch-size 3", "--batch-size: of which stage of pair? Such as --stage.upscaler.b"),
        ("pair --family.scale 4", "--family.scale: of which stage of pair? Such as"),
        ("pair --stage.upscalr.images 3", "unknown stage 'upscalr'; allowed: generator, upscaler;"),
        ("pair --stage.upscaler.imags 3", "stage upscaler: unknown option '--imags'"),
        ("pair --stage.upscaler.images x", "stage upscaler: --images is 'x'; allowed: a whole num"),
        ("pair --stage.upscaler.seed 3", "--stage.upscaler.seed: --seed is no option of one stage"),
        ("pair --stage.upscaler.out x", "--stage.upscaler.out: --out is no option of one stage"),
        ("pair --minutes much", "--minutes is 'much'; allowed: a number"),
        ("pair --seed 1 --seeds 1,2", "--seed and --seeds are both given"),
        ("pair --continue run", "a preset and --continue each give the recipe"),
        ("pair twice", "'twice' is a second preset"),
        ("tiny-gan --stage.upscaler.images 3", "unknown option '--stage.upscaler.images'"),
    ],
)
def test_misplaced_words_are_one_line(text: str, said: str) -> None:
    with pytest.raises(TrilemmaError) as caught:
        parse_training(text.split())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_names_the_stages_and_what_each_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "cats-pipeline", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: trilemma train cats-pipeline")
    assert "generator     36 min  as folder-gan" in text
    assert "trilemma train cats-sr-compact --help shows those of upscaler." in text


@pytest.fixture(scope="module")
def uninterrupted(pictures: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Train both stages without a stop, in the folders of --out."""
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        Path("pair.toml").write_text(PAIR, encoding="utf-8")
        assert cli.main(f"train --config pair.toml --data.root {pictures} --out here".split()) == 0
    return {name: out / "here" / name for name in ("generator", "upscaler")}


def test_runs_follow_one_another_and_are_not_made_twice(
    pictures: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = pipelines.load_upscaler
    near = {pipelines.MODEL: nearest(2)}  # in place of a network of seconds
    monkeypatch.setattr(
        pipelines, "load_upscaler", lambda name, **how: near.get(name) or load(name, **how)
    )
    command = ["train", "pair", "--data.root", pictures]
    assert cli.main(command) == 0
    made = runs()
    assert sorted(made) == ["pair-generator", "pair-upscaler"]
    assert (
        files.read(made["pair-upscaler"] / "recipe.toml").data.low
        == f"generator={made['pair-generator'].name}"
    ), "by its name: the same command finds the same run from any folder"
    said = capsys.readouterr()
    assert "stage 1 of 2: generator" in said.err
    assert f"small images as {made['pair-generator'].name} draws" in said.err
    (look,) = [line for line in said.out.splitlines() if "trilemma pipeline" in line]
    before = snapshot(Path("runs"))
    assert cli.main(command) == 0
    assert snapshot(Path("runs")) == before
    again = capsys.readouterr().out
    assert [line for line in again.splitlines() if "finished already" in line] == [
        f"{made[name]}: finished already" for name in ("pair-generator", "pair-upscaler")
    ]
    assert look in again
    drawn = shlex.split(look)[2:]
    assert cli.main([*drawn, "--n", "2", "--device", "cpu", "--precision", "reference"]) == 0
    assert sorted(path.name for path in Path("pipeline").iterdir()) == [
        "000000.png", "000001.png", "grid.png", "side-by-side.png",
    ]  # fmt: skip


@pytest.mark.parametrize("stage", ["generator", "upscaler"])
def test_a_stop_in_any_stage_costs_nothing(
    stage: str, pictures: str, uninterrupted: Mapping[str, Path], here: Path
) -> None:
    """Stopped at 16 images, gone on with by the same call: logs and weights as without a stop."""
    given = presets.find("pair").stages
    stages = [
        replace(one, recipe=replace(one.recipe, data=replace(one.recipe.data, root=pictures)))
        for one in given
    ]
    begun: list[str] = []

    def one(recipe: Recipe, out: Path | None, *, stopping: bool) -> Trained:
        begun.append(recipe.preset)

        def show(event: Mapping[str, Any]) -> None:
            at = stopping and event["event"] == "step" and event["images_seen"] >= 16
            if at and recipe.preset == f"pair-{stage}":
                signal.raise_signal(signal.SIGINT)

        return train(recipe, out=out, show=show)

    def go(*, stopping: bool) -> list[Done]:
        take = partial(one, stopping=stopping)
        return train_stages(stages, seed=0, out=here / "out", train=take)

    with pytest.raises(StoppedError, match="stopped at 16 images"):
        go(stopping=True)
    assert begun[-1] == f"pair-{stage}"
    done = go(stopping=False)
    assert [item.trained.state is None for item in done] == [stage == "upscaler", False]
    assert drawn_and_enlarged(done) == (str(here / "out/generator"), str(here / "out/upscaler"))
    for name, place in uninterrupted.items():
        mine = here / "out" / name
        steps = [timeless(events(run, "step", "score")) for run in (place, mine)]
        assert steps[0] == steps[1]
        weights = [unpack(run / "best/average.safetensors") for run in (place, mine)]
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_a_stage_goes_on_with_an_earlier_one_s_weights(pictures: str) -> None:
    """What a second stage of the same networks begins with is what the first one ended as."""
    assert cli.main(["train", "twice", "--data.root", pictures]) == 0
    made = runs()
    started = json.loads((made["twice-again"] / "start.json").read_text("utf-8"))
    first = find_run(str(made["twice-generator"]))
    assert (started["run"], started["images_seen"]) == (first.name, first.images_seen)
    assert started["left"] == {}
    assert files.read(made["twice-again"] / "recipe.toml").start.run == first.name
    (ended,) = (
        event["scalars"]["fd"]
        for event in events(made["twice-generator"], "score")
        if event["images_seen"] == first.images_seen
    )
    assert events(made["twice-again"], "score")[0]["scalars"]["fd"] == pytest.approx(ended)
    before = snapshot(Path("runs"))
    assert cli.main(["train", "twice", "--data.root", pictures]) == 0
    assert snapshot(Path("runs")) == before


def test_several_seeds_and_a_folder_for_all(pictures: str) -> None:
    images = "--stage.generator.images 8 --stage.upscaler.images 8"
    asked = f"train pair --data.root {pictures} --seeds 0,1 --out out {images}"
    assert cli.main(asked.split()) == 0
    for seed in (0, 1):
        for name in ("generator", "upscaler"):
            assert files.read(f"out/seed-{seed}/{name}/recipe.toml").seed == seed
        low = files.read(f"out/seed-{seed}/upscaler/recipe.toml").data.low
        assert Path(low.removeprefix("generator=")) == Path(f"out/seed-{seed}/generator")


@pytest.mark.parametrize("name", ["pair", "twice"])
def test_a_dry_run_forecasts_every_stage_and_writes_nothing(
    name: str, pictures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", name, "--data.root", pictures, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert [line.count("takes here:") for line in text.split("# stage ")] == [0, 1, 1]
    assert text.splitlines()[-1].startswith("all stages:  about ")
    assert not Path("runs").exists()


def refused(text: str, error: type[TrilemmaError] = RecipeError) -> str:
    with pytest.raises(error) as caught:
        check_stages(words(text).stages)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_a_later_stage_cannot_do_is_told_before_the_first(
    pictures: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = f"--data.root {pictures}"
    said = refused(f"pair {root} --stage.generator.data.size 24x24")
    assert said.startswith("stage upscaler: data.low: generator draws 24x24 pixels of 3 channels")
    assert "data.size and family.scale want 16x16 of 3" in said
    assert "stage upscaler: family.scale is 9" in refused(f"pair {root} --stage.upscaler.family."
                                                          "scale 9")  # fmt: skip
    asked = f"twice {root} --stage.again.from nobody"
    assert "no run or bundle 'nobody'" in refused(asked, RunError)
    assert cli.main(["train", *asked.split()]) == 2
    assert "no run or bundle 'nobody'" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_who_wants_one_recipe_is_told_that_there_are_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(RecipeError, match=r"generator \(tiny-gan\), upscaler \(its own\); here"):
        tr.train("pair", root="there")
    for asked in ("bench train pair", "data digits --preset pair --quick"):
        assert cli.main(asked.split()) == 2
        assert "'pair' is 2 trainings one after the other" in capsys.readouterr().err
    assert cli.main(["presets"]) == 0
    assert "\npair " in capsys.readouterr().out


def test_a_denoiser_may_be_a_stage() -> None:
    """The file that diffusion, then adversarial training of its weights, would be."""
    Path("presets/two.toml").write_text(
        '[[stages]]\nname = "denoise"\npreset = "tiny-diffusion"\nshare = 3\n'
        '[[stages]]\nname = "sharpen"\npreset = "tiny-diffusion"\nstart.run = "{denoise}"\n',
        encoding="utf-8",
    )
    command = words("two --minutes 4 --stage.sharpen.family.steps 2")
    denoise, sharpen = (stage.recipe for stage in command.stages)
    assert isinstance(sharpen.family, DiffusionRecipe)
    assert (denoise.train.minutes, sharpen.train.minutes, sharpen.family.steps) == (3.0, 1.0, 2)
    assert filled(sharpen, {"denoise": "two-denoise-s0"}).start.run == "two-denoise-s0"
    check_stages(command.stages)


def test_a_stage_that_goes_on_from_a_denoiser_takes_over_what_that_is(tmp_path: Path) -> None:
    command = parse_training(["mnist-onestep", "--data.root", str(tmp_path), "--minutes", "4"])
    assert isinstance(command, StagesCommand)
    first, second = (stage.recipe for stage in command.stages)
    assert isinstance(second.family, OneStepRecipe)
    assert second.family.denoiser == first.family
    assert second.family.condition == "projection"
    assert (second.data, second.start.run) == (first.data, "{denoise}")
    assert (first.train.minutes, second.train.minutes) == (1.4, 2.6)
    typed = ["--stage.denoise.family.generator.width", "16", "--stage.onestep.data.flip"]
    typed += ["--stage.onestep.family.denoiser.steps", "7"]
    changed = parse_training(["mnist-onestep", "--data.root", str(tmp_path), *typed])
    assert isinstance(changed, StagesCommand)
    last = changed.stages[1].recipe
    assert isinstance(last.family, OneStepRecipe)
    assert (last.data.flip, last.family.denoiser.steps) == (True, 7)
    assert last.family.denoiser.generator.width == 16
    check_stages(command.stages)
