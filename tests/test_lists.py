"""Lists on the command line: spaces or commas, and names behind them that are none of theirs."""

from pathlib import Path

import pytest

from handmade import RECIPE, make_run
from trilemma import horizon
from trilemma.asking import runs_behind
from trilemma.cli import compare, explore, sample, upscale
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import main
from trilemma.cli.parsing import parse
from trilemma.errors import RecipeError
from trilemma.recipe import presets
from trilemma.recipe.checking import check
from trilemma.recipe.overrides import apply


@pytest.mark.parametrize("typed", ["1 2 3", "1,2,3", "1, 2 3", "1,2 3", "1 2,3"])
def test_numbers_have_spaces_or_commas_between_them(typed: str) -> None:
    words = ["--seeds", *typed.split(), "--frames", "9", "RUN"]
    asked = parse(explore.Arguments, words, verb="explore")
    assert (asked.seeds, asked.run) == ((1, 2, 3), "RUN")
    asked = parse(explore.Arguments, ["--seeds", *typed.split(), "RUN"], verb="explore")
    assert (asked.seeds, asked.run) == ((1, 2, 3), "RUN")


def test_words_have_spaces_or_commas_between_them() -> None:
    for typed in (["3", "5"], ["3,5"], ["3,", "5"]):
        asked = parse(sample.Arguments, ["RUN", "--class", *typed], verb="sample")
        assert (asked.classes, asked.runs) == (("3", "5"), ("RUN",))
    asked = parse(compare.Arguments, ["A", "--metrics", "fd,kid"], verb="compare")
    assert asked.metrics == ("fd", "kid")
    whole = parse(sample.Arguments, ["R", "--class", "cat, big", "dog"], verb="sample")
    assert whole.classes == ("cat, big", "dog")  # a folder's name


def test_attributes_end_at_a_word_that_is_none() -> None:
    words = ["--attributes", "smile=1,angle=0", "RUN"]
    asked = parse(sample.Arguments, words, verb="sample")
    assert (asked.attributes, asked.runs) == (("smile=1", "angle=0"), ("RUN",))


def test_files_with_commas_stay_whole() -> None:
    asked = parse(upscale.Arguments, ["--input", "a,b.png", "c.png"], verb="upscale")
    assert asked.input == ("a,b.png", "c.png")


def test_a_run_behind_a_class_is_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRILEMMA_RUNS", raising=False)
    make_run(Path("runs/mine"), RECIPE)
    assert runs_behind((), ("3", "mine")) == (("mine",), ("3",))
    assert runs_behind((), ("3", "5", "mine@best", "bundle:digits-gan")) == (
        ("mine@best", "bundle:digits-gan"),
        ("3", "5"),
    )
    assert runs_behind((), ("mine",)) == ((), ("mine",))  # a class of that name, or a mistake
    assert runs_behind(("other",), ("3", "mine")) == (("other",), ("3", "mine"))


@pytest.mark.parametrize("guidance", ["inf", "nan", "-1"])
def test_a_guidance_that_draws_black_is_refused(
    guidance: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "a.png")
    words = ["sample", "bundle:digits-diffusion", "--guidance", guidance, "--n", "1", "--out", out]
    assert main(words) == 2
    assert f"--guidance is {guidance}; allowed: more than 0" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_clipped_weights_and_a_penalty_are_refused() -> None:
    recipe = presets.find("mnist-wgan").recipe
    check(recipe)
    for name in ("gp", "r1", "dragan"):
        both = apply(recipe, {"family": {name: 1.0}}, where="here")
        with pytest.raises(RecipeError, match=rf"clip_weights = 0.01 does not go with {name}"):
            check(both)
    with pytest.raises(RecipeError, match="guidance is inf"):
        diffusion = presets.find("digits-diffusion").recipe
        check(apply(diffusion, {"family": {"guidance": float("inf")}}, where="here"))


def test_of_two_lengths_a_line_says_which_counts() -> None:
    asked = parse_train(["mnist-dcgan", "--epochs", "2", "--images", "640"])
    assert asked.notes == ("--images 640 counts, --epochs 2 does not",)
    assert horizon.asked(asked.recipe.train, 60_000) == 640
    assert parse_train(["mnist-dcgan", "--images", "640", "--minutes", "3"]).notes == ()
