"""A training and a count as a notebook shows them, where there are no widgets."""

import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from trilemma import live


class Notebook:
    """A stand-in for IPython.display that keeps what a cell has shown; widgets there are none."""

    def __init__(self) -> None:
        self.cells: list[list[str]] = []

    def HTML(self, text: str) -> str:
        return text

    def display(self, shown: str, *, display_id: bool) -> SimpleNamespace:
        assert display_id, "without it nothing can be updated"
        self.cells.append([shown])
        return SimpleNamespace(update=self.cells[-1].append)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    made = Notebook()
    monkeypatch.setitem(sys.modules, "IPython.display", made)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    monkeypatch.setattr(live, "Console", lambda **how: Console(force_jupyter=True, **how))
    return made


def test_a_notebook_sees_a_training_without_widgets(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "NOTEBOOK_SECONDS", 0.0)
    with live.shown("tiny <gan>") as show:
        event = {"images_total": 400, "losses": {"critic": 0.25}, "scalars": {}}
        show({"event": "step", "images_seen": 8, "seconds": 1.0, **event})
        show({"event": "step", "images_seen": 208, "seconds": 3.0, **event})
    (cell,) = notebook.cells
    assert len(cell) == 4  # at once, two events, at the end
    assert "tiny &lt;gan&gt;" in cell[0] and "<gan>" not in "".join(cell)
    assert '<progress value="208" max="400"' in cell[-1]
    for said in ("208 of 400, 100 a second", "3 s gone, 2 s left", "critic 0.25"):
        assert said in cell[-1]


def test_a_notebook_counts_and_is_not_flooded(notebook: Notebook) -> None:
    with live.counted("images") as progress:
        for done in range(1, 1001):
            progress(done, 1000)
    (cell,) = notebook.cells
    assert "images: 1,000 of 1,000" in cell[-1]
    assert 3 <= len(cell) < 100
