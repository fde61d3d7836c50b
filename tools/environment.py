"""Bring .venv up to date: PyTorch, this project and what it needs, by uv or by pip.

Called by `install.py`, which chooses the Python. Standard library only.
Exit status: 0 done, 3 the machine lacks something (one line says what), 130 Ctrl-C.
"""

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from install import IN_RANGE, complaint, has_uv, on_path, runs

CPU_BUILDS = "https://download.pytorch.org/whl/cpu"  # PyTorch's own address of its CPU-only builds
PROBE_SECONDS = 5
SPACE = {"cpu": 2.0, "cuda": 6.5}  # 10^9 bytes of .venv by the build of PyTorch; measured: 1.6, 6.4
KEPT_SPACE = 0.3  # 10^9 bytes for the rest, where PyTorch is there already
PAIR = "import torch, torchvision"  # torchvision does not import beside another build of torch
ROOT = Path(__file__).resolve().parent.parent


def say(line: str) -> None:
    """Tell the user what happens next, before the commands' own output."""
    print(line, flush=True)


# Which PyTorch, and is there room


def has_nvidia(path: str, driver: Path = Path("/proc/driver/nvidia")) -> bool:
    """Is there an NVIDIA GPU that its driver knows?"""
    return driver.exists() or bool(on_path("nvidia-smi", path))


def reachable(address: str = CPU_BUILDS) -> bool:
    """Does the address answer? Proxies of the environment and of the system are honoured."""
    try:
        with urlopen(address, timeout=PROBE_SECONDS):
            return True
    except (OSError, ValueError, HTTPException):
        return False


def choose_build(system: str, nvidia: bool, reach: Callable[[], bool]) -> tuple[str, str]:
    """Give the build of PyTorch to expect, and the address it comes from ("": the package index).

    The index has CUDA builds for Linux and small ones for Windows and macOS.
    """
    if not system.startswith("linux"):
        return "cpu", ""
    if not nvidia and reach():
        return "cpu", CPU_BUILDS
    return "cuda", ""


def require_build(system: str, machine: str) -> None:
    """Raise OSError where PyTorch ships nothing that is new enough."""
    if (system, machine) == ("darwin", "x86_64"):
        raise OSError(
            "PyTorch has no new builds for Intel Macs, or for an Intel Python on Apple silicon;"
            " install an arm64 Python, or use Linux, Windows or a notebook service"
        )


def require_room(folder: Path, gigabytes: float) -> None:
    """Raise OSError before anything is fetched if the folder cannot take it."""
    if not os.access(folder, os.W_OK):
        raise OSError(f"{folder} cannot be written; copy the project to a folder of yours")
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise OSError(
            f"{free:.1f} GB free in {folder}; PyTorch and the rest take {gigabytes:.1f} GB;"
            " free some space or move the project to another disk"
        )


# What is there already


def digest(project: bytes, folder: Path) -> str:
    """Name a state of pyproject.toml and of the folder: an environment does not survive a move."""
    return hashlib.sha256(project + b"\0" + str(folder).encode()).hexdigest()


def up_to_date(stamp: str, wanted: str, dev: bool) -> bool:
    """Does the stamp (digest, then dev or run) of an environment cover what is asked for?"""
    words = stamp.split()
    return words[:1] == [wanted] and (not dev or words[1:] == ["dev"])


def python_of(environment: Path) -> str:
    """Give the interpreter of an environment."""
    inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    return str(environment / inside)


# Installing, by uv or by pip


def without_find_links(environment: Mapping[str, str]) -> dict[str, str]:
    """Hide local wheels from one call: an old CPU-only torch among them breaks torchvision.

    A folder without wheels in PIP_FIND_LINKS outranks pip's configuration files too, which an
    empty value would not.
    """
    return {**environment, "PIP_FIND_LINKS": ".venv", "UV_FIND_LINKS": ""}


