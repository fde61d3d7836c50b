"""The page's crops of enlarged images, written out for the template."""

import math
from collections.abc import Mapping

from trilemma.report import metrics, numbers, pictures
from trilemma.report.contents import Contents, CropRow
from trilemma.report.views import Named, Reader, View

FEW = 5  # columns that stand side by side at three times their size; more, at twice
BRIEF = {"psnr_y": "{value} dB", "perceptual": "{value}"}  # metric -> how it stands under a crop


def section(contents: Contents, runs: Mapping[str, Named], reader: Reader) -> View | None:
    """Show crops of three images; None: nothing was enlarged."""
    shown = contents.crops
    if shown is None:
        return None
    words = reader.words
    columns = (words["crop_low"], *shown.columns, words["crop_real"])
    text = words["crops_reading"].format(
        n=numbers.count(shown.images, language=reader.language),
        run=shown.by,
        metric=words[metrics.of(shown.metric).word],
    )
    return {
        "text": text,
        "few": len(columns) <= FEW,
        "rows": [row_view(row, columns, runs, reader) for row in shown.rows],
    }


def row_view(
    row: CropRow, columns: tuple[str, ...], runs: Mapping[str, Named], reader: Reader
) -> View:
    """Show one image: its crops with their names, and what they measure."""
    words = reader.words
    cells = []
    for index, (name, pixels) in enumerate(zip(columns, row.pixels, strict=True)):
        inner = 0 < index < len(columns) - 1
        measures = [measure(row, metric, index - 1, reader) for metric in BRIEF] if inner else []
        cells.append(
            {
                "src": pictures.png(pixels),
                "side": pixels.shape[1],
                "name": name,
                "run": runs.get(name) if inner else None,
                "alt": words["crop_alternative"].format(name=name, image=row.image),
                "measures": " · ".join(filter(None, measures)),
            }
        )
    return {"title": words[f"crop_{row.rank}"], "image": row.image, "cells": cells}


def measure(row: CropRow, metric: str, column: int, reader: Reader) -> str:
    """Write one value of a whole image; empty: it has none."""
    value = row.values[metric][column]
    if math.isnan(value):
        return ""
    text = numbers.plain(value, language=reader.language, digits=4 if metric == "psnr_y" else 3)
    return BRIEF[metric].format(value=text)
