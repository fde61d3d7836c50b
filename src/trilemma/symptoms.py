"""Rules that see signs of illness in a training's log; `diagnosis` has the words.

Pure functions of the log: lines `step`, `score` and `rollback` alone, never their seconds, so that
a resumed run finds what an uninterrupted one does. Rules compare a run with its own course and
with real images; each number has its reason in docs/doctor.md.
"""

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

from trilemma.logreading import (
    FEW,
    Course,
    Sign,
    best,
    half_ago,
    number,
    sign,
    trailing,
)

EARLY = 10  # logged steps that tell the level at which a run begins
RECENT = 0.25  # share of the logged steps that must be ill
TWICE, THRICE = 2, 3  # scorings in a row that must be ill

ALIKE = 0.5  # share of samples with a twin
NARROW, NOTHING = 0.1, 0.02  # diversity; below the second, growth is none
GROWING, BETTER = 1.5, 0.8  # factors on diversity, and on the distance, of a run that learns
VARIED, FALLEN = 0.3, 0.5  # diversity or recall that was reached; share of it that is left
LOST = 0.25  # share of recall and coverage that is left
CLASSES, REALISTIC = 0.2, 0.15  # share of classes that is missing; precision, or it says little
UNMET, CONVINCING = 0.02, 0.5  # recall, precision
SETTLED, SEPARATED = 0.01, 0.999  # critic's loss, over its early one or 1; pairs ordered rightly
CHANCE = 0.5  # pairs that a critic orders rightly by guessing
VANISHED, VANISHED_SETTLED = 1e-3, 1e-2  # the generator's gradient over its early one
EXPLODED = 1e3  # losses and gradients over their early ones
LOW, HIGH, SWINGS, SMOOTH = 0.2, 1.0, 6, 7  # of the critic's early loss; turns; steps averaged
OVERFITTED, SURE = 0.5, 3.0  # of the way from training images to fakes; errors of that gap
COPIED = 0.25  # share of near copies, where chance gives 0.01


def collapse(run: Course) -> Sign | None:
    """See samples that are alike, or much less varied than they were, or without some classes."""
    return alike(run) or narrowed(run) or lost(run) or classless(run) or few_kinds(run)


def alike(run: Course) -> Sign | None:
    """See that most samples are twins, or that all lie close together, and that this stays so.

    Samples of a young network are alike, too, but less so whenever its training is twice as long.
    """
    ill = trailing(
        run.scores,
        lambda s: number(s, "twins") >= ALIKE or number(s, "diversity") < NARROW,
        THRICE,
    )
    then = half_ago(ill)
    if then is None:
        return None
    before, now = (max(NOTHING, number(s["scalars"], "diversity")) for s in (then, ill[-1]))
    return None if now > GROWING * before else sign(ill, "diversity", "twins")


def narrowed(run: Course) -> Sign | None:
    """See that the samples have become much less varied."""
    most = best(run.before, "diversity")
    if not most >= VARIED:
        return None
    ill = trailing(run.scores, lambda s: number(s, "diversity") < FALLEN * most, TWICE)
    return sign(ill, "diversity", best_diversity=most)


def lost(run: Course) -> Sign | None:
    """See that real images which were met are met no more."""
    recall, coverage = best(run.before, "recall"), best(run.before, "coverage")
    if not recall >= VARIED:
        return None
    ill = trailing(
        run.scores,
        lambda s: number(s, "recall") < LOST * recall and number(s, "coverage") < LOST * coverage,
        TWICE,
    )
    return sign(ill, "recall", "coverage", best_recall=recall, best_coverage=coverage)


def classless(run: Course) -> Sign | None:
    """See that classes are missing among samples that look real, in a run that does not improve."""
    ill = trailing(
        run.scores,
        lambda s: (
            number(s, "classes_missing") >= CLASSES * number(s, "classes")
            and number(s, "precision") >= REALISTIC
        ),
        THRICE,
    )
    return None if learning(run) else sign(ill, "classes_missing", "classes", "precision")


def few_kinds(run: Course) -> Sign | None:
    """See samples that look real and meet nearly none of the real images, without improving."""
    ill = trailing(
        run.scores,
        lambda s: number(s, "recall") <= UNMET and number(s, "precision") >= CONVINCING,
        THRICE,
    )
    return None if learning(run) else sign(ill, "precision", "recall")


