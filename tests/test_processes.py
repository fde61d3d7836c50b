"""One process changes nothing; two gloo processes together compute what one would."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trilemma import processes
from trilemma.errors import MachineError


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 100])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_are_consecutive_whole_and_even(n: int, parts: int) -> None:
    cuts = [processes.part_of(n, index, parts) for index in range(parts)]
    assert [i for cut in cuts for i in range(n)[cut]] == list(range(n))
    counts = [len(range(n)[cut]) for cut in cuts]
    assert max(counts) - min(counts) <= 1


def test_one_process_is_the_identity() -> None:
    processes.start()
    assert (processes.rank(), processes.local_rank(), processes.count()) == (0, 0, 1)
    assert processes.my_slice(7) == slice(0, 7)
    values = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    processes.sum_over_processes([values])
    assert values.tolist() == [[1.0, 2.0], [3.0, 5.0]]
    assert processes.mean(values).tolist() == [2.0, 3.5]
    assert processes.total(values) is values
    assert processes.share("x") == "x"
    assert [processes.anywhere(flag) for flag in (True, False)] == [True, False]
    processes.barrier()
    processes.end()


def test_processes_that_do_not_meet_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MachineError, match=r"2 processes were announced"):
        processes.start()


WORKER = """
import json, sys, time, weakref
import torch
from trilemma import processes
from trilemma.errors import RunError

processes.start()
x = torch.arange(1.0, 6.0, dtype=torch.float64)  # five images: three here, two there
mine = x[processes.my_slice(5)].clone().requires_grad_()
centred = mine - processes.mean(mine)
loss = (centred**3 * torch.exp(processes.mean(mine**2) / 9)).sum()
(gradient,) = torch.autograd.grad(loss, mine, create_graph=True)
(second,) = torch.autograd.grad((gradient**2).sum(), mine)
a, b = torch.full((2, 2), processes.rank() + 1.0), torch.tensor(processes.rank() + 5)
c = torch.zeros(2, 3).t()  # not contiguous
c += processes.rank() * torch.arange(6).view(3, 2)
processes.sum_over_processes([a, b, c])
shared = processes.share(f"from {processes.rank()}")
stop = [processes.anywhere(processes.rank() == 1), processes.anywhere(False)]
processes.barrier()
out = {"rank": processes.rank(), "count": processes.count(), "gradient": gradient.tolist(),
       "second": second.tolist(), "a": a.tolist(), "b": b.tolist(), "c": c.tolist(),
       "shared": shared, "stop": stop}
ran = []
out["first"] = processes.first_one(lambda: ran.append(time.time()) or len(ran))
out["ran"] = ran[0]
def mistake():
    ran.append(0)
    raise RunError("no such thing")
try:
    processes.first_one(mistake)
except RunError as error:
    out["error"] = [str(error), error.everywhere, len(ran)]
with open(f"{sys.argv[1]}/{processes.rank()}.json", "w") as file:
    json.dump(out, file)
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])  # imports what once held on to the group
group = weakref.ref(torch.distributed.group.WORLD)
processes.end()
assert processes.count() == 1
assert group() is None, "its threads would go on, and may abort the process at its end"
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_two(folder: Path) -> list[dict[str, object]]:
    """Start two processes with the environment that torchrun gives them."""
    script = folder / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    base = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    children = []
    for rank in range(2):
        env = {**base, "WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
        command = [sys.executable, str(script), str(folder)]
        children.append(subprocess.Popen(command, env={**env, "OMP_NUM_THREADS": "1"}))
    assert [child.wait(timeout=120) for child in children] == [0, 0]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """First and second derivative through a batch mean, with an uneven batch, against autograd."""
    first, second = run_two(tmp_path)
    x = torch.arange(1.0, 6.0, dtype=torch.float64, requires_grad=True)
    loss = ((x - x.mean()) ** 3 * torch.exp((x**2).mean() / 9)).sum()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    (twice,) = torch.autograd.grad((gradient**2).sum(), x)
    for name, expected in (("gradient", gradient), ("second", twice)):
        found = torch.tensor([*first[name], *second[name]], dtype=torch.float64)  # type: ignore[misc]
        torch.testing.assert_close(found, expected.detach(), rtol=1e-12, atol=1e-12)
    for out in (first, second):
        assert out["count"] == 2
        assert out["a"] == [[3.0, 3.0], [3.0, 3.0]]
        assert out["b"] == 11
        assert out["c"] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
        assert out["shared"] == "from 0"
        assert out["stop"] == [True, False]
    assert (first["rank"], second["rank"]) == (0, 1)


def test_the_first_process_works_first_and_its_mistake_is_everyone_s(tmp_path: Path) -> None:
    """The second does nothing after a mistake of the first: it would make the same."""
    first, second = run_two(tmp_path)
    assert first["first"] == second["first"] == 1
    assert first["error"] == ["no such thing", True, 2]
    assert second["error"] == ["no such thing", True, 1]
    assert first["ran"] < second["ran"]  # type: ignore[operator]
