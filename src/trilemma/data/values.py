"""What the readers find, and what training gets: images with names, labels and a fingerprint."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

Pixels = np.ndarray  # uint8 [N, H, W, C], [H, W, C] for one image; points: float32 [N, 1, 1, 2]
Progress = Callable[[int, int], None]  # images done, images in all
SPLITS = ("train", "test", "val")


def silent(done: int, total: int) -> None:
    """Show no progress."""


class PixelRows(Protocol):
    """What stands for an array of pixels, in memory, mapped from a file, or decoded on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give [N, H, W, C]."""

    def __len__(self) -> int:
        """Count the images."""

    def __getitem__(self, rows: np.ndarray | slice) -> Pixels:
        """Give the pixels of some rows, uint8 [n, H, W, C]."""


class SomeRows:
    """Some rows of an array, such as one mapped from a file; they are copied when asked for."""

    def __init__(self, pixels: Pixels, rows: np.ndarray) -> None:
        self.pixels, self.rows = pixels, rows
        self.shape = (len(rows), *pixels.shape[1:])

    def __len__(self) -> int:
        """Count the images."""
        return len(self.rows)

    def __getitem__(self, rows: np.ndarray | slice) -> Pixels:
        """Copy some rows, uint8 [n, H, W, C]."""
        return np.asarray(self.pixels[self.rows[rows]])


class Skipped(NamedTuple):
    """A file that was left out."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """Images as a reader found them: of any size, not decoded, in the order of their names."""

    name: str  # of the set, for people
    names: Sequence[str]  # of each image, inside the set, with "/" between folders
    labels: np.ndarray  # int64 [N]; -1 unknown
    splits: Sequence[str]  # of each image: train, test, val, or "" where the set has none
    classes: tuple[str, ...]
    read: Callable[[int], bytes | Pixels]  # a file's bytes, or pixels [H, W, C]
    digest: Callable[[int], str]  # sha256 of what `read` gives
    pixels: Pixels | None = None  # uint8 [N, H, W, C], where all is one array already
    own_split: bool = False  # train and test are the set's own, even where only one is listed
    chunks: tuple[int, ...] = ()  # images in each file; its images are read together
    licence: str = ""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Images of one size, ready to train on or to compare with."""

    name: str  # such as digits:test
    split: str  # train, test, val, all
    pixels: PixelRows  # uint8 [N, H, W, C]
    labels: np.ndarray  # int64 [N]; -1 unknown
    classes: tuple[str, ...]
    names: Sequence[str]  # of each image, inside the set
    fingerprint: str  # sha256 of names, classes, contents, size and channels; not of the path
    licence: str = ""
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = field(default=())  # what a reader of results must know
    chunks: tuple[int, ...] = ()  # lengths of the runs of images that are read together; (): any
    attributes: np.ndarray | None = None  # float32 [N, A], where a CSV gives them
    attribute_names: tuple[str, ...] = ()  # A of them

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)
