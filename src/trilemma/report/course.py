"""Curves of the page: scores, losses and other logged quantities over the training."""

from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup

from trilemma.report import curves, illness
from trilemma.report.contents import Contents, Curve, Ill, RunView
from trilemma.report.curves import Mark
from trilemma.report.views import Named, Reader, View


def both_axes(
    drawn: Iterable[tuple[str, int, Curve]],
    title: str,
    dots: bool,
    reader: Reader,
    ill: Sequence[tuple[Ill, int, str]] = (),
) -> list[Markup]:
    """Draw curves over images and over seconds; ill: signs, colour, and words, marked on them."""
    rows = list(drawn)
    words, language = reader.words, reader.language
    return [
        drawing
        for seconds, prepare in ((False, curves.by_images), (True, curves.by_seconds))
        if (
            drawing := curves.curves(
                [prepare(name, index, curve) for name, index, curve in rows if curve.values],
                title,
                seconds=seconds,
                dots=dots,
                words=words,
                language=language,
                places=[
                    Mark(one.since_seconds if seconds else one.since_images, index, text)
                    for one, index, text in ill
                ],
            )
        )
    ]


def watched(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Draw each score that was taken during training, all runs in one frame."""
    metrics = dict.fromkeys(name for run in contents.runs for name in run.watched)
    made: list[View] = []
    for metric in metrics:
        mine = [
            (run.name, runs[run.name].index, run.watched[metric])
            for run in contents.runs
            if metric in run.watched
        ]
        ill = [
            place
            for run in contents.runs
            if metric in run.watched
            for place in places(run, runs[run.name].index, reader)
        ]
        drawings = both_axes(mine, metric, True, reader, ill)
        if drawings:
            text = reader.words["watched_text"]
            made.append({"title": metric, "text": text, "drawings": drawings})
    return made


def places(run: RunView, index: int, reader: Reader) -> list[tuple[Ill, int, str]]:
    """Give the signs of illness of a run with its colour and their words."""
    return [(one, index, f"{run.name}: {illness.said(one, reader)}") for one in run.ills or ()]


def losses(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Draw the losses of each run in a frame of their own; unlike ones in a frame each."""
    title = reader.words["losses_of"]
    found = [
        own_frame(run, part, title, runs, reader)
        for run in contents.runs
        for part in curves.frames(run.losses)
    ]
    return [view for view in found if view["drawings"]]


def scalars(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Draw every other logged quantity, a frame each."""
    title = reader.words["scalars_of"]
    found = [
        own_frame(run, {name: curve}, title, runs, reader)
        for run in contents.runs
        for name, curve in run.scalars.items()
    ]
    return [view for view in found if view["drawings"]]


def own_frame(
    run: RunView, logged: Mapping[str, Curve], title: str, runs: Mapping[str, Named], reader: Reader
) -> View:
    """Draw the curves of one run, over images and over seconds."""
    rows = [(name, i, curve) for i, (name, curve) in enumerate(logged.items())]
    ill = places(run, runs[run.name].index, reader)
    drawings = both_axes(rows, title.format(run=run.name), False, reader, ill)
    return {"run": runs[run.name], "names": list(logged), "drawings": drawings}
