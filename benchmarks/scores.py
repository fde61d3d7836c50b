"""The scores of torch-fidelity and prdc against ours, on the same features, in turns.

2,000 real and 2,000 generated rows of 64 and of 2,048 features, made up: 12 hidden numbers, mapped
at random, and some noise; the generated ones vary less and lie a little aside. All get float64.
"""

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from side_by_side import CPU, Row, compared, missing, named, options, show
from trilemma import devices, machine
from trilemma.maths import frechet, kernel, manifold
from trilemma.turns import alternated

try:
    from prdc import compute_prdc
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric
except ModuleNotFoundError as error:
    missing(error)

N, DIMENSIONS, HIDDEN = 2000, (64, 2048), 12
FEW = 1  # rounds of what takes most of a minute

Values = Mapping[str, float]


class Sides(NamedTuple):
    """Features, float64 [N, D]."""

    fake: Tensor
    real: Tensor


class Match(NamedTuple):
    """One score there and here."""

    what: str
    package: str
    there: Callable[[Sides], Values]
    here: Callable[[Sides], Values]
    most: int = 0  # timed rounds; 0: as asked
    exact: bool = True  # do both compute the same number?


def fid_there(sides: Sides) -> Values:
    """As torch-fidelity has it."""
    statistics = [fid_features_to_statistics(side) for side in sides]
    return {"fd": fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"]}


def fid_here(sides: Sides) -> Values:
    """The distance alone."""
    fake, real = (frechet.moments(side) for side in sides)
    return {"fd": frechet.distance(fake, frechet.reference(real))}


def fid_with_error(sides: Sides) -> Values:
    """The distance as `trilemma evaluate` computes it, with its error where that can be had."""
    found = frechet.jackknife(fake=sides.fake, real=sides.real)
    return {"fd": found.value, "error": found.error}


def kid_there(sides: Sides) -> Values:
    """One subset that holds all: the same estimate as ours."""
    return kid_of_subsets(sides, subsets=1, size=len(sides.fake))


def kid_as_usual(sides: Sides) -> Values:
    """The mean over 100 random subsets of half of the images, 1,000 here."""
    return kid_of_subsets(sides, subsets=100, size=len(sides.fake) // 2)


def kid_of_subsets(sides: Sides, *, subsets: int, size: int) -> Values:
    """As torch-fidelity has it."""
    found = kid_features_to_metric(*sides, kid_subsets=subsets, kid_subset_size=size, verbose=False)
    return {"kid": found["kernel_inception_distance_mean"]}


def kid_here(sides: Sides) -> Values:
    """All pairs, with the error."""
    found = kernel.kid(fake=sides.fake, real=sides.real)
    return {"kid": found.value, "error": found.error}


def overlap_fidelity(sides: Sides) -> Values:
    """Precision and recall alone."""
    found = prc_features_to_metric(*sides, prc_neighborhood=manifold.NEIGHBOURS, verbose=False)
    return {name: found[name] for name in ("precision", "recall")}


def overlap_prdc(sides: Sides) -> Values:
    """All four; it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = compute_prdc(sides.real.numpy(), sides.fake.numpy(), manifold.NEIGHBOURS)
    return {name: float(value) for name, value in found.items()}


def overlap_here(sides: Sides) -> Values:
    """All four, each with its error."""
    found = manifold.manifold(fake=sides.fake, real=sides.real)
    return {name: estimate.value for name, estimate in vars(found).items()}


MATCHES = (
    Match("FID", "torch-fidelity", fid_there, fid_here),
    Match("FID, ours with its error", "torch-fidelity", fid_there, fid_with_error),
    Match("KID of all", "torch-fidelity", kid_there, kid_here),
    Match("KID of 100 subsets", "torch-fidelity", kid_as_usual, kid_here, most=FEW, exact=False),
    Match("precision, recall", "torch-fidelity", overlap_fidelity, overlap_here),
    Match("precision to coverage", "prdc", overlap_prdc, overlap_here),
)


def made_up(n: int, dimensions: int) -> Sides:
    """Make features of two sides, always the same."""
    draw = np.random.default_rng(0)
    to_features = draw.normal(size=(HIDDEN, dimensions))

    def rows(spread: float, shift: float) -> Tensor:
        hidden = shift + spread * draw.normal(size=(n, HIDDEN))
        noise = 0.3 * draw.normal(size=(n, dimensions))
        return torch.as_tensor(hidden @ to_features + noise)

    return Sides(fake=rows(0.8, 0.2), real=rows(1.0, 0.0))


def measured(match: Match, sides: Sides, rounds: int, threads: int) -> Row:
    """Time both in turns and hold their values against each other."""
    kept: dict[str, Values] = {}

    def keep(name: str, function: Callable[[Sides], Values]) -> Callable[[int], None]:
        def step(seen: int) -> None:
            kept[name] = function(sides)

        return step

    ways = {
        "ours": (threads, keep("ours", match.here)),
        "peer": (threads, keep("peer", match.there)),
    }
    taken = alternated(ways, rounds=match.most or rounds, images=1, device=CPU)
    apart = [abs(kept["ours"][k] - v) / max(abs(v), 1e-12) for k, v in kept["peer"].items()]
    return {
        "bench": "scores",
        "metric": match.what,
        "peer": named(match.package),
        "n": len(sides.fake),
        "features": sides.fake.shape[1],
        **compared(taken["ours"], taken["peer"]),
        "values": kept["ours"],
        "peer_values": kept["peer"],
        "apart": max(apart),
        "same_estimate": match.exact,
        "threads": threads,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, nargs="*", default=DIMENSIONS, help="columns")
    names = [match.what for match in MATCHES]
    parser.add_argument("--threads", type=int, default=0, help="of both; 0: all. On a busy CPU: 1")
    parser.add_argument("--only", nargs="*", choices=names, default=names, help="these rows")
    asked = parser.parse_args(arguments)
    load = machine.load()
    n, dimensions = (60, (8,)) if asked.tiny else (N, asked.features)
    threads = devices.use_threads(1 if asked.tiny else asked.threads)
    rows = [
        measured(match, sides, asked.rounds, threads)
        for sides in (made_up(n, d) for d in dimensions)
        for match in MATCHES
        if match.what in asked.only
    ]
    show(
        rows,
        {
            "score": lambda row: f"{row['metric']} x {row['features']:,}",
            "peer": lambda row: str(row["peer"]),
            "seconds": lambda row: f"{row['peer_s']:.3f}",
            "ours": lambda row: f"{row['ours_s']:.3f}",
            "ratio": lambda row: f"{row['ratio']:.2f}",
            "quartiles": lambda row: f"{row['low']:.2f} to {row['high']:.2f}",
            "rounds": lambda row: str(row["rounds"]),
            "apart": lambda row: f"{row['apart']:.1e}",
        },
        load=load,
    )


if __name__ == "__main__":
    main()
