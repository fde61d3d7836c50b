"""What is written of a curve of few steps, and under which options."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

import stepped
from stepped import FEW, Drawn, N, of
from trilemma import api, fewsteps
from trilemma.cli.main import main
from trilemma.fewsteps import LADDER
from trilemma.maths.samplers import SAMPLERS
from trilemma.report import place, words
from trilemma.report.page import render


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stepped.make_runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(autouse=True)
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    stepped.leave_out_timing(monkeypatch)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    return stepped.heard(monkeypatch)


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_verb_writes_the_curve_its_numbers_and_how_to_make_it_again(
    runs: Path, asked: list[Drawn], tmp_path: Path, language: str
) -> None:
    names = [str(runs / "diffusion"), str(runs / "gan")]
    options = ["--n", str(N), "--extractor", "pixels", "--few-steps", "--few-steps-n", str(FEW)]
    more = ["--lang", language, "--out", str(tmp_path / "r")]
    assert main(["compare", *names, *options, *more]) == 0
    page = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    reader = words.read(language)
    assert f'<h2 id="steps">{reader["steps_title"]}</h2>' in page
    assert "--few-steps --few-steps-n 12" in page
    with (tmp_path / "r" / place.STEPS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(SAMPLERS) * len(LADDER) + 1
    assert [row["run"] for row in rows if not row["sampler"]] == ["gan"]
    (own,) = (row for row in rows if row["own"] == "1")
    assert (own["sampler"], own["steps"], own["evaluations"], own["n_fake"]) == (
        *("heun", "3", "5"),
        str(FEW),
    )
    (fewest,) = (row for row in rows if row["fewest"] == "1")
    assert f"<span>--sampler {fewest['sampler']}</span> <span>--steps {fewest['steps']}" in page


def test_python_names_have_it_too(
    runs: Path, asked: list[Drawn], capsys: pytest.CaptureFixture[str]
) -> None:
    made = api.compare([str(runs / "gan")], n=N, extractor="pixels", few_steps=True)
    assert made.contents.few_steps == ()
    assert fewsteps.NOTHING in capsys.readouterr().err


def test_an_older_curve_goes_and_a_file_of_yours_stays(
    runs: Path, asked: list[Drawn], tmp_path: Path
) -> None:
    whole = of(runs, "diffusion")
    kept = whole.write(tmp_path / "a").with_name(place.STEPS)
    assert kept.is_file()
    bare = replace(whole, contents=replace(whole.contents, few_steps=()))
    bare.write(tmp_path / "a")
    assert not kept.exists()
    kept.write_text("mine", encoding="utf-8")
    bare.write(tmp_path / "a")
    assert kept.read_text(encoding="utf-8") == "mine"
    assert 'id="steps"' in render(whole.contents) and 'id="steps"' not in render(bare.contents)


def test_a_file_of_another_origin_is_in_the_way_of_a_curve_alone(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / place.STEPS
    mine.write_text("mine", encoding="utf-8")
    assert main(["compare", str(runs / "diffusion"), "--out", str(tmp_path), "--few-steps"]) == 2
    assert place.STEPS in capsys.readouterr().err
    assert not place.holds_report(tmp_path / place.PAGE)
