"""What is measured of a training on its way: distances, and what the doctor reads (`diagnosis`).

All of it is cheap beside the drawing of the images that are scored anyway.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from trilemma import processes
from trilemma.data.fewimages import held_out as few_held_out
from trilemma.data.sources import open_source
from trilemma.data.splits import ENOUGH_HELD_OUT
from trilemma.data.values import PixelRows, Pixels, Source
from trilemma.errors import TrilemmaError
from trilemma.families.family import Family
from trilemma.features import cache
from trilemma.features.extractor import Extractor, Features
from trilemma.images import to_images
from trilemma.maths import copying, diversity, frechet, kernel
from trilemma.maths.randomness import rng
from trilemma.maths.statistics import wilson
from trilemma.recipe.recipe import Recipe
from trilemma.sampling import Drawer, drawn

COMPARED = 200  # samples, and real images, that are compared pair by pair
REALS = 1000  # real images whose spread is that of all
LOOKED_UP = 100  # samples whose nearest training images are looked for
FEWEST = 100  # of them, below which shares say nothing: balls to the fifth nearest are too wide
FEW_REALS = 10  # training images that can tell how far others lie
HELD_OUT = 256  # images that are held out, at most
JUDGED, DRAWN = 64, 32  # of real images of each kind, and of fakes, that the critic is shown
WIDEST = 512  # coordinates of a feature that are compared; of more some are drawn
SELDOM = 0.25  # of its real share: a class that is met less often counts as missing

Metric = Callable[[Tensor], float]  # features of drawn images -> a value, lower is better
Numbers = Mapping[str, float]


def frechet_from(real: Tensor) -> Metric:
    """Prepare the Frechet distance from these features: the costly half is done once."""
    reference = frechet.reference(frechet.moments(real))
    return lambda fake: frechet.distance(frechet.moments(fake), reference)


METRICS: Mapping[str, Callable[[Tensor], Metric]] = {  # real features -> the distance from them
    "fd": frechet_from,
    "kid": lambda real: lambda fake: kernel.kid(fake=fake, real=real).value,
}


def held_out(recipe: Recipe, source: Source, say: Callable[[str], None]) -> Pixels | None:
    """Take some images that are not trained on; None where there are none, or none can be had."""
    if recipe.data.held_out <= 0 and recipe.data.source == "folder":
        return None
    try:
        kept = processes.first_one(lambda: open_source(recipe.data, "test"))
    except TrilemmaError as error:
        say(f"no held-out images for the doctor: {error}")
        return None
    if kept.fingerprint == source.fingerprint:
        return None
    usable = [*source.names, *kept.names]
    broken = set(source.skipped) ^ set(kept.skipped)  # those of the listing are in both
    listed = [*usable, *(file.name for file in broken)]
    if few := few_held_out(len(kept), listed, usable, own_split=False):
        say(f"{source.name}: {few}")
    return some(kept.pixels, HELD_OUT, recipe.seed)


def some(pixels: PixelRows, count: int, seed: int) -> Pixels:
    """Take at most so many images, drawn by the seed."""
    order = torch.randperm(len(pixels), generator=rng(seed, "judged", 0)).numpy()
    return np.asarray(pixels[np.sort(order[:count])])


def looks(
    extractor: Extractor, real: Features, kept: Pixels | None, seed: int
) -> Callable[[Features], dict[str, float]]:
    """Prepare what is measured of drawn images: real: of training images; kept: held out."""
    distances = {
        name: prepare(torch.from_numpy(real.features)) for name, prepare in METRICS.items()
    }
    columns = chosen(real.features.shape[1], seed)
    reals = torch.from_numpy(real.features)[:, columns]
    mark, few = copy_mark(extractor, reals, kept, columns), reals[:REALS]
    shares = class_shares(real.logits)

    def look(fake: Features) -> dict[str, float]:
        features = torch.from_numpy(fake.features)
        found = {name: distance(features) for name, distance in distances.items()}
        features = features[:, columns]
        found |= {"diversity": diversity.spread(fake=features, real=few)}
        found |= compared(features, reals)
        found |= missing(fake.logits, shares)
        if mark is not None:
            near, _ = copying.nearest(features[:LOOKED_UP], reals)
            found["near_copies"] = float((near <= mark).double().mean())
        return found

    return look


def chosen(width: int, seed: int) -> Tensor:
    """Choose the coordinates that are compared: distances need no more, and cost by the number."""
    return torch.randperm(width, generator=rng(seed, "coordinates", 0))[:WIDEST].sort().values


def compared(fake: Tensor, real: Tensor) -> dict[str, float]:
    """Compare samples with as many real images, pair by pair; nothing where there are few."""
    n = min(COMPARED, len(fake), len(real))
    if n < FEWEST:
        return {}
    met = diversity.overlap(fake=fake[:n], real=real[:n])
    return {**met._asdict(), "twins": diversity.twins(fake=fake[:n], real=real[:n])}


def copy_mark(
    extractor: Extractor, reals: Tensor, kept: Pixels | None, columns: Tensor
) -> float | None:
    """Give the distance to a training image below which 1 % of other real images lie.

    The others are held out; where those are few, each training image is compared with the rest.
    """
    if kept is not None and len(kept) >= ENOUGH_HELD_OUT:
        seen = torch.from_numpy(cache.features(extractor, kept).features)[:, columns]
        distances, _ = copying.nearest(seen, reals)
    elif len(reals) >= FEW_REALS:
        distances = diversity.nearest_other(reals[:COMPARED])
    else:
        return None
    return float(distances.quantile(copying.RARE))


def class_shares(logits: np.ndarray) -> np.ndarray:
    """Give how often each class is the likeliest, [K]; K = 0: there are none."""
    if not logits.shape[1]:
        return np.empty(0)
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)


def missing(logits: np.ndarray, real: np.ndarray) -> dict[str, float]:
    """Count classes that are met less often than a quarter as often as among real images.

    That is where even the upper end of the share's interval lies below. Both sides are named by
    the same classifier, whose mistakes they share.
    """
    if len(real) < 2 or logits.shape[1] != len(real):
        return {}
    counts = np.bincount(logits.argmax(axis=1), minlength=len(real))
    high = np.array([wilson(int(count), len(logits))[1] for count in counts])
    known = np.count_nonzero(real)
    return {"classes_missing": float(np.sum(high < SELDOM * real)), "classes": float(known)}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Images that the critic is shown again and again."""

    train: Tensor  # [N, C, H, W] in [-1, 1]
    held_out: Tensor  # [M, C, H, W]; M = 0: there are none
    seeds: range  # of fakes


