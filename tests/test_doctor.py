"""The right build of PyTorch, by a table of machines; the verdict on the installed one."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from trilemma.cli import torchbuild
from trilemma.cli.torchbuild import Gpus, install, right_build, verdict

TOY = ("NVIDIA Toy",)
WHL = "--index-url https://download.pytorch.org/whl"
# By the matrices in RELEASE.md of PyTorch 2.9 to 2.14, and what its package index holds.
MACHINES = {  # (system, machine, names, driver, capability, amd) -> the rest of the command
    ("linux", "x86_64", (), "", (), False): f" {WHL}/cpu",
    ("linux", "aarch64", (), "", (), False): f" {WHL}/cpu",
    ("win32", "AMD64", (), "", (), False): "",
    ("darwin", "arm64", (), "", (), False): "",
    ("linux", "x86_64", TOY, "13.0", (9, 0), False): "",
    ("linux", "x86_64", TOY, "13.2", (12, 0), False): "",
    ("linux", "x86_64", TOY, "", (), False): "",
    ("win32", "AMD64", TOY, "13.0", (8, 6), False): f" {WHL}/cu130",
    ("win32", "AMD64", TOY, "", (), False): f" {WHL}/cu130",
    ("linux", "x86_64", TOY, "13.0", (6, 1), False): f" {WHL}/cu126",  # Pascal
    ("linux", "x86_64", TOY, "13.0", (7, 0), False): f" {WHL}/cu126",  # Volta
    ("linux", "x86_64", TOY, "13.0", (7, 5), False): "",  # Turing
    ("linux", "x86_64", TOY, "12.4", (8, 0), False): f" {WHL}/cu126",
    ("linux", "x86_64", TOY, "12.10", (9, 0), False): f" {WHL}/cu126",
    ("win32", "AMD64", TOY, "12.8", (12, 0), False): f" {WHL}/cu128",  # Blackwell
    ("linux", "x86_64", TOY, "11.8", (8, 0), False): f" {WHL}/cpu",
    ("linux", "x86_64", TOY, "12.2", (3, 7), False): f" {WHL}/cpu",  # Kepler
    ("linux", "x86_64", (), "", (), True): f" {WHL}/rocm6.4",
    ("linux", "x86_64", TOY, "13.0", (8, 9), True): "",
}


@pytest.mark.parametrize("case", MACHINES)
def test_the_command_for_a_machine(case: tuple[Any, ...]) -> None:
    system, machine, names, driver, capability, amd = case
    gpus = Gpus(names=names, driver=driver, capability=capability, amd=amd)
    build = right_build(gpus, system=system, machine=machine)
    assert install(build) == f"pip install torch torchvision{MACHINES[case]}"
    assert install(build, again=True).startswith("pip install --force-reinstall torch torchvision")


def test_a_machine_without_a_build() -> None:
    build = right_build(Gpus(), system="darwin", machine="x86_64")
    assert "no new builds" in install(build)


VERDICTS = {  # (built, able, names, driver, capability, architectures) -> what the verdict says
    ("", False, (), "", "", ()): "there is no GPU",
    ("13.0", False, (), "", "", ()): "there is no GPU",
    ("", False, TOY, "12.4", "", ()): f"CPU-only build beside NVIDIA Toy; run: .*{WHL}/cu126",
    ("", False, TOY, "13.0", "", ()): "NVIDIA Toy; run: pip .* torch torchvision$",
    ("13.0", False, TOY, "12.4", "", ()): f"up to 12.4, the build needs 13.0; .*{WHL}/cu126",
    ("13.0", False, TOY, "11.8", "", ()): "up to 11.8 only; update the driver$",
    ("12.8", False, TOY, "13.0", "", ()): "does not see NVIDIA Toy",
    ("12.8", True, TOY, "12.10", "sm_90", ("sm_80", "sm_90a")): "fits: PyTorch uses",
    ("13.0", True, TOY, "13.0", "sm_61", ("sm_75", "sm_90")): f"GPU is sm_61, .*{WHL}/cu126",
    ("12.1", True, TOY, "13.0", "sm_120", ("sm_80", "sm_90")): "GPU is sm_120, .*torchvision$",
    ("12.1", True, TOY, "13.0", "sm_120", ("sm_80", "compute_90")): "fits: PyTorch uses",
    ("12.8", True, TOY, "13.0", "sm_86", ("sm_80", "sm_90")): "fits: PyTorch uses",
    ("12.9", False, TOY, "12.10", "", ()): "does not see",  # 12.10 is newer than 12.9
    ("", True, (), "", "", ()): "fits: PyTorch uses",  # a Mac
}


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_on_a_build(case: tuple[Any, ...]) -> None:
    built, able, names, driver, capability, architectures = case
    digits = re.search(r"(\d+)(\d)$", capability)
    seen = (int(digits[1]), int(digits[2])) if digits else ()
    gpus = Gpus(names=names, driver=driver, capability=seen)
    said = verdict(
        gpus,
        built=built,
        able=able,
        capability=capability,
        architectures=architectures,
        build=right_build(gpus, system="linux", machine="x86_64"),
    )
    assert re.search(VERDICTS[case], said)


def test_other_gpus() -> None:
    """AMD's without ROCm; one that is older than any build."""
    more = {"built": "", "able": False, "capability": "", "architectures": ()}
    assert f"{WHL}/rocm6.4" in verdict(Gpus(amd=True), **more, build="rocm6.4")  # type: ignore[arg-type]
    old = Gpus(names=TOY, driver="12.2", capability=(3, 7))
    assert "trains on the CPU" in verdict(old, **more, build="cpu")  # type: ignore[arg-type]


ANSWERS = {  # as nvidia-smi writes, on a machine with two GPUs
    (): "| NVIDIA-SMI 570.86    Driver Version: 570.86    CUDA Version: 12.8     |\n",
    ("--query-gpu=name", "--format=csv,noheader"): "NVIDIA H100\nTesla V100\n",
    ("--query-gpu=compute_cap", "--format=csv,noheader"): "9.0\n7.0\n",
}


def test_what_nvidia_smi_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, ANSWERS[command[1:]], "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(torchbuild, "KFD", tmp_path / "none")
    names = ("NVIDIA H100", "Tesla V100")
    assert torchbuild.look() == Gpus(names=names, driver="12.8", capability=(7, 0))


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("x", 8)])
def test_no_nvidia_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception) -> None:
    def run(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(torchbuild, "KFD", tmp_path / "none")
    assert torchbuild.look() == Gpus()
