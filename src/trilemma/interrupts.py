"""Ctrl-C and SIGTERM as a flag that the train loop reads between rounds."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Which signal asked for the end; 0: none."""

    signal: int = 0


@contextlib.contextmanager
def caught() -> Iterator[Interrupt]:
    """Note the first Ctrl-C or SIGTERM in place of dying of it; the second acts as ever.

    Outside the main thread (where Python delivers no signals) nothing changes.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number
        for each, handler in former.items():
            signal.signal(each, handler)

    for number in former:
        signal.signal(number, note)
    try:
        yield interrupt
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
