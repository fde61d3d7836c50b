"""The report's words: both languages say everything, nothing is missing and nothing unused."""

import re
from pathlib import Path
from string import Formatter

import pytest

from trilemma.report import metrics, page, words
from trilemma.report.glossary import MEANINGS
from trilemma.report.glossary_metrics import METRIC_MEANINGS
from trilemma.report.words_details import DETAILS
from trilemma.report.words_enlarging import ENLARGING

REPORT = Path(page.__file__).parent
TABLES = (words.WORDS, DETAILS, ENLARGING)
EVERY_WORD = {**words.WORDS, **DETAILS, **ENLARGING}


def test_no_word_stands_in_two_tables() -> None:
    assert len(EVERY_WORD) == sum(map(len, TABLES))


@pytest.mark.parametrize("key", EVERY_WORD)
def test_both_languages_say_it_with_the_same_blanks(key: str) -> None:
    english, portuguese = EVERY_WORD[key]
    assert english.strip() and portuguese.strip()

    def blanks(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    assert blanks(english) == blanks(portuguese)


def sources() -> str:
    files = [*REPORT.glob("*.py"), *REPORT.glob("templates/*.j2")]
    files += [REPORT.parent / name for name in ("comparison.py", "runviews.py")]  # notes
    return "\n".join(
        file.read_text(encoding="utf-8")
        for file in files
        if not file.name.startswith(("words", "glossary"))
    )


def test_no_word_is_unused_and_none_is_missing() -> None:
    text = sources()
    made = {f"kind_{kind}" for kind in ("adversarial", "diffusion", "upscale", "model")}
    made |= {f"crop_{rank}" for rank in ("worst", "median", "best")}
    made |= {"higher_better", "lower_better", "other"}
    unused = {k for k in EVERY_WORD if not re.search(rf"\bw\.{k}\b|[\"']{k}[\"']", text)}
    assert unused <= made
    assert set(re.findall(r"\bw\.(\w+)", text)) <= EVERY_WORD.keys()
    assert set(re.findall(r"words\[\"(\w+)\"\]", text)) <= EVERY_WORD.keys()


def test_every_metric_has_a_name_and_a_meaning_in_both_languages() -> None:
    assert METRIC_MEANINGS.keys() == metrics.METRICS.keys()
    assert {metric.word for metric in metrics.METRICS.values()} <= EVERY_WORD.keys()
    for entry in (*METRIC_MEANINGS.values(), *MEANINGS):
        assert all(entry.en) and all(entry.pt)
        assert entry.en[1] != entry.pt[1]
        assert entry.en[1].endswith(".") and entry.pt[1].endswith(".")
