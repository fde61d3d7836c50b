"""Runs that differ only in their seed put together, and what each is called in a report."""

import re
from collections import Counter
from collections.abc import Sequence

from trilemma.runs import Found, seed_apart
from trilemma.scoring import Scored

MADE = re.compile(r"-s\d+-[0-9a-f]{8}(?:\+\d+)*$")  # what run_name ends with, and --continue adds


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


def group_names(groups: Sequence[Sequence[Scored]]) -> list[str]:
    """Name runs as their folders if somebody named these (--out), else after their presets.

    Where names are equal: folders, checkpoints, paths. A group of seeds whose folders have names of
    their own keeps its preset's name, for none is the group's, unless there are two such.
    """
    first = [members[0].found for members in groups]
    seeds = [f" ({len(members)} seeds)" if len(members) > 1 else "" for members in groups]
    given = [given_name([member.found for member in members]) for members in groups]
    chosen = [name or found.recipe.preset for name, found in zip(given, first, strict=True)]
    ways = [way(found) for found in first]
    presets = [name and name + drawn for name, drawn in zip(chosen, ways, strict=True)]
    pairs = list(zip(presets, seeds, strict=True))
    several = Counter(name for name, more in pairs if more)
    kept = [name if more and several[name] == 1 else "" for name, more in pairs]
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


def given_name(members: Sequence[Found]) -> str:
    """Give the name that somebody gave a run, or to the folder of its seeds; empty: nobody did."""
    names = [found.name for found in members]
    if all(re.fullmatch(r"seed-\d+", name) for name in names):
        parents = {found.place.resolve().parent.name for found in members}
        whole = parents.pop() if len(parents) == 1 else ""
        return whole if len(members) > 1 else f"{whole}/{names[0]}"
    if len(members) > 1 or members[0].bundle:
        return ""
    return "" if MADE.search(names[0]) else names[0]