def recent(run: Course, name: str) -> list[float]:
    """Give the values of the last quarter of the logged steps; none where there are too few."""
    values = run.values(name)
    return values[-max(FEW // 2, round(RECENT * len(values))) :] if len(values) >= FEW else []


def since(run: Course, count: int) -> int:
    """Say how many images had been seen at the first of the last `count` logged steps."""
    return int(run.steps[-count]["images_seen"])


def settled(run: Course) -> float:
    """Give the critic's loss where it is near its least, 0; else nan.

    Losses that have a least value are about 1 for a critic that guesses; one that wins within its
    first steps has no other early level.
    """
    late = recent(run, "critic")
    if not late:
        return math.nan
    loss, early = median(late), max(1.0, median(run.values("critic")[:EARLY]))
    return loss if 0 <= loss < SETTLED * early else math.nan


def learning(run: Course) -> bool:
    """Has the distance to the real images fallen since half of the images had been seen?"""
    then = half_ago(run.before)
    if then is None:
        return False
    now = number(run.before[-1]["scalars"], "fd")
    return now < BETTER * number(then["scalars"], "fd")


def saturated(run: Course) -> Sign | None:
    """See that the critic has nothing left to learn, and the generator does not learn either."""
    loss = settled(run)
    last = [number(score["scalars"], "critic_separation") for score in run.scores[-TWICE:]]
    if math.isnan(loss) or any(value < SEPARATED for value in last) or learning(run):
        return None
    known = {"critic_separation": last[-1]} if last and math.isfinite(last[-1]) else {}
    count = len(recent(run, "critic"))
    return Sign(since(run, count), {"critic_loss": loss, **known})


def fooled(run: Course) -> bool:
    """Does the critic take fakes for real? Then a generator has little left to learn from it."""
    return any(number(s["scalars"], "critic_separation") < CHANCE for s in run.scores[-1:])


def vanishing(run: Course) -> Sign | None:
    """See that hardly a gradient reaches the generator any more."""
    late = recent(run, "generator_gradient")
    early = max(run.values("generator_gradient")[:EARLY], default=0.0)
    if not late or not early or fooled(run):
        return None
    share = median(late) / early
    limit = VANISHED if math.isnan(settled(run)) else VANISHED_SETTLED
    if share >= limit:
        return None
    return Sign(since(run, len(late)), {"generator_gradient_over_early": share})


def oscillating(run: Course) -> Sign | None:
    """See that the critic's loss swings between having won and having lost, again and again."""
    values = run.values("critic")
    if len(values) < FEW or min(values) < 0 or len(values) != len(run.steps):
        return None
    chance = max(1.0, median(values[:EARLY]))
    turns, state = list[int](), ""
    for place in range(len(values) // 2, len(values) - SMOOTH + 1):
        smooth = median(values[place : place + SMOOTH])
        found = "low" if smooth < LOW * chance else "high" if smooth > HIGH * chance else state
        if state and found != state:
            turns.append(place)
        state = found
    if len(turns) < SWINGS:
        return None
    return Sign(int(run.steps[turns[0]]["images_seen"]), {"turns": float(len(turns))})


def exploding(run: Course) -> Sign | None:
    """See that a loss or a gradient has become a thousand times what it was."""
    if len(run.steps) < 2 * EARLY:
        return None
    first = run.steps[0]
    least = dict.fromkeys(first["losses"], 1.0)
    least |= {name: 0.1 for name in first["scalars"] if name.endswith("_gradient")}
    for name, floor in least.items():
        values = [abs(value) for value in run.values(name)]
        if len(values) < 2 * EARLY:
            continue
        limit = EXPLODED * max(floor, min(values[:EARLY]))
        if median(values[-EARLY:]) > limit:
            first_over = next(n for n, value in enumerate(values) if value > limit)
            at = run.steps[min(first_over, len(run.steps) - 1)]["images_seen"]
            return Sign(int(at), {name: values[-1], f"{name}_early": min(values[:EARLY])})
    return None


def not_finite(run: Course) -> Sign | None:
    """See that losses were no numbers: the run went back, and has not gone on for long since."""
    if run.rollbacks:
        last = run.rollbacks[-1]["images_seen"]
        if sum(step["images_seen"] > last for step in run.steps) < FEW:
            return Sign(int(last), {"went_back": float(len(run.rollbacks))})
    if run.steps and any(value is None for value in run.steps[-1]["losses"].values()):
        return Sign(int(run.steps[-1]["images_seen"]), {})
    return None


def overfitted(run: Course) -> Sign | None:
    """See that the critic takes held-out images for fakes rather than for training images.

    The ratio is r_v of Karras et al. 2020, arXiv:2006.06676, eq. 1.
    """

    def ratio(s: Mapping[str, Any]) -> float:
        train, fake = number(s, "critic_train"), number(s, "critic_fake")
        gap = train - number(s, "critic_held_out")
        sure = gap > SURE * number(s, "critic_gap_error") and train > fake
        return gap / (train - fake) if sure else math.nan

    ill = trailing(run.scores, lambda s: ratio(s) > OVERFITTED, THRICE)
    return sign(ill, share_of_the_way=ratio(ill[-1]["scalars"])) if ill else None


def copying(run: Course) -> Sign | None:
    """See that samples lie nearer to training images than other real images do."""
    if collapse(run):
        return None  # samples that are all alike say nothing of copies
    ill = trailing(run.scores, lambda s: number(s, "near_copies") > COPIED, TWICE)
    return sign(ill, "near_copies")
