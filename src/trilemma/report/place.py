"""Where a report goes: its files, and whether what lies there already is a report of ours."""

from pathlib import Path

from trilemma.errors import RunError

PAGE = "report.html"
BESIDE = (  # files that stand next to the page, whatever its name
    *("fid.png", "is.png", "loss.png", "triangle.png"),
    *("scores.csv", "scores.json", "scores.tex"),
)
STEPS = "steps.csv"  # there too, where the curve of few steps was asked for
MARK = b'<meta name="generator" content="Trilemma">'  # in the head of every page
HEAD = 2000  # bytes; the mark is among them


def holds_report(page: Path, *, steps: bool = False) -> bool:
    """Say whether a report of ours lies where this page is to go, which it may replace.

    False: nothing is in the way. steps: steps.csv is to be written, too. RunError: a file has the
    name of one that is to be written, and there is no page of ours beside it.
    """
    if page.exists() and not ours(page):
        raise refusal(page)
    if any(ours(path) for path in sorted(page.parent.glob("*.html"))):
        return True
    for path in (page.parent / name for name in (*BESIDE, *[STEPS] * steps)):
        if path.exists():
            raise refusal(path)
    return False


def ours(path: Path) -> bool:
    """Is this file a page that we wrote?"""
    try:
        with path.open("rb") as file:
            return MARK in file.read(HEAD)
    except OSError:
        return False


def refusal(path: Path) -> RunError:
    """Say which file stands in the way."""
    return RunError(
        f"{path} is no file of a report of ours; move it, or choose another place: --out DIR"
    )
