"""Pixels that fit into memory, that do not, and that do not fit onto the disk."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trilemma.data.batches import Batches
from trilemma.data.sources import open_source
from trilemma.data.values import SomeRows
from trilemma.errors import NoSpaceError
from trilemma.recipe.recipe import DataRecipe

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 6, 4, 3), np.uint8)


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_a_split_of_a_large_array_is_not_copied(tmp_path: Path, ending: str) -> None:
    """Above data.memory rows are taken when they are asked for, and they are the same rows."""
    root = tmp_path / f"x.{ending}"
    (np.save if ending == "npy" else np.savez)(root, PIXELS)
    data = DataRecipe(root=str(root), size="4x6", channels=3, held_out=0.3)
    small = open_source(data, "train")
    large = open_source(DataRecipe(**{**vars(data), "memory": 1e-6}), "train")
    assert isinstance(small.pixels, np.ndarray)
    assert isinstance(large.pixels, SomeRows)
    assert large.pixels.shape == (35, 6, 4, 3)
    rows = [int(name) for name in large.names]
    assert (large.pixels[:] == PIXELS[rows]).all()
    assert (large.pixels[np.array([7, 2])] == PIXELS[[rows[7], rows[2]]]).all()
    assert large.fingerprint == small.fingerprint
    assert any("read on demand" in note for note in large.notes)
    batch = Batches(large, 8, seed=1).at(0).images
    assert (batch == Batches(small, 8, seed=1).at(0).images).all()


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    for number in range(3):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number}.png")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    data = DataRecipe(root=str(tmp_path), size="8x8", channels=1)
    with pytest.raises(NoSpaceError, match=r"the disk is full; .* by TRILEMMA_CACHE=FOLDER"):
        open_source(data, "train")
    assert not list((tmp_path / "cache" / "pixels").iterdir())
