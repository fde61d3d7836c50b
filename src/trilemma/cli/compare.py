"""trilemma compare: line runs up: one table, one report."""

import json
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

_Runs = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[RUN ...]")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Score runs on equal terms and write one report; runs that differ in the seed are grouped.

    A preset's name means its newest run with all its seeds, else the bundle that ships; bundle:NAME
    is that bundle. A folder of seed-0, seed-1, ... (train --out FOLDER --seeds) is all of them.
    Beside runs of kind upscale may stand bicubic, realesrgan-x4plus, or a file of weights.
    """

    runs: _Runs = ()  # runs or bundles; upscalers
    out: str = "reports"  # folder of report.html, plots and tables; takes an older report's place
    n: int = 0  # images drawn of each; 0: as many as are held out, from 200 to 2,000
    extractor: str = "auto"  # auto, domain, lite0, inception, dinov2, pixels, points, stacked; path
    metrics: tuple[str, ...] = ()  # scores; empty: fd kid is precision recall density coverage
    ungroup: bool = False  # list runs that differ only in the seed singly
    few_steps: bool = False  # also quality against network evaluations, for diffusion runs
    few_steps_n: int = 0  # images of each point of that curve; 0: from 200 to 512
    trust: bool = False  # run code of somebody's own (module:Name) that a run names
    lang: Literal["en", "pt"] = "en"  # of the report
    open: bool = False  # show the report in the browser
    json: bool = False  # print what scores.json holds, in place of a table
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Compare, print the table, write the report."""
    from rich.console import Console

    from trilemma import processes
    from trilemma.comparison import compare
    from trilemma.evaluation import STANDARD
    from trilemma.live import counted, device_line, say
    from trilemma.report.place import PAGE, holds_report
    from trilemma.report.tables import terminal
    from trilemma.scorefile import facts

    if holds_report(Path(arguments.out) / PAGE, steps=arguments.few_steps):
        say(f"the report in {arguments.out} will be written anew")
    say(device_line(arguments.device))
    with counted("images") as progress:
        made = compare(
            arguments.runs,
            n=arguments.n,
            extractor=arguments.extractor,
            metrics=arguments.metrics or STANDARD,
            device=arguments.device,
            group=not arguments.ungroup,
            few_steps=arguments.few_steps,
            few_steps_n=arguments.few_steps_n,
            more={"out": arguments.out, "lang": arguments.lang, "trust": arguments.trust},
            say=say,
            progress=progress,
        )
    if processes.rank():
        return
    page = made.write(Path(arguments.out), language=arguments.lang)
    if arguments.json:
        print(json.dumps(facts(made.contents.scores), indent=1))
    else:
        console = Console()
        console.print(terminal(made.contents, language=arguments.lang, width=console.width))
        print(f"report: {page}")
    if arguments.open:
        webbrowser.open(page.resolve().as_uri())
