"""Install this project into .venv: python3 tools/install.py [--dev].

This file chooses the Python; `environment.py` beside it does the rest. Standard library only, and in
syntax that Python 2.7 can read, so that an old Python can say so in one line.
Exit status: 0 done, 3 the machine lacks something (one line says what), 130 Ctrl-C.
"""

from __future__ import print_function

import os
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 14)
IN_RANGE = "import sys; %r <= sys.version_info[:2] <= %r or sys.exit(1)" % (OLDEST, NEWEST)
MAKES_ENVIRONMENTS = IN_RANGE + "; import venv, ensurepip"


def complaint(command):
    """Run a command in silence; give "" or the last line of its error."""
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = process.communicate()[1].decode("utf-8", "replace").strip()
    except OSError as error:
        return str(error)
    return (errors or "it failed").splitlines()[-1] if process.returncode else ""


def runs(python, code):
    """Does this interpreter run the code without an error?"""
    return not complaint([python, "-c", code])


def on_path(program, path):
    """List every file of that name in the folders of PATH."""
    name = program + (".exe" if os.name == "nt" else "")
    files = [os.path.join(folder, name) for folder in path.split(os.pathsep) if folder]
    return [file for file in files if os.path.isfile(file)]


def has_uv(path):
    """Is the first uv on PATH one that works, not the shim of a version manager?"""
    return any(not complaint([uv, "--version"]) for uv in on_path("uv", path)[:1])


def choose_python(running, version, path):
    """Give the interpreter that makes .venv: the running one, or the newest on PATH that works.

    A name on PATH may be the shim of a version manager that has no such version: each is tried.
    uv makes environments without the modules that Debian splits off. OSError: none was found.
    """
    in_range = OLDEST <= version <= NEWEST
    need = IN_RANGE if has_uv(path) else MAKES_ENVIRONMENTS
    minors = range(NEWEST[1], OLDEST[1] - 1, -1)
    candidates = [running] if in_range else []
    candidates += [file for minor in minors for file in on_path("python3.%d" % minor, path)]
    for candidate in candidates:
        if runs(candidate, need):
            return candidate
    for candidate in candidates:
        if runs(candidate, IN_RANGE):
            raise OSError(
                "%s cannot make an environment: its module venv or ensurepip is missing; install it"
                " (on Debian and Ubuntu: apt install python3-venv) or install uv" % candidate
            )
    raise OSError(
        "Python %d.%d found; 3.11 to 3.14 is needed and none is on PATH; install one, or name it:"
        " make demo PYTHON=/path/to/python3.12" % version
    )


def main(arguments):
    """Hand over to environment.py in the right Python; give the exit status."""
    here = os.path.dirname(os.path.abspath(__file__))
    try:
        path = os.environ.get("PATH", "")
        python = choose_python(sys.executable, sys.version_info[:2], path)
        return subprocess.call([python, os.path.join(here, "environment.py")] + arguments)
    except OSError as error:
        print("install: %s" % error, file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
