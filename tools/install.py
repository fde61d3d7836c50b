"""Make .venv in this project and install the project into it: python3 tools/install.py [--dev].

Standard library only, and in syntax that Python 2.7 can read, so that an old Python can say so in
one line. Exit status: 0 done, 3 the machine lacks something (one line says what), 130 Ctrl-C.
"""

from __future__ import print_function

import argparse
import hashlib
import os
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 14)
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"  # PyTorch's own address of its CPU-only builds
PROBE_SECONDS = 5
SPACE = {"cpu": 2.0, "cuda": 5.5}  # 10^9 bytes that .venv takes, by the build of PyTorch
KEPT_SPACE = 0.3  # 10^9 bytes for the rest, where PyTorch is there already
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
STAMP = "trilemma-installed"

IN_RANGE = "import sys; assert %r <= sys.version_info[:2] <= %r" % (OLDEST, NEWEST)
MAKES_ENVIRONMENTS = IN_RANGE + "; import venv, ensurepip"
PAIR = "import torch, torchvision"  # torchvision does not import beside another build of torch


class Stop(Exception):
    """Say in one line what was found, what is allowed and what to do."""


class StepFailed(Exception):
    """A command of uv or pip failed; it has said why."""


def say(line):
    """Tell the user what happens next."""
    print(line)
    sys.stdout.flush()


def trouble(python, code):
    """Run code in an interpreter; give "" or the last line of its error."""
    return complaint([python, "-c", code])


def complaint(command):
    """Run a command in silence; give "" or the last line of its error."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = process.communicate()[1].decode("utf-8", "replace").strip()
    except OSError as error:
        return str(error)
    return (errors or "it failed").splitlines()[-1] if process.returncode else ""


# Which Python


def on_path(program, path):
    """List every file of that name in the folders of PATH."""
    name = program + (".exe" if os.name == "nt" else "")
    files = [os.path.join(folder, name) for folder in path.split(os.pathsep) if folder]
    return [file for file in files if os.path.isfile(file)]


def choose_python(running, version, path, has_uv):
    """Give the interpreter that makes .venv: the running one, or the newest on PATH that works.

    A name on PATH may be the shim of a version manager that has no such version: each is tried.
    uv makes environments without the modules that Debian splits off.
    """
    in_range = OLDEST <= version <= NEWEST
    need = IN_RANGE if has_uv else MAKES_ENVIRONMENTS
    if in_range and not trouble(running, need):
        return running
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    candidates = [file for minor in minors for file in on_path("python3.%d" % minor, path)]
    for candidate in candidates:
        if not trouble(candidate, need):
            return candidate
    without_venv = [running] if in_range else []
    without_venv += [candidate for candidate in candidates if not trouble(candidate, IN_RANGE)]
    if without_venv:
        raise Stop(
            "%s cannot make an environment: the module venv or ensurepip is missing; install it"
            " (on Debian and Ubuntu: apt install python3-venv) or install uv" % without_venv[0]
        )
    raise Stop(
        "Python %d.%d found; 3.11 to 3.14 is needed and none is on PATH; install one and run this"
        " again (or name it: make demo PYTHON=/path/to/python3.12)" % version
    )


# Which PyTorch, and is there room


def has_nvidia(path, driver="/proc/driver/nvidia"):
    """Is there an NVIDIA GPU that its driver knows?"""
    return os.path.exists(driver) or bool(on_path("nvidia-smi", path))


def reachable(address=CPU_BUILDS):
    """Does PyTorch's own address answer? Proxies of the environment and the system are honoured."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(address, timeout=PROBE_SECONDS):
            return True
    except (OSError, ValueError, HTTPException):
        return False


def choose_build(platform, nvidia, reach):
    """Give (build, address): the build of PyTorch to expect, and where from ("": the index).

    The package index has CUDA builds for Linux and small ones for Windows and macOS.
    """
    if not platform.startswith("linux"):
        return "cpu", ""
    if not nvidia and reach():
        return "cpu", CPU_BUILDS
    return "cuda", ""


def require_room(folder, gigabytes):
    """Stop before anything is fetched if the project's folder cannot take it."""
    if not os.access(folder, os.W_OK):
        raise Stop("%s cannot be written; copy the project to a folder of yours" % folder)
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise Stop(
            "%.1f GB free in %s, PyTorch and the rest take %.1f GB; free some space or move the"
            " project to another disk" % (free, folder, gigabytes)
        )


# What is there already


def digest(project, folder):
    """Name a state of pyproject.toml and of the folder (an environment does not survive a move)."""
    return hashlib.sha256(project + b"\0" + folder.encode("utf-8")).hexdigest()


def up_to_date(stamp, wanted, dev):
    """Does the stamp (digest, then "dev" or "run") of an environment cover what is asked for?"""
    words = stamp.split()
    return words[:1] == [wanted] and (not dev or words[1:] == ["dev"])


def read(path):
    """Read a file's bytes; none where it is missing."""
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()


def python_of(environment):
    """Give the interpreter of an environment."""
    windows = os.name == "nt"
    return os.path.join(environment, *(("Scripts", "python.exe") if windows else ("bin", "python")))


