"""Few steps: quality against network evaluations, for every run whose sampler can be chosen."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from trilemma.data.splits import FEWEST_SCORED
from trilemma.errors import DataError, RecipeError
from trilemma.evaluation import column, evaluate, floors
from trilemma.families import onestep
from trilemma.families.family import DrawOptions
from trilemma.features import cache
from trilemma.features.extractor import Features
from trilemma.live import duration
from trilemma.maths.frechet import ENOUGH
from trilemma.maths.samplers import SAMPLERS
from trilemma.places import Say
from trilemma.recipe.recipe import DiffusionRecipe, OneStepRecipe
from trilemma.report.contents import StepCurve, StepPoint
from trilemma.runs import Found
from trilemma.samplecache import remembered
from trilemma.sampling import Drawer
from trilemma.scoring import Progress, Reference, Scored

LADDER = (5, 10, 20, 50, 100)  # network evaluations of one image, at most
LEAST, MOST = 200, 512  # images of each point; 512: 8 for each of the 64 features of `domain`
METRICS = ("fd", "kid")
ONESTEP = "onestep"  # the way of a post-trained network, beside those of samplers
NOTHING = "few steps: no diffusion run is compared, so there is nothing to vary"


class Way(NamedTuple):
    """How to draw, and what it costs."""

    sampler: str  # "": nothing to choose
    steps: int
    evaluations: int  # of the network an image, the guide's among them


class Shown(NamedTuple):
    """A run of the report, or the first of a group of seeds."""

    name: str  # in the report
    called: str  # as a command finds it again
    scored: Scored


@dataclass(frozen=True, kw_only=True)
class Hearing:
    """Whom to tell what."""

    say: Say
    progress: Progress


Mark = tuple[Path, str, DrawOptions]


def mark(found: Found) -> Mark:
    """Give what is equal for two names of one generator that draws in one way."""
    return found.place.resolve(), found.checkpoint, found.options


def firsts(
    groups: Sequence[Sequence[Scored]],
    names: Sequence[str],
    called: Mapping[Mark, str],
) -> list[Shown]:
    """Give the first run of every group, as the report and as commands call it."""
    return [
        Shown(name, called[mark(members[0].found)], members[0])
        for name, members in zip(names, groups, strict=True)
    ]


def checked(few_steps: bool, n: int) -> None:
    """Refuse a number of images that no score can be had of, or that nobody asked curves for."""
    if n and not few_steps:
        raise DataError(f"--few-steps-n {n} is for --few-steps; add that")
    if n and n < FEWEST_SCORED:
        raise DataError(
            f"--few-steps-n {n}; allowed: 0 (from 200 to 512) or at least {FEWEST_SCORED}"
        )


def curves(shown: Sequence[Shown], *, n: int = 0, hearing: Hearing) -> tuple[StepCurve, ...]:
    """Score every diffusion run with every sampler at a ladder of network evaluations.

    n: images of each point; 0: as `images` says. Beside a curve stand the runs on the same images
    that have nothing to choose.
    """
    fixed = [one for one in shown if not own_way(one.scored.drawer).sampler]
    first: dict[tuple[Path, str, float], Shown] = {}
    for one in shown:
        first.setdefault(ladder_of(one.scored), one)
    varied = [one for one in first.values() if own_way(one.scored.drawer).sampler]
    if not varied:
        hearing.say(NOTHING)
    made = []
    for one in varied:
        beside = [other for other in fixed if other.scored.reference is one.scored.reference]
        made.append(curve(one, beside, n=n or images(one.scored), hearing=hearing))
    return tuple(made)


def ladder_of(scored: Scored) -> tuple[Path, str, float]:
    """Give what two ways to draw have in common if they stand on one curve."""
    found = scored.found
    return found.place.resolve(), found.checkpoint, scored.drawer.options.guidance


def images(scored: Scored) -> int:
    """Choose how many images a point takes: a quarter of the run's, but from 200 to 512.

    As many as give the Frechet distance an error, where the run has them and they are no more.
    """
    drawn = len(scored.features.features)
    known: int = ENOUGH * scored.features.features.shape[1]
    quarter = min(MOST, max(LEAST, drawn // 4))
    return max(quarter, known) if known <= min(MOST, drawn, scored.reference.n) else quarter


def curve(one: Shown, beside: Sequence[Shown], *, n: int, hearing: Hearing) -> StepCurve:
    """Draw and score one run in every way, its own among them."""
    scored = one.scored
    own = own_way(scored.drawer)
    ways = [way for way in ladder(scored.drawer) if way[:2] != own[:2]]
    hearing.say(
        f"few steps of {one.name}: {len(ways)} ways to draw, {n:,} images each, "
        f"up to {max(LADDER)} network evaluations an image"
    )
    judge = judged(scored.reference, n)
    known = judge(one.name, own, seen(scored, n, hearing))
    points = [known, *walked(one, ways, n=n, judge=judge, hearing=hearing)]
    order = [ONESTEP, *SAMPLERS]
    return StepCurve(
        run=one.name,
        drawn=scored.found.name,
        called=one.called,
        own=known,
        points=tuple(sorted(points, key=lambda p: (order.index(p.sampler), p.evaluations))),
        beside=tuple(
            judge(other.name, own_way(other.scored.drawer), seen(other.scored, n, hearing))
            for other in beside
        ),
        column=replace(
            column(scored.reference.extractor, scored.reference.source),
            n_real=scored.reference.n,
            n_fake=n,
        ),
    )


def own_way(drawer: Drawer) -> Way:
    """Say how the recipe draws."""
    family = drawer.recipe.family
    if isinstance(family, OneStepRecipe):
        own = onestep.own_steps(family, drawer.options)
        if own:
            return Way(ONESTEP, own, own)
        family = family.denoiser
    if not isinstance(family, DiffusionRecipe):
        return Way("", 0, drawer.evaluations)
    sampler, steps = drawer.options.sampler or family.sampler, drawer.options.steps or family.steps
    return Way(sampler, steps, drawer.evaluations)


def ladder(drawer: Drawer) -> list[Way]:
    """List the ways to draw, cheapest first: every sampler, as many steps as each rung allows."""
    family = drawer.recipe.family
    few = 1 + len(family.levels) if isinstance(family, OneStepRecipe) else 0
    own = {Way(ONESTEP, steps, steps): None for steps in range(1, few + 1)}
    ways = own | {
        way: None
        for most in LADDER
        for sampler in SAMPLERS
        if (way := dearest(drawer, sampler, most)) is not None
    }
    return list(ways)


def dearest(drawer: Drawer, sampler: str, most: int) -> Way | None:
    """Take as many steps as so many evaluations allow; None where one step takes more."""
    found = None
    for steps in range(1, most + 1):
        with suppress(RecipeError):  # more steps than there are timesteps
            cost = with_way(drawer, sampler, steps).evaluations
            if cost > most:
                break
            found = Way(sampler, steps, cost)
    return found


def with_way(drawer: Drawer, sampler: str, steps: int) -> Drawer:
    """Draw with another sampler and so many steps; the guidance stays."""
    sampler = "" if sampler == ONESTEP else sampler
    options = DrawOptions(sampler=sampler, steps=steps, guidance=drawer.options.guidance)
    return replace(drawer, options=options)


Judge = Callable[[str, Way, Features], StepPoint]


def judged(reference: Reference, n: int) -> Judge:
    """Give what scores n images against the reference; the floor of so many is taken once."""
    floor: Mapping[str, float] = {}
    if reference.floor is not None:
        floor = floors(reference.floor, reference.real, n=n, metrics=METRICS)
    against = column(reference.extractor, reference.source)

    def judge(name: str, way: Way, features: Features) -> StepPoint:
        made = evaluate(
            features, reference.real, floor, run=name, column=against, metrics=METRICS
        ).scores
        return StepPoint(
            run=name,
            sampler=way.sampler,
            steps=way.steps,
            evaluations=way.evaluations,
            fd=made[0],
            kid=made[1],
        )

    return judge


def seen(scored: Scored, n: int, hearing: Hearing) -> Features:
    """Give what was seen in a run's first n images, drawn as it draws; more than it has are drawn.

    Image i comes from seed i in both.
    """
    known = scored.features
    if len(known.features) >= n:
        return Features(known.features[:n], known.logits[:n])
    pixels = remembered(scored.drawer, scored.found.weights, range(n), progress=hearing.progress)
    return cache.features(scored.reference.extractor, pixels)


class Step(NamedTuple):
    """A point, and how long its parts took."""

    point: StepPoint
    drawing: float  # seconds; 0: the images were kept
    judging: float


def walked(
    one: Shown, ways: Sequence[Way], *, n: int, judge: Judge, hearing: Hearing
) -> list[StepPoint]:
    """Draw and score every way; the first that must be drawn says how long the rest takes."""
    made, told = [], False
    for place, way in enumerate(ways):

        def progress(done: int, total: int, before: int = place) -> None:
            hearing.progress(before * total + done, len(ways) * total)

        step = walk(one, way, n=n, judge=judge, progress=progress)
        made.append(step.point)
        progress(n, n)
        rest = ways[place + 1 :]
        if step.drawing and not told:
            told = True
            hearing.say(f"few steps of {one.name}: about {duration(left(step, way, rest))}")
    return made


def left(step: Step, way: Way, rest: Sequence[Way]) -> float:
    """Tell from one way how many seconds the rest takes: drawing grows with the evaluations."""
    drawing = step.drawing / way.evaluations * sum(other.evaluations for other in rest)
    return drawing + step.judging * len(rest)


def walk(one: Shown, way: Way, *, n: int, judge: Judge, progress: Progress) -> Step:
    """Draw, look and score; images that were drawn before come from the cache."""
    fresh: list[int] = []

    def heard(done: int, total: int) -> None:
        fresh.append(done)
        progress(done, total)

    begun = time.monotonic()
    drawer = with_way(one.scored.drawer, way.sampler, way.steps)
    pixels = remembered(drawer, one.scored.found.weights, range(n), progress=heard)
    drawn = time.monotonic()
    point = judge(one.name, way, cache.features(one.scored.reference.extractor, pixels))
    return Step(point, drawn - begun if fresh else 0.0, time.monotonic() - drawn)
