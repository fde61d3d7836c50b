"""How often a run draws the class that it is asked for, in a line."""

from collections.abc import Mapping

from trilemma.report import numbers
from trilemma.scores import Heeded, Scores


def lines(scores: Scores, words: Mapping[str, str], language: str) -> dict[str, str]:
    """Say it of every run where it was counted, by the run's name."""
    return {one.run: line(one, scores, words, language) for one in scores.heeded}


def line(one: Heeded, scores: Scores, words: Mapping[str, str], language: str) -> str:
    """Say how many images show what was asked for, and of which class the fewest do."""
    drawn = one.run, one.sampler, one.checkpoint
    score = next(
        s
        for s in scores.scores
        if s.metric == "asked_class" and (s.run, s.sampler, s.checkpoint) == drawn
    )
    worst, least = one.worst
    return words["asked_text"].format(
        share=numbers.with_error(100 * score.value, 100 * score.error, language=language) + " %",
        n=numbers.count(score.n, language=language),
        worst=worst,
        least=numbers.percent(least, language=language),
        each=numbers.count(one.n, language=language),
    )
