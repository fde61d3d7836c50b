"""One offline page to play with: sliders over pictures that were drawn beforehand."""

import base64
import hashlib
import io
import math
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from trilemma import images
from trilemma.report import pictures
from trilemma.report.explored import Around, Explored, Likes, Told, Walk, said, seed_at
from trilemma.report.numbers import plain
from trilemma.report.page import templates

MOST = 120  # places of the walk that the page holds
LARGEST = 256  # pixels of a picture's larger side on the page; more is reduced
QUALITY = 90  # of JPEG, for pictures that are too large for single pixels to matter


def write_page(shown: Explored, path: Path) -> Path:
    """Write the page as one file that loads nothing. NoSpaceError: it cannot be written."""
    images.write_bytes(path, render(shown).encode())
    return path


def render(shown: Explored) -> str:
    """Give the page as HTML; its only script is known by its hash."""
    environment = templates()
    source = environment.loader
    assert source is not None, "templates() sets a loader"
    style, own, script = (
        source.get_source(environment, name)[0]
        for name in ("page.css", "explore.css", "explore.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(
        "explore.html.j2"
    ).render(
        css=Markup(style + own),  # our own files
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        shown=shown,
        walk=walk_view(shown.walk),
        around=around_view(shown.around),
        likes=None if shown.likes is None else likes_view(shown.likes),
        told=None if shown.told is None else told_view(shown.told),
        small=max(shown.walk.pixels.shape[1:3]) <= pictures.SMALL,
    )


def walk_view(walk: Walk) -> dict[str, object]:
    """Give the frames of the walk with their words, the seeds on it, and its legs."""
    every = math.ceil(len(walk.places) / MOST)
    seeds = [i for i, place in enumerate(walk.places) if place.share in (0, 1)]
    kept = sorted({*range(0, len(walk.places), every), *seeds})
    frames = [data_uri(walk.pixels[i]) for i in kept]
    stops = [{"at": kept.index(i), "seed": seed_at(walk.places[i])} for i in seeds]
    return {
        "frames": frames,
        "words": [said(walk.places[i]) for i in kept],
        "stops": stops,
        "legs": legs(walk),
        "milliseconds": round(1000 * every / walk.fps),
    }


def legs(walk: Walk) -> list[dict[str, object]]:
    """List the pairs of seeds in their order, and how far they are apart."""
    pairs = list(dict.fromkeys((place.start, place.end) for place in walk.places))
    rows = zip(pairs, walk.degrees, strict=True)
    return [{"start": a, "end": b, "degrees": f"{far:.0f}"} for (a, b), far in rows]


def around_view(around: Around) -> dict[str, object]:
    """Give the pictures of the grid with their words, and its measures."""
    middle = around.side // 2
    steps = [around.step * (i - middle) for i in range(around.side)]
    return {
        "frames": [data_uri(picture) for picture in around.pixels],
        "words": [turned(around.seed, down, right) for down in steps for right in steps],
        "steps": [f"{degrees:+.0f}°".replace("-", "−") if degrees else "0°" for degrees in steps],
        "side": around.side,
        "middle": middle,
        "last": around.side - 1,
        "edge": f"{around.step * middle:.0f}",
        "corner": f"{around.step * math.hypot(middle, middle):.0f}",
        "step": f"{around.step:g}",
    }


def turned(seed: int, down: float, right: float) -> str:
    """Say how far a place of the grid is from the seed in its middle."""
    far = math.hypot(down, right)
    return f"{far:.0f}° from seed {seed}" if far else f"seed {seed}"


def likes_view(likes: Likes) -> dict[str, object]:
    """Give every seed's picture with its nearest training images."""
    rows = zip(likes.seeds, likes.pixels, likes.neighbours, likes.distances, strict=True)
    return {
        "rows": [
            {
                "seed": seed,
                "src": data_uri(picture),
                "near": [
                    {"src": data_uri(image), "distance": plain(far, language="en")}
                    for image, far in zip(near, distances, strict=True)
                ],
            }
            for seed, picture, near, distances in rows
        ],
        "held_out": "" if math.isnan(likes.held_out) else plain(likes.held_out, language="en"),
        "among": f"{likes.among:,}",
        "extractor": likes.extractor,
    }


def told_view(told: Told) -> dict[str, object]:
    """Give every position of every knob with the pictures of the seeds."""
    return {
        "seeds": told.seeds,
        "left_out": told.left_out,
        "classes": [knob.name for knob in told.knobs] == ["class"],
        "knobs": [
            {
                "name": knob.name,
                "words": knob.words,
                "at": knob.at,
                "frames": [[data_uri(picture) for picture in row] for row in knob.pixels],
            }
            for knob in told.knobs
        ],
    }


def data_uri(pixels: np.ndarray) -> str:
    """Write pixels [H, W, C] as PNG where they are few, else as JPEG, reduced where too large."""
    if max(pixels.shape[:2]) <= pictures.SMALL:
        return pictures.png(pixels)
    picture = images.to_picture(pixels)
    picture.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return pictures.data_uri("image/jpeg", file.getvalue())
