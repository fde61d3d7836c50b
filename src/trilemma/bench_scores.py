"""Scores of features: ours, each with its error, against the textbook's, without."""

import torch
from torch import Tensor

from trilemma import devices, extracting, machine
from trilemma.bench import Bench, found_in
from trilemma.evaluation import STANDARD, evaluate
from trilemma.features.extractor import Features
from trilemma.places import quiet
from trilemma.recipe.recipe import Recipe
from trilemma.scores import Column
from trilemma.turns import FEWEST, Way, alternated, void

IMAGES = 2000  # on each side
NEIGHBOURS = 5


def bench_evaluate(recipe: Recipe, *, rounds: int = FEWEST, device: torch.device) -> Bench:
    """Time the standard scores of 2,000 images on features as wide as the recipe's extractor's.

    The features are noise: extracting them takes the same network both ways, and is not timed.
    """
    load, threads = machine.load(), devices.use_threads(recipe.speed.threads)
    width, classes = looked_at(recipe, device)
    rng = torch.Generator().manual_seed(recipe.seed)
    fake, real = (torch.randn(IMAGES, width, generator=rng) for _ in range(2))
    logits = torch.randn(IMAGES, classes, generator=rng)
    sides = [Features(side.numpy(), logits.numpy()) for side in (fake, real)]
    column = Column(
        extractor="noise",
        weights_sha256="",
        resize="none",
        reference="noise",
        fingerprint="noise",
        split="all",
        n_real=IMAGES,
        n_fake=IMAGES,
    )

    def ours(seen: int) -> None:
        void(evaluate(*sides, run="noise", column=column, metrics=STANDARD))

    ways: dict[str, Way] = {
        "ours": (threads, ours),
        "plain": (threads, lambda seen: void(plain_scores(fake, real, logits))),
    }
    taken = alternated(ways, rounds=rounds, images=IMAGES, device=torch.device("cpu"))
    return found_in(taken, recipe, images=IMAGES, device=torch.device("cpu"), load=load)


def looked_at(recipe: Recipe, device: torch.device) -> tuple[int, int]:
    """Give how many features and classes the recipe's extractor has."""
    extractor = extracting.load("auto", recipe.data, device=device, say=quiet)
    return extractor.features, len(extractor.classes)


def plain_scores(fake: Tensor, real: Tensor, logits: Tensor) -> dict[str, float]:
    """Compute every standard score as its definition reads, in float64, without errors."""
    fake, real = fake.double(), real.double()
    first, second = torch.cov(fake.T), torch.cov(real.T)
    root = torch.linalg.eigvals(first @ second).real.clamp(min=0).sqrt().sum()
    apart = (fake.mean(0) - real.mean(0)).square().sum()
    n, width = fake.shape
    within = [(side @ side.T / width + 1) ** 3 for side in (fake, real)]
    between = (fake @ real.T / width + 1) ** 3
    own = sum(float(kernel.sum() - kernel.trace()) for kernel in within) / (n * (n - 1))
    likely = logits.double().softmax(1)
    spread = (likely * (likely / likely.mean(0)).log()).sum(1).mean() if logits.numel() else 0.0
    radii = [
        torch.cdist(side, side).kthvalue(NEIGHBOURS + 1, dim=1).values for side in (real, fake)
    ]
    distances = torch.cdist(real, fake)
    inside = distances < radii[0][:, None]
    return {
        "fd": float(apart + first.trace() + second.trace() - 2 * root),
        "kid": own - 2 * float(between.mean()),
        "is": float(torch.as_tensor(spread).exp()),
        "precision": float(inside.any(0).double().mean()),
        "recall": float((distances < radii[1][None]).any(1).double().mean()),
        "density": float(inside.double().sum(0).mean() / NEIGHBOURS),
        "coverage": float((distances.min(1).values < radii[0]).double().mean()),
    }
