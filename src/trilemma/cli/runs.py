"""trilemma runs: list the runs and how they stand."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from trilemma.housekeeping import Standing


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """List the runs in the runs' folder (TRILEMMA_RUNS, else ./runs) and the shipped bundles."""

    json: bool = False  # as JSON, with numbers in full and places


def run(arguments: Arguments) -> None:
    """Print a line for every run, newest last."""
    from rich.console import Console

    from trilemma.housekeeping import standings
    from trilemma.live import say
    from trilemma.places import runs_folder
    from trilemma.runfolder import finite

    found = standings()
    if arguments.json:
        print(json.dumps(finite([asdict(one) for one in found]), indent=1))
    elif found:
        Console().print(table(found))
    if not found:
        say(f"no run in {runs_folder()} yet; train one: trilemma demo, or trilemma train PRESET")


def table(found: "list[Standing]") -> "Table":
    """Lay out runs: a row each. The preset is left out where every run is named after it."""
    from rich.table import Table
    from rich.text import Text

    named = all(one.name.startswith(one.preset) for one in found)
    laid = Table(box=None, pad_edge=False)
    laid.add_column("run", no_wrap=True)
    for name in ("family", *(() if named else ("preset",)), "data", "state"):
        laid.add_column(name, overflow="fold")
    for name in ("images", "score", "best", "time", "MB"):
        laid.add_column(name, justify="right")
    for one in found:
        words = (one.name, one.family, *(() if named else (one.preset,)), one.data, one.state)
        laid.add_row(*map(Text, words), *numbers(one))
    return laid


def numbers(one: "Standing") -> tuple[str, str, str, str, str]:
    """Write images, last and best score, time and bytes of a run."""
    from trilemma.report.numbers import duration, plain, short

    total = f"/{short(one.images_total, language='en')}" if one.images_total else ""
    last = f"{one.metric} " if one.last == one.last else ""
    return (
        short(one.images_seen, language="en") + total,
        last + plain(one.last, language="en"),
        plain(one.best, language="en"),
        duration(one.seconds or float("nan"), language="en"),
        f"{one.bytes / 1e6:.1f}",
    )
