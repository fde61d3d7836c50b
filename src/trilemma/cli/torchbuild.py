"""Which build of PyTorch a machine needs, and whether the installed one is it."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BUILDS = "https://download.pytorch.org/whl"  # PyTorch's own address of its builds
PAIR = "torch torchvision"  # always both from one place
KFD = Path("/dev/kfd")  # AMD's driver for computing, on Linux
# From RELEASE.md of PyTorch 2.9 to 2.14: CUDA 13 begins at capability 7.5; 12.6 has all from 5.0 to
# 9.0; 12.8, built until 2.11, is the one for Blackwell (10.0 and up) under a driver for CUDA 12.
OLDEST, CUDA13, BLACKWELL = (5, 0), (7, 5), (10, 0)


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """What the drivers say of the GPUs."""

    names: tuple[str, ...] = ()  # NVIDIA's
    driver: str = ""  # the newest CUDA that it knows, such as 12.4; "": not told
    capability: tuple[int, ...] = ()  # of the oldest GPU, such as (8, 6); (): not told
    amd: bool = False  # is there a driver for AMD's?


def look() -> Gpus:
    """Ask nvidia-smi, and look for AMD's driver."""
    version = re.search(r"CUDA Version:\s*([\d.]+)", ask("nvidia-smi"))
    names = ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()
    found = ask("nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader")
    return Gpus(
        names=tuple(name.strip() for name in names if name.strip()),
        driver=version[1] if version else "",
        capability=min(map(numbers, re.findall(r"^\d+\.\d+", found, re.MULTILINE)), default=()),
        amd=sys.platform.startswith("linux") and KFD.exists(),
    )


def ask(*command: str) -> str:
    """Give what a program prints; nothing where it is missing, slow or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=8, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def numbers(text: str) -> tuple[int, ...]:
    """Read 12.4 as numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def right_build(gpus: Gpus, *, system: str, machine: str) -> str:
    """Name the build for a machine: cpu, cu126, rocm6.4, ...; index: the package index's own.

    system, machine: as sys.platform and platform.machine() say. Empty: there is none.
    The package index has CUDA builds for Linux, Metal's for Macs, and CPU-only ones for Windows.
    """
    if system == "darwin":
        return "index" if machine == "arm64" else ""
    linux = system.startswith("linux")
    driver, capability = numbers(gpus.driver), gpus.capability or CUDA13
    if not gpus.names or capability < OLDEST or outdated(gpus):
        amd = gpus.amd and not gpus.names
        return "rocm6.4" if amd else "cpu" if linux else "index"
    if capability < CUDA13:
        return "cu126"
    if driver and driver < (13,):
        return "cu128" if capability >= BLACKWELL else "cu126"
    return "index" if linux else "cu130"


def outdated(gpus: Gpus) -> bool:
    """Does the driver know no CUDA that a build is made for?"""
    return bool(gpus.driver) and numbers(gpus.driver) < (12,)


def install(build: str, *, again: bool = False) -> str:
    """Write the command that installs a build; again: in place of another one."""
    if not build:
        return "none: PyTorch has no new builds for this machine; use another one"
    words = "pip install --force-reinstall" if again else "pip install"
    where = "" if build == "index" else f" --index-url {BUILDS}/{build}"
    return f"{words} {PAIR}{where}"


def verdict(
    gpus: Gpus,
    *,
    built: str,
    able: bool,
    capability: str,
    architectures: Sequence[str],
    build: str,
) -> str:
    """Say whether the installed PyTorch uses the GPU, and if not, why and what to do.

    built: its CUDA version, such as 13.0; empty: without. able: it can compute on a GPU.
    capability: of the GPU it sees, such as sm_61; empty: not NVIDIA's. architectures: that it holds
    code for. build: the right one.
    """
    cure = f"run: {install(build, again=True)}"
    if able:
        held = {name.rstrip("af") for name in architectures}
        if not architectures or any(near(capability, name) for name in held):
            return "fits: PyTorch uses the GPU"
        return (
            f"too new or too old a build: the GPU is {capability}, it has code for "
            f"{', '.join(architectures)}; {cure}"
        )
    if gpus.amd and not gpus.names:
        return f"a build without ROCm beside an AMD GPU; {cure}"
    if not gpus.names:
        return "fits: there is no GPU to use"
    first = gpus.names[0]
    if outdated(gpus):
        return f"the driver of {first} knows CUDA up to {gpus.driver} only; update the driver"
    if gpus.capability and gpus.capability < OLDEST:
        return f"{first} is older than any build of PyTorch computes on; it trains on the CPU"
    if not built:
        return f"a CPU-only build beside {first}; {cure}"
    if gpus.driver and numbers(gpus.driver) < numbers(built):
        return (
            f"the driver of {first} knows CUDA up to {gpus.driver}, the build needs {built}; "
            f"update the driver, or {cure}"
        )
    return (
        f"PyTorch for CUDA {built} does not see {first}; is it hidden (CUDA_VISIBLE_DEVICES), or "
        "not passed into the container?"
    )


def near(capability: str, name: str) -> bool:
    """Does code for one architecture run on a GPU: same generation, not newer; PTX: not newer."""
    gpu, code = re.search(r"(\d+)$", capability), re.search(r"(\d+)$", name)
    if gpu is None or code is None or int(code[1]) > int(gpu[1]):
        return False
    return name.startswith("compute") or int(code[1]) // 10 == int(gpu[1]) // 10
