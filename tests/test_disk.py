"""A full disk, a read-only one, a home that cannot be written: one line each, and nothing lost."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from handmade import make_run
from trilemma import watch
from trilemma.checkpoint import checkpoints
from trilemma.cli.main import main
from trilemma.errors import NoSpaceError
from trilemma.recipe import files
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import KEPT, RunFolder
from trilemma.sampling import load_generator

CPU = torch.device("cpu")
DISK = 1_000_000  # bytes: a run of a dozen checkpoints does not fit
FAMILY = ("nets", "average", "optimizer")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a disk of one megabyte, or skip where only root of a Linux may have one."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("to mount a small disk takes root on Linux")
    place = tmp_path / "disk"
    place.mkdir()
    how = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    if subprocess.run(how, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a disk")
    yield place
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=False)
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    place = tmp_path_factory.mktemp("data") / "digits.npz"
    return tiny.recipe(tiny.digits(place), checkpoint_images=8)


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the same run on a disk with room."""
    return watch.train(recipe, out=tmp_path_factory.mktemp("whole") / "run").folder.path


def same(run: Path, whole: Path) -> bool:
    """Did the two trainings end with the same bits, and the same log but for its seconds?"""
    ends = [
        tuple((p / f"checkpoints/64/{n}.safetensors").read_bytes() for n in FAMILY)
        for p in (run, whole)
    ]
    logs = [tiny.timeless(tiny.events(p, "step", "score", "end")) for p in (run, whole)]
    return ends[0] == ends[1] and logs[0] == logs[1] and not tiny.left_over(run)


def last_is_whole(run: Path) -> bool:
    """Can the last checkpoint be drawn from, if there is one?"""
    kept = checkpoints(RunFolder(run))
    if kept:
        load_generator(f"{run}@last", device=CPU)
        assert {file.stem for file in kept[-1].iterdir()} == {*FAMILY, "state"}
    return bool(kept)


def fill(disk: Path) -> Path:
    """Write until nothing more fits."""
    ballast = disk / "ballast"
    with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    return ballast