def without_find_links(environment):
    """Hide local wheels from one call: an old CPU-only torch among them breaks torchvision.

    An existing folder without wheels in PIP_FIND_LINKS outranks pip's configuration files too,
    which an empty value would not.
    """
    clean = dict(environment, PIP_FIND_LINKS=".venv")
    clean.pop("UV_FIND_LINKS", None)
    return clean


def only_from(environment, address):
    """Let one call see this index alone: both packages come from one place."""
    clean = dict(without_find_links(environment), PIP_EXTRA_INDEX_URL=address)
    for name in ("UV_EXTRA_INDEX_URL", "UV_INDEX"):
        clean.pop(name, None)
    return clean


# Installing, by uv or by pip


def run(command, environment=None):
    """Run a command in the project's folder; its messages go to the terminal."""
    try:
        status = subprocess.call(command, cwd=ROOT, env=environment)
    except OSError as error:
        say(str(error))
        status = 1
    if status:
        raise StepFailed(command[0])


def packages(tool, python, verb, *words):
    """Spell a command of uv or pip on the packages of an environment."""
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    if tool == "uv":
        compiled = ["--compile-bytecode"] if verb == "install" else []
        return ["uv", "pip", verb, "--python", python] + compiled + quiet + list(words)
    sure = ["--yes"] if verb == "uninstall" else []
    return [python, "-m", "pip", verb, "--disable-pip-version-check"] + sure + quiet + list(words)


def make_environment(tool, folder):
    """Make .venv, unless there is one that works with this tool."""
    python = python_of(folder)
    if not trouble(python, IN_RANGE + ("" if tool == "uv" else "; import pip")):
        return
    if os.path.isdir(folder) and os.listdir(folder):
        if not os.path.exists(os.path.join(folder, "pyvenv.cfg")):
            raise Stop("%s is no Python environment; move it away and run this again" % folder)
        say("making .venv anew: it was incomplete, or its Python is gone")
        shutil.rmtree(folder)
    if tool == "uv":
        run(["uv", "venv", "--seed", "--quiet", "--python", sys.executable, folder])
    else:
        run([sys.executable, "-m", "venv", folder])


def requirements(project):
    """Read the requirements torch and torchvision of a pyproject.toml (bytes)."""
    import tomllib

    listed = tomllib.loads(project.decode("utf-8"))["project"]["dependencies"]
    return [text for text in listed if text.startswith(("torch>", "torchvision>"))]


def fill(tool, folder, pair, address, dev):
    """Install PyTorch and the project, and see that torch and torchvision import together."""
    python = python_of(folder)
    make_environment(tool, folder)
    if address:
        small = packages(tool, python, "install", "--index-url", address, *pair)
        run(small, only_from(os.environ, address))
    run(packages(tool, python, "install", "--editable", ".[dev]" if dev else "."))
    if not trouble(python, PAIR):
        return
    say("torch and torchvision do not import together; taking both from the package index")
    run(packages(tool, python, "uninstall", "torch", "torchvision"))
    run(packages(tool, python, "install", *pair), without_find_links(os.environ))
    reason = trouble(python, PAIR)
    if reason:
        raise Stop("torch and torchvision are installed but do not import: %s" % reason)


def fill_by_any(tools, folder, pair, address, dev):
    """Install with the first tool that can."""
    for tool in tools:
        say("installing into .venv with %s" % tool)
        try:
            return fill(tool, folder, pair, address, dev)
        except StepFailed:
            say("%s could not install; it says why above" % tool)
    raise Stop("nothing could install the packages; is there a network, or a package index?")


def install(dev, has_uv):
    """Bring .venv up to date; do nothing where it is."""
    folder = os.path.join(ROOT, ".venv")
    project = read(os.path.join(ROOT, "pyproject.toml"))
    stamp = os.path.join(folder, STAMP)
    wanted = digest(project, ROOT)
    works = not trouble(python_of(folder), IN_RANGE)
    if works and up_to_date(read(stamp).decode("ascii", "replace"), wanted, dev):
        return
    if works and not trouble(python_of(folder), PAIR):
        address, room = "", KEPT_SPACE
    else:
        build, address = choose_build(sys.platform, has_nvidia(os.environ.get("PATH", "")), reachable)
        room = SPACE[build]
        say("PyTorch's build for this machine: %s, %.1f GB with the rest" % (build, room))
    require_room(ROOT, room)
    if os.path.exists(stamp):
        os.remove(stamp)
    tools = ["uv", "pip"] if has_uv else ["pip"]
    fill_by_any(tools, folder, requirements(project), address, dev)
    with open(stamp, "w") as file:
        file.write("%s %s\n" % (wanted, "dev" if dev else "run"))


def main(arguments):
    """Install; give the exit status."""
    parser = argparse.ArgumentParser(description="Install this project into .venv.")
    parser.add_argument("--dev", action="store_true", help="also what the tests and checks need")
    dev = parser.parse_args(arguments).dev
    try:
        path = os.environ.get("PATH", "")
        has_uv = any(not complaint([uv, "--version"]) for uv in on_path("uv", path)[:1])
        python = choose_python(sys.executable, sys.version_info[:2], path, has_uv)
        if python != sys.executable:
            return subprocess.call([python, os.path.abspath(__file__)] + arguments)
        install(dev, has_uv)
        return 0
    except (Stop, OSError) as error:
        print("install: %s" % error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("install: stopped; the same command goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
