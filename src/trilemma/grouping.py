"""Scored runs put together over their seeds, named, and told apart."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

from trilemma.maths.kernel import kid, kid_difference
from trilemma.maths.statistics import over_seeds, paired, unpaired
from trilemma.report.contents import Difference
from trilemma.runs import Found, seed_apart
from trilemma.scores import Score, Scores
from trilemma.scoring import Scored, tensor

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


def gathered(groups: Sequence[Sequence[Scored]], names: Sequence[str]) -> Scores:
    """Collect the scores of all runs; of a group the mean, with its error over seeds."""
    columns, scores, shares, heeded = {}, [], [], []
    for name, members in zip(names, groups, strict=True):
        for member in members:
            columns.update(member.scores.columns)
        first = members[0].scores
        for place, score in enumerate(first.scores):
            values = [member.scores.scores[place] for member in members]
            scores.append(averaged(values, name) if len(members) > 1 else replace(score, run=name))
        shares += [replace(share, run=name) for share in first.shares]
        heeded += [replace(share, run=name) for share in first.heeded]
    return Scores(columns=columns, scores=tuple(scores), shares=tuple(shares), heeded=tuple(heeded))


def averaged(values: Sequence[Score], name: str) -> Score:
    """Average one score over seeds; error and t interval are of the mean of so many trainings."""
    estimate = over_seeds([score.value for score in values])
    value, error, low, high = estimate
    return replace(values[0], run=name, value=value, error=error, low=low, high=high)


def told_apart(groups: Sequence[Sequence[Scored]], names: Sequence[str]) -> list[Difference]:
    """Ask of every two runs of one reference whether their KID can be told apart."""
    return [
        difference(first, second, names=(one, other))
        for (one, first), (other, second) in combinations(zip(names, groups, strict=True), 2)
        if first[0].reference is second[0].reference
    ]


def difference(
    first: Sequence[Scored], second: Sequence[Scored], *, names: tuple[str, str]
) -> Difference:
    """Compare two groups: over their seeds where both have several, else their first over images.

    Trainings from the same seeds are compared in pairs; so are images: those with number i of both
    come from seed i.
    """
    over: Literal["images", "seeds", "pairs"] = "images"
    if min(len(first), len(second)) < 2:
        estimate = kid_difference(
            first=tensor(first[0].features),
            second=tensor(second[0].features),
            real=tensor(first[0].reference.real),
            same_seeds=True,
        )
    else:
        a, b = by_seed(first), by_seed(second)
        over = "pairs" if a.keys() == b.keys() else "seeds"
        test = paired if over == "pairs" else unpaired
        estimate = test(first=list(a.values()), second=list(b.values()))
    return Difference(
        first=names[0],
        second=names[1],
        metric="kid",
        column=next((s.column for s in first[0].scores.scores if s.metric == "kid"), ""),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        over=over,
        trainings=(1, 1) if over == "images" else (len(first), len(second)),
    )


def by_seed(members: Sequence[Scored]) -> dict[int, float]:
    """Give the KID of each training by its seed, in the order of the seeds."""
    found = {}
    for one in sorted(members, key=lambda one: one.found.recipe.seed):
        known = (score.value for score in one.scores.scores if score.metric == "kid")
        seen, real = tensor(one.features), tensor(one.reference.real)
        value = next(known, None)
        found[one.found.recipe.seed] = kid(fake=seen, real=real).value if value is None else value
    return found
