"""Features are kept by content, and in files that others can read."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trilemma.errors import DataError
from trilemma.features import cache, files
from trilemma.features.extractor import Extractor, Features, Pixels

PIXELS = np.arange(7 * 3 * 4 * 1, dtype=np.uint8).reshape(7, 3, 4, 1)


class Counting:
    """Features that a reader can check: the mean of each image; and how often they were made."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, pixels: Pixels) -> Features:
        self.batches.append(len(pixels))
        means = pixels.reshape(len(pixels), -1).mean(axis=1, dtype=np.float32)[:, None]
        return Features(means, np.concatenate([means, -means], axis=1))


def counting(count: Counting) -> Extractor:
    return Extractor(
        name="mean", id="mean-1", weights_sha256="00", resize="none", features=1, batch=3,
        extract=count,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


def test_an_extractor_works_in_batches_in_order() -> None:
    count, shown = Counting(), list[tuple[int, int]]()
    made = counting(count)(PIXELS, progress=lambda done, of: shown.append((done, of)))
    assert count.batches == [3, 3, 1]
    assert shown == [(3, 7), (6, 7), (7, 7)]
    np.testing.assert_array_equal(made.features[:, 0], 12 * np.arange(7) + 5.5)


def test_the_second_time_nothing_is_computed(folder: Path) -> None:
    count = Counting()
    first = cache.features(counting(count), PIXELS)
    second = cache.features(counting(count), PIXELS.copy())
    assert len(count.batches) == 3
    np.testing.assert_array_equal(first.features, second.features)
    np.testing.assert_array_equal(first.logits, second.logits)
    assert len(list(folder.iterdir())) == 1


def test_other_pixels_and_other_extractors_are_other_entries() -> None:
    extractor = counting(Counting())
    changed = PIXELS.copy()
    changed[6, 2, 3, 0] ^= 1
    keys = [
        cache.key(extractor, PIXELS),
        cache.key(extractor, changed),
        cache.key(extractor, PIXELS[:6]),
        cache.key(extractor, PIXELS[::-1]),
        cache.key(extractor, PIXELS.reshape(7, 4, 3, 1)),
        cache.key(replace(extractor, id="mean-2"), PIXELS),
        cache.key(replace(extractor, weights_sha256="01"), PIXELS),
        cache.key(replace(extractor, resize="other"), PIXELS),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_depend_on_how_pixels_are_stored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    np.save(tmp_path / "pixels.npy", PIXELS)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    whole = cache.key(counting(Counting()), PIXELS)
    monkeypatch.setattr(cache, "CHUNK", 2)
    assert cache.key(counting(Counting()), mapped) == whole
    assert cache.key(counting(Counting()), np.asfortranarray(PIXELS)) == whole


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "other"])
def test_a_damaged_entry_is_computed_again(folder: Path, damage: str) -> None:
    count = Counting()
    wanted = cache.features(counting(count), PIXELS)
    entry = next(folder.iterdir())
    data = bytearray(entry.read_bytes())
    at = data.index(wanted.features.tobytes())
    data[at] ^= 0xFF
    if damage == "other":
        files.write(entry, Features(np.zeros((2, 1)), np.zeros((2, 2))), meta={})
    else:
        entry.write_bytes({"empty": b"", "half": bytes(data[:at]), "flipped": bytes(data)}[damage])
    again = cache.features(counting(count), PIXELS)
    np.testing.assert_array_equal(again.features, wanted.features)
    assert len(count.batches) == 6
    cache.features(counting(count), PIXELS)
    assert len(count.batches) == 6


def test_a_cache_that_cannot_be_written_costs_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "file"))
    count, lines = Counting(), list[str]()
    for _ in range(2):
        made = cache.features(counting(count), PIXELS, say=lines.append)
        assert len(made.features) == 7
    assert len(count.batches) == 6
    assert len(lines) == 2
    assert "TRILEMMA_CACHE" in lines[0]


def test_a_full_disk_costs_the_entry_not_the_scores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.np, "savez", full)
    lines: list[str] = []
    made = cache.features(counting(Counting()), PIXELS, say=lines.append)
    assert made.features[0, 0] == 5.5
    assert "the disk is full" in lines[0]
    assert not list(folder.iterdir())


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    made = counting(Counting())(PIXELS)
    labels, names = np.array([2, 0, -1, 1, 1, 0, 2]), ["a", "b", "猫", "d e", "e", "f", "g"]
    meta = files.meta_of(counting(Counting()))
    files.write(tmp_path / "f.npz", made, labels=labels, names=names, meta=meta)
    held = files.read(tmp_path / "f.npz")
    np.testing.assert_array_equal(held.features.features, made.features)
    np.testing.assert_array_equal(held.features.logits, made.logits)
    np.testing.assert_array_equal(held.labels, labels)
    assert held.names == tuple(names)
    assert held.meta["extractor"] == "mean-1"
    assert [path.name for path in tmp_path.iterdir()] == ["f.npz"]
    with np.load(tmp_path / "f.npz", allow_pickle=False) as plain:  # as other code reads it
        assert plain["features"].dtype == plain["logits"].dtype == np.float32
        assert plain["labels"].dtype == np.int64


def test_other_peoples_features_enter(tmp_path: Path) -> None:
    np.savez(tmp_path / "theirs.npz", features=np.arange(6.0).reshape(3, 2))
    held = files.read(tmp_path / "theirs.npz")
    assert held.features.features.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert held.features.logits.shape == (3, 0)
    assert held.labels.tolist() == [-1, -1, -1]
    assert held.names == ()


def test_what_is_no_file_of_features_is_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    np.savez(tmp_path / "objects.npz", features=np.array([[Path("code")]], dtype=object))
    np.save(tmp_path / "bare.npz.npy", np.zeros(3))
    (tmp_path / "bare.npz.npy").rename(tmp_path / "bare.npz")
    (tmp_path / "text.npz").write_text("no")
    for name in ("other", "objects", "bare", "text", "absent"):
        with pytest.raises(DataError, match=f"{name}.npz") as caught:
            files.read(tmp_path / f"{name}.npz")
        assert "\n" not in str(caught.value)


def test_the_key_is_a_sha256() -> None:
    assert len(cache.key(counting(Counting()), PIXELS)) == hashlib.sha256().digest_size * 2
