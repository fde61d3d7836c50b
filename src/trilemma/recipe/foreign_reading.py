"""Every setting of a file read by its meaning, or the run stopped with all that nobody knows."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from trilemma.errors import RecipeError
from trilemma.recipe.foreign_keys import USUAL, readers
from trilemma.recipe.foreign_values import Reader, Reading, Setting
from trilemma.recipe.foreign_words import words

Path = tuple[str, ...]  # of a setting: its sections, then its name


class Given(NamedTuple):
    """A setting and what it became."""

    setting: Setting
    reading: Reading


class Said(NamedTuple):
    """The value of a field, and the setting that says it."""

    value: Any
    setting: Setting


def flat(settings: Mapping[str, Any], around: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the settings of all levels, each with its sections; an empty section is a setting."""
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, (*around, name))
        else:
            yield (*around, name), value


def read(table: Mapping[str, Any], where: str) -> tuple[Given, ...]:
    """Read all settings; RecipeError names all unknown ones, or the first value that is wrong."""
    found = [(path, value, readers(path)) for path, value in flat(table)]
    if not found:
        raise RecipeError(f"{where}: no setting in it; a recipe has schema = 1")
    _refuse_unknown([(path, several) for path, _, several in found if len(several) != 1], where)
    return tuple(_given(path, value, several[0], where) for path, value, several in found)


def _given(path: Path, value: Any, reader: Reader, where: str) -> Given:
    spoken = tuple(word for part in path for word in words(part))
    setting = Setting(key=".".join(path), value=value, words=spoken, where=where)
    return Given(setting, Reading(said="not set") if value is None else reader(setting))


def _refuse_unknown(lost: Sequence[tuple[Path, Sequence[Reader]]], where: str) -> None:
    if not lost:
        return
    named = [
        f"'{'.'.join(path)}' ({'may mean several things; ' if several else ''}"
        f"closest: {nearest(path[-1])})"
        for path, several in lost
    ]
    what = "unknown setting" if len(named) == 1 else f"{len(named)} unknown settings:"
    raise RecipeError(f"{where}: {what} {', '.join(named)}; correct or remove")


def nearest(name: str) -> str:
    """Give the usual name that looks most like this one."""
    low = "_".join(name.lower().replace("-", "_").split())
    return get_close_matches(low, USUAL.split(), n=1, cutoff=0.0)[0]


def said_by(given: Sequence[Given], where: str) -> dict[str, Said]:
    """Give every field its value; RecipeError where two settings give it different ones."""
    said: dict[str, Said] = {}
    for setting, reading in given:
        for field, value in reading.fields.items():
            first = said.setdefault(field, Said(value, setting))
            if first.value == "auto" and field == "speed.device":
                said[field] = Said(value, setting)  # "cuda": false beside "ngpu": 1
            elif value != first.value and (value, field) != ("auto", "speed.device"):
                raise RecipeError(
                    f"{where}: {first.setting.written} and {setting.written} say different things "
                    "about the same; allowed: one of them"
                )
    return said
