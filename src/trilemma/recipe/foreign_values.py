"""The values of another project's settings, read with their type and range checked.

A reader takes a setting and gives fields of ours with their values, or says why there are none. A
field that begins with a star is one of each network (`*optimizer.lr`); one that begins with @ is
decided later, when all settings are known.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trilemma.errors import RecipeError

LARGEST = 1e300
SIDES = ("generator", "critic")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as it is written, and the words of its name."""

    key: str  # with its sections: optimizer.betas
    value: Any
    words: tuple[str, ...]  # sections included
    where: str  # file

    @property
    def side(self) -> str:
        """Which network it is of: generator or critic; empty if it is of both or neither."""
        found = [side for side in SIDES if side in self.words]
        return found[0] if len(found) == 1 else ""

    @property
    def written(self) -> str:
        """The setting as the file has it, in one line."""
        return f"{self.key} = {shown(self.value)}"

    def wrong(self, allowed: str) -> RecipeError:
        """Refuse the value."""
        return RecipeError(f"{self.where}: {self.written}; allowed: {allowed}")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a setting became."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""  # in place of fields, or beside them


Reader = Callable[[Setting], Reading]


def shown(value: Any) -> str:
    """Write a value as JSON does, in one short line."""
    names = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return names[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def placed(name: str, side: str) -> str:
    """Give the field of one network where the setting is of one."""
    if not side:
        return name
    return name.replace("*optimizer.", f"family.{side}_optimizer.").replace(
        "*net.", f"family.{side}."
    )


def number(
    name: str, *, least: float = 0.0, above: float = -math.inf, below: float = math.inf
) -> Reader:
    """Read a number that is at least `least`, more than `above` and less than `below`."""

    def read(setting: Setting) -> Reading:
        value = setting.value
        if not is_number(value) or not (least <= value < below and value > above):
            raise setting.wrong(_range(least, above, below))
        return Reading(fields={placed(name, setting.side): float(value)})

    return read


def _range(least: float, above: float, below: float) -> str:
    start = f"more than {above:g}" if above > -math.inf else f"{least:g} or more"
    return f"a number, {start}" + (f", less than {below:g}" if below < math.inf else "")


def whole(name: str, *, least: int = 1) -> Reader:
    """Read a whole number, which may be written 64.0."""

    def read(setting: Setting) -> Reading:
        value = setting.value
        if not is_number(value) or value != int(value) or value < least:
            raise setting.wrong(f"a whole number, {least} or more")
        return Reading(fields={placed(name, setting.side): int(value)})

    return read


def flag(name: str, *, swapped: bool = False) -> Reader:
    """Read true or false (or 1 and 0; of a probability, whether it is more than 0)."""

    def read(setting: Setting) -> Reading:
        if not isinstance(setting.value, bool) and not _is_share(setting.value):
            raise setting.wrong("true or false")
        return Reading(fields={placed(name, setting.side): bool(setting.value) != swapped})

    return read


def text(name: str) -> Reader:
    """Read a line of text."""

    def read(setting: Setting) -> Reading:
        if not isinstance(setting.value, str) or not setting.value.strip():
            raise setting.wrong("text")
        return Reading(fields={name: setting.value.strip()})

    return read


def one_of(name: str, allowed: Mapping[str, Any]) -> Reader:
    """Read a name, compared without case and marks; the table says what it is here."""

    def read(setting: Setting) -> Reading:
        value = plain(setting.value) if isinstance(setting.value, str) else ""
        if value not in allowed:
            raise setting.wrong(", ".join(allowed))
        return Reading(fields={placed(name, setting.side): allowed[value]})

    return read


def note(said: str) -> Reader:
    """Explain what there is in the place of a setting, whatever its value."""
    return lambda setting: Reading(said=said)


def off(said: str, instead: str) -> Reader:
    """Explain a setting that is off; one that is on cannot be had, and would be missed."""

    def read(setting: Setting) -> Reading:
        if setting.value in (None, False, 0, "", [], "none", "None", "null", -1):
            return Reading(said=said)
        raise setting.wrong(f"null or false; {instead}")

    return read


def switched(reader: Reader, *, true: Reading, false: Reading) -> Reader:
    """Read true and false where the setting may also be a value for `reader`."""

    def read(setting: Setting) -> Reading:
        if isinstance(setting.value, bool):
            return true if setting.value else false
        return reader(setting)

    return read


def betas(setting: Setting) -> Reading:
    """Read Adam's two decays."""
    value = setting.value
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise setting.wrong("two numbers, such as [0.0, 0.9]")
    if not all(is_number(one) and 0 <= one < 1 for one in value):
        raise setting.wrong("two numbers, 0 or more, less than 1")
    names = ("*optimizer.beta1", "*optimizer.beta2")
    pairs = zip(names, value, strict=True)
    return Reading(fields={placed(name, setting.side): float(one) for name, one in pairs})


def size(setting: Setting) -> Reading:
    """Read 64, "64x48" (width first) or [48, 64] (height first), the channels before or behind."""
    sides = _sides(setting.value)
    if not 1 <= len(sides) <= 3 or not all(is_whole(side) and side > 0 for side in sides):
        raise setting.wrong("pixels, such as 64, [64, 64] (height first) or '64x64'")
    sides = [int(side) for side in sides]
    if len(sides) < 3:
        return Reading(fields={"data.size": "x".join(str(side) for side in reversed(sides))})
    colours, height, width = sides if sides[0] in (1, 3) else (sides[2], sides[0], sides[1])
    if colours not in (1, 3):
        raise setting.wrong("height, width and channels (1 or 3), or channels first")
    return Reading(fields={"data.size": f"{width}x{height}", "data.channels": colours})


def _sides(value: Any) -> list[Any]:
    if isinstance(value, str):
        sides = value.lower().replace(" ", "").split("x")
        return [int(side) for side in reversed(sides)] if all(map(str.isdecimal, sides)) else []
    return list(value) if isinstance(value, list | tuple) else [value]


def channels(setting: Setting) -> Reading:
    """Read 1 or 3."""
    if not is_whole(setting.value) or setting.value not in (1, 3):
        raise setting.wrong("1 (grey) or 3 (colour)")
    return Reading(fields={"data.channels": int(setting.value)})


def colours(grey: bool) -> Reader:
    """Read whether images are grey, or whether they are coloured; or the name of either."""
    names = {"l": 1, "gray": 1, "grey": 1, "grayscale": 1, "greyscale": 1, "rgb": 3, "color": 3}

    def read(setting: Setting) -> Reading:
        value = setting.value
        if isinstance(value, bool):
            return Reading(fields={"data.channels": 1 if value == grey else 3})
        if isinstance(value, str) and plain(value) in names:
            return Reading(fields={"data.channels": names[plain(value)]})
        raise setting.wrong("true or false, or one of " + ", ".join(names))

    return read


def label_real(setting: Setting) -> Reading:
    """Read one-sided smoothing as the target (0.9) or as what is taken off it (0.1)."""
    value = setting.value
    if not is_number(value) or not 0 <= value <= 1:
        raise setting.wrong("a number from 0 to 1, such as 0.9 or 0.1")
    return Reading(fields={"family.label_real": float(value if value > 0.5 else 1 - value)})


def plain(name: str) -> str:
    """Give a name without case and marks."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def is_number(value: object) -> bool:
    """Is this a finite number, below 1e300? True and false are none."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and -LARGEST < value < LARGEST  # type: ignore[operator]


def is_whole(value: object) -> bool:
    """Is this a whole number? 64.0 is."""
    return is_number(value) and value == int(value)  # type: ignore[call-overload]


def _is_share(value: object) -> bool:
    return is_number(value) and 0 <= value <= 1  # type: ignore[operator]
