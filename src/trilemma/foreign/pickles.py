"""A pickle -> plain values, by an interpreter of our own that can call nothing.

Python's unpickler imports whatever a file names and calls it. Here a global is a word (`Global`)
and stays one: nothing is imported by it, nothing is looked up on it. Where a file calls a global,
the function that stands under its exact name in a table of the caller's makes a plain value of the
arguments; a name that is not in the table ends the reading. Strings longer than any name stay
bytes (`Text`), so that source text in a file is not even decoded.
"""

import pickletools
from typing import Any

from trilemma.foreign.machine import Budget, Grammar, Machine, RefusedError
from trilemma.foreign.opcodes import OPCODES

STACK_MAX = 10_000  # values that wait to be put together
DEPTH_MAX = 100  # containers within each other; official files: about 20
NAMES = {ord(opcode.code): opcode.name for opcode in pickletools.opcodes}


def load(content: memoryview, grammar: Grammar, budget: Budget, at: int = 0) -> tuple[Any, int]:
    """Read the pickle that begins at a byte; give its value and where it ends.

    RefusedError: a global or an opcode that is not in the grammar, a limit, or a broken file.
    """
    machine = Machine(content, grammar, budget, at)
    while not machine.done:
        code = machine.take(1)[0]
        budget.spend(1)
        run = OPCODES.get(code)
        if run is None:
            raise RefusedError(f"opcode {_opcode(code)} at byte {machine.at - 1:,}")
        run(machine)
        if len(machine.stack) > STACK_MAX:
            raise RefusedError(
                f"more than {STACK_MAX:,} values on the stack: too many, or too deep"
            )
    value = machine.pop()
    _refuse_depth(value)
    return value, machine.at


def _opcode(code: int) -> str:
    return NAMES.get(code, f"{code:#04x}, which does not exist,")


def _refuse_depth(value: Any) -> None:
    """Refuse containers nested too deeply; each is looked at once, however often it is shared."""
    seen: set[int] = set()
    level = [value]
    for _ in range(DEPTH_MAX):
        level = [inner for outer in level for inner in _inside(outer, seen)]
        if not level:
            return
    raise RefusedError(f"containers within each other, more than {DEPTH_MAX} deep")


def _inside(value: Any, seen: set[int]) -> list[Any]:
    if not isinstance(value, dict | list | tuple) or id(value) in seen:
        return []
    seen.add(id(value))
    return list(value.values()) if isinstance(value, dict) else list(value)
