"""A folder of image files: flat, one folder a class, nested, or split."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from trilemma.data.layout import layout, normal
from trilemma.data.memo import Memo
from trilemma.data.values import Found, Skipped
from trilemma.errors import DataError, MissingExtraError
from trilemma.images import is_image, refuse_by_name

LARGEST = 1 << 28  # bytes, of one image file


def list_folder(folder: Path) -> Found:
    """List the image files below a folder, sorted by name; hidden files do not count.

    Links are followed, but not in circles. Files that are no images by their ending are counted in
    a note. DataError where there is no image file at all.
    """
    images, skipped, others = _sort_out(folder)
    if not images and not skipped:
        held = f"only {_endings(others)}" if others else "empty"
        hint = _hint(folder)
        raise DataError(f"{folder} is {held}; give a folder of .png, .jpg or other images{hint}")
    names = sorted(images)
    digests = _digests(folder, [images[name] for name in names])
    classes, labels, splits = layout(names)
    return Found(
        name=folder.resolve().name or str(folder),
        names=names,
        labels=labels,
        splits=splits,
        classes=classes,
        read=lambda row: images[names[row]].read_bytes(),
        digest=lambda row: digests[row],
        skipped=tuple(sorted(skipped)),
        notes=(f"left aside: {_endings(others)}",) if others else (),
    )


def _hint(folder: Path) -> str:
    """Say how the files of MNIST and its kin, or of CIFAR-10, are named instead."""
    own = [*folder.rglob("*-idx?-ubyte*"), *folder.rglob("*data_batch_*"), *folder.rglob("cifar-*")]
    return f", or name the set that lies there (mnist, ...) and {folder} as its root" * bool(own)


def _sort_out(folder: Path) -> tuple[dict[str, Path], list[Skipped], Counter[str]]:
    """Give the images by name, the files that are refused unread, and the endings of others."""
    images: dict[str, Path] = {}
    skipped: list[Skipped] = []
    others: Counter[str] = Counter()
    for name, path, link in _walk(folder, "", (os.path.realpath(folder),)):
        if not link and not is_image(name):
            others[path.suffix.lower() or "without an ending"] += 1
        elif reason := link or _refusal(name, path):
            skipped.append(Skipped(name, reason))
        elif name in images:
            skipped.append(Skipped(name, "its name differs from another's in accents' bytes only"))
        else:
            images[name] = path
    return images, skipped, others


def _refusal(name: str, path: Path) -> str:
    if (length := path.stat().st_size) > LARGEST:
        return f"{length:,} bytes, more than {LARGEST:,}"
    try:
        refuse_by_name(name)
    except (DataError, MissingExtraError) as error:
        return str(error)
    return ""


def _walk(folder: Path, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, Path, str]]:
    """Give (name, path, reason to skip or ""); above: the real paths of the folders around."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield prefix.rstrip("/") or str(folder), folder, error.strerror or str(error)
        return
    for entry in entries:
        name, path = prefix + normal(entry.name), Path(entry.path)
        if entry.name.startswith("."):
            continue
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError:  # a circle of links
            is_folder = is_file = False
        if is_file:
            yield name, path, ""
        elif not is_folder:
            yield name, path, "a link that leads nowhere" if entry.is_symlink() else "not a file"
        elif (real := os.path.realpath(path)) in above:
            yield name, path, "a link back to a folder around it"
        else:
            yield from _walk(path, name + "/", (*above, real))


def _digests(folder: Path, paths: list[Path]) -> list[str]:
    memo = Memo(folder, "digest")
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(lambda path: _digest(memo, path), paths))
    memo.save()
    return digests


def _digest(memo: Memo, path: Path) -> str:
    try:
        return str(memo.get(path, lambda: hashlib.sha256(path.read_bytes()).hexdigest()))
    except OSError:  # not readable: decoding will say so
        return "unreadable"


def _endings(others: Counter[str]) -> str:
    counted = ", ".join(f"{count} {ending}" for ending, count in sorted(others.items()))
    return f"{sum(others.values())} other files ({counted})"
