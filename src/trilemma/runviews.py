"""What a report shows of one run: its log as curves, its recipe, its samples and their likes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trilemma import counting
from trilemma.advice import to_try
from trilemma.diagnosis import SIGNS, history
from trilemma.horizon import FEW
from trilemma.logreading import FEW as SIGNS_FROM
from trilemma.recipe.files import to_table
from trilemma.recipe.recipe import Recipe
from trilemma.report.contents import Curve, Ill, ModesView, Nearest, Note, RunView
from trilemma.report.metrics import extractor_name
from trilemma.runfolder import RunFolder
from trilemma.runs import Found
from trilemma.scoring import Reference, Scored

SHOWN = 10  # samples whose nearest training images are shown

Log = Sequence[Mapping[str, Any]]


def view(name: str, members: Sequence[Scored], *, grid: int) -> RunView:
    """Show a run, or a group of runs that differ in their seed by its first."""
    first = members[0]
    folder = RunFolder(first.found.place)
    log = folder.log()
    steps = [event for event in log if event["event"] == "step"]
    scores = [event for event in log if event["event"] == "score"]
    last = log[-1] if log else {"images_seen": first.found.images_seen, "seconds": 0.0}
    return RunView(
        name=name,
        kind=first.found.recipe.family.kind,
        members=tuple(member.found.name for member in members),
        seeds=tuple(member.found.recipe.seed for member in members),
        recipe=to_table(first.found.recipe),
        machine=machine(first.found),
        parameters=first.drawer.parameters,
        evaluations=first.drawer.evaluations,
        images_seen=int(last["images_seen"]),
        training_seconds=float(last["seconds"]),
        training_images_per_second=training_rate(log),
        losses=curves(steps, "losses"),
        scalars=curves(steps, "scalars") | signs(scores),
        watched=watched(folder, scores),
        samples=first.pixels[:grid],
        gif=read(folder, "progress.gif"),
        nearest=nearest(first),
        licences=tuple(filter(None, (first.reference.source.licence,))),
        ills=ills(log, first.found.recipe) if steps else None,
        few_steps=len(steps) < SIGNS_FROM,
        notes=tuple(notes(log)),
    )


def machine(found: Found) -> Mapping[str, Any]:
    """Read a run's machine.json; empty for a bundle."""
    try:
        text = (found.place / "machine.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    known: Mapping[str, Any] = json.loads(text)
    return known


def curves(events: Log, field: str) -> dict[str, Curve]:
    """Turn logged numbers into curves; what is not finite is left out."""
    names = dict.fromkeys(name for event in events for name in event.get(field, {}))
    found = {}
    for name in names:
        known = [event for event in events if event.get(field, {}).get(name) is not None]
        found[name] = Curve(
            images_seen=tuple(event["images_seen"] for event in known),
            seconds=tuple(event["seconds"] for event in known),
            values=tuple(event[field][name] for event in known),
        )
    return found


def watched(folder: RunFolder, events: Log) -> dict[str, Curve]:
    """Name the scores that were taken during a training after the extractor that saw its images.

    A run whose watched.json is missing does not say which that was.
    """
    text = read(folder, "watched.json")
    name = json.loads(text)["extractor"] if text else ""
    ending = f"[{extractor_name(name)}]" if name else " (watched)"
    titles = {"fd": f"FD{ending}", "kid": f"KID{ending}"}
    found = curves(events, "scalars").items()
    beside = (*SIGNS, "generator_loss")  # which stands among the losses
    return {titles.get(key, key): curve for key, curve in found if key not in beside}


def signs(events: Log) -> dict[str, Curve]:
    """Give what was measured beside the scores, for the doctor."""
    return {key: curve for key, curve in curves(events, "scalars").items() if key in SIGNS}


def ills(log: Log, recipe: Recipe) -> tuple[Ill, ...]:
    """Judge the whole log again, whatever it has written down itself."""
    return tuple(
        Ill(
            name=one.finding.name,
            since_images=one.finding.since_images,
            since_seconds=seconds_at(log, one.finding.since_images),
            until_images=one.until_images,
            evidence=tuple(one.finding.evidence.items()),
            what_to_try=to_try(one.finding.name, recipe),
        )
        for one in history(log, recipe)
    )


def seconds_at(log: Log, images_seen: int) -> float:
    """Give the seconds at which so many images had been seen."""
    return next((float(e["seconds"]) for e in log if e["images_seen"] >= images_seen), 0.0)


def training_rate(log: Log) -> float:
    """Give images a second between the first and the last step; nan where none is logged."""
    steps = [event for event in log if event["event"] == "step"]
    if len(steps) < 2 or steps[-1]["seconds"] <= steps[0]["seconds"]:
        return float("nan")
    images = steps[-1]["images_seen"] - steps[0]["images_seen"]
    return float(images / (steps[-1]["seconds"] - steps[0]["seconds"]))


def nearest(scored: Scored) -> Nearest:
    """Show ten samples beside the training images nearest to them."""
    copies, reference = scored.copies, scored.reference
    rows = reference.seen_rows[copies.indices[:SHOWN].numpy()]
    return Nearest(
        samples=scored.pixels[:SHOWN],
        neighbours=np.stack([reference.train.pixels[row : row + 1][0] for row in rows.tolist()]),
        distances=tuple(copies.distances[:SHOWN].tolist()),
        share_closer=copies.share_closer if reference.held_out else float("nan"),
        held_out_median=copies.held_out_median,
        sample_median=copies.sample_median,
    )


def modes_met(names: Sequence[str], firsts: Sequence[Scored]) -> tuple[ModesView, ...]:
    """Show the modes of each run whose source's are known, then those of real points."""
    shown = [
        modes_view(name, one.pixels, one.modes, one.found)
        for name, one in zip(names, firsts, strict=True)
        if one.modes is not None
    ]
    references = {one.reference.source.fingerprint: one for one in firsts if one.modes is not None}
    for one in references.values():
        known = counting.of(one.found.recipe.data)
        if known is not None and known.points:
            real = real_points(one.reference)
            shown.append(modes_view("", real, counting.count(known, flat(real)), one.found))
    return tuple(shown)


def modes_view(name: str, pixels: np.ndarray, counted: counting.Counted, found: Found) -> ModesView:
    """Show the modes that samples reach, and the samples themselves where they are points."""
    known = counting.of(found.recipe.data)
    points = known.points if known else None
    return ModesView(
        run=name,
        counts=tuple(counted.counts.tolist()),
        n=counted.n,
        points=flat(pixels) if points else np.empty((0, 2), np.float32),
        centres=points.centres if points else (),
        radius=points.radius if points else 0.0,
    )


def real_points(reference: Reference) -> np.ndarray:
    """Take the points that a run was held against, float32 [N, 1, 1, 2]."""
    return np.asarray(reference.source.pixels[reference.rows])


def flat(points: np.ndarray) -> np.ndarray:
    """Give points [N, 1, 1, 2] as [N, 2]."""
    return points.reshape(-1, 2)


def little_trained(found: Found) -> list[Note]:
    """Say that a network was drawn from before it could learn."""
    if found.images_seen >= FEW * found.recipe.train.batch_size:
        return []
    return [Note("note_little_trained", (("n", found.images_seen),), found.name)]


def notes(log: Log) -> list[Note]:
    """Say what a reader must know about how a run was trained."""
    said = []
    for event in log:
        at = (("n", int(event["images_seen"])),)
        if event["event"] == "rollback":
            said.append(Note("note_rollback", at, event["why"]))
        if event["event"] == "resume" and event.get("not_bit_exact"):
            said.append(Note("note_other_machine", at))
        if event["event"] == "end" and event["why"] != "done":
            said.append(Note("note_ended", at, event["why"]))
    if log and log[-1]["event"] != "end":
        said.append(Note("note_unfinished", (("n", int(log[-1]["images_seen"])),)))
    return said


def read(folder: RunFolder, name: str) -> bytes:
    """Read a file of a run; empty where it is missing."""
    path = folder.path / name
    return path.read_bytes() if path.is_file() else b""
