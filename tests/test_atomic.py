"""Files are complete or absent, whatever happens while they are written."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trilemma import atomic
from trilemma.errors import NoSpaceError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_and_text(tmp_path: Path) -> None:
    """A missing folder is made, an old file is replaced, nothing stays beside."""
    path = tmp_path / "a b" / "猫.txt"
    atomic.write_bytes(path, b"old")
    atomic.write_text(path, "novo ã\nline\r\n")
    assert path.read_bytes() == b"novo \xc3\xa3\nline\r\n"
    assert names(path.parent) == ["猫.txt"]


def test_moved_gives_a_path_in_the_same_folder(tmp_path: Path) -> None:
    """In the same folder, so on the same disk; hidden; with the process in its name."""
    path = tmp_path / "x.npy"
    with atomic.moved(path) as beside:
        beside.write_bytes(b"new")
        assert beside.parent == tmp_path
        assert beside.name.startswith(".")
        assert str(os.getpid()) in beside.name
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x.npy"]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), atomic.moved(path) as beside:
        beside.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_a_folder_is_there_with_all_its_files_or_not_at_all(tmp_path: Path) -> None:
    """Hidden until it is whole; what a killed process left there is not mixed in."""
    path = tmp_path / "new" / "8"
    with atomic.whole_folder(path) as beside:
        (beside / "a").write_bytes(b"a")
    left = tmp_path / "new" / f".9.{os.getpid()}"
    left.mkdir()
    (left / "half").write_bytes(b"")
    with atomic.whole_folder(tmp_path / "new" / "9") as beside:
        assert beside == left
        assert not (tmp_path / "new" / "9").exists()
    assert names(tmp_path / "new") == ["8", "9"]
    assert names(path) == ["a"]
    assert names(tmp_path / "new" / "9") == []


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_an_error_in_the_block_leaves_no_folder(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), atomic.whole_folder(tmp_path / "8") as beside:
        (beside / "a").write_bytes(b"a")
        raise error
    assert names(tmp_path) == []


def test_a_folder_takes_no_other_ones_place(tmp_path: Path) -> None:
    """What lies there stays; a file that is missing in the block is no refusal to write."""
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "mine").write_bytes(b"mine")
    with (
        pytest.raises(NoSpaceError, match="8 cannot be written: there is a folder of this name"),
        atomic.whole_folder(tmp_path / "8"),
    ):
        pass
    with pytest.raises(FileNotFoundError), atomic.whole_folder(tmp_path / "9"):
        (tmp_path / "missing").read_bytes()
    assert names(tmp_path) == ["8"]
    assert names(tmp_path / "8") == ["mine"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_kill_between_writing_and_moving_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys, pathlib\nfrom trilemma import atomic\n"
        "atomic._replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_bytes(pathlib.Path(sys.argv[1]), b'new and longer')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    atomic.write_bytes(path, b"new")  # what the dead process left is in nobody's way
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("number", atomic.REASONS)
def test_a_refusal_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whatever the system's reason: the file's name, the reason, what to do; the old file whole."""
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(NoSpaceError) as caught:
        atomic.write_bytes(path, b"new")
    assert str(caught.value) == f"{path} cannot be written: {atomic.REASONS[number]}"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_every_reason_says_what_to_do() -> None:
    assert all(("choose" in reason) for reason in atomic.REASONS.values())
    assert {number for number, why in atomic.REASONS.items() if "free some" in why} == {
        *atomic.FULL
    }


def test_what_is_really_in_the_way(tmp_path: Path) -> None:
    """A folder of that name, and a file where the folder should be, by the system's own answers."""
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_bytes(b"mine")
    for path, reason in {
        tmp_path / "folder": "there is a folder of this name",
        tmp_path / "file" / "x": "a file stands where its folder should be",
        tmp_path / ("n" * 300): "the name is too long",
    }.items():
        with pytest.raises(NoSpaceError, match=reason):
            atomic.write_bytes(path, b"new")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert names(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
)
def test_a_folder_without_permission(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    with pytest.raises(NoSpaceError, match="no permission to write there"):
        atomic.write_bytes(shut / "x", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with (
        pytest.raises(NoSpaceError, match="the disk is full; free some space"),
        atomic.moved(tmp_path / "x"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"x")
    assert names(tmp_path) == []


def test_a_librarys_own_complaint_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not an image"), atomic.moved(tmp_path / "x"):
        raise OSError("not an image")


@pytest.mark.parametrize("refusals", [2, 9])
def test_a_file_that_a_scanner_has_open_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    """As on Windows, where the move is refused while another program reads the old file."""
    asked: list[int] = []
    replace = Path.replace

    def busy(self: Path, target: Path) -> Path:
        asked.append(1)
        if len(asked) <= refusals:
            raise PermissionError(errno.EACCES, "used by another process")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", busy)
    monkeypatch.setattr(atomic, "TRIES", 4)
    monkeypatch.setattr(atomic, "PAUSE", 0.0)
    if refusals == 2:
        atomic.write_bytes(tmp_path / "x", b"new")
        assert (tmp_path / "x").read_bytes() == b"new"
        assert len(asked) == 3
    else:
        with pytest.raises(NoSpaceError, match="no permission"):
            atomic.write_bytes(tmp_path / "x", b"new")
        assert len(asked) == 4
