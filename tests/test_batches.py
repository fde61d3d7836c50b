"""A batch is a function of the seed and the images seen, and of nothing else."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from trilemma.data.batches import Batches, mirrors, order
from trilemma.data.values import Source
from trilemma.maths.randomness import mixed, rng

SHA256_OF_0_LATENTS_128 = "48d12bb888e02d8d0ab446a821ecc69a2f77f263b673954e3b0ae8281377d205"


def source(count: int, *, classes: tuple[str, ...] = (), chunks: tuple[int, ...] = ()) -> Source:
    """Make images of 2x3 pixels: the row's number stands in the left column, 200 in the others."""
    pixels = np.full((count, 2, 3, 1), 200, np.uint8)
    pixels[:, :, 0, 0] = np.arange(count)[:, None]
    return Source(
        name="made",
        split="train",
        pixels=pixels,
        labels=np.arange(count, dtype=np.int64) % 2 if classes else np.full(count, -1),
        classes=classes,
        names=[str(row) for row in range(count)],
        fingerprint="",
        chunks=chunks,
    )


def levels(images: torch.Tensor) -> list[int]:
    """Give the level of each image's left upper pixel."""
    return [round((value + 1) * 127.5) for value in images[:, 0, 0, 0].tolist()]


@pytest.mark.parametrize(("count", "batch"), [(10, 3), (10, 10), (4, 7), (1, 5), (3, 100)])
def test_each_epoch_shows_each_image_once(count: int, batch: int) -> None:
    """Batches laid end to end are epochs laid end to end, however they cross."""
    batches = Batches(source(count), batch, seed=1)
    seen = np.concatenate([batches.rows(start) for start in range(0, 30 * batch, batch)])
    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_images_and_rows_agree() -> None:
    batches = Batches(source(50), 20, seed=3)
    assert levels(batches.at(40).images) == batches.rows(40).tolist()


def test_any_batch_size_sees_the_same_order() -> None:
    whole = Batches(source(10), 40, seed=5, flip=True).at(0).images
    small = Batches(source(10), 8, seed=5, flip=True)
    assert torch.equal(torch.cat([small.at(start).images for start in range(0, 40, 8)]), whole)


def test_nothing_is_remembered_between_batches() -> None:
    """Forward, backward, from another object: equal; as a resumed run needs."""
    one, two = Batches(source(30), 7, seed=2, flip=True), Batches(source(30), 7, seed=2, flip=True)
    forward = [one.at(start).images for start in range(0, 70, 7)]
    backward = [two.at(start).images for start in reversed(range(0, 70, 7))]
    assert all(torch.equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


def test_seeds_and_epochs_differ() -> None:
    orders = [order(seed, epoch, 100, ()).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(a != b for a, b in pairwise(orders))
    assert orders[0] != list(range(100))


def test_labels_follow_their_images() -> None:
    batch = Batches(source(30, classes=("even", "odd")), 30, seed=0).at(15)
    assert batch.labels is not None
    assert [level % 2 for level in levels(batch.images)] == batch.labels.tolist()
    assert Batches(source(30), 30, seed=0).at(0).labels is None


def test_flip_mirrors_about_half_left_to_right() -> None:
    """The numbered column is left, or right: never gone, never turned upside down."""
    images = Batches(source(200), 200, seed=0, flip=True).at(0).images
    plain = Batches(source(200), 200, seed=0).at(0).images
    turned = mirrors(0, 0, 200)
    assert 70 < turned.sum() < 130  # 100 +- 4 standard deviations of 7.1
    assert torch.equal(images[turned], plain[turned].flip(3))
    assert torch.equal(images[~turned], plain[~turned])


def test_a_process_gets_its_part() -> None:
    batches = Batches(source(40, classes=("a", "b")), 12, seed=0, flip=True)
    whole = batches.at(36)
    parts = [batches.at(36, slice(start, start + 4)) for start in (0, 4, 8)]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)  # type: ignore[misc]


def test_chunks_are_read_one_after_another() -> None:
    """Images of one file come together, files and images in a new order each epoch."""
    chunks = (5, 1, 7, 4)
    files = np.repeat(np.arange(4), chunks)
    turns = []
    for epoch in range(6):
        rows = order(9, epoch, 17, chunks).numpy()
        assert sorted(rows) == list(range(17))
        changes = np.flatnonzero(np.diff(files[rows])) + 1
        assert len(changes) == 3  # four runs, so no file is left and come back to
        turns.append(tuple(files[rows][[0, *changes]]))
    assert len(set(turns)) > 1


def test_generators_depend_on_every_word() -> None:
    draws = {
        tuple(torch.rand(3, generator=rng(*words)).tolist())
        for words in [(0, "order", 0), (1, "order", 0), (0, "flip", 0), (0, "order", 1)]
    }
    assert len(draws) == 4
    assert torch.equal(
        torch.rand(5, generator=rng(7, "z", 128)), torch.rand(5, generator=rng(7, "z", 128))
    )


def test_the_mixing_is_sha256() -> None:
    """First 63 bits of sha256 of the lines 0, latents, 128 (computed with coreutils' sha256sum)."""
    assert mixed(0, "latents", 128) == int(SHA256_OF_0_LATENTS_128[:16], 16) >> 1
    assert mixed(1, "1", 1) != mixed(11, "1", 1) != mixed(1, "11", 1)
