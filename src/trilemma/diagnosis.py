"""The doctor: from a training's log to findings in plain words, with what to try.

An illness is a row of ILLNESSES: its rule, and its words in English and in Portuguese. What to try
stands in `advice`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from trilemma import symptoms
from trilemma.advice import to_try
from trilemma.logreading import FEW, Course, Event, Log, Sign, course
from trilemma.recipe.recipe import Recipe

SIGNS: Mapping[str, str] = {  # what `signs` measures at scorings, beside the distances -> meaning
    "diversity": "distance of two samples over that of two real images",
    "precision": "share of samples among the real images",
    "recall": "share of real images among the samples",
    "coverage": "share of real images with a sample nearby",
    "twins": "share of samples with a twin",
    "classes_missing": "classes that are hardly drawn",
    "classes": "classes among the real images",
    "near_copies": "share of samples nearer to a training image than 99 % of other real images",
    "critic_train": "the critic's mean score of training images",
    "critic_held_out": "the critic's mean score of held-out images",
    "critic_fake": "the critic's mean score of samples",
    "critic_separation": "share of pairs that the critic orders rightly",
    "critic_gap_error": "error of the difference of the first two means",
}


KINDS = ("losses", "scalars")  # of numbers in a line of the log


class Illness(NamedTuple):
    """How an illness is seen, and what is said of it: (English, Portuguese)."""

    rule: Callable[[Course], Sign | None]
    needs: str  # what must have been logged to see it; empty: nothing but a log
    title: tuple[str, str]
    verdict: tuple[str, str]


ILLNESSES: Mapping[str, Illness] = {  # the gravest first
    "not_finite": Illness(
        symptoms.not_finite,
        "",
        ("numbers that are none", "números que não são números"),
        (
            "a loss or a gradient was not finite; the training went back to its last checkpoint",
            "uma perda ou um gradiente não foi finito; o treino voltou ao último ponto salvo",
        ),
    ),
    "explosion": Illness(
        symptoms.exploding,
        "",
        ("explosion", "explosão"),
        (
            "a loss or a gradient is more than a thousand times what it was at the start",
            "uma perda ou um gradiente é mais de mil vezes o que era no início",
        ),
    ),
    "collapse": Illness(
        symptoms.collapse,
        "diversity",
        ("mode collapse", "colapso de modos"),
        (
            "the samples are alike, or leave out much of what the real images show",
            "as amostras se parecem entre si, ou omitem muito do que as imagens reais mostram",
        ),
    ),
    "saturated_critic": Illness(
        symptoms.saturated,
        "critic",
        ("saturated discriminator", "discriminador saturado"),
        (
            "the critic tells every fake from every real image and has nothing left to learn, so "
            "that it no longer shows the generator a way",
            "o crítico distingue todas as falsas de todas as reais e nada mais tem a aprender: já "
            "não mostra um caminho ao gerador",
        ),
    ),
    "vanishing_gradients": Illness(
        symptoms.vanishing,
        "generator_gradient",
        ("vanishing gradients", "gradientes que somem"),
        (
            "hardly a gradient reaches the generator: it no longer learns",
            "quase nenhum gradiente chega ao gerador: ele já não aprende",
        ),
    ),
    "oscillation": Illness(
        symptoms.oscillating,
        "critic",
        ("oscillation", "oscilação"),
        (
            "generator and critic chase each other: the critic wins and loses by turns, and "
            "nothing settles",
            "gerador e crítico se perseguem: o crítico ora ganha, ora perde, e nada se assenta",
        ),
    ),
    "overfitted_critic": Illness(
        symptoms.overfitted,
        "critic_held_out",
        ("overfitted discriminator", "discriminador sobreajustado"),
        (
            "the critic knows its training images by heart: held-out images look to it more like "
            "fakes than like those",
            "o crítico decorou as imagens de treino: para ele, imagens reservadas parecem mais "
            "falsas do que de treino",
        ),
    ),
    "copying": Illness(
        symptoms.copying,
        "near_copies",
        ("copies", "cópias"),
        (
            "many samples lie nearer to a training image than other real images do: they may be "
            "copies",
            "muitas amostras estão mais perto de uma imagem de treino do que outras imagens reais: "
            "podem ser cópias",
        ),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sign of illness, in words."""

    name: str  # of the row of ILLNESSES
    verdict: str
    what_to_try: str
    since_images: int  # images seen where it began
    evidence: Mapping[str, float]  # the numbers by which it is seen


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A finding with where it ended."""

    finding: Finding
    seen_images: int  # images seen when it was found
    until_images: int  # images seen when it was over; 0: it is not


def findings(log: Log, recipe: Recipe | None = None) -> list[Finding]:
    """Give what holds at the end of a log; recipe: whose advice leaves out what it has already."""
    run = course(log)
    found = ((name, illness, illness.rule(run)) for name, illness in ILLNESSES.items())
    return [
        worded(name, illness, sign, recipe) for name, illness, sign in found if sign is not None
    ]


def worded(name: str, illness: Illness, sign: Sign, recipe: Recipe | None) -> Finding:
    """Put a sign into words."""
    return Finding(
        name=name,
        verdict=f"{illness.title[0]}: {illness.verdict[0]}",
        what_to_try=to_try(name, recipe)[0],
        since_images=sign.since,
        evidence=dict(sign.evidence),
    )


def standing(log: Log) -> dict[str, Event]:
    """Give the findings that a log has written down and that are not over, by name."""
    told = [event for event in log if event["event"] == "finding"]
    last = {event["name"]: event for event in told}
    return {name: event for name, event in last.items() if not event["over"]}


def news(log: Log, recipe: Recipe | None = None) -> list[dict[str, Any]]:
    """Give what is to be written down: findings that are new, and those that are over."""
    known, now = standing(log), {found.name: found for found in findings(log, recipe)}
    begun = [asdict(found) | {"over": False} for name, found in now.items() if name not in known]
    ended = [
        {key: event[key] for key in ("name", "verdict", "what_to_try", "since_images", "evidence")}
        | {"over": True}
        for name, event in known.items()
        if name not in now
    ]
    return begun + ended


def history(log: Log, recipe: Recipe | None = None) -> list[Stretch]:
    """Judge a run again at each of its scorings, rollbacks and its end, as it was while it ran."""
    open_, closed = dict[str, Stretch](), list[Stretch]()
    for place in moments(log):
        images = int(log[place]["images_seen"])
        now = {found.name: found for found in findings(log[: place + 1], recipe)}
        for name in [name for name in open_ if name not in now]:
            closed.append(ended(open_.pop(name), images))
        for name, found in now.items():
            seen = open_[name].seen_images if name in open_ else images
            since = open_[name].finding.since_images if name in open_ else found.since_images
            whole = Finding(**{**asdict(found), "since_images": since})
            open_[name] = Stretch(finding=whole, seen_images=seen, until_images=0)
    return sorted([*closed, *open_.values()], key=lambda one: one.seen_images)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """The verdict on a run, as `trilemma diagnose` gives it."""

    healthy: bool  # no sign holds at the end of the log
    enough: bool  # were there steps enough for every rule?
    steps: int  # logged
    scorings: int
    looked_at: tuple[str, ...]  # illnesses that would have been seen
    stretches: tuple[Stretch, ...]


def diagnose(log: Log, recipe: Recipe | None = None) -> Diagnosis:
    """Give the verdict on a run from its log."""
    stretches = history(log, recipe)
    steps = [event for event in log if event["event"] == "step"]
    scores = [event for event in log if event["event"] == "score"]
    logged = {name for e in (*steps, *scores) for kind in KINDS for name in e.get(kind, {})}
    return Diagnosis(
        healthy=all(one.until_images for one in stretches),
        enough=len(steps) >= FEW,
        steps=len(steps),
        scorings=len(scores),
        looked_at=tuple(row.title[0] for row in ILLNESSES.values() if row.needs in logged | {""}),
        stretches=tuple(stretches),
    )


def moments(log: Log) -> Sequence[int]:
    """Give the lines of a log after which the doctor looks."""
    looked = [n for n, event in enumerate(log) if event["event"] in ("score", "rollback")]
    return sorted({*looked, len(log) - 1}) if log else []


def ended(stretch: Stretch, images: int) -> Stretch:
    """End a stretch."""
    return Stretch(finding=stretch.finding, seen_images=stretch.seen_images, until_images=images)
