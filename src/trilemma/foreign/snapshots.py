"""A pickled snapshot of style-based networks -> its values, with nothing in it called or run.

The layout is that of StyleGAN2-ADA and StyleGAN3: a dict, in which every network is a call of one
function with a dict that holds its class's name, its attributes, and the source text of the class.
Of that the attributes are taken; the text is not looked at.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from trilemma.errors import RunError
from trilemma.foreign import pickles, storages
from trilemma.foreign.machine import Budget, Calls, Grammar, RefusedError, Text
from trilemma.foreign.opcodes import of_strings
from trilemma.foreign.storages import Claim

BYTES_MAX = 4 << 30  # of a file; official ones have up to 400 million
CODES: Mapping[str, str] = {  # numbers of NumPy that are read, little-endian
    **{code: f"<{code}" for code in ("f2", "f4", "f8", "i2", "i4", "i8")},
    **{code: f"|{code}" for code in ("b1", "i1", "u1")},
}
ARRAY_MAX = 32  # elements; official files have 2
SHOWN = 8  # arguments of a call that a refusal names
LEGACY = ("dnnlib.tflib", "tfutil")  # globals of networks that were pickled with TensorFlow


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """A network or layer as a file describes it: its class's name and its attributes."""

    name: str
    state: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Kind:
    code: str  # a key of CODES


@dataclass(eq=False)
class Array:
    """A small array of numbers; empty until its state has been read."""

    values: np.ndarray | None = None


class Snapshot(NamedTuple):
    """What a file holds."""

    values: Mapping[str, Any]
    sha256: str
    bytes: int


def read(path: Path, *, sha256: str = "") -> Snapshot:
    """Read a snapshot: a pickle, or what torch.save wrote of one.

    sha256: of the file, looked at before anything in it is. RunError: it is not there, is another
    file or no snapshot, holds what is not on the list of things that are read, or was made with
    TensorFlow.
    """
    try:
        if path.stat().st_size > BYTES_MAX:
            raise RunError(f"{path}: {path.stat().st_size:,} bytes; allowed: {BYTES_MAX:,}")
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; give a file of a network") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256.lower() not in ("", found):
        raise RunError(
            f"{path}: sha256 is {found[:12]}..., must be {sha256[:12].lower()}...; give the right "
            "file"
        )
    try:
        values = parse(content)
    except RefusedError as error:
        raise RunError(f"{path}: {_told(str(error))}") from error
    return Snapshot(values, found, len(content))


def _told(why: str) -> str:
    if any(f"the global {prefix}" in why for prefix in LEGACY):
        return (
            "a network pickled with TensorFlow; only those of PyTorch are read, so convert it with "
            "the tools of the project that it is from"
        )
    return f"refused: {why}; nothing in it was run, and nothing of it is used"


def parse(content: bytes) -> Mapping[str, Any]:
    """Read the bytes of a snapshot. RefusedError: as `read`."""
    budget = Budget(len(content))
    if content[:4] == storages.ZIP:
        values = storages.zipped(content, GRAMMAR, budget)
    elif storages.is_stream(memoryview(content)):
        values = storages.stream(memoryview(content), GRAMMAR, budget)
    else:
        values, end = pickles.load(memoryview(content), GRAMMAR, budget)
        if end != len(content):
            raise RefusedError(f"{len(content) - end:,} bytes behind its end")
    if type(values) is not dict:
        raise RefusedError(f"a {type(values).__name__} where a dict of networks must be")
    return values


def _arguments(arguments: tuple[Any, ...], kinds: tuple[type, ...], what: str) -> tuple[Any, ...]:
    if tuple(map(type, arguments)) != kinds:
        found = ", ".join(type(value).__name__ for value in arguments[:SHOWN])
        raise RefusedError(f"a call of {what} with ({found})")
    return arguments


def _record(arguments: tuple[Any, ...], budget: Budget) -> Record:
    """Keep the attributes and the name; what else is there (the source text) is dropped unread."""
    (meta,) = _arguments(arguments, (dict,), "_reconstruct_persistent_obj")
    name, state = meta.get("class_name"), meta.get("state")
    if meta.get("type") != "class" or type(name) is not str or type(state) is not dict:
        raise RefusedError("a persistent object without a class's name and a state")
    return Record(name=name[:100], state=MappingProxyType(state))


def _ordered(arguments: tuple[Any, ...], budget: Budget) -> dict[str, Any]:
    """Make a dict, of nothing or of pairs."""
    pairs = arguments[0] if len(arguments) == 1 else ()
    if len(arguments) > 1 or type(pairs) not in (list, tuple):
        raise RefusedError("a call of collections.OrderedDict with more than pairs")
    budget.spend(len(pairs))
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise RefusedError("a call of collections.OrderedDict with more than pairs")
    if not all(type(key) is str for key, _ in pairs):
        raise RefusedError("a collections.OrderedDict whose keys are no strings")
    return dict(pairs)


