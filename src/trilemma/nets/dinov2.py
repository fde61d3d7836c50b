"""The vision transformer of DINOv2 (Oquab et al. 2023, arXiv:2304.07193), small, patches of 14.

A pre-norm transformer (Dosovitskiy et al. 2020, arXiv:2010.11929) with a learned scale on every
residual branch (Touvron et al. 2021, arXiv:2103.17239). The names of the layers are those of the
official checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, interpolate, scaled_dot_product_attention

PATCH = 14  # pixels
TRAINED = 37  # patches along a side of the 518-pixel images that the positions were trained for


class Attention(nn.Module):
    """Self-attention of [N, tokens, width]."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the tokens."""
        n, tokens, width = x.shape
        split = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, tokens, width))
        return projected


class MLP(nn.Module):
    """Two layers at each token."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map each token."""
        mapped: Tensor = self.fc2(gelu(self.fc1(x)))
        return mapped


class Scale(nn.Module):
    """A learned factor for each channel."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        """Scale."""
        scaled: Tensor = x * self.gamma
        return scaled


class Block(nn.Module):
    """Attention, then the MLP, each normalised before and scaled after."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width=width, heads=heads)
        self.ls1 = Scale(width=width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width=width)
        self.ls2 = Scale(width=width)

    def forward(self, x: Tensor) -> Tensor:
        """Give [N, tokens, width]."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        mapped: Tensor = self.ls2(self.mlp(self.norm2(x)))
        return x + mapped


class Patches(nn.Module):
    """Cut an image into patches, a vector each."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """Give [N, patches, width], row by row."""
        cut: Tensor = self.proj(images)
        return cut.flatten(2).transpose(1, 2)


class DINOv2(nn.Module):
    """images [N, 3, H, W] with ImageNet's mean and std removed -> class token [N, width].

    H and W are multiples of 14. Defaults: ViT-S/14.
    """

    def __init__(self, *, width: int = 384, depth: int = 12, heads: int = 6) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TRAINED**2, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of pre-training; unused here
        self.patch_embed = Patches(width=width)
        self.blocks = nn.ModuleList(Block(width=width, heads=heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """Give the class token after the last norm."""
        patches = self.patch_embed(images)
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1)
        rows, columns = (side // PATCH for side in images.shape[2:])
        tokens = tokens + self.positions(rows=rows, columns=columns)
        for block in self.blocks:
            tokens = block(tokens)
        normed: Tensor = self.norm(tokens)
        return normed[:, 0]

    def positions(self, *, rows: int, columns: int) -> Tensor:
        """Interpolate the learned positions to a grid; give [1, 1 + rows * columns, width].

        The factor is (n + 0.1) / 37, not n / 37: the official features were made with that guard
        against rounding, and it moves the sampling points by up to a tenth of a patch.
        """
        if rows == columns == TRAINED:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, TRAINED, TRAINED, -1).permute(0, 3, 1, 2)
        factors = ((rows + 0.1) / TRAINED, (columns + 0.1) / TRAINED)
        scaled = interpolate(grid, scale_factor=factors, mode="bicubic")
        assert scaled.shape[2:] == (rows, columns), f"{scaled.shape[2:]} for {rows}x{columns}"
        return torch.cat([self.pos_embed[:, :1], scaled.flatten(2).transpose(1, 2)], dim=1)
