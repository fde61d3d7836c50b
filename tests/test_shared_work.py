"""The verbs under torchrun: each process draws and looks at its share; the first one speaks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tiny
from handmade import make_run
from trilemma import processes
from trilemma.processes import together

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun is not tried on Windows")
PAIR = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
PAIR += ["--local-addr", "127.0.0.1"]  # whatever this machine's name is


def environment(folder: Path) -> dict[str, str]:
    mine = {"OMP_NUM_THREADS": "1", "TRILEMMA_CACHE": str(folder / "cache")}
    return os.environ | mine | {"TRILEMMA_RUNS": str(folder / "runs")}


def said(folder: Path, words: list[str], *, pair: bool) -> subprocess.CompletedProcess[str]:
    """Run a verb in one process, or in two, in a folder with a cache of its own."""
    return subprocess.run(
        [
            sys.executable,
            *(PAIR if pair else []),
            "-m",
            *(["--"] if pair else []),
            "trilemma",
            *words,
        ],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_alone_everything_is_one_slice() -> None:
    numbers = np.arange(5)
    assert together(lambda share: numbers[share], 5).tolist() == [0, 1, 2, 3, 4]


def test_parts_of_all_processes_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a gather that asks each of three processes in turn."""

    def gather(parts: list[object], mine: object) -> None:
        rank = processes.rank()
        for other in range(3):
            monkeypatch.setattr(processes, "rank", lambda other=other: other)
            parts[other] = np.arange(7)[processes.my_slice(7)]
        monkeypatch.setattr(processes, "rank", lambda: rank)

    monkeypatch.setattr(processes, "count", lambda: 3)
    monkeypatch.setattr(processes.dist, "all_gather_object", gather)
    assert together(lambda share: np.arange(7)[share], 7).tolist() == list(range(7))
    assert together(lambda share: np.arange(2)[share], 2).tolist() == [0, 1]


@pytest.mark.slow
def test_two_processes_draw_and_score_what_one_does(tmp_path: Path) -> None:
    found = {}
    for pair in (False, True):
        place = tmp_path / str(pair)
        make_run(place / "runs/one")
        words = ["sample", "one", "--n", "5", "--format", "npy", "--out", "drawn.npy"]
        drawn = said(place, words, pair=pair)
        assert drawn.returncode == 0, drawn.stderr
        assert drawn.stdout.splitlines() == ["drawn.npy"]
        words = ["evaluate", "one", "--n", "41", "--extractor", "pixels", "--json"]
        scored = said(place, words, pair=pair)
        assert scored.returncode == 0, scored.stderr
        compared = said(place, ["compare", "one", "--n", "41", "--extractor", "pixels"], pair=pair)
        assert compared.returncode == 0, compared.stderr
        assert compared.stdout.count("report: ") == 1
        assert (place / "reports/report.html").is_file()
        found[pair] = (np.load(place / "drawn.npy"), json.loads(scored.stdout))
    assert np.array_equal(found[False][0], found[True][0])
    assert found[False][1] == found[True][1]


@pytest.mark.slow
def test_one_process_that_is_killed_ends_all_and_nothing_is_lost(tmp_path: Path) -> None:
    root = tiny.digits(tmp_path / "digits.npz", 60)
    words = [*tiny.COMMAND.split()[1:], "--data.root", str(root), "--images", "800"]
    words += ["--data.source", "folder", "--out", "run", "--train.checkpoint-images", "8"]
    words += ["--watch.every", "16"]
    command = [sys.executable, *PAIR, "-m", "--", "trilemma", *words]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as all_of_them:
        end = time.monotonic() + 60
        while not list(tmp_path.glob("run/checkpoints/[1-9]*")) and time.monotonic() < end:
            time.sleep(0.05)
        listed = subprocess.run(
            ["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True
        )
        pairs = [line.split() for line in listed.stdout.splitlines()[1:]]
        workers = [int(pid) for pid, parent in pairs if parent == str(all_of_them.pid)]
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        _, errors = all_of_them.communicate(timeout=60)
        assert all_of_them.returncode != 0
    ours = [line for line in errors.splitlines() if line.startswith("trilemma: ")]
    assert len(ours) == 1, errors
    assert "mistake of ours" not in ours[0]
    again = said(tmp_path, words, pair=True)
    assert again.returncode == 0, again.stderr
    assert tiny.events(tmp_path / "run", "end")[0]["why"] == "done"
    assert tiny.events(tmp_path / "run", "resume")
