"""The opcodes of pickles that are read, and what each does to a `Machine`."""

from collections.abc import Callable, Mapping
from typing import Any

from trilemma.foreign.machine import NAME_MAX, Global, Machine, RefusedError, Text, printable

SHORT = 256  # bytes that are copied; more of them are looked at where they lie
INTEGER_MAX = 16  # bytes


def _decoded(content: memoryview) -> str | Text:
    if len(content) > NAME_MAX:
        return Text(content)
    return str(content, "utf-8", "replace")  # names that are matched are ASCII


def _binary(content: memoryview) -> bytes | memoryview:
    return bytes(content) if len(content) <= SHORT else content


def _proto(machine: Machine) -> None:
    if (protocol := machine.take(1)[0]) > 5:
        raise RefusedError(f"pickle protocol {protocol}; allowed: 2 to 5")


def _long(machine: Machine) -> None:
    length = machine.take(1)[0]
    if length > INTEGER_MAX:
        raise RefusedError(f"an integer of {length} bytes")
    machine.push(int.from_bytes(machine.take(length), "little", signed=True))


def _global(machine: Machine) -> None:
    module, name = (_decoded(machine.line()) for _ in range(2))
    machine.push(machine.named(str(module), str(name)))


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if type(name) is not str or type(module) is not str:
        raise RefusedError("STACK_GLOBAL with a name that is no string")
    machine.push(machine.named(module, name))


def _inst(machine: Machine) -> None:
    module, name = (_decoded(machine.line()) for _ in range(2))
    raise RefusedError(f"opcode INST, of the global {printable(f'{module}.{name}')}")


def _reduce(machine: Machine) -> None:
    arguments, called = machine.pop(), machine.pop()
    if not isinstance(called, Global) or type(arguments) is not tuple:
        raise RefusedError(f"a {type(called).__name__} is called")
    call = machine.grammar.calls.get(called.name)
    if call is None:
        raise RefusedError(f"a call of {called.name}, which may only be named")
    machine.fresh(call(arguments, machine.budget))


def _newobj(machine: Machine) -> None:
    arguments, made = machine.pop(), machine.pop()
    call = (machine.grammar.made or {}).get(made.name) if isinstance(made, Global) else None
    if call is None or type(arguments) is not tuple:
        raise RefusedError(f"NEWOBJ of {made if isinstance(made, Global) else type(made).__name__}")
    machine.fresh(call(arguments, machine.budget))


def _build(machine: Machine) -> None:
    state, target = machine.pop(), machine.top()
    build = (machine.grammar.builds or {}).get(type(target))
    if build is None:
        kind = f"the global {target}" if isinstance(target, Global) else type(target).__name__
        raise RefusedError(f"BUILD applied to {kind}")
    build(target, state)


def _binpersid(machine: Machine) -> None:
    name = machine.pop()
    if machine.grammar.persistent is None:
        raise RefusedError("opcode BINPERSID outside of a file of torch.save")
    machine.push(machine.grammar.persistent(name))


def _put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.top()


def _get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        raise RefusedError(f"memo {index} is not there, at byte {machine.at:,}")
    machine.push(machine.memo[index])


def _index(machine: Machine) -> int:
    digits = bytes(machine.line())
    if not digits.isdigit() or len(digits) > 9:
        raise RefusedError("a memo index that is no number")
    return int(digits)


def _tuple(machine: Machine, count: int) -> None:
    found = [machine.pop() for _ in range(count)]
    machine.push(tuple(reversed(found)))


def _append(machine: Machine) -> None:
    value = machine.pop()
    machine.container(list).append(value)


def _appends(machine: Machine) -> None:
    values = machine.above_mark()
    machine.container(list).extend(values)


def _fill(target: dict[str, Any], keys: list[Any], values: list[Any]) -> None:
    for key, value in zip(keys, values, strict=True):
        if type(key) is not str:
            raise RefusedError(f"a {type(key).__name__} as the key of a dict")
        target[key] = value


def _setitem(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.container(dict), [key], [value])


def _setitems(machine: Machine) -> None:
    values = machine.above_mark()
    if len(values) % 2:
        raise RefusedError("a key without a value")
    _fill(machine.container(dict), values[::2], values[1::2])


