"""Ranges of values, each refused in one line: RecipeError."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from trilemma.errors import RecipeError
from trilemma.recipe.closest import unknown


def known(field: str, name: str, allowed: Mapping[str, object] | tuple[str, ...]) -> None:
    """Refuse a name that is not in a table."""
    if name not in allowed:
        raise RecipeError(unknown(field, name, allowed))


def positive(field: str, value: float) -> None:
    """Refuse 0, what is below, and what is not finite."""
    if not 0 < value < inf:
        raise RecipeError(f"{field} is {value:g}; allowed: more than 0")


def not_negative(field: str, value: float) -> None:
    """Refuse what is below 0 or not finite."""
    if not 0 <= value < inf:
        raise RecipeError(f"{field} is {value:g}; allowed: 0 or more")


def inside(field: str, value: float, low: float, high: float) -> None:
    """Refuse what is not in [low, high]."""
    if not low <= value <= high:
        raise RecipeError(f"{field} is {value:g}; allowed: {low:g} to {high:.10g}")


def share(field: str, value: float) -> None:
    """Refuse what is not in [0, 1)."""
    if not 0 <= value < 1:
        raise RecipeError(f"{field} is {value:g}; allowed: 0 to below 1")


def each(part: object, prefix: str, rule: Callable[[str, Any], None], names: str) -> None:
    """Apply one rule to the fields named in a line of words."""
    for name in names.split():
        rule(f"{prefix}.{name}", getattr(part, name))
