"""kill -9 at any moment costs no more than the work since the last checkpoint; signals save."""

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from safetensors.torch import load_file

import tiny
from trilemma.checkpoint import facts_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither kill -9 nor fork"),
]

KILLS = 20
WORDS = shlex.split(tiny.COMMAND)[1:]
LENGTH = shlex.split(
    "--images 480 --watch.every 96 --train.keep 2 --train.checkpoint-images 16 --watch.grid 4"
)

# The imports of a sitting take seconds, a sitting itself does not: one process imports everything
# and forks a child for every sitting. That is sound: it never computes with torch, so that there
# are no threads yet whose locks a child could inherit, and the child does all a process of its own
# would do from there: it parses the words, draws, trains, and is killed for good.
# The kill comes after so many seconds, or just before the child touches the disk for so many times
# below the run's folder: opening, moving, deleting a file, making a folder.
SERVER = """
import json, os, signal, sys, threading, time
from trilemma import watch
from trilemma.cli import arguments, main, train

def sitting(order):
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(order["said"] + name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    left = [order["touches"]]
    def count(event, arguments):
        touched = event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")
        if touched and order["run"] in str(arguments[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    if order["touches"]:
        sys.addaudithook(count)
    status = main.main(order["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    begun = time.monotonic()
    child = os.fork()
    if not child:
        sitting(order)
    if order["seconds"]:
        time.sleep(order["seconds"])
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([status, time.monotonic() - begun]), flush=True)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


@dataclass
class Server:
    """Sittings of `trilemma train`, each in a process of its own."""

    process: subprocess.Popen[str]
    folder: Path

    def sit(self, run: Path, *, seconds: float = 0.0, touches: int = 0) -> tuple[int, float]:
        """Run the command on a run's folder; give its status and its seconds. 0: no kill."""
        order = {
            "words": [*WORDS, *LENGTH, "--out", str(run)],
            "run": str(run),
            "said": str(self.folder / "said-"),
            "seconds": seconds,
            "touches": touches,
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)
        status, taken = json.loads(self.process.stdout.readline())
        return status, taken

    def said(self) -> str:
        return (self.folder / "said-err").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=pipe, stdout=pipe, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Server(process, tmp_path_factory.mktemp("server"))
        assert process.stdin is not None
        process.stdin.close()


def killed(status: int) -> bool:
    return status == -signal.SIGKILL


def test_twenty_kills_leave_the_same_run_as_none(server: Server, tmp_path: Path) -> None:
    """A run that is finished in spite of the kills is compared, and the kills go on in a new one.

    Every other kill waits for a touch of the disk, so that many fall into a checkpoint.
    """
    whole = tmp_path / "whole"
    status, seconds = server.sit(whole)
    assert status == 0, server.said()
    chance = random.Random(0)
    kills, runs = 0, [tmp_path / "run-0"]
    while kills < KILLS:
        late = {"seconds": chance.uniform(0.02, 0.8 * seconds)}
        touched = {"touches": chance.randrange(1, 400)}
        status, _ = server.sit(runs[-1], **(late if kills % 2 else touched))  # type: ignore[arg-type]
        kills += killed(status)
        assert killed(status) or status == 0, server.said()
        if status == 0:
            compare(runs[-1], whole)
            runs.append(tmp_path / f"run-{len(runs)}")
    status, _ = server.sit(runs[-1])
    assert status == 0, server.said()
    compare(runs[-1], whole)


def tensors(file: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Read facts and bits; the order of the facts in the file is chance."""
    held = load_file(file)
    return facts_of(file), {name: tensor.numpy().tobytes() for name, tensor in held.items()}


def compare(run: Path, whole: Path) -> None:
    """Weights, averages, optimizers, log and pictures are equal to the bit, and nothing is left."""
    for name in ("nets", "average", "optimizer"):
        file = f"checkpoints/480/{name}.safetensors"
        assert (run / file).read_bytes() == (whole / file).read_bytes(), name
    one, other = (tensors(p / "best/average.safetensors") for p in (run, whole))
    assert one == other
    states = [
        json.loads((p / "checkpoints/480/state.json").read_text("utf-8")) for p in (run, whole)
    ]
    assert states[0] | {"seconds": 0} == states[1] | {"seconds": 0}
    kinds = ("start", "step", "score", "checkpoint", "end")
    assert tiny.timeless(tiny.events(run, *kinds)) == tiny.timeless(tiny.events(whole, *kinds))
    assert len(tiny.events(run, "step")) == 60
    names = [sorted(path.name for path in p.rglob("*")) for p in (run, whole)]
    assert names[0] == names[1]
    assert tiny.left_over(run) == []
    assert (run / "progress.gif").read_bytes() == (whole / "progress.gif").read_bytes()


def test_every_touch_of_the_disk_in_a_short_run(server: Server, tmp_path: Path) -> None:
    """Kill before the 1st, then the 2nd, ... touch of one and the same run until it is finished.

    The later sittings begin where the earlier ones stopped, so that each kill falls elsewhere.
    """
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert server.sit(whole)[0] == 0
    for touches in range(1, 2000, 61):
        status, _ = server.sit(run, touches=touches)
        if not killed(status):
            break
    assert status == 0, server.said()
    assert touches > 200
    compare(run, whole)


def started(run: Path, signals: signal.Signals, when: Callable[[], bool]) -> tuple[int, str]:
    """Run the command as a user does, send it a signal when it is time; give status and stderr."""
    words = [sys.executable, "-m", "trilemma", *WORDS, *LENGTH, "--out", str(run)]
    long = ["--images", "1000000"]
    with subprocess.Popen(
        [*words, *long],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        end = time.monotonic() + 120
        while not when() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signals)
        _, said = process.communicate(timeout=60)
        return process.returncode, said


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_saves_and_says_how_to_go_on(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def trains() -> bool:
        return (run / "checkpoints/32").is_dir()

    code, said = started(run, number, trains)
    assert code == status, said
    *_, last = said.splitlines()
    assert last.startswith("trilemma: stopped at ")
    assert last.endswith("run the same command again to go on")
    assert "Traceback" not in said
    images = max(int(path.name) for path in (run / "checkpoints").iterdir())
    assert last.startswith(f"trilemma: stopped at {images:,} images; saved in {run}")
    assert tiny.events(run)[-1]["images_seen"] == images
    assert tiny.left_over(run) == []
