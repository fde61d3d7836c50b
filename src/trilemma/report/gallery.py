"""Pictures of the page: grids from the same seeds, nearest training images, animations."""

from collections.abc import Mapping

import numpy as np

from trilemma import images
from trilemma.report import numbers, pictures
from trilemma.report.contents import Contents, Nearest, Pixels
from trilemma.report.views import Named, Reader, View


def grids(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Show the same seeds of every run, and as many real images."""
    words = reader.words
    sets = [(runs[run.name], run.samples) for run in contents.runs]
    drawable = [(run, pixels) for run, pixels in sets if pictures.drawable(pixels)]
    made: list[View] = []
    for run, pixels in drawable:
        n = min(pictures.fitting(other, 64) for _, other in drawable)
        n = pictures.fitting(pixels, n)
        alt = words["grid_alternative"].format(n=n, run=run.name, columns=pictures.columns(n))
        made.append({"run": run, "alt": alt, **shown(pixels, n)})
    if pictures.drawable(contents.real):
        n = pictures.fitting(contents.real, 64)
        alt = words["real_alternative"].format(
            n=n, reference=contents.reference, columns=pictures.columns(n)
        )
        made.append({"run": None, "alt": alt, **shown(contents.real, n)})
    return made


def shown(pixels: Pixels, n: int) -> View:
    """Write a grid as an image; small pixels are shown as squares."""
    return {"src": pictures.grid(pixels, n), "small": pixels.shape[1] <= pictures.SMALL}


def nearest(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Show samples above the training images nearest to them."""
    found = [(runs[run.name], run.nearest) for run in contents.runs if run.nearest is not None]
    return [
        nearest_view(run, view, reader)
        for run, view in found
        if pictures.drawable(view.samples) and view.samples.shape == view.neighbours.shape
    ]


def nearest_view(run: Named, view: Nearest, reader: Reader) -> View:
    """Show one run's pairs, and how they compare with held-out real images."""
    words, language = reader.words, reader.language
    pairs = []
    rows = zip(view.samples, view.neighbours, view.distances, strict=False)
    for i, (sample, neighbour, far) in enumerate(rows, start=1):
        both = np.stack([sample, neighbour])
        distance = numbers.plain(far, language=language)
        alt = words["pair_alternative"].format(i=i, run=run.name, distance=distance)
        small = view.samples.shape[1] <= pictures.SMALL
        src = pictures.png(images.grid(both, 1))
        pairs.append({"src": src, "alt": alt, "small": small, "distance": distance})
    text = words["nearest_text"].format(
        share=numbers.percent(view.share_closer, language=language, places=1),
        sample=numbers.plain(view.sample_median, language=language),
        real=numbers.plain(view.held_out_median, language=language),
    )
    return {"run": run, "pairs": pairs, "text": text}


def gifs(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> list[View]:
    """Embed the animations, each with a still for readers who want nothing to move."""
    made: list[View] = []
    for run in (run for run in contents.runs if run.gif):
        still = pictures.last_frame(run.gif)
        src = pictures.data_uri("image/gif", run.gif) if still else ""
        alt = reader.words["gif_alternative"].format(run=run.name)
        last = reader.words["still_alternative"].format(run=run.name)
        view = {"run": runs[run.name], "src": src, "still": still, "alt": alt, "still_alt": last}
        made.append(view)
    return made