def test_a_disk_that_fills_up_costs_no_checkpoint(
    recipe: Recipe, whole: Path, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command ends with 3 and one line, again while it is full, and goes on with space."""
    (disk / "space").write_bytes(b"x" * 700_000)
    files.write(disk.parent / "mine.toml", recipe)
    words = ["train", "--config", str(disk.parent / "mine.toml"), "--out", str(disk / "run")]
    for _ in range(2):
        assert main(words) == 3
        *_, last = capsys.readouterr().err.splitlines()
        assert last.startswith("trilemma: ")
        assert "the disk is full" in last
        assert last_is_whole(disk / "run")
        reached = tiny.events(disk / "run", "checkpoint")[-1]["images_seen"]
        assert 0 < reached < 64
    (disk / "space").unlink()
    assert main(words) == 0
    assert same(disk / "run", whole)


def test_a_disk_that_is_full_from_the_start_is_one_line(
    recipe: Recipe, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(disk)
    files.write(disk.parent / "mine.toml", recipe)
    words = ["train", "--config", str(disk.parent / "mine.toml"), "--out", str(disk / "run")]
    assert main(words) == 3
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("trilemma: ")
    assert "the disk is full" in last
    assert not RunFolder(disk / "run").exists()


def test_a_read_only_disk_is_one_line(
    recipe: Recipe, disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch.train(files.read(begun(recipe, disk)), out=disk / "run")
    log = (disk / "run/log.jsonl").read_text("utf-8").splitlines(keepends=True)
    (disk / "run/log.jsonl").write_text("".join(log[:-1]), encoding="utf-8")  # as if stopped
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    for run in ("run", "another"):
        words = ["train", "--config", str(disk.parent / "mine.toml"), "--out", str(disk / run)]
        assert main(words) == 3
        *_, last = capsys.readouterr().err.splitlines()
        assert last.startswith("trilemma: ")
        assert "--out DIR" in last or "choose another place" in last
    assert last_is_whole(disk / "run")
    out = disk.parent / "new"
    assert main(["compare", str(disk / "run"), "--n", "30", "--out", str(out)]) == 0
    assert (out / "report.html").is_file()


def begun(recipe: Recipe, disk: Path) -> Path:
    """Write the recipe of a short run beside the disk."""
    path = disk.parent / "mine.toml"
    files.write(path, tiny.recipe(recipe.data.root, images=16))
    return path


class Disk:
    """Lets so many files reach the disk; then it is full, or cannot be written."""

    def __init__(self, left: int, number: int) -> None:
        self.left, self.number, self.sync = left, number, os.fsync

    def fsync(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(self.number, os.strerror(self.number))
        self.sync(descriptor)


@pytest.mark.parametrize(
    ("left", "number"),
    [
        *((left, errno.ENOSPC) for left in (0, 1, 2, 3, 5, 8, 13, 14, 15, 16, 17, 34)),
        *(
            (left, number)
            for left in (2, 15)
            for number in (errno.EDQUOT, errno.EROFS, errno.EACCES)
        ),
    ],
)
def test_whichever_write_fails_the_last_checkpoint_is_whole(
    recipe: Recipe,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left: int,
    number: int,
) -> None:
    """Without a disk to mount: flushing fails from the nth file on. Then there is space again."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Disk(left, number).fsync)
        with pytest.raises(NoSpaceError) as caught:
            watch.train(recipe, out=tmp_path / "run")
    assert "\n" not in str(caught.value)
    if 12 < left < 17:  # one checkpoint is there, another is being written
        assert str(caught.value).endswith(KEPT)
    assert caught.value.status == 3
    assert last_is_whole(tmp_path / "run") == (left > 12)
    watch.train(recipe, out=tmp_path / "run")
    assert same(tmp_path / "run", whole)


def test_only_a_run_with_a_checkpoint_says_that_it_is_whole(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    (run.path / "samples").write_bytes(b"")  # where a folder should be
    for kept in (False, True):
        with pytest.raises(NoSpaceError, match="cannot be written: a file stands") as caught:
            run.file("samples/8.png")
        assert str(caught.value).endswith(KEPT) == kept
        (run.path / "checkpoints" / "8").mkdir(parents=True, exist_ok=True)


def test_a_log_line_cut_off_by_a_full_disk_is_written_again(
    recipe: Recipe, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a line reaches the disk before the error does."""
    append = RunFolder.append

    def half(folder: RunFolder, event: Mapping[str, Any]) -> None:
        if (event["event"], event["images_seen"]) != ("step", 40):
            append(folder, event)
            return
        with (folder.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"v": 1, "event": "st')
        raise NoSpaceError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", half)
        with pytest.raises(NoSpaceError):
            watch.train(recipe, out=tmp_path / "run")
    watch.train(recipe, out=tmp_path / "run")
    assert same(tmp_path / "run", whole)


HOMES = (  # below a file everywhere; and where even root of a Linux makes no folder
    "file/home",
    pytest.param(
        "/proc/nobody",
        marks=[
            pytest.mark.slow,
            pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a place of Linux"),
        ],
    ),
)


@pytest.mark.parametrize("home", HOMES)
def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path, home: str) -> None:
    """Training and comparing go on without a cache; nothing else is said about it."""
    (tmp_path / "file").write_bytes(b"")
    own = ("TRILEMMA_CACHE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    known = {name: value for name, value in os.environ.items() if name not in own}
    place = str(tmp_path / home)
    known |= {"HOME": place, "USERPROFILE": place, "LOCALAPPDATA": place, "OMP_NUM_THREADS": "1"}
    make_run(tmp_path / "one")
    tiny.digits(tmp_path / "digits.npz")
    files.write(tmp_path / "mine.toml", tiny.recipe("digits.npz", images=16))
    for words in ("train --config mine.toml --out run", "compare run one --n 30 --out report"):
        done = subprocess.run(
            [sys.executable, "-m", "trilemma", *words.split()],
            cwd=tmp_path,
            env=known,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        about = [line for line in done.stderr.splitlines() if "annot be written" in line]
        assert len(about) == 1
        assert "set TRILEMMA_CACHE to a folder that can" in about[0]
        assert "atplotlib" not in done.stderr
    assert (tmp_path / "report" / "report.html").is_file()
    assert not Path(place).exists()
