"""Signs of illness, as the page tells them: the words of `diagnosis` in the reader's language."""

from collections.abc import Mapping

from trilemma.diagnosis import ILLNESSES
from trilemma.report import numbers, words
from trilemma.report.contents import Contents, Ill
from trilemma.report.views import Named, Reader, View


def section(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Say of every run with a log which signs of illness it showed, or that it showed none."""
    return [
        {
            "run": runs[run.name],
            "signs": [row(one, reader) for one in run.ills],
            "few": run.few_steps,
        }
        for run in contents.runs
        if run.ills is not None
    ]


def row(one: Ill, reader: Reader) -> View:
    """Write one sign: what, since when, what to try, and by which numbers it was seen."""
    place = list(words.LANGUAGES).index(reader.language)
    illness = ILLNESSES[one.name]
    return {
        "title": illness.title[place],
        "when": when(one, reader),
        "verdict": illness.verdict[place],
        "what_to_try": one.what_to_try[place],
        "evidence": "; ".join(
            f"{name} {numbers.plain(value, language=reader.language)}"
            for name, value in one.evidence
        ),
    }


def when(one: Ill, reader: Reader) -> str:
    """Say from which image to which a sign was seen."""
    since, until = (
        numbers.count(n, language=reader.language) for n in (one.since_images, one.until_images)
    )
    word = "ill_until" if one.until_images else "ill_since"
    return reader.words[word].format(since=since, until=until)


def said(one: Ill, reader: Reader) -> str:
    """Name a sign and its place in one line."""
    place = list(words.LANGUAGES).index(reader.language)
    return f"{ILLNESSES[one.name].title[place]}, {when(one, reader)}"
