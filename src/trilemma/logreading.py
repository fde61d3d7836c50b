"""What a log says of the course of a training, as the doctor's rules read it (`symptoms`)."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Event = Mapping[str, Any]
Log = Sequence[Event]

FEW = 100  # logged steps, before which nothing but numbers that are no numbers is judged


class Sign(NamedTuple):
    """That a rule holds: since when, and by which numbers."""

    since: int  # images seen
    evidence: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Course:
    """What the rules read of a log."""

    steps: Log
    scores: Log  # taken after FEW logged steps
    rollbacks: Log
    before: Log  # all scores but those taken before the first step

    def values(self, name: str) -> list[float]:
        """Give a loss or scalar of the logged steps, where it is finite."""
        found = [{**step["losses"], **step["scalars"]}.get(name) for step in self.steps]
        return [value for value in found if value is not None and math.isfinite(value)]


def course(log: Log) -> Course:
    """Sort the lines of a log."""
    steps = [event for event in log if event["event"] == "step"]
    scores = [event for event in log if event["event"] == "score"]
    ripe = steps[FEW - 1]["images_seen"] if len(steps) >= FEW else math.inf
    return Course(
        steps=steps,
        scores=[score for score in scores if score["images_seen"] >= ripe],
        rollbacks=[event for event in log if event["event"] == "rollback"],
        before=scores,
    )


def trailing(scores: Log, ill: Callable[[Mapping[str, Any]], bool], least: int) -> Log:
    """Give the scorings at the end that are ill in a row; none where those are fewer than least."""
    start = len(scores)
    while start and ill(scores[start - 1]["scalars"]):
        start -= 1
    return scores[start:] if len(scores) - start >= least else []


def number(scalars: Mapping[str, Any], name: str) -> float:
    """Give a number of a scoring; nan, which no comparison holds for, where it was not taken."""
    value = scalars.get(name)
    return math.nan if value is None else float(value)


def best(scores: Log, name: str) -> float:
    """Give the highest value so far; nan where there is none."""
    known = [number(score["scalars"], name) for score in scores]
    return max((value for value in known if math.isfinite(value)), default=math.nan)


def half_ago(scores: Log) -> Event | None:
    """Give the last scoring at no more than half of the images of the newest; None: none."""
    old = [s for s in scores if 2 * s["images_seen"] <= scores[-1]["images_seen"]]
    return old[-1] if old else None


def sign(scores: Log, *names: str, **more: float) -> Sign | None:
    """Make a sign of ill scorings: since the first, by the numbers of the last."""
    if not scores:
        return None
    last = scores[-1]["scalars"]
    known = {name: last[name] for name in names if last.get(name) is not None}
    return Sign(int(scores[0]["images_seen"]), {**known, **more})
