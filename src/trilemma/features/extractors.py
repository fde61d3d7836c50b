"""An extractor by its name or path."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

import torch

from trilemma.errors import DataError
from trilemma.features import dinov2, domain, inception, lite0, raw, stacked
from trilemma.features.extractor import Extractor
from trilemma.places import Say, quiet

Loader = Callable[[str, str, Say, torch.device], Extractor]  # (source, weights, say, device)

LARGEST_TINY = 32  # pixels; ImageNet's networks are the wrong ruler for small grey images


def _domain(source: str, weights: str, say: Say, device: torch.device) -> Extractor:
    if weights:
        return domain.from_file(Path(weights), device=device)
    base = _base(source)
    if base not in domain.EMBEDDED:
        raise DataError(
            f"extractor domain: no classifier ships for {base or 'these images'}, only for "
            f"{', '.join(domain.EMBEDDED)}; give --extractor PATH of a trained one, lite0 or pixels"
        )
    return domain.embedded(base, device=device)


EXTRACTORS: Mapping[str, Loader] = {
    "dinov2": lambda source, weights, say, device: dinov2.load(
        path=weights, say=say, device=device
    ),
    "domain": _domain,
    "inception": lambda source, weights, say, device: inception.load(
        path=weights, say=say, device=device
    ),
    "lite0": lambda source, weights, say, device: lite0.load(path=weights, say=say, device=device),
    "pixels": lambda source, weights, say, device: raw.load(),
    "points": lambda source, weights, say, device: raw.points(),
    "stacked": lambda source, weights, say, device: stacked.load(device=device),
}


def load(
    name: str,
    *,
    source: str = "",
    shape: tuple[int, int, int] | None = None,
    weights: str = "",
    say: Say = quiet,
    device: torch.device | str = "cpu",
) -> Extractor:
    """Load an extractor: a row of EXTRACTORS, auto, or the path of a saved domain classifier.

    source: name of the real images, such as digits or mnist:test, for domain and auto. shape:
    (height, width, channels) of the images, for auto. weights: a file or folder in place of where
    they are looked for. `say` gets one line about third-party weights. DataError: no such
    extractor, or no domain classifier for the source; else as `weights.find` and `domain`.
    """
    device = torch.device(device)
    if name == "auto":
        name = choose(source, shape)
    fits(name, shape)
    if name in EXTRACTORS:
        return EXTRACTORS[name](source, weights, say, device)
    if Path(name).exists() or Path(name).suffix in (".safetensors", ".json"):
        return domain.from_file(Path(name), device=device)
    names = ["auto", *EXTRACTORS]
    close = get_close_matches(name, names, n=1)
    raise DataError(
        f"extractor '{name}': no such name or file; "
        + (f"did you mean {close[0]}? " if close else "")
        + f"Allowed: {', '.join(names)}, or the path of a domain classifier"
    )


def choose(source: str, shape: tuple[int, int, int] | None) -> str:
    """Say what `auto` is: the source's own, pixels for small grey images, else lite0."""
    if shape is not None and shape[2] == 2:
        return "points"
    if _base(source) == "stacked-mnist":
        return "stacked"
    if _base(source) in domain.EMBEDDED:
        return "domain"
    if shape is not None and shape[2] == 1 and max(shape[:2]) <= LARGEST_TINY:
        return "pixels"
    return "lite0"


def fits(name: str, shape: tuple[int, int, int] | None) -> None:
    """Refuse points for an extractor of images, and the other way round. DataError."""
    if shape is None:
        return
    if (shape[2] == 2) != (name == "points"):
        what = "points" if shape[2] == 2 else "images"
        allowed = "points" if shape[2] == 2 else "any but points"
        raise DataError(f"extractor {name} does not look at {what}; allowed: auto, or {allowed}")
    if name == "stacked" and shape[2] != 3:
        raise DataError("extractor stacked looks at three digits in three colours, not at grey")


def _base(source: str) -> str:
    """Drop the split: digits:test -> digits."""
    return source.partition(":")[0]
