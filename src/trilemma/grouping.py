"""Runs that differ only in their seed put together, and what each is called in a report."""

from collections import Counter
from collections.abc import Sequence

from trilemma.recipe.naming import differences
from trilemma.runs import Found
from trilemma.scoring import Scored


def grouped(scored: Sequence[Scored]) -> list[list[Scored]]:
    """Put runs together whose recipes differ in the seed and in nothing else."""
    groups: list[list[Scored]] = []
    for one in scored:
        for group in groups:
            if all(seed_apart(one.found, member.found) for member in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def seed_apart(one: Found, other: Found) -> bool:
    """Are these two trainings of one recipe with unlike seeds? Bundles do not say it for sure."""
    apart = {name for name, _, _ in differences(one.recipe, other.recipe)}
    return apart == {"seed"} and one.way == other.way and not one.bundle and not other.bundle


def group_names(groups: Sequence[Sequence[Scored]]) -> list[str]:
    """Name runs after their presets; where those are equal, their folders, checkpoints, paths.

    A group of seeds keeps its preset's name, for no folder is its own, unless there are two such.
    """
    first = [members[0].found for members in groups]
    seeds = [f" ({len(members)} seeds)" if len(members) > 1 else "" for members in groups]
    presets = [found.recipe.preset and found.recipe.preset + way(found) for found in first]
    pairs = list(zip(presets, seeds, strict=True))
    several = Counter(preset for preset, more in pairs if more)
    kept = [preset if more and several[preset] == 1 else "" for preset, more in pairs]
    named = [found.name + way(found) for found in first]
    checkpoints = [f"{found.name}@{found.checkpoint}{way(found)}" for found in first]
    paths = [f"{found.place}@{found.checkpoint}{way(found)}" for found in first]
    for level in (presets, named, checkpoints, paths):
        names = [own or name for own, name in zip(kept, level, strict=True)]
        if all(names) and len(set(names)) == len(names):
            break
    return [name + more for name, more in zip(names, seeds, strict=True)]


def way(found: Found) -> str:
    """Say behind a name how it draws, where that was asked for."""
    return f", {found.way.replace('=', ' ').replace(',', ', ')}" if found.way else ""