def _set(arguments: tuple[Any, ...], budget: Budget) -> set[str]:
    (values,) = _arguments(arguments or ([],), (list,), "set")
    budget.spend(len(values))
    return of_strings(values)


def _parameter(arguments: tuple[Any, ...], budget: Budget) -> Claim:
    if not arguments or not isinstance(arguments[0], Claim):
        raise RefusedError("a parameter that is no tensor")
    return arguments[0]


def _kind(arguments: tuple[Any, ...], budget: Budget) -> _Kind:
    code = _arguments(arguments, (str, bool, bool), "numpy.dtype")[0]
    if code not in CODES:
        raise RefusedError(f"the numpy dtype {code[:20]!a}; allowed: {', '.join(CODES)}")
    return _Kind(code)


def _refine(kind: _Kind, state: Any) -> None:
    """Check what is said of a dtype: little-endian, without fields."""
    plain = type(state) is tuple and len(state) >= 5 and state[1] in ("<", "|", "=")
    if not plain or any(value is not None for value in state[2:5]):
        raise RefusedError("a numpy dtype that is not little-endian, or has fields")


def _scalar(arguments: tuple[Any, ...], budget: Budget) -> bool | int | float:
    kind, content = _arguments(arguments, (_Kind, bytes), "numpy.core.multiarray.scalar")
    return _numbers(kind, content, 1)[0].item()  # type: ignore[no-any-return]


def _array(arguments: tuple[Any, ...], budget: Budget) -> Array:
    if len(arguments) != 3 or getattr(arguments[0], "name", "") != "numpy.ndarray":
        raise RefusedError("an array that is no numpy.ndarray")
    return Array()


def _lay(array: Array, state: Any) -> None:
    """Put numbers into an array: (version, shape, dtype, column by column?, bytes)."""
    if type(state) is not tuple:
        raise RefusedError("a numpy.ndarray without its numbers")
    _, shape, kind, columns, content = _arguments(
        state, (int, tuple, _Kind, bool, bytes), "numpy.ndarray"
    )
    counted = all(type(side) is int and 0 <= side <= ARRAY_MAX for side in shape)
    if not counted or len(shape) > 4 or prod(shape) > ARRAY_MAX:
        raise RefusedError("a numpy.ndarray of a shape that cannot be")
    numbers = _numbers(kind, content, prod(shape))
    array.values = numbers.reshape(shape, order="F" if columns else "C")


def _numbers(kind: _Kind, content: bytes, count: int) -> np.ndarray:
    code = np.dtype(CODES[kind.code])
    if len(content) != count * code.itemsize:
        raise RefusedError(f"{len(content)} bytes for {count} numbers of {kind.code}")
    return np.frombuffer(content, code, count)


def _encoded(arguments: tuple[Any, ...], budget: Budget) -> bytes:
    """Give the bytes that protocol 2 writes as text, a letter for each byte."""
    text, codec = (*arguments, None, None)[:2]
    if len(arguments) != 2 or codec != "latin1" or not isinstance(text, str | Text):
        raise RefusedError("_codecs.encode with other than a text and 'latin1'")
    budget.write(len(text if isinstance(text, str) else text.content))
    try:
        if isinstance(text, str):
            return text.encode("latin1")
        return _of_letters(text.content)
    except UnicodeError as error:
        raise RefusedError("_codecs.encode of letters that are no bytes") from error


def _of_letters(content: bytes | memoryview) -> bytes:
    """Turn UTF-8 into the bytes that its letters stand for.

    Letters up to 255 are one byte below 128 and else two, of which the first is 194 or 195.
    """
    row = np.frombuffer(content, np.uint8)
    first = row >= 0xC2
    second = (row & 0xC0) == 0x80
    torn = second[:1].any() or first[-1:].any()
    if (row > 0xC3).any() or (second[1:] != first[:-1]).any() or torn:
        raise UnicodeError("a letter above 255, or no UTF-8")
    high = np.zeros_like(row)
    high[1:] = row[:-1] * first[:-1]
    found: np.ndarray = (row + (high == 0xC3) * np.uint8(0x40))[~first]
    return bytes(found.astype(np.uint8).data)


def _empty(arguments: tuple[Any, ...], budget: Budget) -> dict[str, Any]:
    _arguments(arguments, (), "dnnlib.util.EasyDict")
    return {}


CALLS: Calls = {  # the whole list, by exact names; what stands here is called, never the thing
    "__builtin__.set": _set,
    "_codecs.encode": _encoded,
    "builtins.set": _set,
    "collections.OrderedDict": _ordered,
    "numpy._core.multiarray._reconstruct": _array,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.dtype": _kind,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor_v2": storages.claim,
    "torch.storage._load_from_bytes": storages.nested,
    "torch_utils.persistence._reconstruct_persistent_obj": _record,
}
MADE: Calls = {"dnnlib.util.EasyDict": _empty}
BUILDS: Mapping[type, Callable[[Any, Any], None]] = {_Kind: _refine, Array: _lay}
GRAMMAR = Grammar(calls=CALLS, named=frozenset({"numpy.ndarray"}), made=MADE, builds=BUILDS)
