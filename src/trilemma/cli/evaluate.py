"""trilemma evaluate: score images against images."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import tyro

from trilemma.cli.looking import looking

if TYPE_CHECKING:
    from rich.table import Table

    from trilemma.scores import Scores

_Images = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Score images against images.

    Either side is a run (NAME, NAME@last, NAME@128000), a bundle, a folder, a zip, an .npz or .npy
    file, shards, or a named set (mnist:test). A preset's name means its newest run, else the bundle
    that ships; bundle:NAME is that bundle. All images get one size: that of the run, else the
    smaller of the two. The first may be an upscaler (bicubic, realesrgan-x4plus, a file of weights;
    a run of kind upscale where --low is given): large images of --against are made small, enlarged
    again, and compared one by one, in their own sizes.
    """

    images: _Images  # what is scored
    against: str = ""  # the real images; empty: those that the run's own data holds out
    metrics: tuple[str, ...] = ()  # scores; empty: fd kid is precision recall density coverage
    low: str = ""  # of upscalers: small images are made by bicubic, real, or lie in a folder
    scale: int = 0  # of upscalers; 0: the model's own, of bicubic 4
    n: int = 0  # images of each side; 0: as many as there are, at most 2,000; of runs at least 200
    extractor: str = "auto"  # auto, domain, lite0, inception, dinov2, pixels, points, stacked; path
    size: str = ""  # width x height of all images, pixels, such as 64x64; empty: see above
    root: str = ""  # where the files of a named set lie; empty: where the run or the cache has them
    sampler: str = ""  # of runs: ancestral, ddim, dpm++2m, heun; empty: the recipe's own
    steps: int = 0  # of the sampler; 0: the recipe's own
    guidance: float = 0.0  # away from an earlier self; 1: none; 0: the recipe's own
    trust: bool = False  # run code of somebody's own (module:Name) that a run names
    json: bool = False  # print what scores.json holds, in place of a table
    device: str = "auto"  # auto, cpu, cuda, cuda:N, mps


def run(arguments: Arguments) -> None:
    """Score, print, and keep what was scored of a run."""
    from rich.console import Console

    from trilemma import processes
    from trilemma.live import say
    from trilemma.pairassessing import assessed_any
    from trilemma.report.missing import sayable
    from trilemma.scorefile import facts, keep

    with looking(arguments) as how:
        made = assessed_any(
            arguments.images,
            arguments.against,
            n=arguments.n,
            metrics=arguments.metrics,
            low=arguments.low,
            scale=arguments.scale,
            how=how,
        )
    if arguments.json:
        print(json.dumps(facts(made.scores), indent=1))
    else:
        shown = sayable(made.scores)
        Console().print(table(shown))
        for line in legend(shown):
            print(line)
    if made.run is not None and not made.run.bundle and not processes.rank():
        say(f"kept in {keep(made.scores, made.run)}")


def table(scores: "Scores") -> "Table":
    """Lay scores out: value with its error, images, floor, column."""
    from rich.table import Table
    from rich.text import Text

    from trilemma.report import metrics, numbers, words

    reader = words.read("en", points=of_points(scores))
    laid = Table(title=Text(scores.scores[0].run), title_justify="left", box=None)
    laid.add_column("metric")
    for name in ("value", "n", "floor", "column"):
        laid.add_column(name, justify="right")
    laid.add_column("")
    for score in scores.scores:
        laid.add_row(
            Text(metrics.label(score.metric, scores.columns.get(score.column), reader)),
            metrics.written(score, "en"),
            f"{score.n:,}",
            numbers.plain(score.floor, language="en"),
            score.column,
            "biased" if score.biased else "",
        )
    return laid


def legend(scores: "Scores") -> list[str]:
    """Say what the marks of the table mean, what each column is, and why numbers are missing."""
    from trilemma.report import asked, words
    from trilemma.report.missing import missing

    lines = [
        f"column {name}: {c.extractor}, {c.n_fake:,} images against {c.n_real:,} of {c.reference} "
        f"({c.split}, {c.fingerprint[:8]}); size: {c.resize}"
        for name, c in scores.columns.items()
    ]
    lines.append("value: with its standard error behind ±")
    lines.append("floor: what as many other real images get; numbers compare within a column only")
    if any(score.biased for score in scores.scores):
        lines.append("biased: too few images for so many features; read kid instead")
    reader = words.read("en", points=of_points(scores))
    lines += asked.lines(scores, reader, "en").values()
    return lines + missing(scores, reader, "en")


def of_points(scores: "Scores") -> bool:
    """Were points of the plane scored?"""
    return {column.extractor for column in scores.columns.values()} == {"points"}
