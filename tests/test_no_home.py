"""No home that can be written, no network: what needs neither works, the rest says what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trilemma import places
from trilemma.cli.main import main
from trilemma.errors import NoSpaceError

DEAD = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder to work in, on a machine without home, cache and network."""
    (tmp_path / "file").write_bytes(b"")
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file" / "below"))  # not even root makes it
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, DEAD)
    for name in ("TRILEMMA_CACHE", "TRILEMMA_RUNS", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("sample digits-gan --n 4", "samples.png"),
        ("evaluate digits-gan --against digits:test --n 30", "against 30 of digits:test"),
        ("data digits", "5,000 images"),
        ("doctor", "CANNOT BE WRITTEN; set TRILEMMA_CACHE"),
    ],
)
def test_what_ships_with_the_package_needs_neither(
    alone: Path, capsys: pytest.CaptureFixture[str], words: str, said: str
) -> None:
    assert main([*words.split()]) == 0
    out, err = capsys.readouterr()
    assert said in out
    assert "error:" not in out  # a look of the doctor's that failed
    assert sum("cannot be written" in line for line in err.splitlines()) <= 1


def test_what_has_to_be_fetched_says_what_to_do(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is deleted at the end of the command is no place to put files into."""
    assert main(["data", "kmnist"]) == 3
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("trilemma: kmnist: ")
    assert "cannot be reached" in last
    assert last.endswith(
        "; name the folder of its files: --root (of train --data.root), " + ("TRILEMMA_DATA")
    )


def test_a_stand_in_for_the_cache_is_deleted_at_the_end(alone: Path, tmp_path: Path) -> None:
    """By the process that made it, not by a fork of it."""
    code = (
        "import os, sys\nfrom trilemma import places\nfolder = places.cache_folder()\n"
        "(folder / 'x').write_bytes(b'x')\n"
        "if hasattr(os, 'fork'):\n"
        "    child = os.fork()\n"
        "    if not child: sys.exit()\n"
        "    os.waitpid(child, 0)\n"
        "assert (folder / 'x').is_file()\nprint(folder)\n"
    )
    (tmp_path / "temporary").mkdir()
    known = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP"), str(tmp_path / "temporary"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=known, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).parent == tmp_path / "temporary"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_no_place_at_all_is_one_line(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prefix: str) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    places._temporary_folder.cache_clear()
    with pytest.raises(NoSpaceError, match="nor a temporary one can be written; set TRILEMMA_CAC"):
        places.cache_folder()
