"""Which Python makes the environment: tools/install.py, with shell scripts for interpreters."""

import ast
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import install  # noqa: E402

posix = pytest.mark.skipif(os.name == "nt", reason="fake interpreters are shell scripts")


def fake(folder: Path, name: str, body: str) -> str:
    """Write an executable shell script; give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


WORKS = "exit 0"
SHIM = "echo 'pyenv: version not installed' >&2; exit 127"
NO_VENV = 'case "$2" in *ensurepip*) exit 1;; esac'


@posix
def test_running_python_is_taken_first(tmp_path: Path) -> None:
    running = fake(tmp_path / "a", "python3", WORKS)
    fake(tmp_path / "b", "python3.14", WORKS)
    assert install.choose_python(running, (3, 11), str(tmp_path / "b")) == running


@posix
@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 15), (4, 0)])
def test_newest_that_works_is_taken(tmp_path: Path, version: tuple[int, int]) -> None:
    running = fake(tmp_path / "a", "python3", WORKS)
    fake(tmp_path / "b", "python3.15", WORKS)
    fake(tmp_path / "b", "python3.14", SHIM)
    fake(tmp_path / "b", "python3.11", WORKS)
    expected = fake(tmp_path / "c", "python3.13", WORKS)
    path = os.pathsep.join([str(tmp_path / "b"), "", str(tmp_path / "c")])
    assert install.choose_python(running, version, path) == expected


@posix
def test_no_python_is_one_line(tmp_path: Path) -> None:
    fake(tmp_path, "python3.12", SHIM)
    with pytest.raises(OSError, match=r"^Python 3\.9 found; 3\.11 to 3\.14 is needed") as caught:
        install.choose_python("python3", (3, 9), str(tmp_path))
    assert "\n" not in str(caught.value)


@posix
def test_missing_venv_is_one_line_unless_uv_is_there(tmp_path: Path) -> None:
    running = fake(tmp_path, "python3", NO_VENV)
    with pytest.raises(OSError, match="apt install python3-venv"):
        install.choose_python(running, (3, 12), str(tmp_path))
    fake(tmp_path, "uv", SHIM)
    with pytest.raises(OSError, match="apt install python3-venv"):
        install.choose_python(running, (3, 12), str(tmp_path))
    fake(tmp_path, "uv", WORKS)
    assert install.choose_python(running, (3, 12), str(tmp_path)) == running


@posix
def test_python_without_venv_gives_way(tmp_path: Path) -> None:
    running = fake(tmp_path, "python3", NO_VENV)
    other = fake(tmp_path, "python3.13", WORKS)
    assert install.choose_python(running, (3, 12), str(tmp_path)) == other


@posix
def test_first_uv_counts(tmp_path: Path) -> None:
    fake(tmp_path / "a", "uv", SHIM)
    fake(tmp_path / "b", "uv", WORKS)
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert not install.has_uv(os.pathsep.join(folders))
    assert install.has_uv(os.pathsep.join(reversed(folders)))
    assert not install.has_uv("")


def test_range_is_that_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (_, oldest), (_, newest) = install.OLDEST, install.NEWEST
    assert f'requires-python = ">=3.{oldest},<3.{newest + 1}"' in project


def test_this_python_passes_its_own_check() -> None:
    assert install.runs(sys.executable, install.IN_RANGE)
    assert not install.runs(sys.executable, install.IN_RANGE + "; import no_such_module")
    old = install.IN_RANGE.replace(repr(install.OLDEST), "(4, 0)")
    assert not install.runs(sys.executable, old)
    assert not install.runs(str(ROOT / "no-such-python"), "")


def test_old_pythons_can_read_the_first_file() -> None:
    """No f-string, annotation, keyword-only argument or chained exception: Python 2.7 has none."""
    tree = ast.parse((ROOT / "tools" / "install.py").read_text(encoding="utf-8"))
    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr, ast.AsyncFunctionDef, ast.Nonlocal)
    assert [node for node in ast.walk(tree) if isinstance(node, newer)] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not node.args.kwonlyargs
            assert all(argument.annotation is None for argument in node.args.args)
        assert not (isinstance(node, ast.Raise) and node.cause)


def test_main_says_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(
        install, "sys", SimpleNamespace(**{**vars(sys), "version_info": (3, 10, 13)})
    )
    assert install.main([]) == 3
    assert capsys.readouterr().err.count("\n") == 1
