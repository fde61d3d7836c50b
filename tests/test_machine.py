"""What the machine says of itself: how much of it other programs take."""

import math
import sys
import time
from pathlib import Path

import pytest

from trilemma import machine
from trilemma.machine import Used, crowding

START = Used(clock=100.0, cores=1000.0, ours=50.0)


@pytest.mark.parametrize(
    ("busy", "ours", "cores", "expected"),
    [
        (20.0, 20.0, 2, 0.0),  # all of it ours
        (20.0, 10.0, 2, 1.0),  # half of two cores, for ten seconds
        (19.0, 10.0, 2, 0.9),  # a tenth of a core idle: still in each other's way
        (15.0, 10.0, 2, 0.0),  # half a core idle
        (20.0, 10.0, 64, 0.0),  # others compute, but not where we do
        (20.0, 21.0, 2, 0.0),  # clocks of two kinds: never less than none
        (math.nan, 10.0, 2, 0.0),
    ],
)
def test_others_count_where_no_core_is_idle(
    busy: float, ours: float, cores: int, expected: float
) -> None:
    now = Used(START.clock + 10, START.cores + busy, START.ours + ours)
    assert crowding(START, now, cores=cores) == pytest.approx(expected)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/stat is Linux's")
def test_what_is_used_is_read_from_the_kernel() -> None:
    before = machine.used()
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    after = machine.used()
    assert after.ours - before.ours >= 0.2
    assert after.cores - before.cores >= 0.1  # in hundredths of a second, of all programs
    assert after.clock - before.clock >= 0.2


@pytest.mark.parametrize("version", [2, 1])
def test_free_memory_of_a_container(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limit, less what is held but for cached files; never more than the machine has."""
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:   5000 kB\n")
    folder, *names = machine.CONTAINERS[2 - version]
    (tmp_path / folder).mkdir(exist_ok=True)
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_left_of_addresses", lambda: -1)
    assert machine.free_memory() == 5000 * 1024
    for name, said in zip(names, ("max", "700000", "x"), strict=True):
        (tmp_path / folder / name).write_text(said + "\n")
    assert machine.free_memory() == 5000 * 1024
    (tmp_path / folder / names[0]).write_text("1000000\n")
    (tmp_path / folder / "memory.stat").write_text(f"anon 5\n{names[2]} 200000\n")
    assert machine.free_memory() == 500_000
    monkeypatch.setattr(machine, "_left_of_addresses", lambda: 1234)
    assert machine.free_memory() == 1234
