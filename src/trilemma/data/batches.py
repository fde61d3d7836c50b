"""Which images make up a batch: a pure function of the seed and of the images seen."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trilemma.data.labels import labels_of
from trilemma.data.values import Source
from trilemma.images import to_images
from trilemma.maths.randomness import rng

DEVICE_SHARE = 0.25  # of a GPU's free memory that the data set may take; the rest is for training


class Batch(NamedTuple):
    """Images of the data set, as a phase sees them."""

    images: Tensor  # float32 [N, C, H, W] in [-1, 1]
    labels: Tensor | None = None  # int64 [N], or float32 [N, A] attributes
    low: Tensor | None = None  # float32 [N, C, h, w]: the small side of a super-resolution pair


class Taken(NamedTuple):
    """Where a batch's images came from, one entry an image."""

    rows: Tensor  # int64 [N], of the source
    mirrored: Tensor  # bool [N]
    places: range  # images seen before each of them


Pair = Callable[[Tensor, Taken], tuple[Tensor, Tensor]]  # images -> large and small images


class Batches:
    """The batches of a source, each found from the number of images seen before it.

    Each epoch is a permutation of its own; a batch may begin in one and end in the next, so that
    a set smaller than a batch works too.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        *,
        seed: int,
        flip: bool = False,
        device: torch.device | str = "cpu",
        pair: Pair | None = None,
    ) -> None:
        """batch_size: images, over all processes. flip: mirror each image with probability 1/2.

        pair: makes what an upscaler is trained on.
        """
        assert len(source) > 0 and batch_size > 0
        self.source, self.batch_size, self.seed, self.flip = source, batch_size, seed, flip
        self.device, self.pair = torch.device(device), pair
        self._labels = labels_of(source)
        self._resident = _to_device(source, self.device)

    def at(self, images_seen: int, mine: slice = slice(None)) -> Batch:
        """Give the batch that follows `images_seen` images; mine: the part of one process."""
        rows, mirrored = self._rows(images_seen)
        places = range(images_seen, images_seen + len(rows))[mine]
        rows, mirrored = rows[mine], mirrored[mine]
        images = to_images(self._pixels(rows))
        if self.flip:
            turned = mirrored.to(self.device)[:, None, None, None]
            images = torch.where(turned, images.flip(3), images)
        labels = None if self._labels is None else self._labels[rows].to(self.device)
        if self.pair is None:
            return Batch(images, labels)
        high, low = self.pair(images, Taken(rows, mirrored & self.flip, places))
        return Batch(high, labels, low)

    def rows(self, images_seen: int) -> np.ndarray:
        """Give the rows of the source, int64 [batch_size], that `at(images_seen)` is made of."""
        return self._rows(images_seen)[0].numpy()

    def _rows(self, images_seen: int) -> tuple[Tensor, Tensor]:
        count, place, end = len(self.source), images_seen, images_seen + self.batch_size
        rows, mirrored = [], []
        while place < end:
            epoch, start = divmod(place, count)
            stop = min(count, start + end - place)
            rows.append(order(self.seed, epoch, count, self.source.chunks)[start:stop])
            mirrored.append(mirrors(self.seed, epoch, count)[start:stop])
            place += stop - start
        return torch.cat(rows), torch.cat(mirrored)

    def _pixels(self, rows: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[rows.to(self.device)]
        return torch.from_numpy(np.ascontiguousarray(self.source.pixels[rows.numpy()])).to(
            self.device
        )


@lru_cache(maxsize=4)
def order(seed: int, epoch: int, count: int, chunks: tuple[int, ...]) -> Tensor:
    """Give the order of an epoch, a permutation of 0..count-1, int64.

    chunks: lengths of runs of images that can only be read together; then the runs are shuffled,
    and the images inside each.
    """
    generator = rng(seed, "order", epoch)
    if not chunks:
        return torch.randperm(count, generator=generator)
    assert sum(chunks) == count, f"chunks hold {sum(chunks)} images, not {count}"
    starts = np.cumsum((0, *chunks))
    turns = torch.randperm(len(chunks), generator=generator).tolist()
    return torch.cat(
        [torch.randperm(chunks[turn], generator=generator) + int(starts[turn]) for turn in turns]
    )


@lru_cache(maxsize=4)
def mirrors(seed: int, epoch: int, count: int) -> Tensor:
    """Say for each place of an epoch whether its image is mirrored, bool [count]."""
    return torch.rand(count, generator=rng(seed, "flip", epoch)) < 0.5


def _to_device(source: Source, device: torch.device) -> Tensor | None:
    """Put the whole set into the memory of a CUDA device, if it is an array and fits."""
    if device.type != "cuda" or not isinstance(source.pixels, np.ndarray):
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if source.pixels.nbytes > DEVICE_SHARE * free:
        return None
    return torch.from_numpy(np.array(source.pixels)).to(device)
