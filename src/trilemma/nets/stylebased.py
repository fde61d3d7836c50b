"""What style-based generators have in common: z -> w -> a style for each layer -> images."""

from typing import Any

import torch
from torch import Tensor, nn

from trilemma.nets.conditioned import KNOWN
from trilemma.nets.mapping import Mapping, truncated


class StyleBased(nn.Module):
    """Latent [N, latent], conditions [N, A] where it is told any -> images, about [-1, 1]."""

    known: Tensor

    def __init__(
        self,
        mapping: Mapping,
        synthesis: nn.Module,
        *,
        truncation: float,
        truncation_rows: int,
        conditions: int,
    ) -> None:
        """synthesis: styles [N, rows, style] -> images; it has `rows`.

        conditions: A; with them some of training images are kept in a buffer.
        """
        super().__init__()
        self.truncation, self.truncation_rows = truncation, truncation_rows
        self.mapping = mapping
        self.synthesis: Any = synthesis
        if conditions:
            self.register_buffer("known", torch.zeros(KNOWN, conditions))

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Draw images; truncated as the recipe says, but not in training."""
        psi = 1.0 if self.training else self.truncation
        images: Tensor = self.synthesis(self.styles(z, condition, psi=psi))
        return images

    def styles(
        self,
        z: Tensor,
        condition: Tensor | None = None,
        *,
        psi: float = 1.0,
        cut: int | None = None,
    ) -> Tensor:
        """Give the styles of every layer, [N, rows, style]; cut: rows truncated; None: its own."""
        w = self.mapping(z, condition)
        cut = self.truncation_rows if cut is None else cut
        average = self.mapping.average if psi != 1 else w
        return truncated(w, average, psi=psi, rows=self.synthesis.rows, cut=cut)
