"""The Pareto front: whom no other run is at least as good as in all three corners at once."""

from collections.abc import Sequence
from typing import NamedTuple

from trilemma.report.placement import Axis
from trilemma.report.views import Reader


class Front(NamedTuple):
    """Who is on it, and who is not."""

    runs: tuple[str, ...]
    behind: tuple[tuple[str, str], ...]  # a run, and one that beats it


def front(axes: Sequence[Axis]) -> Front:
    """Tell runs on the front from those behind it, by their values; of those on all three axes."""
    import torch  # late: the rest of the page does without

    from trilemma.maths.statistics import pareto

    values = {
        place.run: [found.value for axis in axes if (found := axis.place(place.run))]
        for place in axes[0].places
    }
    known = {run: row for run, row in values.items() if len(row) == len(axes)}
    if not known:
        return Front((), ())
    costs = -torch.tensor(list(known.values()), dtype=torch.float64)
    ahead = [run for run, on in zip(known, pareto(costs).tolist(), strict=True) if on]
    behind = tuple(
        (run, next(other for other in ahead if beats(known[other], known[run])))
        for run in known
        if run not in ahead
    )
    return Front(tuple(ahead), behind)


def beats(one: Sequence[float], other: Sequence[float]) -> bool:
    """Is one nowhere worse and somewhere better?"""
    pairs = list(zip(one, other, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def sentences(axes: Sequence[Axis], reader: Reader) -> list[str]:
    """Say who is on the front and who is behind whom; nothing of fewer than two runs."""
    found, words = front(axes), reader.words
    if len(found.runs) + len(found.behind) < 2:
        return []
    said = [words["front_runs"].format(runs=", ".join(found.runs))]
    said += [words["front_behind"].format(run=run, other=other) for run, other in found.behind]
    return [*said, words["front_note"]]
