"""What --help shows: a meaning for every word and option, and nothing that is filled in."""

import contextlib
import importlib
import inspect
import io
import re

import pytest

from trilemma.cli.main import VERBS, main
from trilemma.cli.parsing import options, parse
from trilemma.errors import TrilemmaError
from trilemma.recipe import networks, recipe
from trilemma.recipe.overrides import FILLED_IN
from trilemma.recipe.recipe import Recipe

PLAIN = [name for name, verb in VERBS.items() if not verb.trains]


def shown(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*words, "--help"]) == 0
    return re.sub(r"[│|]", " ", out.getvalue())


def entries(text: str) -> dict[str, str]:
    """Give the meaning of every option and positional word."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        head = re.match(r"^ {1,3}(-(?!---).*?|\[?[A-Z{][^a-z ]\S*.*?)(?:  +(.*))?$", line.rstrip())
        if head:
            name = head[1].strip()
            found[name] = [head[2] or ""]
        elif name and line.startswith("     "):
            found[name].append(line.strip())
        else:
            name = ""
    return {name: " ".join(filter(None, words)) for name, words in found.items()}


@pytest.mark.parametrize("verb", PLAIN)
def test_every_option_and_word_of_a_verb_has_a_meaning(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = entries(shown([verb], monkeypatch))
    module = importlib.import_module(f"trilemma.cli.{VERBS[verb].module}")
    names = [option.flag[2:] for option in options(module.Arguments)]
    assert len(said) >= len(names)
    for name, meaning in said.items():
        bare = re.sub(r"\(default: .*?\)|\(required\)", "", meaning).strip()
        assert len(bare) > 5 and bare not in names, (name, meaning)
        assert "STR" not in name or name.startswith("-"), f"{name}: a word says what it is"


@pytest.mark.parametrize("preset", ["mnist-dcgan", "mnist-ddpm", "cats-sr-compact"])
def test_the_help_of_train_has_a_meaning_for_everything_and_nothing_that_is_filled_in(
    preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(["train", preset], monkeypatch)
    for name, meaning in entries(text).items():
        chosen = name.split()[0].endswith((".kind", ".name"))  # its choices say what it is
        assert chosen or re.sub(r"\(default: .*?\)", "", meaning).strip(), name
    assert not any(f"--{name.replace('_', '-')} " in text for name in FILLED_IN)
    assert "required" not in text and "filled in" not in text


def test_what_is_filled_in_is_what_the_comments_say() -> None:
    source = "".join(inspect.getsource(module) for module in (networks, recipe))
    named = set(re.findall(r"^    (\w+): .*# .*filled in", source, re.MULTILINE))
    assert named == {name.rpartition(".")[2] for name in FILLED_IN}
    fields = {option.name for option in options(Recipe)}
    assert fields >= FILLED_IN


def test_a_word_that_lacks_is_called_by_its_name() -> None:
    module = importlib.import_module("trilemma.cli.bench")
    with pytest.raises(TrilemmaError, match=r"^trilemma bench lacks WHAT, PRESET; see"):
        parse(module.Arguments, [], verb="bench")
    module = importlib.import_module("trilemma.cli.data")
    with pytest.raises(TrilemmaError, match=r"^trilemma data lacks IMAGES; see"):
        parse(module.Arguments, [], verb="data")
