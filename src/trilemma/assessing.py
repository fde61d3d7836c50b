"""Any images against any images: opened, brought to one size, seen by one extractor, scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trilemma import counting, devices, extracting, heeding, runs
from trilemma.data.fewimages import enough
from trilemma.data.named import NAMED
from trilemma.data.shape import Shape
from trilemma.data.sources import Wanted, open_source, prepare
from trilemma.data.splits import FEWEST_SCORED
from trilemma.data.values import Source
from trilemma.errors import DataError, OfflineError
from trilemma.evaluation import STANDARD, evaluate_pixels
from trilemma.features import cache, files
from trilemma.features.extractor import Extractor, Features
from trilemma.images import RESIZE
from trilemma.pairscores import enlarges, parted, run_scores
from trilemma.places import Say, quiet
from trilemma.recipe.recipe import DataRecipe
from trilemma.sampling import load_generator, sampler_name
from trilemma.scores import Scores, as_drawn, joined
from trilemma.scoring import MOST, wanted
from trilemma.sides import (
    How,
    Listing,
    Side,
    drawn,
    joint_shape,
    listed,
    own_shape,
    side_of,
    spelled,
    thinned,
)

BEYOND = 2_000_000  # first seed of a run that is scored against: no seed stands on both sides


@dataclass(frozen=True, kw_only=True)
class Assessed:
    """Scores of one side against the other."""

    scores: Scores
    run: runs.Found | None  # that was scored; None: images of another origin


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an extractor saw in images."""

    features: Features
    source: Source
    meta: Mapping[str, object]


def assess(
    images: str,
    against: str = "",
    *,
    n: int = 0,
    metrics: Sequence[str] = STANDARD,
    extractor: str = "auto",
    device: str = "auto",
    say: Say = quiet,
) -> Scores:
    """Score images against images, as `assessed` does, with everything else as it is by default."""
    how = How(extractor=extractor, device=devices.pick(device), say=say)
    return assessed(images, against, n=n, metrics=metrics, how=how).scores


def assessed(
    images: str, against: str = "", *, n: int = 0, metrics: Sequence[str] = STANDARD, how: How
) -> Assessed:
    """Score images against images; each a run, bundle, path or named set.

    against: empty: the held-out images of the run's own data. n: of each side; 0: as many as there
    are, up to 2,000; of a run at least 200. Floors come from the train split of the set whose test
    split stands on the other side. Errors: as `side_of`, `open_source` and `evaluate`.
    """
    if n < 0:
        raise DataError(f"--n {n}; allowed: 0 (as many as there are) or more")
    fake = side_of(images, how)
    if not against and isinstance(fake, Listing):
        raise DataError(f"{images} is no run, so say what to hold it against: --against B")
    real = side_of(against, how, beside=fake) if against else None
    rest = heeding.others(metrics, alone=isinstance(fake, runs.Found) and real is None)
    others, asked = parted(rest, pairs=not against and enlarges(fake))
    compared, counts = counting.parted(others, modes_of(fake, real))
    shape = joint_shape(fake, real, how)
    scored, reference = both_opened(fake, real, shape, n, how)
    train = floor_source(fake, real, reference, shape, how)
    scores = evaluate_pixels(
        np.asarray(scored.pixels),
        reference,
        thinned(train, len(scored)) if train else None,
        extractor_of(fake, real, shape, how),
        run=scored.name,
        metrics=compared,
        sampler=sampler_of(fake, how),
        checkpoint=fake.checkpoint if isinstance(fake, runs.Found) else "",
    )
    if counts:
        scores = joined(scores, mode_scores(fake, real, scored, shape, counts, n=n, how=how))
    if isinstance(fake, runs.Found) and real is None:
        pairs = run_scores(fake, scored, asked=asked, device=how.device, say=how.say)
        scores = joined(scores, pairs)
        scores = joined(scores, heeded(fake, reference, n=n, metrics=metrics, how=how))
    return Assessed(scores=scores, run=fake if isinstance(fake, runs.Found) else None)


def heeded(
    run: runs.Found, reference: Source, *, n: int, metrics: Sequence[str], how: How
) -> Scores:
    """Count how often a run draws the class that it is asked for."""
    drawer = load_generator(run, device=how.device, options=how.options)
    made = heeding.heed(
        run, drawer, reference, n=n, metrics=metrics, say=how.say, progress=how.progress
    )
    return as_drawn(made, sampler=sampler_of(run, how), checkpoint=run.checkpoint)


def modes_of(fake: Side, real: Side | None) -> counting.ModeSet | None:
    """Give the modes of the set that a run was trained on, else of the one on either side."""
    sides = [side for side in (fake, real) if side is not None]
    run = next((side for side in sides if isinstance(side, runs.Found)), None)
    if run is not None:
        return counting.of(run.recipe.data)
    bases = [side.base for side in reversed(sides) if isinstance(side, Listing)]
    found = [counting.MODE_SETS[base] for base in bases if base in counting.MODE_SETS]
    return found[0] if found else None


