"""The doctor on logs made by hand: each illness is seen, and what only looks like one is not."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from trilemma import diagnosis
from trilemma.diagnosis import ILLNESSES, diagnose, findings, history, news
from trilemma.logreading import FEW

N = 400  # logged steps
EVERY = 20  # of them, between two scorings
Event = dict[str, Any]
At = Callable[[float], Mapping[str, float]]  # share of the course -> numbers


def healthy_step(t: float) -> dict[str, float]:
    """A GAN that settles: the critic's loss about chance, gradients slowly falling."""
    return {
        "critic": 1.2 + 0.1 * math.sin(99 * t),
        "generator": 0.9 + 0.1 * math.cos(77 * t),
        "critic_gradient": 3.0,
        "generator_gradient": 5.0 - 4.0 * t,
        "d_real": 0.6,
        "d_fake": 0.4,
    }


def healthy_score(t: float) -> dict[str, float]:
    """Samples that begin alike and become as varied as real images."""
    grown = 1 - math.exp(-8 * t)
    return {
        "fd": 300 * math.exp(-6 * t) + 2,
        "diversity": 0.001 + 0.9 * grown,
        "precision": 0.7 * grown,
        "recall": 0.9 * grown,
        "coverage": 0.8 * grown,
        "twins": 1.0 if t < 0.1 else 0.0,
        "classes_missing": 9.0 if t < 0.1 else 0.0,
        "classes": 10.0,
        "near_copies": 0.02,
        "critic_train": 2.0,
        "critic_held_out": 1.95,
        "critic_fake": 1.0,
        "critic_separation": 0.8,
        "critic_gap_error": 0.05,
    }


def made(step: At = healthy_step, score: At = healthy_score, *, n: int = N) -> list[Event]:
    """Write a log: n steps, a scoring before the first and after every twentieth."""
    log: list[Event] = [scored(0, score(0.0))]
    for number in range(1, n + 1):
        numbers = dict(step(number / N))
        losses = {name: numbers.pop(name) for name in ("critic", "generator")}
        at = {"images_seen": 32 * number, "seconds": number / 7}
        log.append({"event": "step", **at, "losses": losses, "scalars": numbers})
        if number % EVERY == 0:
            log.append(scored(number, score(number / N)))
    return log


def scored(number: int, numbers: Mapping[str, float]) -> Event:
    at = {"images_seen": 32 * number, "seconds": number / 7}
    return {"event": "score", **at, "scalars": dict(numbers)}


def steps(**change: Callable[[float], float]) -> At:
    return lambda t: healthy_step(t) | {name: f(t) for name, f in change.items()}


def scores(**change: Callable[[float], float]) -> At:
    return lambda t: healthy_score(t) | {name: f(t) for name, f in change.items()}


def names(log: list[Event]) -> list[str]:
    return [found.name for found in findings(log)]


def after(begin: float, ill: float, well: float) -> Callable[[float], float]:
    return lambda t: ill if t > begin else well


SICK: Mapping[str, list[Event]] = {  # what is sick -> its log; the name begins with the illness
    "explosion of a loss": made(steps(generator=lambda t: 10 ** (1 + 6 * t))),
    "explosion of a gradient": made(steps(critic_gradient=lambda t: 10 ** (8 * t))),
    "collapse from the start": made(
        score=scores(diversity=lambda t: 0.01, twins=lambda t: 1.0, fd=lambda t: 280.0)
    ),
    "collapse, narrowed": made(score=scores(diversity=after(0.6, 0.25, 0.8))),
    "collapse, lost": made(
        score=scores(recall=after(0.6, 0.02, 0.8), coverage=after(0.6, 0.05, 0.5))
    ),
    "collapse to classes": made(score=scores(classes_missing=after(0.5, 3, 0), fd=lambda t: 30.0)),
    "saturated_critic": made(
        steps(critic=lambda t: 1e-4, critic_gradient=lambda t: 5.0 if t < 0.01 else 1e-3),
        scores(critic_separation=lambda t: 1.0, fd=lambda t: 250.0),
    ),
    "saturated_critic of hinge": made(
        steps(critic=after(0.2, 0.0, 1.5), critic_gradient=after(0.2, 0.0, 2.0)),
        scores(critic_separation=after(0.2, 1.0, 0.8), fd=lambda t: 250.0),
    ),
    "vanishing_gradients": made(steps(generator_gradient=lambda t: 10 ** (1 - 8 * t))),
    "oscillation": made(
        steps(critic=lambda t: 0.05 if math.sin(2 * math.pi * 20 * t) > 0 else 2.5)
    ),
    "overfitted_critic": made(
        score=scores(critic_held_out=after(0.5, 1.2, 1.9), critic_train=after(0.5, 3.0, 2.0))
    ),
    "overfitted_critic of any scale": made(
        score=scores(
            critic_train=lambda t: -100.0,
            critic_held_out=lambda t: -480.0,
            critic_fake=lambda t: -500.0,
            critic_gap_error=lambda t: 9.0,
        )
    ),
    "copying": made(score=scores(near_copies=after(0.6, 0.6, 0.02))),
}


@pytest.mark.parametrize("what", SICK)
def test_each_illness_is_seen_and_no_other(what: str) -> None:
    (found,) = findings(SICK[what])
    assert what.startswith(found.name)
    assert 0 < found.since_images <= 32 * N
    assert found.evidence
    assert found.what_to_try and found.verdict.startswith(ILLNESSES[found.name].title[0])


def test_every_illness_has_a_sick_log() -> None:
    named = {name for name in ILLNESSES for what in SICK if what.startswith(name)}
    assert named | {"not_finite"} == ILLNESSES.keys()


