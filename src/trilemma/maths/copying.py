"""Are generated images copies of training images?"""

from dataclasses import dataclass

import torch
from torch import Tensor

from trilemma.maths.statistics import wilson

BLOCK = 2**22  # distances held at once: 32 MB
RARE = 0.01  # share of held-out images that lie closer than the mark


@dataclass(frozen=True)
class Copying:
    """How near samples lie to training images, beside how near held-out images lie."""

    distances: Tensor  # [N] of each sample to its nearest training image
    indices: Tensor  # [N] which one, int64
    held_out: Tensor  # [M] distances of held-out images to their nearest training image
    mark: float  # 1 % of held-out images lie closer
    share_closer: float  # share of samples no farther than the mark; 0.01 is chance
    low: float  # 95 % Wilson interval of that share
    high: float

    @property
    def sample_median(self) -> float:
        """The middle of the samples' distances."""
        return self.distances.median().item()

    @property
    def held_out_median(self) -> float:
        """The middle of the held-out images' distances."""
        return self.held_out.median().item()


def nearest(queries: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """Find for each of queries [N, D] the nearest of [M, D]: distances float64 [N], indices [N].

    Euclidean, exact, in blocks: found by inner products, measured again by differences, so that a
    copy lies at 0.
    """
    queries, among = queries.to("cpu", torch.float64), among.to("cpu", torch.float64)
    centre = among.mean(dim=0)
    moved, lengths = among - centre, (among - centre).square().sum(dim=1)
    parts = torch.split(queries - centre, max(1, BLOCK // len(among)))
    indices = torch.cat(
        [torch.addmm(lengths, part, moved.T, alpha=-2).argmin(dim=1) for part in parts]
    )
    return (queries - among[indices]).norm(dim=1), indices


def nearest_few(queries: Tensor, among: Tensor, *, count: int) -> tuple[Tensor, Tensor]:
    """Find for each of a few queries [N, D] the `count` nearest of [M, D], nearest first.

    Euclidean: distances float64 [N, count] and indices [N, count].
    """
    queries, among = queries.to("cpu", torch.float64), among.to("cpu", torch.float64)
    found = [(among - query).norm(dim=1).topk(count, largest=False) for query in queries]
    return torch.stack([row.values for row in found]), torch.stack([row.indices for row in found])


def copying(*, fake: Tensor, train: Tensor, held_out: Tensor) -> Copying:
    """Compare the samples' distances to training images with those of held-out images.

    Features [N, D], [T, D], [M, D]. Images that the model never saw are the baseline: a share of
    samples well above 0.01 closer than the mark means that training images come back.
    Source: the idea of Meehan et al. 2020, arXiv:2004.05675 (held-out distances as the baseline).
    """
    distances, indices = nearest(fake, train)
    baseline, _ = nearest(held_out, train)
    mark = baseline.quantile(RARE).item()
    closer = int((distances <= mark).sum())
    low, high = wilson(closer, len(distances))
    share = closer / len(distances)
    return Copying(distances, indices, baseline, mark, share, low, high)
