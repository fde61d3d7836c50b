"""The way to draw behind a run's name: RUN@steps=20, RUN@sampler=heun, RUN@truncation=0.7."""

import math

from trilemma.errors import RunError
from trilemma.families.family import DrawOptions
from trilemma.recipe.closest import closest

WORDS = ("steps", "sampler", "guidance", "truncation")


def checkpoint_and_way(text: str, which: str) -> tuple[str, str]:
    """Part `last,steps=20` into a checkpoint and a way to draw; either may be empty: RunError."""
    parts = [part.strip() for part in which.split(",") if part.strip()]
    ways = [part for part in parts if "=" in part]
    rest = [part for part in parts if "=" not in part]
    if len(rest) > 1:
        raise RunError(f"{text}: {rest[0]} and {rest[1]} both name a checkpoint; allowed: one")
    return "".join(rest), ",".join(ways)


def options_of(text: str, way: str) -> DrawOptions:
    """Read `sampler=heun,steps=9` as options; RunError names what is allowed."""
    pairs = [part.split("=", 1) for part in way.split(",") if part]
    words = dict(pairs)
    allowed = "steps=20, sampler=heun, guidance=2, truncation=0.7"
    if len(words) < len(pairs):
        raise RunError(f"{text}: '{way}' says one thing twice; allowed: {allowed}, each once")
    try:
        made = DrawOptions(
            sampler=words.pop("sampler", ""),
            steps=int(words.pop("steps", 0)),
            guidance=float(words.pop("guidance", 0.0)),
            truncation=float(words.pop("truncation")) if "truncation" in words else None,
        )
    except ValueError:
        raise RunError(f"{text}: '{way}' has no number; allowed: {allowed}") from None
    if words:
        wrong = next(iter(words))
        near = closest(wrong, WORDS, count=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise RunError(f"{text}: '{wrong}' is no way to draw; allowed: {allowed}{meant}")
    if made.steps < 0 or not 0 <= made.guidance < math.inf:
        raise RunError(f"{text}: '{way}' cannot be; allowed: {allowed}")
    return made
