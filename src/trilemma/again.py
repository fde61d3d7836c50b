"""The command that makes a report again."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from trilemma import runs
from trilemma.evaluation import STANDARD
from trilemma.runs import Found, parted

DEFAULTS: Mapping[str, object] = {  # of the verb's options
    "out": "reports",
    "n": 0,
    "extractor": "auto",
    "metrics": STANDARD,
    "ungroup": False,
    "few_steps": False,
    "few_steps_n": 0,
    "trust": False,
    "lang": "en",
    "device": "auto",
}


def lasting(typed: str, meant: Found) -> str:
    """Name a run so that it is found again after a new training, too: a preset's name moves on."""
    name, which = parted(typed)
    if meant.place.parent == Path(name):  # of several seeds
        return f"{meant.place}@{which}" if which else str(meant.place)
    if Path(name).exists() or name != meant.recipe.preset:
        return typed
    own = runs.spelled(meant.place) if meant.bundle else meant.name
    return f"{own}@{which}" if which else own


def spelled(names: Sequence[str], options: Mapping[str, object]) -> str:
    """Write the command that makes a report, with every option that is not as it is by default."""
    words = ["trilemma", "compare", *names]
    for name, default in DEFAULTS.items():
        value = options.get(name, default)
        if isinstance(value, list | tuple):
            value = tuple(value)
        if value != default:
            given = value if isinstance(value, tuple) else () if value is True else (value,)
            words += [f"--{name.replace('_', '-')}", *map(str, given)]
    return shlex.join(words)
