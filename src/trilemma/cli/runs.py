"""trilemma runs: list the runs and how they stand."""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from trilemma.housekeeping import Standing


WIDE = 120  # letters in a line, from which on everything is shown


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
        console = Console()
        width = console.width if console.is_terminal else WIDE
        Console(width=width).print(table(found, wide=width >= WIDE))
    if all(one.state == "bundle" for one in found):
        say(f"no run in {runs_folder()} yet; train one: trilemma demo, or trilemma train PRESET")


def table(found: "list[Standing]", *, wide: bool) -> "Table":
    """Lay out runs: a line each; without family, preset and bytes where it is short.

    The name is whole as long as it fits; a state that is long, such as an error, is cut.
    """
    from rich.table import Table

    from trilemma.report.numbers import duration, plain, short

    laid = Table(box=None, pad_edge=False)
    for name in ("run", *(("family", "preset") if wide else ()), "data", "state"):
        laid.add_column(name, overflow="ellipsis", no_wrap=name in ("run", "family"))
    for name in ("images", "score", "best", "time", *(("MB",) if wide else ())):
        laid.add_column(name, justify="right", no_wrap=True)
    for one in found:
        total = f"/{short(one.images_total, language='en')}" if one.images_total else ""
        laid.add_row(
            *texts(one.name, *((one.family, one.preset) if wide else ()), one.data, one.state),
            short(one.images_seen, language="en") + total,
            (f"{one.metric} " if one.last == one.last else "") + plain(one.last, language="en"),
            plain(one.best, language="en"),
            duration(one.seconds or float("nan"), language="en"),
            *((f"{one.bytes / 1e6:.1f}",) if wide else ()),
        )
    return laid


def texts(*words: str) -> "list[Text]":
    """Take words as they are, not as markup, each on one line: cut where there is no room."""
    from rich.text import Text

    return [Text(word, no_wrap=True, overflow="ellipsis") for word in words]
