"""What to do with a small set of images, in lines for people."""

import math
from collections.abc import Collection, Sequence

from trilemma.data.splits import ENOUGH_HELD_OUT, FEWEST_SCORED, FEWEST_SHOWN, needed
from trilemma.data.values import Source
from trilemma.errors import DataError

HALF = 0.5  # of the images; nobody should hold out more
MANY = 5000  # images; from here on nothing is said
FEW = 1000  # below this a generator soon knows its training images by heart
SIZES = (  # below so many images, what is to be expected; the first that fits
    (300, "are very few: expect samples that are copies, and score with kid rather than fd"),
    (FEW, "are few: expect copies of them, and score with kid rather than fd"),
    (MANY, "are not many: look for copies among the samples (trilemma compare)"),
)
MORE = (
    "more pictures of the same kind help most; next, begin with a run on similar pictures of the "
    "same preset: --from RUN --freeze 2"
)
CHANGED = (
    "folder-gan shows its critic mirrored pictures, and a share of changed ones that grows with "
    "the danger of learning by heart; --no-data.flip where left and right matter"
)
ADAPTIVE = (
    "where samples are copies all the same, try one more kind of change: "
    "--family.augment color translation geometry"
)


def of_few(images: int, *, folder: bool) -> tuple[str, ...]:
    """Advise about a set of so many images; folder: it has no preset of its own."""
    said = [f"{images:,} images {what}" for limit, what in SIZES if images < limit][:1]
    if folder and images < MANY:
        said += [MORE, CHANGED]
    if folder and images < FEW:
        said.append(ADAPTIVE)
    return tuple(said)


def held_out(count: int, listed: Sequence[str], usable: Collection[str], *, own_split: bool) -> str:
    """Say that too few images are held out, and what would do; an empty text: they are enough.

    count: of those that can be used. listed: names of all that were split; usable: those of them
    that turned out to be images. own_split: the set says itself which they are.
    """
    limits = (FEWEST_SCORED, FEWEST_SHOWN, ENOUGH_HELD_OUT)
    short = next((i for i, limit in enumerate(limits) if count < limit), None)
    if short is None:
        return ""
    why = (
        f"the run cannot be scored or compared (that takes {FEWEST_SCORED})",
        f"scores are not shown (that takes {FEWEST_SHOWN}), and copies not told",
        "too few to tell copies, and for narrow errors",
    )[short]
    line = f"{count:,} of them are held out: {why}"
    if own_split:
        return f"{line}; add test images"
    rows = [needed(listed, usable, limit) for limit in reversed(limits) if limit > count]
    shares = [math.ceil(100 * row / len(listed)) / 100 for row in rows if row]
    share = next((share for share in shares if share <= HALF), None)
    return f"{line}; " + (
        "add images" if share is None else f"hold out more with --data.held-out {share:g}"
    )


def enough(held_out: Source) -> None:
    """Refuse a run of whose data too few images are held out to be scored. DataError."""
    if len(held_out) < FEWEST_SCORED:
        raise DataError(
            f"{held_out.name}: {len(held_out)} images are held out; scores take {FEWEST_SCORED}: "
            "hold the run against other pictures of the kind (trilemma evaluate RUN --against "
            "FOLDER), or train anew with more of them held out (--data.held-out)"
        )


def long_enough(images: int, epochs: float) -> tuple[str, ...]:
    """Say how often a training sees each image of a small set; nothing of a larger one."""
    if images >= MANY:
        return ()
    return (
        f"it sees every image about {epochs:,.0f} times; RUN@best is kept where more does harm, "
        "and --early-stop ends it there",
    )
