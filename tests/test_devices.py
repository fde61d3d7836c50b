"""Which device and what is fastest on it, with machines and clocks that are made up."""

import math
import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trilemma import devices, machine
from trilemma.devices import REFERENCE, Choice
from trilemma.errors import MachineError

BF16 = Choice(precision="bf16")
LAST = Choice(channels_last=True)
CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, *, gpus: int = 0, mps: bool = False) -> None:
    """Pretend that the machine has these GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_prefers_the_faster_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpus, mps, expected in ((0, False, "cpu"), (0, True, "mps"), (2, True, "cuda")):
        pretend(monkeypatch, gpus=gpus, mps=mps)
        assert str(devices.pick("auto")) == expected
        assert str(devices.pick("cpu")) == "cpu"


def test_a_device_that_is_there_is_given_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2)
    assert devices.pick("cuda:1") == torch.device("cuda", 1)


def test_each_process_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert devices.pick("cuda") == torch.device("cuda"), "one process alone"
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert devices.pick("cuda") == devices.pick("auto") == torch.device("cuda", 2)
    assert devices.pick("cuda:1") == torch.device("cuda", 1)
    assert devices.pick("cpu") == CPU


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps", "gpu", "cuda:x", "cpu:1", "cud:0", ""])
def test_a_device_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch)
    with pytest.raises(MachineError, match=r"is not on this machine; there: cpu$"):
        devices.pick(name)


def test_a_number_beyond_the_last_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, gpus=2)
    with pytest.raises(MachineError, match=r"there: cpu, cuda:0, cuda:1$"):
        devices.pick("cuda:2")


class Clock:
    """A clock that steps move; it gives what `measure` needs to know."""

    def __init__(self, cost: dict[Choice, float], loss: dict[Choice, float]) -> None:
        self.now = 0.0
        self.cost, self.loss = cost, loss
        self.order: list[Choice] = []
        self.hiccup = 20.0  # of the sixth step: another program got in between

    def step(self, choice: Choice) -> Callable[[], float]:
        def one() -> float:
            slow = 10.0 if choice not in self.order else 1.0  # the first step warms up
            hiccup = self.hiccup if len(self.order) == 5 else 1.0
            self.now += self.cost[choice] * slow * hiccup
            self.order.append(choice)
            return self.loss[choice]

        return one


def test_measure_keeps_the_fastest_by_the_median_and_takes_turns() -> None:
    clock = Clock({REFERENCE: 0.3, LAST: 0.2, BF16: 0.1}, {REFERENCE: 0.7, LAST: 0.7, BF16: 0.71})
    found = devices.measure(
        clock.step, [REFERENCE, LAST, BF16], seconds=14.0, clock=lambda: clock.now
    )
    assert found.choice == BF16
    assert [timing.choice for timing in found.timings] == [REFERENCE, LAST, BF16]
    assert math.isclose(found.timings[0].seconds, 0.3)
    assert math.isclose(found.timings[2].seconds, 0.1, rel_tol=1e-6)
    rounds = [clock.order[i : i + 3] for i in range(0, len(clock.order), 3)]
    assert len(rounds) >= 4
    assert all(one == [REFERENCE, LAST, BF16] for one in rounds)


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.9, 0.5])
def test_a_choice_whose_loss_is_another_is_not_kept(loss: float) -> None:
    clock = Clock({REFERENCE: 0.3, BF16: 0.1}, {REFERENCE: 0.7, BF16: loss})
    found = devices.measure(clock.step, [BF16, REFERENCE], seconds=2.0, clock=lambda: clock.now)
    assert found.choice == REFERENCE
    assert [timing.sound for timing in found.timings] == [False, True]


def test_no_sound_choice_is_an_error() -> None:
    clock = Clock({REFERENCE: 0.3}, {REFERENCE: math.nan})
    with pytest.raises(MachineError, match="reference"):
        devices.measure(clock.step, [REFERENCE], clock=lambda: clock.now)


@pytest.mark.parametrize(("seconds", "steps"), [(0.0, 2), (4.9, 2), (5.1, 3), (6.1, 6), (6.8, 9)])
def test_measuring_ends_with_its_seconds(seconds: float, steps: int) -> None:
    """First steps take 3, 2 and 1 s, the others a tenth: two are taken whatever the time."""
    clock = Clock({REFERENCE: 0.3, LAST: 0.2, BF16: 0.1}, {REFERENCE: 0.7, LAST: 0.7, BF16: 0.71})
    clock.hiccup = 1.0
    found = devices.measure(
        clock.step, [REFERENCE, LAST, BF16], seconds=seconds, clock=lambda: clock.now
    )
    assert len(clock.order) == steps
    assert found.choice == (LAST if steps == 2 else BF16)
    assert math.isclose(found.timings[0].seconds, 0.3 if steps > 3 else 3.0, rel_tol=1e-6)


def test_one_choice_alone_takes_three_steps() -> None:
    clock = Clock({LAST: 0.1}, {LAST: 2.0})
    assert devices.measure(clock.step, [LAST], seconds=99.0, clock=lambda: clock.now).choice == LAST
    assert len(clock.order) == 1 + 3


def test_candidates_follow_the_recipe_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.candidates(CPU, "reference") == (REFERENCE,)
    assert {choice.precision for choice in devices.candidates(CPU, "bf16")} == {"bf16"}
    assert set(devices.candidates(CPU, "float32")) == {REFERENCE, LAST}
    monkeypatch.setattr(machine, "has_bf16", lambda: False)
    assert set(devices.candidates(CPU)) == {REFERENCE, LAST}
    monkeypatch.setattr(machine, "has_bf16", lambda: True)
    assert len(devices.candidates(CPU)) == 4
    assert devices.candidates(torch.device("mps")) == (REFERENCE,)


def test_autocast_and_layout() -> None:
    net = torch.nn.Linear(3, 2)
    for choice, expected in ((REFERENCE, torch.float32), (BF16, torch.bfloat16)):
        with devices.autocast(choice, CPU):
            assert net(torch.ones(1, 3)).dtype == expected
    assert (REFERENCE.memory_format, LAST.memory_format) == (
        torch.contiguous_format,
        torch.channels_last,
    )


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        assert devices.use_threads(1) == torch.get_num_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        assert devices.use_threads(0) == machine.cores()
        monkeypatch.setenv("OMP_NUM_THREADS", "1")  # whoever shares the machine has said so
        assert devices.use_threads(0) == 1
    finally:
        torch.set_num_threads(before)


def test_peak_memory_grows_by_what_is_held() -> None:
    if platform.system() == "Windows":
        pytest.skip("the peak is not told there")
    before = devices.peak_memory(CPU)
    held = bytearray(before + 50_000_000)  # more than ever before
    held[::4096] = b"x" * len(held[::4096])
    assert devices.peak_memory(CPU) >= before + 50_000_000


def test_the_facts_are_plain_and_within_reason() -> None:
    facts = machine.describe()
    assert facts["torch"] == torch.__version__
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)
    assert facts["cpu"]
    assert facts["memory_bytes"] == 0 or 2**28 < facts["memory_bytes"] < 2**50


@pytest.mark.parametrize(
    ("text", "cores"),
    [("150000 100000", 2), ("200000 100000", 2), ("50000 100000", 1), ("max 100000", 64), ("", 64)],
)
def test_a_container_s_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, cores: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (tmp_path / "cpu.max").write_text(text)
    assert machine._quota(tmp_path / "cpu.max") == cores
    assert machine._quota(tmp_path / "none") == 64


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16", True),
        ("Features\t: fp asimd bf16", True),
        ("flags : fpu avx512f", False),
        ("", False),
    ],
)
def test_bf16_is_read_from_the_processor(
    monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
) -> None:
    monkeypatch.setattr(machine, "_lines", lambda file: ["model name : Fast CPU", flags])
    assert machine.has_bf16() is expected
    if platform.system() == "Linux":
        assert machine.cpu_name() == "Fast CPU"
