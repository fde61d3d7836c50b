"""Train, run and honestly compare image generators: quality, coverage, speed.

import trilemma as tr
run = tr.train("digits-gan", minutes=1)
run.sample(64, seed=0)
tr.compare([run, "digits-diffusion"]).to_html("report.html")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trilemma.api import (
        Run,
        compare,
        evaluate,
        pipeline,
        sample,
        train,
        trust,
        upscale,
    )
    from trilemma.comparison import Comparison
    from trilemma.showing import Images

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Images",
    "Run",
    "compare",
    "evaluate",
    "pipeline",
    "sample",
    "train",
    "trust",
    "upscale",
]


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for (PEP 562): `trilemma --help` imports no torch."""
    if name in __all__:
        from trilemma import api

        return getattr(api, name)
    raise AttributeError(f"module 'trilemma' has no attribute {name!r}")