WELL: Mapping[str, list[Event]] = {
    "healthy": made(),
    "hardly begun": made(n=FEW - 1),
    "classes that come one by one": made(
        score=scores(classes_missing=lambda t: 9 - 9 * t, fd=lambda t: 300 - 299 * t)
    ),
    "slow": made(score=scores(diversity=lambda t: 0.2 * t, twins=lambda t: 1.0 - t)),
    "a critic that wins at first, as many do": made(
        steps(critic=lambda t: 1e-3 if t < 0.3 else 1.0),
        scores(critic_separation=lambda t: 1.0 if t < 0.3 else 0.9),
    ),
    "a strong critic that still shows the way": made(
        steps(critic=lambda t: 5e-3, critic_gradient=lambda t: 1e-4),
        scores(critic_separation=lambda t: 1.0),
    ),
    "a strong critic that still learns": made(
        steps(critic=lambda t: 8e-3, critic_gradient=lambda t: 0.3),
        scores(critic_separation=lambda t: 1.0, fd=lambda t: 250.0),
    ),
    "few samples, compared by wide balls": made(
        score=scores(recall=lambda t: 0.0, precision=lambda t: 1.0, fd=lambda t: 100.0)
    ),
    "wasserstein: scores without bounds, a loss below 0": made(
        steps(
            critic=lambda t: -30 + 20 * t + math.sin(50 * t),
            generator=lambda t: 400 * t,
            d_real=lambda t: 90.0,
        ),
        scores(critic_separation=lambda t: 1.0),
    ),
    "noisy losses": made(steps(critic=lambda t: 0.1 + 2.2 * (0.754877 * t * N % 1))),
    "one bad step": made(steps(generator=lambda t: 1e9 if t == 0.5 else 1.0)),
    "one bad scoring": made(
        score=scores(diversity=lambda t: 0.1 if t == 1.0 else 0.9, near_copies=lambda t: 0.01)
    ),
    "a held-out gap within its error": made(
        score=scores(critic_held_out=lambda t: 1.4, critic_gap_error=lambda t: 0.3)
    ),
    "a critic that is beaten": made(
        score=scores(critic_fake=lambda t: 2.1, critic_held_out=lambda t: 1.5)
    ),
    "gradients that fall a hundredfold": made(steps(generator_gradient=lambda t: 5 * 100**-t)),
    "without the doctor's numbers": made(score=lambda t: {"fd": 300 - 290 * t, "kid": 1.0}),
}


@pytest.mark.parametrize("what", WELL)
def test_nothing_is_seen_where_nothing_is_wrong(what: str) -> None:
    assert history(WELL[what]) == []
    assert diagnose(WELL[what]).healthy


def test_diffusion_has_a_loss_and_no_critic() -> None:
    log = made()
    for event in log:
        critics = [name for name in event["scalars"] if name.startswith(("critic", "d_"))]
        for name in critics:
            del event["scalars"][name]
        if event["event"] == "step":
            event["losses"] = {"denoise": 2.0 - event["images_seen"] / 10_000}
            event["scalars"] = {"denoise_gradient": 1.0}
    found = diagnose(log)
    assert found.healthy
    assert "mode collapse" in found.looked_at
    assert "saturated discriminator" not in found.looked_at


def rolled_back(*, then: int) -> list[Event]:
    """A run that went back after 50 steps, and the steps that it took since."""
    log = made(n=50)
    back = {"event": "rollback", "images_seen": 1600, "seconds": 8.0, "why": "nan", "rate": 0.5}
    return [*log, back, *[e for e in made(n=50 + then) if e["images_seen"] > 1600]]


def test_numbers_that_are_none() -> None:
    assert names(rolled_back(then=0)) == ["not_finite"]
    assert names(rolled_back(then=FEW - 1)) == ["not_finite"]
    assert names(rolled_back(then=FEW)) == []
    (past,) = history(rolled_back(then=300))
    assert (past.finding.since_images, past.until_images > 1600) == (1600, True)
    lost = made()
    lost[-2]["losses"]["critic"] = None  # as a number that is none is written
    assert names(lost[:-1]) == ["not_finite"]


def test_findings_are_told_once_and_so_is_their_end() -> None:
    """What the log has told is not told again, wherever a run was cut and went on."""
    log = made(score=scores(near_copies=lambda t: 0.6 if 0.4 < t < 0.8 else 0.02))
    written: list[Event] = []
    for event in log:
        written.append(event)
        if event["event"] == "score":
            at = {"event": "finding", "images_seen": event["images_seen"], "seconds": 0.0}
            written += [at | found for found in news(written)]
    told = [event for event in written if event["event"] == "finding"]
    assert [(event["name"], event["over"]) for event in told] == [
        ("copying", False),
        ("copying", True),
    ]
    (past,) = history(written)
    assert past.finding.since_images == told[0]["since_images"]
    assert (past.seen_images, past.until_images) == tuple(event["images_seen"] for event in told)
    assert history(log) == history(written)  # they are functions of steps and scores alone


def test_seconds_do_not_matter() -> None:
    for log in (*SICK.values(), *WELL.values()):
        moved = [event | {"seconds": -1.0} for event in log]
        assert findings(moved) == findings(log)


def test_every_row_speaks_two_languages() -> None:
    for illness in ILLNESSES.values():
        for english, portuguese in (illness.title, illness.verdict):
            assert english and portuguese and english != portuguese
    assert diagnosis.SIGNS.keys() >= {row.needs for row in ILLNESSES.values()} - {
        "",
        "critic",
        "generator_gradient",
    }