def only_from(environment: Mapping[str, str], address: str) -> dict[str, str]:
    """Let one call see this address alone: both packages come from one place."""
    return {**without_find_links(environment), "PIP_EXTRA_INDEX_URL": address, "UV_INDEX": ""}


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    """Run a command in the project's folder; CalledProcessError if it fails, after it said why."""
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def packages(tool: str, python: str, verb: str, *words: str) -> list[str]:
    """Spell a command of uv or pip on the packages of an environment."""
    quiet = [] if sys.stdout.isatty() else ["-q" if tool == "uv" else "-qq"]  # errors stay
    if tool == "uv":  # which leaves bytecode out unless told: half of the time that --help takes
        compiled = ["--compile-bytecode"] if verb == "install" else []
        return ["uv", "pip", verb, "--python", python, *compiled, *quiet, *words]
    sure = ["--yes"] if verb == "uninstall" else []
    return [python, "-m", "pip", verb, "--disable-pip-version-check", *sure, *quiet, *words]


def make_environment(tool: str, folder: Path) -> None:
    """Make .venv, unless there is one whose Python works."""
    python = python_of(folder)
    if runs(python, IN_RANGE):
        if tool == "pip" and not runs(python, "import pip"):
            run([python, "-m", "ensurepip"])
        return
    if folder.exists():
        if not (folder / "pyvenv.cfg").exists():
            raise OSError(f"{folder} is no Python environment; move it away and run this again")
        say("making .venv anew: it was incomplete, or its Python is gone")
        shutil.rmtree(folder)
    if tool == "uv":
        run(["uv", "venv", "--seed", "--quiet", "--python", sys.executable, str(folder)])
    else:
        run([sys.executable, "-m", "venv", str(folder)])


def requirements(project: str) -> list[str]:
    """Read the requirements torch and torchvision of a pyproject.toml."""
    listed = tomllib.loads(project)["project"]["dependencies"]
    return [text for text in listed if text.startswith(("torch>", "torchvision>"))]


def fill(tool: str, folder: Path, pair: Sequence[str], address: str, dev: bool) -> None:
    """Install PyTorch and the project, and see that torch and torchvision import together."""
    python = python_of(folder)
    make_environment(tool, folder)
    if address:
        index = "--default-index" if tool == "uv" else "--index-url"
        small = packages(tool, python, "install", index, address, *pair)
        run(small, only_from(os.environ, address))
    run(packages(tool, python, "install", "--editable", ".[dev]" if dev else "."))
    if runs(python, PAIR):
        return
    say("torch and torchvision do not import together; taking both from the package index")
    run(packages(tool, python, "uninstall", "torch", "torchvision"))
    run(packages(tool, python, "install", *pair), without_find_links(os.environ))
    reason = complaint([python, "-c", PAIR])
    if reason:
        raise OSError(f"torch and torchvision are installed but do not import: {reason}")


def fill_by_any(
    tools: Sequence[str], folder: Path, pair: Sequence[str], address: str, dev: bool
) -> None:
    """Install with the first tool that can."""
    for tool in tools:
        say(f"installing into .venv with {tool}; this takes some minutes")
        try:
            return fill(tool, folder, pair, address, dev)
        except subprocess.CalledProcessError:
            say(f"{tool} could not install; it says why above")
    raise OSError("the packages could not be installed; is there a network, or a package index?")


def install(dev: bool) -> None:
    """Bring .venv up to date; do nothing where it is."""
    folder, path = ROOT / ".venv", os.environ.get("PATH", "")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    stamp = folder / "installed.txt"
    wanted = digest(project.encode(), ROOT)
    works = runs(python_of(folder), IN_RANGE)
    if works and stamp.exists() and up_to_date(stamp.read_text(), wanted, dev):
        return
    address, room = "", KEPT_SPACE
    if not works or not runs(python_of(folder), PAIR):
        require_build(sys.platform, platform.machine())
        build, address = choose_build(sys.platform, has_nvidia(path), reachable)
        room = SPACE[build]
    require_room(ROOT, room)
    stamp.unlink(missing_ok=True)
    tools = ["uv", "pip"] if has_uv(path) else ["pip"]
    fill_by_any(tools, folder, requirements(project), address, dev)
    complaint([python_of(folder), "-m", "compileall", "-q", str(ROOT / "src")])
    stamp.write_text(f"{wanted} {'dev' if dev else 'run'}\n")


def main(arguments: Sequence[str]) -> int:
    """Install; give the exit status."""
    parser = argparse.ArgumentParser(prog="install.py", description="Install into .venv.")
    parser.add_argument("--dev", action="store_true", help="also what the tests and checks need")
    dev = parser.parse_args(arguments).dev
    try:
        install(dev)
    except OSError as error:
        print(f"install: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("install: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
