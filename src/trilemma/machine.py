"""Facts about the machine: for machine.json, for `doctor`, and for the number of threads."""

import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

TIMES = 8  # of a core in /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal
MEMORY, GROUPS = Path("/proc/meminfo"), Path("/sys/fs/cgroup")  # of Linux
CONTAINERS = (  # below GROUPS, versions 2 and 1: what may be held, what is, what is only cached
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
SPARE = 0.25  # of a core; with more than that idle, nobody waits for anybody
BF16_UNITS = ("amx_bf16", "avx512_bf16", "avx512bf16", "bf16")  # without: emulated, 2-10x slower


def describe() -> Mapping[str, Any]:
    """Give the facts that a measurement depends on, as plain values."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "cpu": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "bf16": has_bf16(),
        "memory_bytes": memory(),
        "load": load(),
        "gpus": gpus(),
        "mps": torch.backends.mps.is_available(),
    }


def cores() -> int:
    """Give how many cores this process may use: by its affinity and its container's quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota(Path("/sys/fs/cgroup/cpu.max"))))


def cpu_name() -> str:
    """Give the CPU's name as its maker writes it."""
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    lines = _lines(Path("/proc/cpuinfo"))
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def has_bf16() -> bool:
    """Does the CPU compute in bf16, rather than emulate it?"""
    lines = _lines(Path("/proc/cpuinfo"))
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return not set(BF16_UNITS).isdisjoint(flags.split())


def memory() -> int:
    """Give the machine's memory in bytes; 0 where it cannot be told."""
    if sys.platform == "win32":
        return _windows_memory()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


def free_memory() -> int:
    """Give how many more bytes this process may hold; 0 where it cannot be told.

    The least of what the system, its container and the process's own limit leave.
    """
    said = {words[0]: words[1] for words in map(str.split, _lines(MEMORY)) if words[1:]}
    left = [1024 * int(said["MemAvailable:"])] if "MemAvailable:" in said else []
    left += [_left_in(GROUPS / folder, *names) for folder, *names in CONTAINERS]
    left.append(_left_of_addresses())
    return min((known for known in left if known >= 0), default=memory() // 2)


def _left_in(folder: Path, limit: str, used: str, reclaimable: str) -> int:
    """Give the bytes that a container leaves; files that are only cached count as free. -1: all."""
    allowed, held = _number(folder / limit), _number(folder / used)
    if allowed is None or held is None:
        return -1
    rows = dict(row.split() for row in _lines(folder / "memory.stat") if len(row.split()) == 2)
    return max(allowed - held + int(rows.get(reclaimable, 0)), 0)


def _left_of_addresses() -> int:
    """Give the bytes that `ulimit -v` leaves; -1: there is no such limit."""
    if sys.platform == "win32":
        return -1
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = (_lines(Path("/proc/self/statm")) or ["0"])[0].split()[0]
    held = int(pages) * resource.getpagesize()
    return -1 if allowed == resource.RLIM_INFINITY else max(allowed - held, 0)


def _number(file: Path) -> int | None:
    word = (_lines(file) or [""])[0].strip()
    return int(word) if word.isdigit() else None


def load() -> float:
    """Give how many processes were computing over the last minute; nan where it is not told."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else float("nan")


class Used(NamedTuple):
    """Seconds: of the clock, of all cores while they computed, of this process on them."""

    clock: float
    cores: float  # nan elsewhere than on Linux, where it is not told
    ours: float


def used() -> Used:
    """Read the clocks, so that `crowding` can say what was used since."""
    words = next((line.split() for line in _lines(Path("/proc/stat"))), [])
    ticks = [int(word) for word in words[1 : TIMES + 1] if word.isdigit()]
    cores = math.nan
    if len(ticks) == TIMES and any(ticks):  # some containers show zeros
        user, nice, system, _, _, irq, softirq, _ = ticks
        cores = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return Used(time.perf_counter(), cores, time.process_time())


def crowding(since: Used, now: Used, *, cores: int) -> float:
    """Give how many cores other programs used while none was idle; 0 where one was, or unknown.

    cores: of the whole machine.
    """
    clock, busy, ours = (after - before for after, before in zip(now, since, strict=True))
    if math.isnan(busy) or clock <= 0 or busy / clock < cores - SPARE:
        return 0.0
    return max(0.0, busy - ours) / clock


def gpus() -> list[dict[str, Any]]:
    """List name and memory in bytes of the NVIDIA or AMD GPUs that torch can use."""
    found = []
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        found.append({"name": facts.name, "memory_bytes": facts.total_memory})
    return found


def peak_process_memory() -> int:
    """Give the most bytes this process has held at once; 0 where it cannot be told."""
    if sys.platform == "win32":
        return 0
    import resource  # not on Windows

    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held if sys.platform == "darwin" else held * 1024  # macOS counts bytes, Linux KiB


def _quota(file: Path) -> int:
    """Give the cores of a container's quota, rounded up; as many as there are without one."""
    words = (_lines(file) or ["max"])[0].split()
    everything = os.cpu_count() or 1
    if len(words) != 2 or words[0] == "max":
        return everything
    return -(-int(words[0]) // int(words[1]))


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _windows_memory() -> int:
    words = _output(
        "powershell", "-NoProfile", "-Command",
        "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory",
    )  # fmt: skip
    return int(words) if words.isdigit() else 0
