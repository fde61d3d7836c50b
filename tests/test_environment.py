"""What tools/environment.py would install, and when it stops: commands are noted, none is run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import environment  # noqa: E402

# Which PyTorch, and is there room


@pytest.mark.parametrize(
    ("platform", "nvidia", "reached", "expected"),
    [
        ("linux", False, True, ("cpu", environment.CPU_BUILDS)),
        ("linux", False, False, ("cuda", "")),
        ("linux", True, True, ("cuda", "")),
        ("darwin", False, True, ("cpu", "")),
        ("win32", False, True, ("cpu", "")),
        ("win32", True, True, ("cpu", "")),
    ],
)
def test_build(platform: str, nvidia: bool, reached: bool, expected: tuple[str, str]) -> None:
    assert environment.choose_build(platform, nvidia, lambda: reached) == expected


def test_intel_macs_are_told() -> None:
    environment.require_build("darwin", "arm64")
    environment.require_build("linux", "x86_64")
    with pytest.raises(OSError, match="Intel Macs"):
        environment.require_build("darwin", "x86_64")


def test_nothing_is_asked_where_the_answer_does_not_matter() -> None:
    def reach() -> bool:
        raise AssertionError("asked")

    environment.choose_build("linux", True, reach)
    environment.choose_build("darwin", False, reach)


def test_nvidia_is_seen_by_its_driver_or_its_program(tmp_path: Path) -> None:
    assert not environment.has_nvidia(str(tmp_path), tmp_path / "driver")
    assert environment.has_nvidia("", tmp_path)
    (tmp_path / f"nvidia-smi{'.exe' if os.name == 'nt' else ''}").touch()
    assert environment.has_nvidia(str(tmp_path), tmp_path / "driver")


def test_address_that_does_not_answer_is_no_error() -> None:
    assert not environment.reachable("http://127.0.0.1:9/")  # the discard port: refused at once
    assert not environment.reachable("no address")


def test_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda _: SimpleNamespace(free=5.4e9))
    environment.require_room(tmp_path, environment.SPACE["cpu"])
    with pytest.raises(OSError, match=r"^5\.4 GB free in .*; PyTorch and the rest take 6\.5 GB"):
        environment.require_room(tmp_path, environment.SPACE["cuda"])
    monkeypatch.setattr(environment.os, "access", lambda *_: False)
    with pytest.raises(OSError, match="cannot be written"):
        environment.require_room(tmp_path, 0)


# What is there already


def test_stamp() -> None:
    wanted = environment.digest(b"[project]", Path("here"))
    assert environment.up_to_date(f"{wanted} run\n", wanted, dev=False)
    assert environment.up_to_date(f"{wanted} dev\n", wanted, dev=False)
    assert environment.up_to_date(f"{wanted} dev\n", wanted, dev=True)
    assert not environment.up_to_date(f"{wanted} run\n", wanted, dev=True)
    assert not environment.up_to_date("", wanted, dev=False)
    for changed in (
        environment.digest(b"[project] ", Path("here")),
        environment.digest(b"[project]", Path("there")),
    ):
        assert not environment.up_to_date(f"{wanted} dev\n", changed, dev=False)


def test_requirements_are_the_two() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    names = [text.partition(">")[0] for text in environment.requirements(project)]
    assert names == ["torch", "torchvision"]


# What is run: every command is noted, none is carried out


class Machine:
    """A machine on which commands are noted; some fail, some interpreters lack something."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.commands: list[list[str]] = []
        self.environments: list[dict[str, str] | None] = []
        self.fails: Callable[[list[str]], bool] = lambda command: False
        self.works: Callable[[str], bool] = lambda code: True
        monkeypatch.setattr(environment, "ROOT", folder)
        monkeypatch.setattr(environment, "run", self.run)
        monkeypatch.setattr(environment, "runs", lambda python, code: self.works(code))
        monkeypatch.setattr(
            environment, "complaint", lambda c: "" if self.works(c[2]) else "broken"
        )
        monkeypatch.setattr(environment, "reachable", lambda: False)
        monkeypatch.setattr(environment, "has_nvidia", lambda path: False)
        monkeypatch.setattr(environment, "has_uv", lambda path: False)
        monkeypatch.setattr(environment, "require_room", lambda *_: None)
        monkeypatch.setattr(environment, "require_build", lambda *_: None)
        (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
        (folder / ".venv").mkdir()
        (folder / ".venv" / "pyvenv.cfg").touch()

    def run(self, command: list[str], variables: dict[str, str] | None = None) -> None:
        self.commands.append(command)
        self.environments.append(variables)
        if self.fails(command):
            raise subprocess.CalledProcessError(1, command)
        if "venv" in command:
            Path(command[-1]).mkdir(exist_ok=True)

    def verbs(self) -> list[str]:
        """Sum up the commands: what was done to which packages."""
        known = ("venv", "ensurepip", "install", "uninstall", "torch", "torch>=2.9", ".", ".[dev]")
        return [" ".join(word for word in command if word in known) for command in self.commands]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_second_call_does_nothing(machine: Machine) -> None:
    environment.install(dev=True)
    assert machine.verbs() == ["install .[dev]"]
    environment.install(dev=True)
    environment.install(dev=False)
    assert machine.verbs() == ["install .[dev]"]


def test_dev_after_run_installs_the_rest(machine: Machine) -> None:
    environment.install(dev=False)
    environment.install(dev=True)
    assert machine.verbs() == ["install .", "install .[dev]"]


def test_interrupted_install_is_not_taken_for_whole(machine: Machine) -> None:
    environment.install(dev=False)
    machine.fails = lambda command: "install" in command
    with pytest.raises(OSError, match="could not be installed"):
        environment.install(dev=True)
    machine.fails = lambda command: False
    environment.install(dev=False)
    assert machine.verbs() == ["install .", "install .[dev]", "install ."]


def test_old_wheel_beside_torchvision_is_replaced(machine: Machine) -> None:
    machine.works = lambda code: code != environment.PAIR or len(machine.commands) >= 4
    with pytest.raises(OSError, match="do not import: broken"):
        environment.install(dev=False)
    assert machine.verbs() == ["install .", "uninstall torch", "install torch>=2.9"]
    machine.works = lambda code: environment.PAIR not in code or len(machine.commands) >= 6
    environment.install(dev=False)
    assert machine.verbs()[3:] == ["install .", "uninstall torch", "install torch>=2.9"]
    last = machine.environments[-1]
    assert last is not None
    assert last["PIP_FIND_LINKS"] == ".venv"
    assert last.keys() >= os.environ.keys()


def test_cpu_builds_come_first_and_from_one_place(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "choose_build", lambda *_: ("cpu", environment.CPU_BUILDS))
    machine.works = lambda code: environment.PAIR not in code or bool(machine.commands)
    environment.install(dev=False)
    assert machine.verbs() == ["install torch>=2.9", "install ."]
    first = machine.commands[0]
    assert first[first.index("--index-url") + 1] == environment.CPU_BUILDS
    assert machine.environments[0] is not None
    assert machine.environments[0]["PIP_EXTRA_INDEX_URL"] == environment.CPU_BUILDS


def test_torch_that_works_is_left_alone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "reachable", lambda: True)
    environment.install(dev=False)
    assert machine.verbs() == ["install ."]


