"""What is watched of an upscaler: held-out images that it enlarges, measured and shown."""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from trilemma import processes, signs
from trilemma.data.values import Source
from trilemma.enlargements import Trials, enlarging, held_out, measure, trials_of
from trilemma.errors import TrilemmaError
from trilemma.families.family import Family
from trilemma.families.perceptive import Perceptive
from trilemma.features.cache import extracted
from trilemma.features.extractor import Extractor
from trilemma.images import grid, to_pixels, write_png
from trilemma.recipe.recipe import Recipe
from trilemma.runfolder import RunFolder
from trilemma.sampling import Drawer, Pixels, drawn_together

SHOWN = 8  # rows of the picture, at most
DISTANCES = ("fd", "kid")  # metrics that take an extractor

Say = Callable[[str], None]
Score = Callable[[nn.ModuleDict], dict[str, float]]
Picture = Callable[[nn.ModuleDict, int], None]


def validation(recipe: Recipe, source: Source, say: Say) -> Trials:
    """Make pairs of held-out images, or, with a line, of training images where there are none."""
    try:
        trials = held_out(recipe, recipe.watch.n, say=say)
    except TrilemmaError as error:
        say(f"no held-out images to enlarge: {error}; scores are of training images")
        return trials_of(recipe, source, recipe.watch.n, say=say)
    if set(trials.source.names) & set(source.names):
        say("no image is held out: scores of enlargements are of training images")
    return trials


def watching_pairs(
    recipe: Recipe,
    family: Family,
    source: Source,
    folder: RunFolder,
    *,
    extractor: Extractor | None,
    device: torch.device,
    say: Say,
) -> tuple[Score, Picture]:
    """Make the callables that score and picture the averaged upscaler.

    extractor: of fd and kid, if one of them is watched.
    """
    trials = processes.first_one(lambda: validation(recipe, source, say))
    looks = Perceptive("lite0").load(say).to(device)
    distances = {}
    if extractor is not None:
        real = torch.from_numpy(extracted(extractor, trials.high).features).double()
        distances = {name: from_real(real) for name, from_real in signs.METRICS.items()}
    numbers = means(trials.bicubic, trials, looks, device)
    say(
        f"{len(trials)} images of {trials.source.name}, small by {trials.made}: bicubic has "
        f"{numbers['psnr_y']:.2f} dB (Y), perceptual distance {numbers['perceptual']:.4f}"
    )

    def drawer(nets: nn.ModuleDict) -> Drawer:
        return enlarging(Drawer(recipe=recipe, family=family, nets=nets, device=device), trials)

    def score(nets: nn.ModuleDict) -> dict[str, float]:
        made = drawn_together(drawer(nets), range(len(trials)), batch=SHOWN)
        found = means(made, trials, looks, device)
        if extractor is not None:
            fake = torch.from_numpy(extracted(extractor, made).features).double()
            found |= {name: distance(fake) for name, distance in distances.items()}
        return found

    def picture(nets: nn.ModuleDict, images_seen: int) -> None:
        count = min(SHOWN, recipe.watch.grid, len(trials))
        made = drawn_together(drawer(nets), range(count), batch=SHOWN)
        if processes.rank() == 0:
            shown = side_by_side(trials, made)
            write_png(folder.file(f"samples/{images_seen:09d}.png"), shown)

    return score, picture


def means(
    made: Pixels, trials: Trials, looks: Perceptive, device: torch.device
) -> dict[str, float]:
    """Give the mean of each measure."""
    values = measure(made, trials, {"perceptual": looks}, device=device)
    return {name: float(value.mean()) for name, value in values.items()}


def side_by_side(trials: Trials, made: Pixels) -> Pixels:
    """Lay out rows of small (its pixels repeated), bicubic, made and real images: [H, W, C]."""
    count = len(made)
    low = to_pixels(trials.low[:count]).numpy()
    low = low.repeat(trials.scale, axis=1).repeat(trials.scale, axis=2)
    cells = np.stack([low, trials.bicubic[:count], made, trials.high[:count]], axis=1)
    return grid(cells.reshape(-1, *cells.shape[2:]), columns=4)
