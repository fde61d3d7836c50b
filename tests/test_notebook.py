"""examples/quickstart.ipynb runs, shows pictures, and goes on where a lost machine stopped."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs the extra dev")
nbformat = pytest.importorskip("nbformat", reason="needs the extra dev")

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "quickstart.ipynb"


@pytest.fixture
def one_core() -> Iterator[None]:
    """Give the kernel one core: processes of two threads that share two cores all but stop."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def executed(folder: Path) -> list[Any]:
    """Run the notebook in a folder with a kernel of this environment; give its code cells.

    A cell that raises ends it with CellExecutionError.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(cell: Any) -> Iterator[tuple[str, str]]:
    """Give (kind, content) of what a cell shows."""
    for output in cell.outputs:
        yield from output.get("data", {}).items()


def kinds(cells: list[Any], words: str) -> set[str]:
    """Give the kinds of what the one cell with these words shows."""
    (cell,) = [cell for cell in cells if words in cell.source]
    return {kind for kind, _ in outputs(cell)}


def events(run: Path) -> list[str]:
    log = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["event"] for line in log]


def lose_the_machine(run: Path) -> None:
    """Leave what a machine that was lost halfway leaves: no end, and no last checkpoint."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    assert json.loads(lines[-1])["event"] == "end"
    (run / "log.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    last = max((run / "checkpoints").iterdir(), key=lambda place: int(place.name))
    shutil.rmtree(last)


@pytest.mark.usefixtures("one_core")
def test_runs_shows_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    cells = executed(tmp_path)
    assert "image/png" in kinds(cells, "run.sample(")
    assert "text/html" in kinds(cells, "comparison = ")
    assert [kind for cell in cells for kind, text in outputs(cell) if "Error" in text[:200]] == []
    assert (tmp_path / "report.html").stat().st_size > 10_000
    gan, diffusion = sorted((tmp_path / "runs").glob("tiny-*"), reverse=True)[:2]
    assert events(gan).count("resume") == 0
    whole = (gan / "log.csv").read_text(encoding="utf-8")

    lose_the_machine(gan)
    assert "image/png" in kinds(executed(tmp_path), "run.sample(")
    assert events(gan).count("resume") == 1
    assert events(gan)[-1] == "end"
    assert without_seconds((gan / "log.csv").read_text("utf-8")) == without_seconds(whole)
    assert events(diffusion).count("resume") == 0, "a finished training is left alone"
    assert len(list((tmp_path / "runs").iterdir())) == 2


def without_seconds(table: str) -> list[list[str]]:
    rows = [line.split(",") for line in table.splitlines()]
    place = rows[0].index("seconds")
    return [row[:place] + row[place + 1 :] for row in rows]


def test_notebook_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
