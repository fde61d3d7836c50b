"""What holds for every file: sizes, places that no other machine has, versions that agree."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import trilemma

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "trilemma"
MODULES = sorted(SOURCE.rglob("*.py"))
PRESETS = sorted((SOURCE / "recipe" / "presets").glob("*.toml"))
PYTHON = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])
BINARY = (".gif", ".gz", ".jpg", ".npz", ".png", ".safetensors", ".zip")

# Written so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    "|".join((r"pypi\.[o]rg", r"python[h]osted", r"npmjs\.[a-z]", r"deb\.[d]eb"))
)
ONE_MACHINE = re.compile(r"(?<![\w.~>-])/(?:work|home|root|tmp|Users|opt)/[\w.]")
LEFT_OVER = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")


def shipped() -> list[Path]:
    """List the files that git knows, or would add; without git, those that are always there."""
    if not (shutil.which("git") and (ROOT / ".git").exists()):
        return [*PYTHON, *ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "Makefile"]
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    files = [ROOT / name for name in listed.split("\0") if name]
    return [file for file in files if file.is_file() and file.suffix not in BINARY]


def found(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    """List the lines that hold a pattern, as file:line."""
    hits = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                hits.append(f"{file.relative_to(ROOT).as_posix()}:{number}: {line.strip()[:80]}")
    return hits


def long_functions(tree: ast.AST, limit: int) -> Iterator[str]:
    """Name the functions with more lines than allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.end_lineno - node.lineno + 1 > limit:
                yield node.name


def calls(tree: ast.AST, name: str) -> list[int]:
    """List the lines that call a built-in function."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        node.lineno for node in nodes if isinstance(node.func, ast.Name) and node.func.id == name
    ]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_file_names_a_package_registry() -> None:
    assert found(REGISTRIES, shipped()) == []


def test_no_file_names_a_place_of_one_machine() -> None:
    assert found(ONE_MACHINE, [file for file in shipped() if file != Path(__file__)]) == []


def test_nothing_is_left_to_do() -> None:
    assert found(LEFT_OVER, shipped()) == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (REGISTRIES, "index-url = https://" + "pypi" + ".org/simple"),
        (REGISTRIES, "https://files." + "python" + "hosted.org/x"),
        (ONE_MACHINE, 'open("/' + 'home/ana/digits")'),
        (ONE_MACHINE, "see /" + "tmp/x"),
        (LEFT_OVER, "# TO" + "DO: later"),
    ],
)
def test_patterns_find(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


@pytest.mark.parametrize("line", ["~|work|digits", "a|tmp|b", "|usr|share", "and|or |tmp"])
def test_places_of_every_machine_are_allowed(line: str) -> None:
    assert not ONE_MACHINE.search(line.replace("|", "/"))


def test_files_and_functions_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert [f"{path.name}: {lines}" for path, lines in lengths.items() if lines > 300] == []
    functions = {path.name: list(long_functions(parse(path), 80)) for path in PYTHON}
    assert {name: long for name, long in functions.items() if long} == {}


def test_library_does_not_print() -> None:
    library = [path for path in MODULES if "cli" not in path.parts]
    assert {path.name: lines for path in library if (lines := calls(parse(path), "print"))} == {}


def test_checkers_see() -> None:
    body = "def short():\n    print(1)\n\ndef long():\n" + "    pass\n" * 80
    assert list(long_functions(ast.parse(body), 80)) == ["long"]
    assert calls(ast.parse(body), "print") == [2]
    assert calls(ast.parse("report.print(2)"), "print") == []


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_preset_says_what_was_measured(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    measured = tomllib.loads(text)["measured"]
    assert text.startswith("# trilemma train ")
    if measured != "not yet":
        assert {"command", "machine", "minutes", "scores", "commit"} <= measured.keys()


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert project["version"] == trilemma.__version__
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [trilemma.__version__]
    assert re.findall(r"^## (\S+)", changes, re.MULTILINE)[0] == trilemma.__version__


def test_newcomer_and_checks_run_the_same_command() -> None:
    """The command by which README runs the tests is the one of .ci/run, and the Makefile has it."""
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    called = re.findall(r"^(make \w+)(?= \| tee)", steps, re.MULTILINE)
    assert called == ["make test"]
    for readme in ("README.md", "README.pt-BR.md"):
        assert called[0] in (ROOT / readme).read_text(encoding="utf-8"), readme


def test_every_make_command_in_the_papers_exists() -> None:
    targets = set(
        re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    papers = [*ROOT.glob("*.md"), ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml"]
    for paper in papers:
        named = re.findall(r"(?:^\s*|`)make (\w+)", paper.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, paper.name


def test_workflow_covers_every_python_and_system() -> None:
    workflow = (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    versions = re.findall(r"Python :: (3\.\d+)", project)
    assert f"python: {versions}".replace("'", '"') in workflow
    assert "os: [ubuntu-latest, macos-latest, windows-latest]" in workflow


def test_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
