"""A zip of image files, read without unpacking it."""

import lzma
import zipfile
import zlib
from pathlib import Path

from trilemma.data.layout import layout, normal, without_common_folder
from trilemma.data.values import Found, Skipped
from trilemma.errors import DataError, MissingExtraError
from trilemma.images import is_image, refuse_by_name

LARGEST = 1 << 28  # bytes unpacked, of one image file
UNREADABLE = (  # what Python's reader raises
    EOFError, OSError, UnicodeDecodeError, lzma.LZMAError, zipfile.BadZipFile, zlib.error,
    NotImplementedError,  # a way of packing, or a version of zip, that it does not know
)  # fmt: skip


def list_zip(path: Path) -> Found:
    """List the image files in a zip, sorted by name; a folder around them all does not count.

    An image's digest is its length and its CRC-32 from the directory. DataError: no zip, no image.
    """
    try:
        archive = zipfile.ZipFile(path)
    except UNREADABLE as error:
        raise DataError(f"{path} is no zip file ({error}); pack it again") from None
    entries = [entry for entry in archive.infolist() if _is_listed(entry)]
    short = without_common_folder([_name(entry) for entry in entries])
    images: dict[str, zipfile.ZipInfo] = {}
    skipped: list[Skipped] = []
    for name, entry in zip(short, entries, strict=True):
        if reason := _refusal(name, entry):
            skipped.append(Skipped(name, reason))
            continue
        if name in images:  # as in a zip that was added to; unpackers let the last one win, too
            skipped.append(Skipped(name, "in the zip more than once; the last one is used"))
        images[name] = entry
    if not images and not skipped:
        raise DataError(f"{path} holds no image files; pack .png, .jpg or other images")
    names = sorted(images)
    classes, labels, splits = layout(names)
    return Found(
        name=path.stem,
        names=names,
        labels=labels,
        splits=splits,
        classes=classes,
        read=lambda row: _read(archive, images[names[row]]),
        digest=lambda row: f"{images[names[row]].file_size}-{images[names[row]].CRC:08x}",
        skipped=tuple(sorted(skipped)),
    )


def _name(entry: zipfile.ZipInfo) -> str:
    return normal(entry.filename.replace("\\", "/"))  # some packers on Windows write those


def _is_listed(entry: zipfile.ZipInfo) -> bool:
    parts = _name(entry).split("/")
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not entry.is_dir() and not hidden and is_image(parts[-1])


def _refusal(name: str, entry: zipfile.ZipInfo) -> str:
    if entry.flag_bits & 1:
        return "encrypted"
    if entry.file_size > LARGEST:
        return f"{entry.file_size:,} bytes, more than {LARGEST:,}"
    try:
        refuse_by_name(name)
    except (DataError, MissingExtraError) as error:
        return str(error)
    return ""


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except UNREADABLE as error:
        if getattr(error, "errno", None) is not None:  # the disk's, not that of what is packed
            raise
        raise DataError(f"damaged in the zip: {error}") from None
