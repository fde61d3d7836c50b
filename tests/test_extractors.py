"""Every extractor by name: what it does to pixels, what it says when it cannot be had."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trilemma.errors import DataError, MissingExtraError, OfflineError, RunError
from trilemma.features import extractors, inputs
from trilemma.features.extractor import Features

COLOURS = np.random.default_rng(3).integers(0, 256, (3, 9, 14, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRILEMMA_MIRROR", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TRILEMMA_WEIGHTS", raising=False)


def test_luma_is_pillows() -> None:
    wanted = [np.asarray(Image.fromarray(image).convert("L")) for image in COLOURS]
    np.testing.assert_array_equal(inputs.to_channels(COLOURS, 1)[..., 0], wanted)


def test_grey_there_and_back_is_the_same() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    colour = inputs.to_channels(grey, 3)
    assert colour.shape == (1, 16, 16, 3)
    np.testing.assert_array_equal(inputs.to_channels(colour, 1), grey)


def test_resizing_keeps_what_fits_and_knows_rows_from_columns() -> None:
    assert inputs.resized(COLOURS, height=9, width=14) is COLOURS
    stripes = np.zeros((1, 8, 4, 1), dtype=np.uint8)
    stripes[:, 4:] = 240  # the lower half is bright
    small = inputs.resized(stripes, height=4, width=6)
    assert small.shape == (1, 4, 6, 1)
    assert small[0, 0].max() < 30 < 200 < small[0, 3].min()
    assert inputs.resized(COLOURS, height=5, width=7).shape == (3, 5, 7, 3)


def test_shrinking_is_antialiased() -> None:
    """A fine checkerboard becomes its mean, not one of its two colours."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)[None, ..., None]
    assert np.abs(inputs.resized(board, height=8, width=8).astype(int) - 127.5).max() < 4


def test_the_bytes_enter_as_they_are() -> None:
    tensor = inputs.to_tensor(COLOURS, torch.device("cpu"))
    assert tensor.shape == (3, 3, 9, 14)
    assert tensor[2, 1, 8, 13] == float(COLOURS[2, 8, 13, 1])


@pytest.mark.parametrize("name", ["domain", "pixels"])
def test_read_only_pixels_are_welcome(name: str, tmp_path: Path) -> None:
    """As of a memory map, or of an array made from bytes; torch alone would warn."""
    np.save(tmp_path / "pixels.npy", COLOURS)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    extractor = extractors.load(name, source="digits")
    np.testing.assert_array_equal(extractor(mapped).features, extractor(COLOURS).features)


@pytest.fixture
def short_floats() -> Iterator[None]:
    """Turn TF32 on, as a user may who trains faster with it."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32
    cudnn.allow_tf32 = matmul.allow_tf32 = True
    yield
    cudnn.allow_tf32, matmul.allow_tf32 = before


def test_the_short_float32_of_gpus_is_off_while_it_looks(short_floats: None) -> None:
    """And as the user had it, afterwards; also where extracting fails."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    seen: list[tuple[bool, bool]] = []

    def extract(pixels: np.ndarray) -> Features:
        seen.append((cudnn.allow_tf32, matmul.allow_tf32))
        if len(seen) == 3:
            raise ValueError("the third batch")
        return Features(np.zeros((len(pixels), 1), np.float32), np.zeros((len(pixels), 0)))

    extractor = replace(extractors.load("pixels"), extract=extract, batch=1)
    with pytest.raises(ValueError, match="third"):
        extractor(COLOURS)
    assert seen == [(False, False)] * 3
    assert (cudnn.allow_tf32, matmul.allow_tf32) == (True, True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["domain", "lite0"])
def test_a_gpu_sees_what_the_cpu_sees(name: str) -> None:
    here, there = (extractors.load(name, source="digits", device=d) for d in ("cpu", "cuda"))
    wanted = here(COLOURS).features
    assert np.abs(there(COLOURS).features - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_pixels_are_the_image() -> None:
    extractor = extractors.load("pixels")
    made = extractor(COLOURS)
    np.testing.assert_allclose(made.features, COLOURS.reshape(3, -1) / 127.5 - 1, atol=1e-6)
    assert made.features.dtype == np.float32
    assert made.logits.shape == (3, 0)
    assert extractor(np.full((2, 64, 96, 1), 255, np.uint8)).features.shape == (2, 21 * 32)
    assert extractor(np.full((1, 1, 500, 1), 255, np.uint8)).features.tolist() == [[1.0] * 32]


@pytest.mark.parametrize(
    ("source", "shape", "wanted"),
    [
        ("digits", (28, 28, 1), "domain"),
        ("mnist:test", None, "domain"),
        ("fashion-mnist:train", (28, 28, 1), "domain"),
        ("kmnist", (28, 28, 1), "pixels"),
        ("letters", (32, 20, 1), "pixels"),
        ("scans", (64, 64, 1), "lite0"),
        ("cifar10:test", (32, 32, 3), "lite0"),
        ("", None, "lite0"),
    ],
)
def test_what_auto_is(source: str, shape: tuple[int, int, int] | None, wanted: str) -> None:
    assert extractors.choose(source, shape) == wanted


def test_auto_loads_what_it_chose() -> None:
    assert extractors.load("auto", source="kmnist:test", shape=(28, 28, 1)).name == "pixels"


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("incepton", "", "did you mean inception"),
        ("no-such-thing", "", "Allowed: auto"),
        ("domain", "cifar10:test", "digits, fashion-mnist, mnist"),
    ],
)
def test_an_unknown_name_is_one_line(name: str, source: str, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        extractors.load(name, source=source)
    assert "\n" not in str(caught.value)


def test_an_absent_path_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no mine\.safetensors there"):
        extractors.load(str(tmp_path / "mine.safetensors"))


@pytest.mark.parametrize("name", ["dinov2", "inception"])
def test_offline_is_one_line_that_says_what_to_do(name: str) -> None:
    pytest.importorskip("torch_fidelity")
    with pytest.raises(OfflineError, match="cannot be reached") as caught:
        extractors.load(name)
    assert "\n" not in str(caught.value)
    assert "TRILEMMA_WEIGHTS" in str(caught.value)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "torch_fidelity.feature_extractor_inceptionv3"
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    with pytest.raises(MissingExtraError, match=r"trilemma\[inception\]"):
        extractors.load("inception")
