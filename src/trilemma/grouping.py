"""Scored runs put together over their seeds, named, and told apart."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Literal

from trilemma.maths.kernel import kid, kid_difference
from trilemma.maths.statistics import over_seeds, paired, unpaired
from trilemma.recipe.naming import differences
from trilemma.report.contents import Difference
from trilemma.runs import Found
from trilemma.scores import Score, Scores
from trilemma.scoring import Scored, tensor


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
    return apart == {"seed"} and not one.bundle and not other.bundle


def group_names(groups: Sequence[Sequence[Scored]]) -> list[str]:
    """Name runs after their presets; where those are equal, their folders, checkpoints, paths.

    A group of seeds keeps its preset's name, for no folder is its own, unless there are two such.
    """
    first = [members[0].found for members in groups]
    seeds = [f" ({len(members)} seeds)" if len(members) > 1 else "" for members in groups]
    presets = [found.recipe.preset for found in first]
    pairs = list(zip(presets, seeds, strict=True))
    several = Counter(preset for preset, more in pairs if more)
    kept = [preset if more and several[preset] == 1 else "" for preset, more in pairs]
    checkpoints = [f"{found.name}@{found.checkpoint}" for found in first]
    paths = [f"{found.place}@{found.checkpoint}" for found in first]
    for level in (presets, [found.name for found in first], checkpoints, paths):
        names = [own or name for own, name in zip(kept, level, strict=True)]
        if all(names) and len(set(names)) == len(names):
            break
    return [name + more for name, more in zip(names, seeds, strict=True)]


def gathered(groups: Sequence[Sequence[Scored]], names: Sequence[str]) -> Scores:
    """Collect the scores of all runs; of a group the mean, with its error over seeds."""
    columns, scores, shares = {}, [], []
    for name, members in zip(names, groups, strict=True):
        for member in members:
            columns.update(member.scores.columns)
        first = members[0].scores
        for place, score in enumerate(first.scores):
            values = [member.scores.scores[place] for member in members]
            scores.append(averaged(values, name) if len(members) > 1 else replace(score, run=name))
        shares += [replace(share, run=name) for share in first.shares]
    return Scores(columns=columns, scores=tuple(scores), shares=tuple(shares))


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
