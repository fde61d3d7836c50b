"""WebDataset shards: .tar or .tar.gz files of images, each with its label beside it."""

import hashlib
import re
import tarfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from trilemma.data.layout import SPLIT_FOLDERS, normal
from trilemma.data.memo import Memo
from trilemma.data.values import Found, Skipped
from trilemma.errors import DataError, MissingExtraError
from trilemma.images import is_image, refuse_by_name

DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, ValueError)
META = re.compile(r"__[^/]*__($|/)")  # a shard's own notes, not samples
SHARD = re.compile(r"\.(tar|tar\.gz|tgz)$", re.IGNORECASE)


class Sample(NamedTuple):
    """An image in a shard, or what stands there in place of one."""

    path: Path
    place: int  # in the shard, from 0
    key: str
    label: int  # -1 unknown
    digest: str
    reason: str  # to skip it; "": it is used
    start: int  # byte of the shard at which the image begins; -1: the shard is compressed
    size: int  # of the image, bytes


class Member(NamedTuple):
    """A file in a shard."""

    content: bytes
    start: int  # byte of the shard at which it begins; -1: the shard is compressed


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
    memo = Memo(paths[0].parent, "samples and where they lie")
    shards = [_samples(path, memo.get(path, partial(_list, path))) for path in paths]
    memo.save()
    good = [sample for shard in shards for sample in shard if not sample.reason]
    skipped = [sample for shard in shards for sample in shard if sample.reason]
    if not good:
        first = f" (first: {skipped[0].key}: {skipped[0].reason})" if skipped else ""
        raise DataError(
            f"{paths[0]}: no images in {len(paths)} shards{first}; give .tar files of images"
        )
    labels = np.array([sample.label for sample in good], np.int64)
    return Found(
        name=_name(paths),
        names=[f"{SHARD.sub('', sample.path.name)}/{sample.key}" for sample in good],
        labels=labels,
        splits=[_split(sample.path) for sample in good],
        classes=classes or tuple(str(number) for number in range(int(labels.max()) + 1)),
        read=lambda row: _read(good[row]),
        digest=lambda row: good[row].digest,
        chunks=tuple(
            count for shard in shards if (count := sum(not sample.reason for sample in shard))
        ),
        skipped=tuple(
            Skipped("/".join(filter(None, (sample.path.name, sample.key))), sample.reason)
            for sample in skipped
        ),
    )


def _samples(path: Path, rows: Sequence[Sequence[Any]]) -> list[Sample]:
    """Give the samples of a listed shard; whether HEIC can be read may have changed since."""
    return [
        Sample(path, place, key, label, digest, reason or _refusal(f"{key}.{ending}"), start, size)
        for place, (key, ending, label, digest, reason, start, size) in enumerate(rows)
    ]


def _refusal(name: str) -> str:
    try:
        refuse_by_name(name)
    except (DataError, MissingExtraError) as error:
        return str(error)
    return ""


def _list(path: Path) -> list[tuple[str, str, int, str, str, int, int]]:
    """Give (key, ending, label or -1, sha256, reason to skip or "", start, size) of each sample."""
    rows = []
    try:
        for sample in samples_of(path):
            key, (ending, image) = normal(sample["__key__"]), _image(sample)
            digest = hashlib.sha256(image.content).hexdigest() if ending else ""
            reason = "" if ending else "no image in the sample"
            place = (image.start, len(image.content))
            rows.append((key, ending, _label(sample), digest, reason, *place))
    except DAMAGE as error:
        rows.append(("", "", -1, "", f"damaged after {len(rows)} samples: {error}", -1, 0))
    return rows


def samples_of(path: Path) -> Iterator[dict[str, Any]]:
    """Give the samples of one shard in order: {"__key__": ..., "png": Member, "cls": Member, ...}.

    Files belong to one sample that are one name but for their endings and follow each other.
    """
    from webdataset.tariterators import group_by_keys

    with path.open("rb") as file:
        yield from group_by_keys(
            {"fname": name, "data": member, "__url__": ""} for name, member in _members(file)
        )


def _members(file: IO[bytes]) -> Iterator[tuple[str, Member]]:
    """Give the name and the content of each file in a shard, compressed or not."""
    shard, plain = _opened(file)
    with shard:
        for entry in shard:
            content = shard.extractfile(entry) if entry.isreg() else None
            if content is not None and not META.match(entry.name):
                yield entry.name, Member(content.read(), entry.offset_data if plain else -1)
            shard.members = []  # type: ignore[attr-defined]  # else it remembers all it has seen


def _opened(file: IO[bytes]) -> tuple[tarfile.TarFile, bool]:
    """Open a shard, and say whether its bytes lie plain; a name does not tell that for sure."""
    try:
        return tarfile.open(fileobj=file, mode="r:"), True
    except tarfile.ReadError:
        file.seek(0)
        return tarfile.open(fileobj=file, mode="r|*"), False


def _image(sample: dict[str, Any]) -> tuple[str, Member]:
    """Give a sample's image and its ending; empty: it has none."""
    for ending, member in sample.items():
        if is_image(f".{ending}") and isinstance(member, Member):
            return ending, member
    return "", Member(b"", -1)


def _label(sample: dict[str, Any]) -> int:
    text = sample["cls"].content if "cls" in sample else b"-1"
    return int(text) if text.strip().lstrip(b"-").isdigit() else -1


def _name(paths: Sequence[Path]) -> str:
    """Name a set after its shards: without the number, and the split if there are several."""
    names = list(dict.fromkeys(re.sub(r"[-_.]*\d*$", "", SHARD.sub("", p.name)) for p in paths))
    if names[1:]:
        ending = re.compile(rf"[-_.]*({'|'.join(SPLIT_FOLDERS)})$", re.IGNORECASE)
        names = [ending.sub("", name) for name in names]
    return names[0] or paths[0].name


def _split(path: Path) -> str:
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((SPLIT_FOLDERS[word] for word in words if word in SPLIT_FOLDERS), "")


def _read(sample: Sample) -> bytes:
    """Give the bytes of an image: those alone, but of a compressed shard, which is read whole.

    So each of several processes reads its own part of the shards.
    """
    content = _piece(sample) if sample.start >= 0 else _unpacked(sample)
    if hashlib.sha256(content).hexdigest() != sample.digest:
        raise DataError(f"{sample.path.name} has changed since it was listed; start again")
    return content


def _piece(sample: Sample) -> bytes:
    with sample.path.open("rb") as file:
        file.seek(sample.start)
        return file.read(sample.size)


_lock = threading.Lock()  # several decoders ask for the images of one shard at once


def _unpacked(sample: Sample) -> bytes:
    with _lock:
        contents = _contents(sample.path)
    return contents[sample.place] if sample.place < len(contents) else b""


@lru_cache(maxsize=2)  # decoding goes from shard to shard; two are open where they meet
def _contents(path: Path) -> list[bytes]:
    """Give the image of every sample, in order; empty where a sample has none."""
    contents: list[bytes] = []
    with suppress(*DAMAGE):  # it was reported when the shard was listed
        contents.extend(image.content for _, image in map(_image, samples_of(path)))
    return contents
