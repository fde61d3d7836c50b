"""Which name was meant: the line that answers a name that does not exist."""

from collections.abc import Iterable

FEW = 22  # names that still fit into one line


def closest(name: str, names: Iterable[str], *, count: int = 3) -> list[str]:
    """Give up to `count` of `names` that look like `name`, best first; none if none does."""
    from difflib import get_close_matches  # late: --help does without

    by_lower = {known.lower(): known for known in names}
    found = get_close_matches(name.lower(), by_lower, n=count, cutoff=0.5)
    longer = [low for low in by_lower if name and name.lower() in low and low not in found]
    return [by_lower[low] for low in (*found, *sorted(longer))][:count]


def unknown(what: str, name: str, allowed: Iterable[str]) -> str:
    """Say in one line that `name` is none of `allowed`, and which of them come closest."""
    names = list(allowed)
    near = closest(name, names)
    if not names:
        return f"unknown {what} '{name}'; there is none"
    if len(names) <= FEW:
        meant = f"; did you mean {near[0]}?" if near else ""
        return f"unknown {what} '{name}'; allowed: {', '.join(names)}{meant}"
    if near:
        return f"unknown {what} '{name}'; closest: {', '.join(near)}"
    return f"unknown {what} '{name}'; nothing comes close; allowed: {', '.join(names[:3])}, ..."
