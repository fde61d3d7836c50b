"""What reads a pickle: a stack, a memo, a place in the bytes, and limits; it can call nothing."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

OPCODES_MAX = 400_000  # official networks of 64 pixels, counted as here: about 60,000
CONTAINER = 8  # opcodes that a new dict, list or set counts for: it takes as much memory
NAME_MAX = 4096  # bytes of a string that is decoded


class RefusedError(Exception):
    """The file holds what is not read here, or ends too early."""


@dataclass(frozen=True, slots=True)
class Global:
    """The name of a class or function: a word, never the thing."""

    name: str  # module.name

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string that is no name, undecoded: UTF-8, or as protocol 0 writes it."""

    content: bytes | memoryview


class Budget:
    """What may still be read of a file and of all pickles inside it together.

    Opcodes, as which the values of a copied container count, too; and bytes of texts that are
    written anew. Whatever a call copies is charged, so that a value which a small file calls again
    and again cannot grow beyond it.
    """

    def __init__(self, file_bytes: int) -> None:
        """file_bytes: of the whole file; a text that is written anew lies in it once."""
        self.left, self.bytes_left, self.file_bytes = OPCODES_MAX, file_bytes, file_bytes

    def spend(self, count: int) -> None:
        """Take some opcodes. RefusedError: there are no more."""
        self.left -= count
        if self.left < 0:
            raise RefusedError(f"more than {OPCODES_MAX:,} opcodes and copied values")

    def write(self, count: int) -> None:
        """Take some bytes. RefusedError: there are no more."""
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise RefusedError(f"more than {self.file_bytes:,} bytes of texts, as its file has")


Call = Callable[[tuple[Any, ...], Budget], Any]  # of a table: (arguments, budget) -> plain value
Calls = Mapping[str, Call]
Persistent = Callable[[Any], Any]  # the id of a tensor's bytes that lie elsewhere -> where


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What a pickle may say beyond plain values."""

    calls: Calls  # by the exact name of a global, what a call of it means
    named: frozenset[str] = frozenset()  # globals that may be named, and not called
    made: Calls | None = None  # by the exact name of a class, what a new one of it is
    builds: Mapping[type, Callable[[Any, Any], None]] | None = None  # by type: filled with a state
    persistent: Persistent | None = None


class Machine:
    """A stack, a memo, and a place in the bytes."""

    def __init__(self, content: memoryview, grammar: Grammar, budget: Budget, at: int) -> None:
        self.content, self.grammar, self.budget, self.at = content, grammar, budget, at
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.done = False

    def take(self, count: int) -> memoryview:
        """Take bytes. RefusedError: there are not so many left."""
        end = self.at + count
        if count < 0 or end > len(self.content):
            raise RefusedError(
                f"ends in the middle: {count:,} bytes wanted at byte {self.at:,} of "
                f"{len(self.content):,}"
            )
        found = self.content[self.at : end]
        self.at = end
        return found

    def number(self, kind: str) -> Any:
        """Take a number as `struct` knows it."""
        return struct.unpack(kind, self.take(struct.calcsize(kind)))[0]

    def line(self) -> memoryview:
        """Take the bytes up to the end of the line, at most as many as a name has."""
        ahead = bytes(self.content[self.at : self.at + NAME_MAX])
        length = ahead.find(b"\n")
        if length < 0:
            raise RefusedError(f"a line that does not end, at byte {self.at:,}")
        return self.take(length + 1)[:-1]

    def push(self, value: Any) -> None:
        """Lay a value on the stack."""
        self.stack.append(value)

    def fresh(self, container: Any) -> None:
        """Lay a new container on the stack."""
        self.budget.spend(CONTAINER)
        self.stack.append(container)

    def pop(self) -> Any:
        """Take the uppermost value of those above the last mark."""
        self.top()
        return self.stack.pop()

    def top(self) -> Any:
        """Look at it. RefusedError: there is none."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise RefusedError(f"too few values on the stack, at byte {self.at:,}")
        return self.stack[-1]

    def above_mark(self) -> list[Any]:
        """Take all values above the last mark, and the mark."""
        if not self.marks:
            raise RefusedError(f"no mark on the stack, at byte {self.at:,}")
        start = self.marks.pop()
        found = self.stack[start:]
        del self.stack[start:]
        return found

    def container(self, kind: type) -> Any:
        """Look at the list, dict or set that is to be filled."""
        found = self.top()
        if type(found) is not kind:
            raise RefusedError(f"a {type(found).__name__} is filled as a {kind.__name__}")
        return found

    def named(self, module: str, name: str) -> Global:
        """Give a global that the grammar knows by its exact name, without a dot in the last part.

        RefusedError names any other.
        """
        grammar = self.grammar
        whole = f"{module}.{name}"
        known = whole in grammar.calls or whole in grammar.named or whole in (grammar.made or {})
        if "." in name or not known:
            raise RefusedError(f"the global {printable(whole)}, which is not on the list")
        return Global(whole)


def printable(text: str) -> str:
    """Give the beginning of a name from a file, in letters that a terminal has."""
    return ascii(text[:100])[1:-1]
