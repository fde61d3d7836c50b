"""How often each class of real images is met among generated ones."""

import numpy as np

from trilemma.data.values import Source
from trilemma.features.extractor import Features
from trilemma.maths import statistics
from trilemma.scores import Shares

SELDOM = 0.1  # of its real share: a class that is met less often counts as missing


def class_shares(fake: Features, reference: Source, *, run: str) -> Shares:
    """Say how often each class of the reference is met, by the extractor's most likely class.

    A class is missing where even the upper end of its interval is below a tenth of its real share.
    Of few images (38 times as many as classes) that end is never so low: then it is not sure.
    """
    n, classes = len(fake.logits), reference.classes
    counts = np.bincount(fake.logits.argmax(axis=1), minlength=len(classes))
    labels = reference.labels[reference.labels >= 0]
    real = np.bincount(labels, minlength=len(classes)) / max(1, len(labels))
    low, high = zip(*[statistics.wilson(int(count), n) for count in counts], strict=True)
    rows = list(zip(classes, counts, real, high, strict=True))
    missing = tuple(c for c, _, r, h in rows if h < SELDOM * r)
    return Shares(
        run=run,
        classes=classes,
        real=tuple(real.tolist()),
        fake=tuple((counts / n).tolist()),
        low=low,
        high=high,
        missing=missing,
        unsure=tuple(c for c, seen, r, _ in rows if not seen and r > 0 and c not in missing),
    )
