"""Pillow's warnings, kept off while images are decoded, in however many threads."""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

# Pillow warns from 89 million pixels on and refuses above 179 million; between them we just read.
# It warns of damaged EXIF tags, too: a picture with a bad date is a good picture.
PILLOWS = r"PIL\.(?#while trilemma decodes)"  # modules; the remark makes this filter like no other
_counting = threading.Lock()
_decoders = 0  # threads that decode now


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep Pillow's warnings off while any thread decodes, and no longer.

    Where threads share one list of filters, `warnings.catch_warnings` in each of them would bring
    back what it happened to find. So the first thread in adds ours, the last one out removes it.
    """
    global _decoders
    if getattr(sys.flags, "context_aware_warnings", False):  # Python 3.14 without the lock
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=PILLOWS)
            yield
        return
    with _counting:
        if _decoders == 0:
            warnings.filterwarnings("ignore", module=PILLOWS)
        _decoders += 1
    try:
        yield
    finally:
        with _counting:
            _decoders -= 1
            if _decoders == 0:
                filters = cast(list[Any], warnings.filters)
                filters[:] = [row for row in filters if getattr(row[3], "pattern", "") != PILLOWS]