def mode_scores(
    fake: Side,
    real: Side | None,
    scored: Source,
    shape: Shape,
    names: Sequence[str],
    *,
    n: int,
    how: How,
) -> Scores:
    """Count the modes of n images (0: as the set's modes take), and of as many real ones."""
    known = modes_of(fake, real)
    assert known is not None, "counts were asked for"
    by = counting.looker(known, device=how.device)
    most = n or known.n or len(scored)
    if isinstance(fake, Listing):
        looked_at = listed(fake, shape, most, how)
    else:
        looked_at = scored if most <= len(scored) else drawn(fake, shape, range(most), how)
    if isinstance(real, Listing) and isinstance(fake, Listing):
        held_out = listed(real, shape, most, how)
    else:
        run = fake if isinstance(fake, runs.Found) else real
        assert isinstance(run, runs.Found), "one side is a run"
        held_out = own_split(run, "test", shape, how)

    def count(source: Source) -> counting.Counted:
        pixels = np.asarray(thinned(source, most).pixels)
        seen = cache.features(by, pixels, progress=how.progress)
        return counting.count(known, seen.features)

    other = count(held_out) if len(held_out) >= most else None
    made = counting.scored(scored.name, count(looked_at), other, names, by=by, reference=held_out)
    checkpoint = getattr(fake, "checkpoint", "")
    return as_drawn(made, sampler=sampler_of(fake, how), checkpoint=checkpoint)


def both_opened(
    fake: Side, real: Side | None, shape: Shape, n: int, how: How
) -> tuple[Source, Source]:
    """Open what lies on the disk; then draw from runs as many images as the other side has."""
    scored = listed(fake, shape, n, how, most=MOST) if isinstance(fake, Listing) else None
    if isinstance(real, Listing):
        reference = listed(real, shape, n, how, most=MOST)
    elif real is not None:
        count = wanted(len(scored) if scored else 0, n)
        reference = drawn(real, shape, range(BEYOND, BEYOND + count), how)
    else:
        assert isinstance(fake, runs.Found), "only a run has held-out images of its own"
        own = own_split(fake, "test", shape, how)
        reference = thinned(own, n or MOST, how.say)
    if isinstance(fake, runs.Found):
        scored = drawn(fake, shape, range(wanted(len(reference), n)), how)
    assert scored is not None, "a side is a listing or a run"
    if real is None:
        enough(reference)
    for side in (scored, reference):
        if len(side) < FEWEST_SCORED:
            raise DataError(
                f"{side.name}: {len(side)} images; scores take {FEWEST_SCORED} or more on each side"
            )
        if len(side) < n:
            how.say(f"{side.name}: only {len(side):,} images, not the {n:,} that were asked for")
    if scored.fingerprint == reference.fingerprint:
        how.say("both sides are the same images")
    return scored, reference


def see(images: str, *, n: int = 0, seed: int = 0, how: How) -> Seen:
    """Extract features of images. n: 0: all, of a run 2,000. seed: of a run's first image."""
    side = side_of(images, how)
    shape = joint_shape(side, None, how)
    made: dict[str, object] = {}
    if isinstance(side, runs.Found):
        source = drawn(side, shape, range(seed, seed + (n or MOST)), how)
        made = {"checkpoint": side.checkpoint, "sampler": sampler_of(side, how), "seed": seed}
    else:
        source = listed(side, shape, n, how)
    extractor = extractor_of(side, None, shape, how)
    origin = {"images": source.name, "split": source.split, "fingerprint": source.fingerprint}
    return Seen(
        features=cache.features(extractor, np.asarray(source.pixels), progress=how.progress),
        source=source,
        meta={**files.meta_of(extractor), **origin, **made},
    )


def own_split(run: runs.Found, split: str, shape: Shape, how: How) -> Source:
    """Open a split of the images that a run is trained on."""
    root = how.root or run.recipe.data.root
    data = replace(run.recipe.data, size=f"{shape.width}x{shape.height}", root=root)
    return open_source(runs.at_hand(run.name, data), split, progress=how.progress, say=how.say)


def floor_source(
    fake: Side, real: Side | None, reference: Source, shape: Shape, how: How
) -> Source | None:
    """Open other real images of the reference's set; None where there are none, with a line."""
    train = None
    try:
        if real is None and isinstance(fake, runs.Found):
            train = own_split(fake, "train", shape, how)
        elif isinstance(real, Listing) and real.split in ("test", "val"):
            side = side_of(f"{real.base}:train", how, beside=fake)
            assert isinstance(side, Listing), "a base with a split is no run"
            asked = Wanted(split="train", size=shape[:2], channels=shape.channels)
            train = prepare(side.images, asked, how.progress, how.say)
    except (DataError, OfflineError) as error:
        how.say(f"no floor: {error}")
    if train is None or train.fingerprint == reference.fingerprint:
        return None
    if len(train) < FEWEST_SCORED:
        how.say(f"no floor: {train.name}: {len(train)} images; it takes {FEWEST_SCORED} or more")
        return None
    return train


def extractor_of(first: Side, second: Side | None, shape: Shape, how: How) -> Extractor:
    """Load the extractor of the first run, else of the set on the other side (or the only one).

    Its rule for sizes names what was done to the images that are scored, for the column.
    """
    run = next((side for side in (first, second) if isinstance(side, runs.Found)), None)
    if run is not None:
        extractor = extracting.extractor_for(run, how.extractor, device=how.device, say=how.say)
    else:
        side = second or first
        assert isinstance(side, Listing), "it is no run"
        size = f"{shape.width}x{shape.height}"
        data = DataRecipe(source=side.base, size=size, channels=shape.channels)
        if side.base not in NAMED:
            data = replace(data, source="folder", root=side.base)
        extractor = extracting.load(how.extractor, data, device=how.device, say=how.say)
    if own_shape(first) == shape:
        return extractor
    return replace(extractor, resize=f"{RESIZE} to {spelled(shape)}, then {extractor.resize}")


def sampler_of(side: Side, how: How) -> str:
    """Name how images are drawn, such as ddim-50; empty where nothing is drawn or chosen."""
    if not isinstance(side, runs.Found):
        return ""
    return sampler_name(load_generator(side, device=how.device, options=how.options))
