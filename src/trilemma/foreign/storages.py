"""Bytes of tensors, as torch.save writes them: checked before anything is made of them."""

import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from math import prod
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trilemma.foreign import pickles
from trilemma.foreign.machine import Budget, Grammar, RefusedError, printable

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # the first two pickles of a stream
KINDS: Mapping[str, str] = {  # class of a storage -> its numbers in NumPy's words
    "torch.BFloat16Storage": "<u2",
    "torch.BoolStorage": "|b1",
    "torch.ByteStorage": "|u1",
    "torch.CharStorage": "|i1",
    "torch.DoubleStorage": "<f8",
    "torch.FloatStorage": "<f4",
    "torch.HalfStorage": "<f2",
    "torch.IntStorage": "<i4",
    "torch.LongStorage": "<i8",
    "torch.ShortStorage": "<i2",
}
DIMENSIONS_MAX = 8
STREAM = ("magic number", "protocol", "system", "tensors", "keys")  # the pickles of a stream
ZIP, DATA = b"PK\x03\x04", "data.pkl"
MEMBER, MEMBERS_MAX = b"PK\x01\x02", 20_000  # how each is announced; official networks: 1,000
HEAD = 30  # bytes in front of a member, without its name and more
BROKEN = (
    zipfile.BadZipFile, EOFError, LookupError, OSError, RuntimeError, ValueError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Storage:
    """Numbers in a row that a file holds."""

    kind: str  # a key of KINDS
    count: int
    read: Callable[[], bytes | memoryview]  # count numbers, little-endian


@dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
    """A tensor that a file describes: every element of it lies in its storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def count(self) -> int:
        """Its elements."""
        return prod(self.shape)

    def tensor(self) -> Tensor:
        """Make the tensor, on the CPU, contiguous, its own copy of the numbers."""
        if not self.count:
            raise RefusedError(f"a tensor without elements, {self.shape}")
        kind = np.dtype(KINDS[self.storage.kind])
        row = np.frombuffer(self.storage.read(), kind, self.storage.count)
        steps = tuple(stride * kind.itemsize for stride in self.strides)
        laid = np.lib.stride_tricks.as_strided(row[self.offset :], self.shape, steps)
        made = torch.from_numpy(np.array(laid, kind.newbyteorder("="), order="C"))
        return made.view(torch.bfloat16) if "BFloat16" in self.storage.kind else made


def claim(arguments: tuple[Any, ...], budget: Budget) -> Claim:
    """Describe a tensor: (storage, offset, shape, strides, ...). RefusedError: it is not inside."""
    storage, offset, shape, strides = (*arguments, None, None, None, None)[:4]
    numbers = [*shape, *strides] if type(shape) is type(strides) is tuple else [None]
    if not isinstance(storage, Storage) or not all(type(n) is int for n in [offset, *numbers]):
        raise RefusedError("a tensor that is not described by a storage and whole numbers")
    if len(shape) != len(strides) or len(shape) > DIMENSIONS_MAX:
        raise RefusedError(f"a tensor of {len(shape)} dimensions and {len(strides)} strides")
    if min(offset, *numbers, 0) < 0:
        raise RefusedError(f"a tensor with a negative number: {offset}, {shape}, {strides}")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if prod(shape) and (prod(shape) > storage.count or last >= storage.count):
        raise RefusedError(
            f"a tensor of {prod(shape):,} elements up to place {last:,} on a storage of "
            f"{storage.count:,}"
        )
    return Claim(storage=storage, offset=offset, shape=shape, strides=strides)


def nested(arguments: tuple[Any, ...], budget: Budget) -> Storage:
    """Read the storage in the bytes that a pickle holds. RefusedError: they are anything else."""
    content = arguments[0] if len(arguments) == 1 else None
    if not isinstance(content, bytes | memoryview):
        raise RefusedError("torch.storage._load_from_bytes of no bytes")
    inside = "torch.storage._load_from_bytes is given "
    zip_inside = bytes(content[:4]) == ZIP  # never of torch's own; read for the names in it
    how = zipped if zip_inside else stream
    try:
        found = how(memoryview(content), Grammar(calls={}), budget)
    except RefusedError as error:
        raise RefusedError(f"{error}, in the bytes of a storage") from error
    if zip_inside or not isinstance(found, Storage):
        what = "zip" if zip_inside else type(found).__name__
        raise RefusedError(f"{inside}a {what}; only one storage is read there")
    return found


def is_stream(content: memoryview) -> bool:
    """Does a file begin as torch.save without a zip begins?"""
    return bytes(content[2:13]) == b"\x8a\x0a" + MAGIC.to_bytes(10, "little")[:9]


def stream(content: memoryview, grammar: Grammar, budget: Budget) -> Any:
    """Read a whole stream of torch.save's older format: five pickles, then the numbers.

    Of the fourth the value is given. RefusedError: what is not in the grammar, limits, claims of
    more numbers than follow.
    """
    found: dict[str, Storage] = {}
    places: dict[str, int] = {}

    def one(name: Any) -> Storage:
        kind, key, count = described(name)
        if key not in found:
            size = count * np.dtype(KINDS[kind]).itemsize
            if size > len(content):
                raise RefusedError(f"a storage claims {size:,} bytes in {len(content):,}")
            read = lambda: content[places[key] : places[key] + size]  # noqa: E731
            found[key] = Storage(kind=kind, count=count, read=read)
        if (found[key].kind, found[key].count) != (kind, count):
            raise RefusedError("a storage that is described in two ways")
        return found[key]

    words = Grammar(
        calls=grammar.calls,
        named=grammar.named | KINDS.keys(),
        made=grammar.made,
        builds=grammar.builds,
        persistent=one,
    )
    at, values = 0, {}
    for part in STREAM:
        plain = Grammar(calls={}) if part != "tensors" else words
        values[part], at = pickles.load(content, plain, budget, at)
    _check_header(values, found)
    for key in values["keys"]:
        at = _placed(content, at, found[key])
        places[key] = at - _size(found[key])
    return values["tensors"]


def _size(storage: Storage) -> int:
    return int(storage.count * np.dtype(KINDS[storage.kind]).itemsize)


def _check_header(values: Mapping[str, Any], found: Mapping[str, Storage]) -> None:
    if (values["magic number"], values["protocol"]) != (MAGIC, PROTOCOL):
        raise RefusedError("no stream of torch.save")
    system, keys = values["system"], values["keys"]
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedError("a stream of torch.save that is not little-endian")
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise RefusedError("a stream of torch.save without a list of keys")
    if len(set(keys)) < len(keys) or set(keys) != found.keys():
        raise RefusedError("a stream of torch.save whose keys are not those of its storages")


def _placed(content: memoryview, at: int, storage: Storage) -> int:
    """Give where the numbers of a storage end, their count and they themselves checked."""
    count = int.from_bytes(content[at : at + 8], "little", signed=True)
    end = at + 8 + _size(storage)
    if count != storage.count or end > len(content):
        raise RefusedError(
            f"a storage of {storage.count:,} numbers, of which {count:,} are announced and "
            f"{max(0, len(content) - at - 8):,} bytes are there"
        )
    return end


def described(name: Any) -> tuple[str, str, int]:
    """Read a persistent id: (kind, key, count). RefusedError: it is not that of a storage."""
    if type(name) is not tuple or len(name) not in (5, 6) or name[0] != "storage":
        raise RefusedError('a persistent id other than ("storage", ...)')
    kind, key, count = getattr(name[1], "name", ""), name[2], name[4]
    if kind not in KINDS or type(key) is not str or type(count) is not int or count < 0:
        raise RefusedError("a persistent id without a kind, a key and a count")
    if len(name) == 6 and name[5] is not None:
        raise RefusedError("a persistent id of a view")
    return kind, key, count


def zipped(content: bytes | memoryview, grammar: Grammar, budget: Budget) -> Any:
    """Read what torch.save wrote as a zip; members are read where they lie, by their exact names.

    RefusedError: what is not in the grammar, a member's name that leads elsewhere, packed members.
    """
    if bytes(content).count(MEMBER) > MEMBERS_MAX:
        raise RefusedError(f"a zip of more than {MEMBERS_MAX:,} members")
    try:
        archive = zipfile.ZipFile(BytesIO(content))
        members = _members(archive, memoryview(content))
        (root,) = [name.removesuffix(DATA) for name in members if _is_data(name)]
        if archive.testzip():
            raise RefusedError("a zip that is broken")
    except BROKEN as error:
        raise RefusedError(f"no zip of torch.save ({printable(str(error))})") from error
    if bytes(members.get(f"{root}byteorder", b"little")[:10]) != b"little":
        raise RefusedError("a zip that is not little-endian")

    def one(name: Any) -> Storage:
        kind, key, count = described(name)
        found = members.get(f"{root}data/{key}", memoryview(b""))
        size = count * np.dtype(KINDS[kind]).itemsize
        if len(found) != size:
            raise RefusedError(f"a storage of {size:,} bytes, of which {len(found):,} are there")
        return Storage(kind=kind, count=count, read=lambda: found)

    words = Grammar(
        calls=grammar.calls,
        named=grammar.named | KINDS.keys(),
        made=grammar.made,
        builds=grammar.builds,
        persistent=one,
    )
    return pickles.load(members[root + DATA], words, budget)[0]


def _is_data(name: str) -> bool:
    return name == DATA or (name.endswith("/" + DATA) and name.count("/") == 1)


def _members(archive: zipfile.ZipFile, content: memoryview) -> dict[str, memoryview]:
    """Give the bytes of each member by its name; RefusedError: a name that leads elsewhere."""
    found: dict[str, memoryview] = {}
    for info in archive.infolist():
        path = PurePosixPath(info.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
            raise RefusedError(f"a zip member with the name {info.filename[:100]!a}")
        if info.compress_type != zipfile.ZIP_STORED or info.filename in found:
            raise RefusedError("a zip member that is packed, or is there twice")
        head = content[info.header_offset : info.header_offset + HEAD]
        start = info.header_offset + HEAD + sum(struct.unpack("<26x2H", head))
        found[info.filename] = content[start : start + info.file_size]
    if sum(map(len, found.values())) > len(content):
        raise RefusedError("zip members that are larger than their file")
    return found
