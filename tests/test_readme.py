"""Both READMEs are true where a test can tell: commands parse, names and links lead somewhere."""

import importlib
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from trilemma.cli.arguments import parse, parse_train
from trilemma.cli.main import VERBS
from trilemma.evaluation import STANDARD
from trilemma.recipe import files, presets
from trilemma.report import metrics, words

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.pt-BR.md")
DOCS = ("data", "explore", "from-the-scripts", "own", "report", "stylegan")
PAGES = (*READMES, *(f"docs/{name}.md" for name in DOCS))
INDENTED = re.compile(r"^ {4}(trilemma [^#\n]+?)(?: +#.*)?$", re.MULTILINE)
SPAN = re.compile(r"`(trilemma [^`]+)`")
VERB_ROW = re.compile(r"^\| `(\w+)` \| .+ \| `trilemma (\w+)[^`]*` \|$", re.MULTILINE)
PRESET_ROW = re.compile(r"^\| ((?:`[\w-]+`(?:, )?)+) \| [^|`]+ \|$", re.MULTILINE)
KINDS = "cats|cifar10|digits|folder|mnist|tiny"  # how the names of presets begin
PRESET = re.compile(rf"`((?:{KINDS})-[\w-]+)`|trilemma train ((?:{KINDS})-[\w-]+)")
MADE = re.compile(r"`make (\w+)`|^ {4}make (\w+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page: str) -> list[str]:
    return [*INDENTED.findall(text(page)), *SPAN.findall(text(page))]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the run that the READMEs go on with."""
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path))
    (tmp_path / "digits-gan-s0").mkdir()
    files.write(tmp_path / "digits-gan-s0" / "recipe.toml", presets.find("digits-gan").recipe)


@pytest.mark.usefixtures("begun")
@pytest.mark.parametrize("page", READMES)
def test_commands_parse(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command as it is written, with a preset in the place of PRESET; nothing is done."""
    absent = set()
    for command in commands(page):
        verb, *words = shlex.split(command.replace("PRESET", "digits-gan"))[1:]
        if importlib.util.find_spec(f"trilemma.cli.{VERBS[verb].module}") is None:
            absent.add(verb)
        elif "--help" in words:
            with pytest.raises(SystemExit, match="0"):
                parse_train(words)
            assert "--train.batch-size" in capsys.readouterr().out
        elif VERBS[verb].trains:
            parse_train(words)
        else:
            module = importlib.import_module(f"trilemma.cli.{VERBS[verb].module}")
            parse(module.Arguments, words, verb=verb)
    if absent:
        pytest.skip(f"the rest parsed; not written yet: {', '.join(sorted(absent))}")


@pytest.mark.parametrize("page", READMES)
def test_every_verb_has_a_row_with_an_example_of_it(page: str) -> None:
    rows = VERB_ROW.findall(text(page))
    assert [verb for verb, _ in rows] == list(VERBS)
    assert all(verb == example for verb, example in rows)


@pytest.mark.parametrize("page", READMES)
def test_table_of_presets_is_whole(page: str) -> None:
    listed = re.findall(r"`([^`]+)`", " ".join(PRESET_ROW.findall(text(page))))
    assert sorted(listed) == sorted(presets.names())


@pytest.mark.parametrize("page", PAGES)
def test_named_presets_exist(page: str) -> None:
    named = {span or trained for span, trained in PRESET.findall(text(page))}
    assert named <= {*presets.names()}


@pytest.mark.parametrize("page", READMES)
def test_two_commands_are_targets_of_the_makefile(page: str) -> None:
    named = {first or second for first, second in MADE.findall(text(page))}
    targets = set(re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    links = [link for link in LINK.findall(text(page)) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


@pytest.mark.parametrize("page", READMES)
def test_opens_with_a_picture_that_has_words(page: str) -> None:
    _title, opening, *_ = text(page).split("\n\n")
    picture = PICTURE.fullmatch(opening)
    assert picture is not None
    alternative, path = picture.groups()
    assert len(alternative.split()) > 10
    assert path == "docs/images/report.png"


def test_both_languages_say_the_same_things() -> None:
    """The same headings' number, commands, links and markers; only the words differ."""
    english, portuguese = (text(page) for page in READMES)
    for pattern in (r"^(#+) ", r"^(    make \w+)", r"<!-- (.+?) -->", r"^\| `([\w-]+)`"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(
            pattern, portuguese, re.MULTILINE
        )
    verbs = [[shlex.split(command)[1] for command in commands(page)] for page in READMES]
    assert verbs[0] == verbs[1]
    links = [set(LINK.findall(page)) - set(READMES) for page in (english, portuguese)]
    assert links[0] == links[1]


def test_report_page_explains_every_part_and_score() -> None:
    page = text("docs/report.md")
    english = words.read("en")
    others = ("column_title", "glossary_title")  # a table's head, and this page in short
    titles = [english[key] for key in english if key.endswith("_title") and key not in others]
    assert [title for title in titles if title not in " ".join(page.split())] == []
    rows = re.findall(r"^\| ([A-Z][^|]+?) \|", page, re.MULTILINE)
    for name in (*STANDARD, "ms_per_image", "images_per_second", "memory_bytes"):
        label = metrics.label(name, None, english).removesuffix(", bytes")
        assert any(row.startswith(label) for row in rows), label


def test_python_form_names_what_there_is() -> None:
    import trilemma

    for page in READMES:
        code = re.findall(r"```python\n(.*?)```", text(page), re.DOTALL)
        assert code
        for block in code:
            compile(block, page, "exec")
            assert set(re.findall(r"\btr\.(\w+)", block)) <= set(trilemma.__all__)


def test_patterns_see() -> None:
    assert INDENTED.findall("    trilemma runs   # all of them\n") == ["trilemma runs"]
    assert VERB_ROW.findall("| `runs` | lists | `trilemma runs` |") == [("runs", "runs")]
    assert PRESET.findall("`mnist-a-b`, trilemma train tiny-x --seed 0, digits-gan-s0") == [
        ("mnist-a-b", ""),
        ("", "tiny-x"),
    ]
    assert LINK.findall("[a](b.md) ![c](d.png)") == ["b.md", "d.png"]
