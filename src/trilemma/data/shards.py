"""WebDataset shards: .tar or .tar.gz files of images, each with its label beside it."""

import gzip
import hashlib
import re
import tarfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from trilemma.data.layout import SPLIT_FOLDERS, normal
from trilemma.data.memo import Memo
from trilemma.data.values import Found, Skipped
from trilemma.errors import DataError
from trilemma.images import is_image

DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)
SHARD = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)


def expand(pattern: str) -> list[Path]:
    """Turn 'set-{000..002}.tar' into its files, in order. DataError where one is missing."""
    from webdataset.shardlists import expand_urls  # late: it takes a second

    if "://" in pattern or pattern.startswith("pipe:"):
        raise DataError(f"{pattern}: shards are read from files only; download them first")
    paths = [Path(url) for url in expand_urls(pattern)]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(f"{missing[0]}: no such file ({len(missing)} of {len(paths)} shards)")
    return paths


def list_shards(paths: Sequence[Path], *, classes: tuple[str, ...] = ()) -> Found:
    """List the images of shards; a sample is an image with .cls (a class number) beside it or not.

    A word train, test or val in a shard's name gives its split. What follows a damaged place of a
    shard is skipped. classes: names of the class numbers, if they are known.
    """
    memo = Memo(paths[0].parent, "shard")
    listed = [memo.get(path, partial(_list, path)) for path in paths]
    memo.save()
    samples = [
        (path, *sample) for path, shard in zip(paths, listed, strict=True) for sample in shard
    ]
    good = [sample for sample in samples if not sample[4]]
    if not good:
        raise DataError(f"{paths[0]}: no images in {len(paths)} shards; give .tar files of images")
    labels = np.array([label for _, _, label, _, _ in good], np.int64)
    counts = [sum(sample[0] == path for sample in good) for path in paths]
    starts = np.cumsum([0, *counts])
    return Found(
        name=re.sub(r"[-_.]*\d*$", "", SHARD.sub("", paths[0].name)) or paths[0].name,
        names=[f"{SHARD.sub('', path.name)}/{key}" for path, key, _, _, _ in good],
        labels=labels,
        splits=[_split(path) for path, _, _, _, _ in good],
        classes=classes or tuple(str(number) for number in range(int(labels.max()) + 1)),
        read=lambda row: _read(paths, starts, row),
        digest=lambda row: str(good[row][3]),
        chunks=tuple(count for count in counts if count),
        skipped=tuple(
            Skipped(f"{path.name}/{key}" if key else path.name, reason)
            for path, key, _, _, reason in samples
            if reason
        ),
    )


def _list(path: Path) -> list[tuple[str, int, str, str]]:
    """Give (key, label or -1, sha256, reason to skip or "") of each sample of a shard."""
    rows = []
    try:
        for sample in samples_of(path):
            image, label = _image(sample), _label(sample)
            if image is None:
                rows.append((sample["__key__"], -1, "", "no image in the sample"))
            else:
                digest = hashlib.sha256(image).hexdigest()
                rows.append((normal(sample["__key__"]), label, digest, ""))
    except DAMAGE as error:
        rows.append(("", -1, "", f"damaged after {len(rows)} samples: {error}"))
    return rows


def samples_of(path: Path) -> Iterator[dict[str, Any]]:
    """Give the samples of one shard in order: {"__key__": ..., "png": bytes, "cls": bytes, ...}."""
    from webdataset.tariterators import group_by_keys, tar_file_iterator

    packed = path.suffix.lower() in (".gz", ".tgz")
    with gzip.open(path) if packed else path.open("rb") as file:
        members = ({**member, "__url__": ""} for member in tar_file_iterator(file))
        yield from group_by_keys(members)


def _image(sample: dict[str, Any]) -> bytes | None:
    for ending, content in sample.items():
        if is_image(f".{ending}") and isinstance(content, bytes):
            return content
    return None


def _label(sample: dict[str, Any]) -> int:
    text = sample.get("cls", b"-1")
    return int(text) if text.strip().lstrip(b"-").isdigit() else -1


def _split(path: Path) -> str:
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), "")


_lock = threading.Lock()  # several decoders ask for the images of one shard at once


def _read(paths: Sequence[Path], starts: np.ndarray, row: int) -> bytes:
    shard = int(np.searchsorted(starts, row, side="right")) - 1
    with _lock:
        return _contents(paths[shard])[row - int(starts[shard])]


@lru_cache(maxsize=2)  # decoding goes from shard to shard; two are open where they meet
def _contents(path: Path) -> list[bytes]:
    contents: list[bytes] = []
    try:
        contents.extend(image for image in map(_image, samples_of(path)) if image is not None)
    except DAMAGE:  # reported when the shard was listed
        return contents
    return contents
