"""trilemma diagnose: say whether a training was healthy, and what to try if not."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from trilemma.diagnosis import Diagnosis, Stretch

_Run = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Read a run's log: mode collapse, a saturated or overfitted critic, copies, and others."""

    run: _Run  # NAME, its beginning, or its folder
    json: bool = False  # as JSON


def run(arguments: Arguments) -> None:
    """Print the verdict."""
    from trilemma.diagnosis import diagnose
    from trilemma.live import say
    from trilemma.runfolder import finite
    from trilemma.runs import log_of

    run, log = log_of(arguments.run, say=say)
    found = diagnose(log, run.recipe)
    if arguments.json:
        print(json.dumps(finite({"run": run.name, **asdict(found)}), indent=1))
    else:
        print("\n".join(lines(run.name, found)))


def lines(name: str, found: "Diagnosis") -> Iterator[str]:
    """Write the verdict for people: one line for a healthy run, three for every sign."""
    seen = f"{found.steps:,} logged steps and {found.scorings:,} scorings"
    short = "" if found.enough else "; too few for most signs, which take 100 steps"
    if found.healthy:
        over = " at its end" if found.stretches else ""
        looked = ", ".join(found.looked_at)
        yield f"{name}: healthy{over} after {seen}{short}; looked at: {looked}"
    else:
        yield f"{name}: signs of illness after {seen}"
    for one in found.stretches:
        yield from sign(one)


def sign(one: "Stretch") -> Iterator[str]:
    """Write one sign: what, since when, by which numbers, and what to try."""
    finding = one.finding
    until = f" to {one.until_images:,}, then over" if one.until_images else ""
    yield f"  {finding.verdict}"
    yield f"    since {finding.since_images:,} images{until}; {numbers(finding.evidence)}"
    yield f"    try: {finding.what_to_try}"


def numbers(evidence: Mapping[str, float]) -> str:
    """Write the numbers by which a sign is seen."""
    return ", ".join(f"{name} {value:.3g}" for name, value in evidence.items())
