"""Every command of docs/from-the-scripts.md is run, and every file that it names as ours is there.

A section of the page is a user's folder: its commands run in order, each with the words of `quick`
behind it, which stand in for hours and gigabytes. Nothing of a command is left out.
"""

import importlib.util
import re
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trilemma import measuring
from trilemma.cli.arguments import parse_train
from trilemma.cli.main import VERBS, main
from trilemma.data.named import read_digits

PAGE = Path(__file__).resolve().parents[1] / "docs" / "from-the-scripts.md"
COMMAND = re.compile(r"^\$ (trilemma .+)$|`(trilemma [^`]+)`", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
OUTPUTS = "ours"  # head of the column that names files of ours

# The settings of `quick`: a training of two steps, scored once before and once after them.
SHORT = (
    "--images 16 --batch-size 8 --precision reference --speed.threads 1 "
    "--watch.n 4 --watch.every 16 --watch.grid 4 --watch.extractor pixels "
    "--data.size 16x16 --family.generator.width 8"
)
BY_FAMILY = {
    "adversarial": "--family.critic.width 8",
    "diffusion": "--family.steps 2 --watch.steps 1 --family.generator.multipliers 1 2",
}
BY_VERB = {
    "compare": "--n 8 --extractor pixels",
    "data": "--quick",
    "features": "--n 8 --extractor pixels",
}
NAMED = {  # sets that would be downloaded: few images of the same kind, made here
    "mnist": "--data.source folder --data.root digits.npz",
    "cifar10": "--data.source folder --data.root colours",
}


@dataclass(frozen=True)
class Section:
    """What stands under one heading of the page."""

    title: str
    text: str

    @property
    def commands(self) -> list[str]:
        return [console or span for console, span in COMMAND.findall(self.text)]

    @property
    def files(self) -> list[str]:
        """The names in the columns of files of ours."""
        found: list[str] = []
        place = None
        for line in self.text.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not line.startswith("|"):
                place = None
            elif place is None:
                place = cells.index(OUTPUTS)
            else:
                found += SPAN.findall(cells[place])
        return found


def sections() -> list[Section]:
    """Part the page at its headings; what stands before the first one has no commands."""
    head, *rest = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert not COMMAND.search(head)
    return [Section(*part.split("\n", 1)) for part in rest]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a user's folder, with the images that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measuring, "SECONDS", 0.01)  # for timing a step
    digits, labels = read_digits(tmp_path, "test")
    np.savez(tmp_path / "digits.npz", images=digits[:80], labels=labels[:80])
    rng = np.random.default_rng(0)
    for name in ("cats", "colours/cat", "colours/dog", "dataset/face"):
        (tmp_path / name).mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02d}.png")
    threads, on_term = torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    yield tmp_path
    torch.set_num_threads(threads)
    signal.signal(signal.SIGTERM, on_term)


def quick(words: list[str]) -> list[str]:
    """Give a command what makes it take a moment; what is said last holds."""
    verb, *rest = words
    if verb != "train":
        return [*words, *BY_VERB.get(verb, "").split()]
    recipe = parse_train(rest).recipe
    return [
        *words,
        *SHORT.split(),
        *BY_FAMILY[recipe.family.kind].split(),
        *NAMED.get(recipe.data.source, "").split(),
    ]


def missing(verb: str) -> bool:
    """Is the verb announced but not written yet?"""
    return importlib.util.find_spec(f"trilemma.cli.{VERBS[verb].module}") is None


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.title)
def test_commands_run_and_leave_their_files(
    section: Section, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(re.findall(r"```json\n(.*?)```", section.text, re.DOTALL)):
        assert number == 0, "one settings file a section"
        (folder / "parameters.json").write_text(text, encoding="utf-8")
    absent = []
    for command in section.commands:
        words = shlex.split(command)[1:]
        if missing(words[0]):
            absent.append(words[0])
            continue
        status = main(quick(words))
        assert status == 0, f"{command}\n{capfd.readouterr().err}"
    lost = [name for name in section.files if not list(folder.glob(name))]
    if absent:
        pytest.skip(f"the rest ran; not written yet: {', '.join(sorted(set(absent)))}")
    assert lost == []


def test_page_is_read_whole() -> None:
    """The five kinds of project, and no command or table that the patterns do not see."""
    text = PAGE.read_text(encoding="utf-8")
    found = [command for section in sections() for command in section.commands]
    assert len(sections()) == 5
    assert len(found) == len(re.findall(r"trilemma (?=[a-z])", text))
    assert {shlex.split(command)[1] for command in found} <= VERBS.keys()
    assert all(section.files for section in sections())


def test_what_is_planned_has_no_command() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if "*planned*" in line]
    assert rows
    assert [row for row in rows if COMMAND.search(row)] == []


def test_readers_of_the_page_see() -> None:
    section = Section("x", "| there | ours |\n|---|---|\n| `a.py` | `b.png`, `c/*.png` |\n\n`d`\n")
    assert section.files == ["b.png", "c/*.png"]
    text = "$ trilemma runs\n| x | `trilemma data cats` |\n$ pip install ."
    assert Section("x", text).commands == ["trilemma runs", "trilemma data cats"]


def test_quick_keeps_every_word() -> None:
    words = ["train", "mnist-ddpm", "--data.root", "data", "--epochs", "100"]
    longer = quick(words)
    assert longer[: len(words)] == words
    recipe = parse_train(longer[1:]).recipe
    assert (recipe.train.images, recipe.data.root) == (16, "digits.npz")
