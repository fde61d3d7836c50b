"""Code of a user's own on the command line: what is typed is run, what a file names is not."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

import tiny
from trilemma import trusted
from trilemma.cli.arguments import parse, parse_train
from trilemma.cli.main import main
from trilemma.cli.sample import Arguments
from trilemma.recipe import files

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "own_gan.py"
SETTINGS = (
    "--batch-size 8 --images 32 --device cpu --precision reference --speed.threads 1 "
    "--watch.n 16 --watch.grid 4 --watch.extractor pixels"
)
OWN = (
    "--family.generator own_gan:Generator --family.generator.latent 6 "
    "--family.generator.settings width=12 "
    "--family.critic own_gan:Critic --family.loss own_gan:loss"
)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the example as it is typed; give the folder with the file, the data and the run."""
    place = tmp_path_factory.mktemp("own")
    tiny.digits(place / "digits.npz")
    shutil.copyfile(EXAMPLE, place / "own_gan.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(trusted, "_ALLOWED", {})
        assert main(command("one").split()) == 0
    return place


@pytest.fixture
def here(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a copy of it, trusting nothing yet."""
    place = tmp_path / "here"
    shutil.copytree(trained, place)
    monkeypatch.chdir(place)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    monkeypatch.setattr(trusted, "_ALLOWED", {})
    yield place
    for name in [name for name in sys.modules if "@" in name]:
        del sys.modules[name]


def command(out: str, more: str = OWN) -> str:
    data = "--data.source folder --data.root digits.npz --data.held-out 0.25"
    return f"train tiny-gan {data} {SETTINGS} {more} --out runs/{out}"


def refused(capsys: Capture, words: str) -> str:
    """Run a verb that fails for what the user gave; give its one line."""
    assert main(words.split()) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("trilemma: ")
    return line


def picture(words: str) -> Image.Image:
    assert main([*words.split(), "--out", "x.png"]) == 0
    return Image.open("x.png").copy()


def test_the_commands_of_the_page_and_of_the_example_are_the_same_and_parse() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "own.md").read_text("utf-8")
    example = EXAMPLE.read_text("utf-8").replace("\\\\\n", " ")
    found = [re.findall(r"^ {4}trilemma (.*)$", text, re.MULTILINE) for text in (page, example)]
    first, second = ([" ".join(line.split()) for line in lines[:2]] for lines in found)
    assert first == second
    command = parse_train(first[0].split()[1:])
    assert command.own == ("own_gan:Generator", "own_gan:Critic", "own_gan:loss")
    assert parse(Arguments, second[1].split()[1:], verb="sample").trust


def test_the_run_holds_the_name_the_digest_and_a_copy(here: Path) -> None:
    family = files.read("runs/one/recipe.toml").family
    assert family.generator.name == "own_gan:Generator"
    assert family.generator.settings == ("width=12",)  # type: ignore[union-attr]
    assert Path("runs/one/own_gan.py").read_bytes() == EXAMPLE.read_bytes()


@pytest.mark.usefixtures("here")
def test_a_run_is_drawn_from_with_trust_alone(capsys: Capture) -> None:
    line = refused(capsys, "sample one --n 4")
    assert "'own_gan:Generator', code that a file names and nobody typed" in line
    assert not Path("samples.png").exists()
    assert picture("sample one --n 4 --trust").size == (56, 56)


def test_a_run_draws_the_same_when_its_file_has_changed_or_gone(
    here: Path, capsys: Capture
) -> None:
    before = picture("sample one --n 4 --trust")
    own = here / "own_gan.py"
    own.write_text(own.read_text("utf-8").replace("torch.tanh", "torch.sin"), "utf-8")
    assert ImageChops.difference(before, picture("sample one --n 4 --trust")).getbbox() is None
    own.unlink()
    assert ImageChops.difference(before, picture("sample one --n 4 --trust")).getbbox() is None
    Path("runs/one/own_gan.py").write_text("# another\n", "utf-8")
    line = refused(capsys, "sample one --n 4 --trust")
    assert "own_gan.py has changed since the training (sha256 " in line


@pytest.mark.usefixtures("here")
def test_the_same_command_goes_on_and_after_a_change_it_is_another_training(
    capsys: Capture,
) -> None:
    assert main(command("one").split()) == 0
    out = capsys.readouterr().out
    assert "finished already" in out
    assert "--trust" in out
    with Path("own_gan.py").open("a", encoding="utf-8") as file:
        file.write("\n# a thought\n")
    assert "runs/one holds another training" in refused(capsys, command("one"))


@pytest.mark.usefixtures("here")
def test_a_recipe_file_is_trusted_when_its_names_are_typed(capsys: Capture) -> None:
    file = "train --config runs/one/recipe.toml --out runs/two"
    assert "nobody typed" in refused(capsys, file)
    assert "nobody typed" in refused(capsys, f"{file} --family.loss own_gan:loss")
    assert not Path("runs/two").exists()
    assert main(f"{file} {OWN}".split()) == 0
    assert Path("runs/two/own_gan.py").is_file()


@pytest.mark.usefixtures("here")
def test_a_finished_run_goes_on_with_trust(capsys: Capture) -> None:
    Path("own_gan.py").unlink()  # the run's copy is taken
    more = "train --continue one --images 16 --out runs/on"
    assert "nobody typed" in refused(capsys, more)
    assert main([*more.split(), "--trust"]) == 0
    assert Path("runs/on/own_gan.py").is_file()


@pytest.mark.usefixtures("here")
def test_a_bundle_holds_no_code_and_says_so(capsys: Capture) -> None:
    assert "nobody typed" in refused(capsys, "export one")
    assert main(["export", "one", "--trust"]) == 0
    said = capsys.readouterr().err
    assert said.count("NOT INSIDE: own_gan.py, code that this network is made by") == 1
    place = Path("bundles/one")
    assert not list(place.rglob("*.py"))
    card = (place / "card.md").read_text("utf-8")
    assert "draws only with code that is not inside" in card
    assert files.read(place / "recipe.toml").family.generator.digest in card  # type: ignore[union-attr]
    assert "trilemma sample ./one --n 64 --trust" in card
    assert 'tr.trust("own_gan:Critic")' in card
    Path("own_gan.py").rename("kept.txt")
    line = refused(capsys, "sample bundles/one --n 4 --trust")
    assert "there is no own_gan.py" in line
    assert "bundles/one" in line
    shutil.copyfile("kept.txt", place / "own_gan.py")
    assert picture("sample bundles/one --n 4 --trust").size == (56, 56)


@pytest.mark.usefixtures("here")
def test_what_cannot_be_trained_writes_nothing(capsys: Capture) -> None:
    text = Path("own_gan.py").read_text("utf-8")
    Path("own_gan.py").write_text(text.replace("return critic,", "return critic.mean(),"), "utf-8")
    assert "gives the critic [] for 8 scores" in refused(capsys, command("new"))
    Path("own_gan.py").write_text(text.replace(".reshape(-1, *self.shape)", ""), "utf-8")
    assert "gives [2, 784] for 2 latents" in refused(capsys, command("new"))
    assert "gives [2, 784] for 2 latents" in refused(capsys, command("new") + " --dry-run")
    assert [path.name for path in Path("runs").iterdir()] == ["one"]


def test_python_trusts_what_is_named_in_it(here: Path) -> None:
    import trilemma as tr
    from trilemma.errors import RecipeError

    with pytest.raises(RecipeError, match=r"in Python: trilemma\.trust\('own_gan:Generator'\)"):
        tr.sample("one", 4)
    tr.trust("own_gan:Generator", "own_gan:Critic", "own_gan:loss")
    assert len(tr.sample("one", 4)) == 4
    trusted._ALLOWED.clear()
    settings = {
        "data.source": "folder",
        "data.held_out": 0.25,
        "train.batch_size": 8,
        "watch.n": 16,
        "watch.grid": 4,
        "watch.extractor": "pixels",
        "speed.device": "cpu",
        "speed.precision": "reference",
        "family.loss": "own_gan:loss",
    }
    root = str(here / "digits.npz")
    run = tr.train("tiny-gan", images=16, root=root, out=here / "py", settings=settings)
    assert len(run.sample(2)) == 2  # this process has run that file already


HOSTILE = "open(__file__ + '.ran', 'w').close()\n"
VERBS = (
    "sample bad",
    "sample ./bundle",
    "sample bad bundle",
    "evaluate bad --against digits.npz --n 8 --extractor pixels",
    "compare bad --extractor pixels --n 8",
    "features bad --n 8 --extractor pixels",
    "explore bad --among 0",
    "export bad",
    "bench train own",
    "bench sample own",
    "train own",
    "train own --dry-run",
    "train --config bundle/recipe.toml",
    "train --config bundle/recipe.toml --family.generator own_gan:Generator "
    "--family.critic own_gan:Critic",
    "train --continue runs/bad --images 16",
)
ALL = """
import sys
from trilemma.cli.main import main
print([main(words.split()) for words in sys.argv[1:]])
"""


def statuses(*commands: str) -> tuple[list[int], list[str]]:
    """Run commands in one new process; give their statuses and the lines of errors."""
    done = subprocess.run(
        [sys.executable, "-c", ALL, *commands], capture_output=True, text=True, check=True
    )
    found: list[int] = json.loads(done.stdout.splitlines()[-1])
    return found, [line for line in done.stderr.splitlines() if line.startswith("trilemma: ")]


def test_a_module_named_in_a_file_is_not_imported_by_any_verb(here: Path) -> None:
    """It would write a file: it lies here, beside the recipe, and is loaded nowhere."""
    recipe = files.read("runs/one/recipe.toml")
    shutil.copytree("runs/one", "runs/bad")
    shutil.copytree("runs/one/best", "bundle")
    Path("bundle/average.safetensors").rename("bundle/generator.safetensors")
    family = replace(recipe.family, loss="hostile:loss", loss_digest="")  # type: ignore[call-arg]
    for place in ("runs/bad/recipe.toml", "bundle/recipe.toml", "presets/own.toml"):
        Path(place).parent.mkdir(exist_ok=True)
        files.write(place, replace(recipe, family=family))
        (Path(place).parent / "hostile.py").write_text(HOSTILE + EXAMPLE.read_text("utf-8"))
    (here / "hostile.py").write_text(HOSTILE + EXAMPLE.read_text("utf-8"))
    quiet = ("runs", "presets", "clean")
    found, said = statuses(*VERBS, *quiet)
    assert found == [2] * len(VERBS) + [0] * len(quiet)
    assert len(said) == len(VERBS)
    assert [line for line in said if "nobody typed, so it is not run" not in line] == []
    assert list(here.rglob("*.ran")) == []
    assert statuses("sample ./bundle --n 4 --trust") == ([0], [])
    assert [path.name for path in here.rglob("*.ran")] == ["hostile.py.ran"]
