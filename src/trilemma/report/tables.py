"""The scores as text: a table for the terminal, scores.csv, a LaTeX table."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from trilemma import images
from trilemma.report import lineup, metrics, words
from trilemma.report.contents import Contents
from trilemma.report.lineup import ARROWS, Block, Row
from trilemma.report.missing import missing, shown
from trilemma.scores import Column, Score

LABELS, CELLS, REAL = 26, 19, 15  # letters of the columns, to see how many fit side by side


def terminal(contents: Contents, *, language: str = "en", width: int = 80) -> Group:
    """Lay the scores out for a terminal: quality, coverage, speed; runs side by side.

    width: letters in a line; more runs than fit go into further tables. Print it with rich.
    """
    contents = shown(contents)
    reader = words.read(language, points=contents.points)
    parts: list[Table | Text] = []
    for block in lineup.blocks(contents, reader, language):
        if block.apart:
            parts.append(Text(block.apart, style="italic"))
        at_once = max(1, (width - LABELS - REAL) // CELLS)
        for first in range(0, len(block.runs), at_once):
            chosen = range(first, min(first + at_once, len(block.runs)))
            parts.append(block_table(block, chosen, reader["real_images"], reader))
    known = metrics.accuracy(contents.extractor_accuracy, reader, language)
    if contents.scores.scores:
        lines = (reader["scores_note"], known, *missing(contents.scores, reader, language))
        parts += [Text(line, style="dim") for line in lines if line]
    return Group(*(parts or [Text(reader["no_scores"])]))


def block_table(block: Block, chosen: range, real: str, reader: lineup.Words) -> Table:
    """Lay out some runs of one block; names are plain text, never markup."""
    table = Table(title=Text(block.title), title_justify="left", title_style="bold", box=None)
    table.add_column(Text(reader["metric"]), no_wrap=True)
    for i in chosen:
        table.add_column(
            Text(lineup.wrapped(block.runs[i], CELLS - 2)), justify="right", overflow="fold"
        )
    table.add_column(Text(real), justify="right")
    for section in block.sections:
        table.add_row(Text(reader[section.group], style="bold"), *[""] * (len(chosen) + 1))
        for row in section.rows:
            name = Text(f"  {row.label} {ARROWS[row.better]}".rstrip())
            cells = [Text(row.cells[i]) for i in chosen]
            table.add_row(name, *cells, Text(row.real, style="dim"))
    return table


def write_csv(contents: Contents, path: Path) -> None:
    """Write every score in full precision, a line each, with its column spelled out.

    Numbers have a decimal point in every language; nan is written as an empty cell.
    """
    described = [field.name for field in fields(Column)]
    own = [field.name for field in fields(Score)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["label", *own, *described])
    reader = words.read("en")
    for score in contents.scores.scores:
        column = contents.scores.columns.get(score.column)
        about = [getattr(column, name) if column else "" for name in described]
        label = metrics.label(score.metric, column, reader)
        writer.writerow([label, *(written(getattr(score, name)) for name in own), *about])
    images.write_bytes(path, text.getvalue().encode())


def written(value: object) -> object:
    """Write a cell of the CSV file: shortest digits that give the same number back."""
    return "" if isinstance(value, float) and math.isnan(value) else value


def write_latex(contents: Contents, path: Path, *, language: str = "en") -> None:
    r"""Write one booktabs table per column, a row a run; needs \usepackage{booktabs}."""
    contents = shown(contents)
    reader = words.read(language, points=contents.points)
    blocks = [b for b in lineup.blocks(contents, reader, language) if measured(b)]
    parts = [latex_table(block, reader) for block in blocks]
    head = "% \\usepackage{booktabs}\n"
    images.write_bytes(path, (head + "\n".join(parts)).encode())


def measured(block: Block) -> bool:
    """Is there a score in it, not facts alone?"""
    return any(any(row.scores) for section in block.sections for row in section.rows)


def latex_table(block: Block, reader: lineup.Words) -> str:
    """Write one block: rows are the runs, then the real images; columns are what was measured."""
    sections = [(s.group, [row for row in s.rows if any(row.scores)]) for s in block.sections]
    sections = [(group, rows) for group, rows in sections if rows]
    rows = [row for _, found in sections for row in found]
    spans = [
        rf"\multicolumn{{{len(found)}}}{{c}}{{{escaped(reader[group])}}}"
        for group, found in sections
    ]
    body = [latex_line(name, [row.cells[i] for row in rows]) for i, name in enumerate(block.runs)]
    real = [row.real for row in rows]
    if any(real):
        body += [r"\midrule", latex_line(reader["real_images"], real)]
    lines = [
        f"% {escaped(block.title)}",
        *([f"% {escaped(block.apart)}"] if block.apart else []),
        rf"\begin{{tabular}}{{l{'r' * len(rows)}}}",
        r"\toprule",
        " & ".join(["", *spans]) + r" \\",
        rules([len(found) for _, found in sections]),
        " & ".join(["", *(latex_name(row) for row in rows)]) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        "",
    ]
    return "\n".join(lines)


def rules(widths: Sequence[int]) -> str:
    """Underline the columns of each section; the first column holds the runs' names."""
    made, first = "", 2
    for width in widths:
        made += rf"\cmidrule(lr){{{first}-{first + width - 1}}}"
        first += width
    return made


LATEX_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}


def latex_name(row: Row) -> str:
    """Name a metric and its direction."""
    return escaped(row.label) + LATEX_ARROWS[row.better]


def latex_line(name: str, cells: Sequence[str]) -> str:
    """Write one row of the table."""
    return " & ".join([escaped(name), *(escaped(cell) for cell in cells)]) + r" \\"


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "[": "{[}",  # after a line's end it would be taken for a length
    "]": "{]}",
    "±": r"$\pm$",
    "−": r"$-$",
    "∞": r"$\infty$",
    "≠": r"$\neq$",
    "—": "---",
    "\n": " ",
}


def escaped(text: str) -> str:
    """Write text so that LaTeX sets it as it is."""
    return "".join(LATEX.get(letter, letter) for letter in text)
