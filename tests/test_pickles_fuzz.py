"""Changed pickles, in bytes or instructions: read or refused, soon and in little memory."""

import math
import pickletools
import random
import struct
import time
from pathlib import Path

import numpy as np
import pytest

from snapshotfiles import pickled, saved, small
from test_pickles import PROTOCOLS, peak
from trilemma.foreign import stylegan
from trilemma.foreign.machine import RefusedError
from trilemma.foreign.snapshots import parse
from trilemma.foreign.tensors import SLACK


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change some bytes: other values, cut, copied, inserted opcodes, at one place or several."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        place = chance.randrange(len(changed) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            del changed[place : place + chance.choice((1, 4, 100))]
        elif kind == 1:
            changed[place:place] = bytes(chance.choices(range(256), k=chance.choice((1, 2, 9))))
        elif kind == 2:
            start = chance.randrange(len(changed) + 1)
            changed[place:place] = changed[start : start + chance.choice((2, 30, 300))]
        elif changed:
            changed[place % len(changed)] = chance.randrange(256)
        if not changed:
            break
    return bytes(changed)


def fuzz(count: int) -> None:
    arrays = {"rate": np.float64(2), "size": np.array([1, 2])}
    bases = [pickled(small(**arrays if p < 5 else {}), protocol=p) for p in PROTOCOLS]
    bases += [saved(small(), zipped=zipped) for zipped in (True, False)]
    chance = random.Random(0)
    before = peak()
    read = 0
    for number in range(count):
        content = mutated(bases[number % len(bases)], chance)
        start = time.perf_counter()
        try:
            values = parse(content)
        except RefusedError:
            pass
        else:
            read += 1
            assert type(values) is dict
        assert time.perf_counter() - start < 5
    assert 0 < read < count
    assert peak() - before < 100_000  # KB


def test_mutated_pickles_are_read_or_refused() -> None:
    fuzz(1_000)


@pytest.mark.slow
def test_ten_thousand_mutated_pickles() -> None:
    fuzz(10_000)


CODES = [ord(opcode.code) for opcode in pickletools.opcodes]
NUMBERS = {  # instruction -> what may stand behind it
    ord("G"): [struct.pack(">d", x) for x in (0, -1, 0.1, 1e-300, 1e300, math.nan, math.inf)],
    ord("J"): [struct.pack("<i", x) for x in (0, -1, 2**31 - 1, -(2**31))],
    ord("K"): [b"\x00", b"\x01", b"\xff"],
    ord("M"): [b"\x00\x00", b"\xff\xff"],
}
TEXTS = {ord("X"): 5, 0x8C: 2}  # instruction -> bytes before its letters
VALUED = NUMBERS.keys() | TEXTS.keys()
LETTERS = b".\x1b\n\x00/0"


def other_value(changed: bytearray, start: int, end: int, chance: random.Random) -> None:
    """Put another number behind an instruction, or another letter into its text."""
    if (code := changed[start]) in NUMBERS:
        changed[start + 1 : end] = chance.choice(NUMBERS[code])
    elif code in TEXTS and end - start > TEXTS[code]:
        changed[chance.randrange(start + TEXTS[code], end)] = chance.choice(LETTERS)


def opcodes_changed(content: bytes, places: list[int], chance: random.Random) -> bytes:
    """Change instructions of a pickle: others, again, left out, in another order, or their bytes.

    places: where each begins, and the end.
    """
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        number = chance.randrange(len(places) - 1)
        start, end = places[number : number + 2]
        other = chance.randrange(len(places) - 2)
        kind = chance.randrange(12)
        if kind > 5:
            valued = [n for n, at in enumerate(places[:-1]) if content[at] in VALUED]
            number = chance.choice(valued)
            other_value(changed, *places[number : number + 2], chance)
        elif kind == 0:
            changed[start] = chance.choice(CODES)
        elif kind == 1 and end - start > 1:
            changed[chance.randrange(start + 1, min(end, start + 9))] = chance.randrange(256)
        else:  # lengths differ, so that the other places are those of the file no more
            piece = content[places[other] : places[min(other + chance.randrange(1, 9), number)]]
            last = places[min(number + chance.randrange(1, 4), len(places) - 1)]
            changed[start : last if kind < 4 else start] = piece[:10_000]
            break
    return bytes(changed)


def fuzz_fixtures(folder: Path, count: int) -> None:
    """Each official network, its instructions changed: read and described, or refused."""
    files = sorted([*folder.glob("*.pkl"), *folder.glob("extra/*.p[kt]*")])
    assert files
    chance = random.Random(1)
    ends = {"read": 0, "described": 0, "refused": 0}
    before = peak()
    for path in files:
        content = path.read_bytes()
        pickle_of = content if path.suffix == ".pkl" else b""
        places = [at for _, _, at in pickletools.genops(pickle_of)] if pickle_of else []
        places.append(len(content))
        for _ in range(count):
            broken = (
                opcodes_changed(content, places, chance)
                if pickle_of
                else mutated(content[:40_000], chance) + content[40_000:]
            )
            start = time.process_time()
            ends[described_or_refused(broken)] += 1
            assert time.process_time() - start < 20
    assert ends["described"] and ends["refused"], ends
    assert peak() - before < 200_000  # KB


def described_or_refused(content: bytes) -> str:
    """Say how far the reading of a file comes; all that it may raise is RefusedError."""
    how = "refused"
    try:
        values = parse(content)
        how = "read"
        for name in ("G_ema", "G", "D"):
            found = stylegan.describe(
                values, name, critic=name == "D", bytes_max=SLACK * len(content)
            )
            found.tensors()
        how = "described"
    except RefusedError as error:
        assert len(str(error)) < 2_000
        assert str(error).isprintable()
    return how


def test_instructions_of_official_networks_changed(shared_stylegan: Path) -> None:
    fuzz_fixtures(shared_stylegan, 3)


@pytest.mark.slow
def test_many_instructions_of_official_networks_changed(shared_stylegan: Path) -> None:
    fuzz_fixtures(shared_stylegan, 60)