def _dict(machine: Machine) -> None:
    values = machine.above_mark()
    if len(values) % 2:
        raise RefusedError("a key without a value")
    filled: dict[str, Any] = {}
    _fill(filled, values[::2], values[1::2])
    machine.fresh(filled)


def of_strings(values: Any) -> set[str]:
    """Give a set of strings. RefusedError: something else is among them."""
    if not all(type(value) is str for value in values):
        raise RefusedError("a set of more than strings")
    return set(values)


def _additems(machine: Machine) -> None:
    values = of_strings(machine.above_mark())
    machine.container(set).update(values)


def _stop(machine: Machine) -> None:
    if len(machine.stack) != 1 or machine.marks:
        raise RefusedError(f"{len(machine.stack)} values at the end, must be 1")
    machine.done = True


Run = Callable[[Machine], None]


def _sized(kind: str, make: Callable[[memoryview], Any]) -> Run:
    return lambda machine: machine.push(make(machine.take(machine.number(kind))))


def _number(kind: str) -> Run:
    return lambda machine: machine.push(machine.number(kind))


def _constant(value: object) -> Run:
    return lambda machine: machine.push(value)


_line: Run = lambda machine: machine.push(Text(bytes(machine.line())))  # noqa: E731 a row, as the others

OPCODES: Mapping[int, Run] = {  # all that are read; INST only to say what it names
    **dict.fromkeys(b"FILSV", _line),  # numbers and strings of protocol 0, which stay undecoded
    ord("("): lambda machine: machine.marks.append(len(machine.stack)),
    ord(")"): _constant(()),
    ord("."): _stop,
    ord("0"): lambda machine: machine.pop(),
    ord("B"): _sized("<I", _binary),
    ord("C"): _sized("<B", _binary),
    ord("G"): _number(">d"),
    ord("J"): _number("<i"),
    ord("K"): _number("<B"),
    ord("M"): _number("<H"),
    ord("N"): _constant(None),
    ord("Q"): _binpersid,
    ord("R"): _reduce,
    ord("X"): _sized("<I", _decoded),
    ord("]"): lambda machine: machine.fresh([]),
    ord("a"): _append,
    ord("b"): _build,
    ord("c"): _global,
    ord("d"): _dict,
    ord("e"): _appends,
    ord("g"): lambda machine: _get(machine, _index(machine)),
    ord("h"): lambda machine: _get(machine, machine.number("<B")),
    ord("i"): _inst,
    ord("j"): lambda machine: _get(machine, machine.number("<I")),
    ord("l"): lambda machine: machine.fresh(machine.above_mark()),
    ord("p"): lambda machine: _put(machine, _index(machine)),
    ord("q"): lambda machine: _put(machine, machine.number("<B")),
    ord("r"): lambda machine: _put(machine, machine.number("<I")),
    ord("s"): _setitem,
    ord("t"): lambda machine: machine.push(tuple(machine.above_mark())),
    ord("u"): _setitems,
    ord("}"): lambda machine: machine.fresh({}),
    0x80: _proto,
    0x81: _newobj,
    0x85: lambda machine: _tuple(machine, 1),
    0x86: lambda machine: _tuple(machine, 2),
    0x87: lambda machine: _tuple(machine, 3),
    0x88: _constant(True),
    0x89: _constant(False),
    0x8A: _long,
    0x8C: _sized("<B", _decoded),
    0x8D: _sized("<Q", _decoded),
    0x8E: _sized("<Q", _binary),
    0x8F: lambda machine: machine.fresh(set()),
    0x90: _additems,
    0x93: _stack_global,
    0x94: lambda machine: _put(machine, len(machine.memo)),
    0x95: lambda machine: _refuse_short(machine, machine.number("<Q")),
}


def _refuse_short(machine: Machine, count: int) -> None:
    """Read on: a frame only says how many bytes follow. RefusedError: they are not there."""
    if count > len(machine.content) - machine.at:
        raise RefusedError(
            f"ends in the middle: a frame of {count:,} bytes at byte {machine.at:,} of "
            f"{len(machine.content):,}"
        )
