"""Signs of illness in the report: said in both languages, marked on the curves, silent without."""

from dataclasses import replace

import pytest

from report_demo import demo
from trilemma.diagnosis import ILLNESSES
from trilemma.report.contents import Contents, Ill
from trilemma.report.page import render
from trilemma.report.words import LANGUAGES


def with_ills(*ills: Ill) -> Contents:
    contents = demo()
    first, *others = contents.runs
    return replace(contents, runs=(replace(first, ills=ills), *others))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ILLNESSES)
def test_every_illness_is_told_and_marked(name: str, language: str) -> None:
    page = render(
        with_ills(Ill(name, 40_000, 20.5, 0, (("diversity", 0.125),), ("this", "isto"))),
        language=language,
    )
    assert ("To try: this." if language == "en" else "O que tentar: isto.") in page
    title = ILLNESSES[name].title[list(LANGUAGES).index(language)]
    assert f'<b class="warning">{title}</b>' in page
    assert "40,000" in page if language == "en" else "40.000" in page
    marks = page.count('class="ill"')
    assert marks >= 4  # losses and scores, over images and over seconds
    assert render(demo(), language=language).count('class="ill"') == 0


def test_a_sign_that_is_over_says_so_and_a_healthy_run_too() -> None:
    page = render(with_ills(Ill("copying", 40_000, 20.5, 60_000, ())))
    assert "from 40,000 to 60,000 images" in page
    assert "No sign of illness was seen." in render(with_ills())
    assert "Signs of illness" not in render(demo())  # no log: nothing is said


def test_a_page_says_when_there_was_too_little_to_judge() -> None:
    contents = with_ills()
    first, *others = contents.runs
    short = replace(contents, runs=(replace(first, few_steps=True), *others))
    words = "Fewer than a hundred steps were logged: too few for most signs."
    assert words in render(short)
    assert words not in render(contents)
