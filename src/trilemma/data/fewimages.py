"""What to do with a small set of images, in lines for people."""

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


def long_enough(images: int, epochs: float) -> tuple[str, ...]:
    """Say how often a training sees each image of a small set; nothing of a larger one."""
    if images >= MANY:
        return ()
    return (
        f"it sees every image about {epochs:,.0f} times; RUN@best is kept where more does harm, "
        "and --early-stop ends it there",
    )
