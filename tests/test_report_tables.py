"""The report's tables: unlike columns apart, terminal, CSV and LaTeX."""

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from report_demo import demo, only, score
from trilemma.report import lineup, page, words
from trilemma.report.tables import escaped, terminal, write_csv, write_latex

A, B = (run.name for run in demo().runs)


def test_unlike_columns_stand_apart_with_the_reason() -> None:
    contents = only(
        score(A, "fd", 21.0, 0.8, 7.6),
        score(B, "fd", 29.0, 0.8, 7.6),
        score(A, "fd", 2.5, 0.1, 0.4, column="inception"),
    )
    first, second, speed = lineup.blocks(contents, words.read("en"), "en")
    assert (first.key, first.runs, first.apart) == ("domain", (A, B), "")
    assert (second.key, second.runs) == ("inception", (A,))
    assert "features (inception ≠ domain)" in second.apart
    assert "their weights (f58c0000 ≠ 5be1cf52)" in second.apart
    assert "real images" not in second.apart
    assert [s.group for s in speed.sections] == ["speed"]
    assert "features (inception ≠ domain)" in page.render(contents)


def test_the_head_names_every_set_that_was_measured_against() -> None:
    contents = only(
        score(A, "fd", 21.0, 0.8, 7.6), score(B, "fd", 2.5, 0.1, 0.4, column="inception")
    )
    columns = dict(contents.scores.columns)
    columns["inception"] = replace(columns["inception"], reference="cats:test")
    two = replace(contents, scores=replace(contents.scores, columns=columns))
    assert f"Measured against {columns['domain'].reference}, cats:test, " in page.render(two)


def test_the_order_is_quality_coverage_speed() -> None:
    (block,) = lineup.blocks(demo(), words.read("en"), "en")
    assert [section.group for section in block.sections] == ["quality", "coverage", "speed"]
    assert [row.label for row in block.sections[0].rows][:2] == ["FD[domain]", "KID[domain]"]
    assert block.sections[0].rows[0].cells == ("21.1 ± 0.8", "29.4 ± 1.2")
    assert block.sections[0].rows[0].real == "7.6"


def test_facts_stand_below_the_speeds() -> None:
    (block,) = lineup.blocks(demo(), words.read("en"), "en")
    facts = {row.label: row.cells for row in block.sections[-1].rows}
    assert facts["Sampler"] == ("—", "heun-10")
    assert facts["Evaluations an image"] == ("1", "19")
    assert facts["Training time"] == ("1 min 1 s", "1 min 34 s")


def test_memory_is_written_briefly() -> None:
    contents = only(score(A, "memory_bytes", 523_400_000.0, math.nan))
    (block,) = lineup.blocks(contents, words.read("en"), "en")
    assert block.sections[0].rows[0].cells[0] == "523 MB"


def test_a_metric_nobody_described_is_shown_as_it_is() -> None:
    contents = only(score(A, "sharpness_[x]", 1.5, 0.1))
    (block,) = lineup.blocks(contents, words.read("en"), "en")
    assert block.sections[0].group == "other"
    assert "sharpness_[x]" in page.render(contents)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_terminal_table_fits_and_names_are_no_markup(width: int) -> None:
    contents = demo()
    named = replace(contents.runs[0], name="[red]bold[/red]")
    contents = replace(contents, runs=(named, *contents.runs[1:]))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(terminal(contents, width=width))
    text = console.export_text()
    assert "[red]bold[/red]" in text
    assert "29.4 ± 1.2" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert text.index("Quality") < text.index("Coverage") < text.index("Speed")


def test_csv_gives_the_numbers_back(tmp_path: Path) -> None:
    write_csv(demo(), tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(demo().scores.scores)
    for row, made in zip(rows, demo().scores.scores, strict=True):
        assert float(row["value"]) == made.value
        assert row["floor"] == ("" if math.isnan(made.floor) else repr(made.floor))
        assert row["n_fake"] == "2000"
    assert rows[0]["label"] == "FD[domain]"


def test_latex_columns_agree_and_text_is_escaped(tmp_path: Path) -> None:
    contents = demo()
    odd = replace(contents.scores.scores[0], run=r"a_b&50%$#\x{y}~^[z]")
    scores = replace(contents.scores, scores=(odd, *contents.scores.scores[1:]))
    write_latex(replace(contents, scores=scores), tmp_path / "t.tex")
    text = (tmp_path / "t.tex").read_text(encoding="utf-8")
    (columns,) = re.findall(r"\\begin\{tabular\}\{l(r+)\}", text)
    body = re.sub(r"\\[&%$#_]", "", text.split(r"\midrule")[1])
    for line in body.strip().splitlines():
        assert line.count("&") == len(columns)
        assert line.endswith(r"\\")
    assert r"29.4 $\pm$ 1.2" in text
    assert r"a\_b\&50\%\$\#\textbackslash{}x\{y\}" in text
    assert escaped("a_b&%") == r"a\_b\&\%"
    assert escaped("\\x{y}") == r"\textbackslash{}x\{y\}"


def test_only_differing_fields_are_lined_up() -> None:
    trees = {"a": {"x": 1, "t": {"y": 2, "z": [1, 2]}}, "b": {"x": 1, "t": {"y": 3, "w": 0}}}
    found = lineup.differing(trees)
    assert found == {"t.y": ("2", "3"), "t.z": ("1, 2", "—"), "t.w": ("—", "0")}
    assert next(iter(found)) == "t.y"


def test_the_accuracy_stands_below_the_table() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(terminal(demo(), width=200))
    assert "names 99.1 % of held-out real images correctly" in console.export_text()
    console.print(terminal(replace(demo(), extractor_accuracy=math.nan), width=200))
    text = console.export_text()
    assert "correctly" not in text and "± standard error" in text


def test_one_floor_is_written_once_whatever_the_errors() -> None:
    contents = only(
        score(A, "recall", 0.64, 0.13, 0.9367),
        score(B, "recall", 0.31, 0.0032, 0.9367),
        score(A, "fd", 12.5, math.nan, 0.723),
    )
    (block,) = lineup.blocks(contents, words.read("en"), "en")
    real = {row.label: row.real for section in block.sections for row in section.rows}
    assert (real["Recall"], real["FD[domain]"]) == ("0.94", "0.723")