def test_pip_follows_where_uv_fails(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "has_uv", lambda path: True)
    machine.fails = lambda command: command[0] == "uv"
    environment.install(dev=True)
    assert [command[0] == "uv" for command in machine.commands] == [True, False]
    assert machine.verbs() == ["install .[dev]", "install .[dev]"]


def test_broken_environment_is_made_anew(machine: Machine, tmp_path: Path) -> None:
    machine.works = lambda code: bool(machine.commands)
    environment.install(dev=False)
    assert machine.verbs() == ["venv", "install ."]
    assert not (tmp_path / ".venv" / "pyvenv.cfg").exists()


def test_environment_without_pip_gets_it(machine: Machine) -> None:
    machine.works = lambda code: code != "import pip"
    environment.install(dev=False)
    assert machine.verbs() == ["ensurepip", "install ."]


def test_folder_that_is_no_environment_is_not_removed(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / ".venv" / "pyvenv.cfg").rename(tmp_path / ".venv" / "diary.txt")
    machine.works = lambda code: False
    with pytest.raises(OSError, match="is no Python environment; move it away"):
        environment.install(dev=False)
    assert (tmp_path / ".venv" / "diary.txt").exists()


def test_environment_main_says_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(dev: bool) -> None:
        raise OSError("no space" if dev else "no network")

    monkeypatch.setattr(environment, "install", full)
    assert environment.main(["--dev"]) == 3
    assert capsys.readouterr().err == "install: no space\n"
