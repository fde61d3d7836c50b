"""Memory that runs out while a run is trained, or resumed: one line, and nothing lost."""

from pathlib import Path

import pytest
import torch

import tiny
from trilemma.checkpoint import checkpoints
from trilemma.cli.main import main
from trilemma.data.batches import Batch, Batches
from trilemma.recipe import files
from trilemma.runfolder import RunFolder
from trilemma.sampling import load_generator

ENDS = "run the same command again, or train anew with a smaller --batch-size and another --out DIR"


def short_of_memory(patch: pytest.MonkeyPatch, first: int) -> None:
    """Let torch itself be asked for more than there is, from the batch of that clock on."""
    at = Batches.at

    def greedy(batches: Batches, images_seen: int, rows: slice = slice(None)) -> Batch:
        if images_seen >= first:
            torch.empty(2**50, dtype=torch.uint8)
        return at(batches, images_seen, rows)

    patch.setattr(Batches, "at", greedy)


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    *_, last = capsys.readouterr().err.splitlines()
    return last


def kept(run: Path) -> list[str]:
    """Name the checkpoints, after drawing from the last."""
    load_generator(f"{run}@last", device=torch.device("cpu"))
    assert not tiny.left_over(run)
    return [place.name for place in checkpoints(RunFolder(run))]


def test_in_the_middle_and_on_resume_the_last_checkpoint_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With memory again the same command ends with the bits of a run that never lacked it."""
    data = tiny.digits(tmp_path / "digits.npz")
    files.write(tmp_path / "mine.toml", tiny.recipe(data, checkpoint_images=16))
    words = ["train", "--config", str(tmp_path / "mine.toml"), "--out"]
    run, whole = tmp_path / "run", tmp_path / "whole"
    until = ["0", "16", "32", "48"]
    for first, reached in ((40, until[:3]), (32, until[:3]), (48, until)):
        with monkeypatch.context() as patch:
            short_of_memory(patch, first)
            assert main([*words, str(run)]) == 3
        last = line_of(capsys)
        assert last.startswith("trilemma: the memory ran out; the last checkpoint")
        assert last.endswith(ENDS)
        assert kept(run) == reached
    assert main([*words, str(run)]) == 0
    assert main([*words, str(whole)]) == 0
    for name in ("nets", "average", "optimizer"):
        place = f"checkpoints/64/{name}.safetensors"
        assert (run / place).read_bytes() == (whole / place).read_bytes()
