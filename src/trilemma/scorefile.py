"""Scores as a run keeps them: in plain values, new ones in the place of old ones."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from trilemma import runs
from trilemma.evaluation import SCHEMA, read_scores, write_scores
from trilemma.runfolder import finite
from trilemma.scores import Heeded, Score, Scores, Shares

Drawn = TypeVar("Drawn", Shares, Heeded)


def facts(scores: Scores) -> dict[str, Any]:
    """Give scores as scores.json has them, in plain values."""
    plain = finite({"schema": SCHEMA, **asdict(scores)})
    assert isinstance(plain, dict), "a mapping stays one"
    return plain


def keep(scores: Scores, run: runs.Found) -> Path:
    """Write scores into a run's scores.json, in the place of old ones of the same kind."""
    path = run.place / "scores.json"
    write_scores(path, merged(read_scores(path), scores) if path.is_file() else scores)
    return path


def merged(old: Scores, new: Scores) -> Scores:
    """Put new scores in the place of old ones of the same metric, column, sampler, checkpoint.

    So with shares and counts of one drawing; old ones that do not say how they were drawn go, too.
    """

    def key(score: Score) -> tuple[str, ...]:
        return score.metric, score.column, score.sampler, score.checkpoint

    made = {key(score) for score in new.scores}
    kept = tuple(score for score in old.scores if key(score) not in made)
    return Scores(
        columns={**old.columns, **new.columns},
        scores=kept + new.scores,
        shares=(*others(old.shares, new.shares), *new.shares),
        heeded=(*others(old.heeded, new.heeded), *new.heeded),
    )


def others(old: tuple[Drawn, ...], new: tuple[Drawn, ...]) -> tuple[Drawn, ...]:
    """Keep what belongs to other drawings than new ones; without new ones all of it."""
    made = {(one.sampler, one.checkpoint) for one in new}
    return tuple(
        one
        for one in old
        if not new or (one.checkpoint and (one.sampler, one.checkpoint) not in made)
    )
