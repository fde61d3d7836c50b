"""The command in a process of its own: quick, without torch, and polite to signals and pipes."""

import os
import signal
import subprocess
import sys
import time

import pytest


def fresh(*words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m trilemma WORDS`, or code, in a fresh interpreter."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "trilemma", *words])]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_help_is_quick() -> None:
    """Under 0.3 s, the best of five: other processes may hold up any one of them."""
    fresh("--help")  # writes the bytecode
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        assert fresh("--help").returncode == 0
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < 0.3


@pytest.mark.parametrize("words", [["--help"], ["train", "mnist-ddpm", "--help"], ["tran"]])
def test_no_torch_before_there_is_work(words: list[str]) -> None:
    code = (
        f"import sys; from trilemma.cli.main import main; status = main({words!r});"
        "print('torch' in sys.modules, status)"
    )
    last = fresh(code=code).stdout.splitlines()[-1]
    assert last == f"False {2 if words == ['tran'] else 0}"


@pytest.mark.parametrize("words", [["tran"], ["train", "mnist-dcgn"], ["sample", "--n", "x"]])
def test_of_several_processes_the_first_alone_says_what_was_typed_wrong(words: list[str]) -> None:
    command, found = [sys.executable, "-m", "trilemma", *words], []
    for rank in range(2):
        env = {**os.environ, "WORLD_SIZE": "2", "RANK": str(rank)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
        assert done.returncode == 2
        found.append(done.stderr.splitlines())
    assert (len(found[0]), found[1]) == (1, [])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")
def test_sigterm_ends_with_143() -> None:
    code = (
        "import sys, time, types, dataclasses\n"
        "from trilemma.cli import main as cli\n"
        "Arguments = dataclasses.make_dataclass('Arguments', [], frozen=True)\n"
        "module = types.ModuleType('probe')\n"
        "module.Arguments = Arguments\n"
        "def run(arguments):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "module.run = run\n"
        "sys.modules['trilemma.cli.probe'] = module\n"
        "cli.VERBS = {'probe': cli.Verb('probe', '')}\n"
        "sys.exit(cli.main(['probe']))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 143


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell's pipe")
def test_a_reader_that_stops_early_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        child = subprocess.run(
            [sys.executable, "-m", "trilemma", "--help"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (child.returncode, child.stderr) == (0, "")


def test_a_name_the_terminal_cannot_show_is_escaped() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "trilemma", "train", "猫"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert child.returncode == 2
    assert rb"unknown preset '\u732b'" in child.stderr
