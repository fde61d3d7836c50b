"""Networks that a pickle describes, looked at piece by piece: each value checked for its type."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trilemma.foreign.machine import RefusedError, printable
from trilemma.foreign.snapshots import Array, Record
from trilemma.foreign.storages import Claim

DEPTH_MAX = 8  # networks within each other
PARTS_MAX = 2_000  # tensors of a network; official ones have 100 to 300
INTEGER_MAX = 1 << 20  # of sizes and counts in attributes
TAPS_MAX = 64  # of a filter along an axis; official ones have 4 to 12


@dataclass(frozen=True, kw_only=True)
class Part:
    """A network or layer: what it holds, by name, and where it stands in the whole."""

    path: str  # by dots, such as G_ema.synthesis.b8
    name: str  # of its class
    state: Mapping[str, Any]
    parts: Mapping[str, "Part"]
    tensors: Mapping[str, Claim]  # parameters and buffers

    def refuse(self, what: str) -> RefusedError:
        """Say what is wrong here."""
        return RefusedError(f"{self.path} {what}")

    def differs(self, name: str, value: Any, allowed: str) -> RefusedError:
        """Say that an attribute has another value than allowed."""
        return self.refuse(f"has {name} = {shown(value)}, must be {allowed}")

    def part(self, name: str) -> "Part":
        """Give a part by its name. RefusedError: it is not there."""
        if name not in self.parts:
            raise self.refuse(f"({self.name!a}) has no part {name}")
        return self.parts[name]

    def shape(self, name: str, dimensions: int) -> tuple[int, ...]:
        """Give a tensor's shape. RefusedError: it is not there, or has other dimensions."""
        if name not in self.tensors:
            raise self.refuse(f"({self.name!a}) has no tensor {name}")
        shape = self.tensors[name].shape
        if len(shape) != dimensions:
            raise self.refuse(f"has a {name} of {len(shape)} dimensions, must have {dimensions}")
        return shape

    def whole(self, name: str, default: int | None = None) -> int:
        """Give an attribute that is a whole number, not negative. RefusedError: it is none."""
        value = self.state.get(name, default)
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not 0 <= value <= INTEGER_MAX:
            raise self.differs(name, value, "a whole number")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """Give an attribute that is a finite number. RefusedError: it is none."""
        value = self.state.get(name, default)
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.differs(name, value, "a number")
        return float(value)

    def word(self, name: str, default: str) -> str:
        """Give an attribute that is a string. RefusedError: it is none."""
        value = self.state.get(name, default)
        if type(value) is not str:
            raise self.differs(name, value, "a word")
        return value

    def clamp(self) -> float:
        """Give the limit on a layer's values; 0: it has none."""
        found = 0.0 if self.state.get("conv_clamp") is None else self.number("conv_clamp")
        if found < 0:
            raise self.refuse(f"has conv_clamp = {found:g}, must be above 0")
        return found

    def expect(self, name: str, value: float, **default: float) -> None:
        """Refuse an attribute that is another number than the formulas give."""
        found = self.number(name, **default)
        if not math.isclose(found, value, rel_tol=1e-6, abs_tol=1e-9):
            raise self.refuse(f"has {name} = {found:g}, must be {value:g}")


def part_of(value: Any, path: str) -> Part:
    """Look at a network and all that it is made of. RefusedError: it is none."""
    return _part(value, path, DEPTH_MAX, [PARTS_MAX])


def _part(value: Any, path: str, depth: int, left: list[int]) -> Part:
    if not isinstance(value, Record):
        raise RefusedError(f"{path} is a {type(value).__name__}, must be a network")
    if not depth:
        raise RefusedError(f"{path}: networks within each other, more than {DEPTH_MAX} deep")
    tensors: dict[str, Claim] = {}
    for kind in ("_parameters", "_buffers"):
        for name, tensor in _table(value, kind, path).items():
            if tensor is not None:
                tensors[name] = _claim(tensor, f"{path}.{printable(name)}")
    modules = _table(value, "_modules", path)
    left[0] -= len(tensors) + len(modules)
    if left[0] < 0:
        raise RefusedError(f"{path}: a network of more than {PARTS_MAX:,} parts")
    parts = {
        name: _part(module, f"{path}.{printable(name)}", depth - 1, left)
        for name, module in modules.items()
        if module is not None
    }
    return Part(path=path, name=value.name, state=value.state, parts=parts, tensors=tensors)


def _table(record: Record, kind: str, path: str) -> Mapping[str, Any]:
    found = record.state.get(kind)
    if not isinstance(found, dict):
        what = type(found).__name__
        raise RefusedError(f"{path} ({record.name!a}) has {kind} of type {what}, must be a dict")
    for name in found:
        if not name or "." in name:  # paths are names with dots between
            raise RefusedError(
                f"{path} has a part named {shown(name)}; allowed: names without dots"
            )
    return found


def _claim(value: Any, path: str) -> Claim:
    if not isinstance(value, Claim):
        raise RefusedError(f"{path} is a {type(value).__name__}, must be a tensor")
    if not value.count:
        raise RefusedError(f"{path} is a tensor without elements, {value.shape}")
    return value


def square(part: Part, name: str) -> int:
    """Give an attribute that is one side of something square: a number, or two equal ones."""
    value = part.state.get(name)
    numbers = (
        value.values.tolist() if isinstance(value, Array) and value.values is not None else value
    )
    if isinstance(numbers, list) and len(numbers) == 2 and numbers[0] == numbers[1]:
        numbers = numbers[0]
    if type(numbers) is not int or not 0 < numbers <= INTEGER_MAX:
        raise part.differs(name, numbers, "two equal whole numbers")
    return numbers


def alike(parts: list[Part], name: str, found: list[Any]) -> Any:
    """Give what all parts have in common. RefusedError: they differ."""
    for part, value in zip(parts, found, strict=True):
        if value != found[0]:
            raise part.refuse(f"has {name} = {shown(value)}, and {parts[0].path} {shown(found[0])}")
    return found[0]


def taps_of(parts: list[Part], name: str = "resample_filter") -> tuple[float, ...]:
    """Give the taps, of one axis, of the filter that all parts share; their sum is 1.

    RefusedError: there is none, they differ, or the filter is not the product of one axis's.
    """
    filters = []
    for part in parts:
        shape = part.tensors[name].shape if name in part.tensors else ()
        if len(shape) not in (1, 2) or max(shape) > TAPS_MAX:  # looked at before numbers are read
            raise part.refuse(f"has no {name} of one or two axes and at most {TAPS_MAX} taps")
        filters.append(part.tensors[name].tensor().double().numpy())
    for part, taps in zip(parts, filters, strict=True):
        if taps.shape != filters[0].shape or not np.array_equal(taps, filters[0]):
            raise part.refuse(f"has another {name} than {parts[0].path}")
    taps = filters[0]
    row = taps.sum(0) if taps.ndim == 2 else taps
    plane = np.outer(row, row) if taps.ndim == 2 else row
    if plane.shape != taps.shape:
        raise parts[0].refuse(f"has a {name} of a shape that is not square")
    if not np.allclose(plane, taps, atol=1e-6) or not np.isclose(row.sum(), 1, atol=1e-5):
        raise parts[0].refuse(f"has a {name} that is not the product of one axis's with itself")
    return tuple(map(float, row))


def shown(value: Any) -> str:
    """Give a value from a file in a few letters that a terminal has; containers by their type."""
    if value is None or isinstance(value, bool | int | float):
        return str(value)[:40]
    if isinstance(value, str):
        return ascii(value[:40])
    return f"a {type(value).__name__}"
