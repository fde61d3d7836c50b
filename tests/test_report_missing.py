"""A number that is missing, or stands elsewhere, has its reason beside it in both languages."""

import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from report_demo import DOMAIN, demo, only, score
from trilemma.evaluation import METRICS, STANDARD, evaluate
from trilemma.features.extractor import Features
from trilemma.report import page, words
from trilemma.report.contents import Contents, Note
from trilemma.report.missing import WHY, missing, sayable
from trilemma.report.tables import terminal
from trilemma.scores import Scores

A, B = (run.name for run in demo().runs)
NAN = math.nan


def seen(seed: int, n: int, classes: int = 0) -> Features:
    drawn = np.random.default_rng(seed).standard_normal((n, 4)).astype(np.float32)
    return Features(drawn, drawn[:, :classes])


def lines(scores: Scores, language: str = "en") -> list[str]:
    return missing(scores, words.read(language), language)


def shown(contents: Contents, language: str) -> tuple[str, str]:
    """Give the page and what the terminal shows, each with single spaces."""
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(terminal(contents, language=language, width=100))
    html = page.render(contents, language=language)
    return " ".join(html.split()), " ".join(console.export_text().split())


@pytest.mark.parametrize(("fakes", "reals"), [(30, 12), (12, 30)])
def test_equal_counts_stand_apart_with_the_reason(fakes: int, reals: int) -> None:
    """As evaluation itself files them, more generated images or more real ones."""
    made = evaluate(seen(0, fakes, 2), seen(1, reals), seen(2, 40, 2), run="x", column=DOMAIN)
    (line,) = lines(made)
    few, _, whole = line.partition("; ")
    assert few == "Precision, Density, Recall, Coverage are taken of as many images of both " + (
        "sides, here 12"
    )
    assert whole.startswith("FD[domain], KID[domain], IS[domain] of all of them")
    assert f"{fakes} generated and {reals} real" in whole
    (line,) = lines(made, "pt")
    assert "Precisão, Densidade, Revocação, Cobertura usam o mesmo número de imagens" in line
    assert (
        lines(evaluate(seen(0, 30, 2), seen(1, 30), seen(2, 30, 2), run="x", column=DOMAIN)) == []
    )


def test_every_metric_that_few_images_leave_without_a_value_says_so() -> None:
    made = evaluate(seen(0, 4), seen(1, 4), seen(2, 4), run="x", column=DOMAIN, metrics=[*METRICS])
    empty = {score.metric for score in made.scores if math.isnan(score.value)}
    assert {"precision", "recall", "density", "coverage", "is"} <= empty <= WHY.keys()
    said = " ".join(lines(made))
    assert "Precision of x has no value: too few images." in said
    made = evaluate(seen(0, 12), seen(1, 12), seen(2, 12), run="x", column=DOMAIN)
    said = " ".join(lines(made))
    assert "IS[domain] of x has no value: the network whose features are compared knows no" in said


def test_a_floor_that_cannot_be_had_says_how_many_images_it_takes() -> None:
    """Also where metrics of equal counts take fewer than were generated."""
    for floor in (seen(2, 29, 2), None):
        made = evaluate(seen(0, 30, 2), seen(1, 12), floor, run="x", column=DOMAIN)
        _, line = lines(made)
        assert line.startswith("No value of real images stands beside FD[domain], KID[domain], ")
        assert "Recall, Coverage: it takes 30 others" in line
    assert {score.metric for score in made.scores} == {*STANDARD}


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "en",
            f"Near copies, share of {A}, {B} has no value: fewer than 20 real images are held out",
        ),
        (
            "pt",
            f"Quase cópias, fração de {A}, {B} sem valor: menos de 20 imagens reais ficaram fora",
        ),
    ],
)
def test_page_and_terminal_say_it_once_for_all_runs(language: str, said: str) -> None:
    contents = only(
        score(A, "fd", 21.0, 0.8, 7.6),
        score(A, "copies", NAN, NAN),
        score(B, "fd", 29.0, 0.8, 7.6),
        score(B, "copies", NAN, NAN),
    )
    for text in shown(contents, language):
        assert text.count(said) == 1
    whole = demo()
    assert lines(whole.scores) == []  # nothing is missing: nothing is said


def test_notes_are_in_the_readers_language_and_his_marks() -> None:
    noted = replace(
        demo(),
        notes=(Note("note_searched", (("n", 20_000), ("all", 60_000))),),
    )
    assert "among 20,000 of 60,000 training images" in page.render(noted)
    assert "entre 20.000 de 60.000 imagens de treino" in page.render(noted, language="pt")


@pytest.mark.parametrize(
    ("metric", "value", "error", "n", "nothing"),
    [
        ("recall", 0.0, 0.9, 3, True),
        ("recall", 0.5, 0.05, 9, True),
        ("recall", 0.5, 0.05, 10, False),
        ("recall", 0.5, 0.256, 12, True),  # 0.5 ± 0.502 at 95 %
        ("recall", 0.5, 0.254, 12, False),
        ("fd", 21.0, 50.0, 9, True),
        ("fd", 21.0, 50.0, 10, False),  # a distance has no greatest value
        ("copies", 0.0, 0.1, 9, True),
        ("images_per_second", 9.0, 0.5, 3, False),  # timings, no images
        ("psnr_y", 21.0, 0.5, 3, False),  # image against image
    ],
)
def test_a_value_that_says_nothing_is_told_as_missing(
    metric: str, value: float, error: float, n: int, nothing: bool
) -> None:
    one = replace(score(A, metric, value, error, value), n=n)
    scores = only(one).scores
    (told,) = sayable(scores).scores
    assert math.isnan(told.value) == math.isnan(told.floor) == nothing
    said = " ".join(lines(sayable(scores)))
    assert ("too few images" in said) == nothing


def test_few_real_images_count_as_well_and_seeds_do_not() -> None:
    contents = only(replace(score(A, "recall", 0.5, 0.05, 0.9), n=200))
    columns = {key: replace(c, n_real=9) for key, c in contents.scores.columns.items()}
    assert math.isnan(sayable(replace(contents.scores, columns=columns)).scores[0].value)
    seeds = replace(score(A, "recall", 0.5, 0.3, 0.9), n=200, low=-3.3, high=4.3)
    assert sayable(only(seeds).scores).scores[0].value == 0.5


@pytest.mark.parametrize("language", ["en", "pt"])
def test_page_and_terminal_leave_such_a_value_out(language: str) -> None:
    contents = only(replace(score(A, "recall", 0.12345, 0.9, 0.98765), n=3))
    for text in shown(contents, language):
        assert words.read(language)["why_few"] in text
        assert not re.search("0[.,]12 ?±|0[.,]1 ?±", text)