def judged(
    recipe: Recipe, source: Source, kept: Pixels | None, seeds: range, *, device: torch.device
) -> Judged:
    """Choose the images that the critic is shown."""
    train = to_images(some(source.pixels, JUDGED, recipe.seed)).to(device)
    return Judged(
        train=train,
        held_out=train[:0]
        if kept is None
        else to_images(some(kept, JUDGED, recipe.seed)).to(device),
        seeds=seeds[:DRAWN],
    )


def critic(
    family: Family, judged: Judged, drawer: Callable[[nn.ModuleDict], Drawer]
) -> Callable[[nn.ModuleDict], Numbers]:
    """Prepare what a critic is asked: how it scores training, held-out and drawn images.

    Scores are unbounded and of any scale: what is read from them is relative.
    """
    judge = family.judge

    def ask(nets: nn.ModuleDict) -> Numbers:
        if judge is None:
            return {}
        with resting(nets), torch.no_grad():
            fakes = to_images(drawn(drawer(nets), judged.seeds)).to(judged.train.device)
            train, fake = judge(nets, judged.train), judge(nets, fakes)
            held = judge(nets, judged.held_out) if len(judged.held_out) else train[:0]
        return told(train.cpu(), fake.cpu(), held.cpu())

    return ask


def told(train: Tensor, fake: Tensor, held: Tensor) -> Numbers:
    """Sum up critic scores [N] of each kind.

    critic_separation: share of pairs in which a training image is above a fake, 0.5 is chance.
    critic_gap_error: of the difference of the means of training and held-out images.
    """
    found = {"critic_train": float(train.mean()), "critic_fake": float(fake.mean())}
    found["critic_separation"] = float((train[:, None] > fake).double().mean())
    if len(held) < 2 or len(train) < 2:
        return found
    wide = torch.cat([train - train.mean(), held - held.mean()]).square().sum()
    pooled = wide / (len(train) + len(held) - 2)
    error = (pooled * (1 / len(train) + 1 / len(held))).sqrt()
    return {**found, "critic_held_out": float(held.mean()), "critic_gap_error": float(error)}


@contextmanager
def resting(nets: nn.ModuleDict) -> Iterator[None]:
    """Use networks without their statistics moving; each layer goes on as it was."""
    modes = {module: module.training for module in nets.modules()}
    nets.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
