"""Pixels as an extractor wants them: its channels, its size, then [-1, 1].

One rule for a whole column: grey becomes colour by three equal channels; colour becomes grey by
the luma of ITU-R BT.601 in Pillow's integers; the size is Pillow's bicubic, antialiased where it
shrinks, in 8 bits. Images that already fit are untouched, to the bit.
"""

import numpy as np
import torch
from PIL import Image

from trilemma.features.extractor import Pixels


def to_channels(pixels: Pixels, channels: int) -> Pixels:
    """Give pixels [N, H, W, C] with 1 or 3 channels.

    Luma: L = 0.299 R + 0.587 G + 0.114 B, rounded. Source: ITU-R BT.601, section 2.5.1.
    """
    assert pixels.shape[3] in (1, 3), f"images have 1 or 3 channels, not {pixels.shape[3]}"
    if pixels.shape[3] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=3)
    # The sum of Pillow's weights is 65536; so equal channels give the grey they came from.
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)
    luma = (pixels.astype(np.uint32) @ weights + 0x8000) >> 16
    return luma.astype(np.uint8)[..., None]


def resized(pixels: Pixels, *, height: int, width: int) -> Pixels:
    """Give pixels [N, height, width, C] by Pillow's bicubic; aspect ratios are not kept."""
    if pixels.shape[1:3] == (height, width):
        return pixels
    out = np.empty((len(pixels), height, width, pixels.shape[3]), dtype=np.uint8)
    for index, image in enumerate(pixels):
        flat = image[..., 0] if image.shape[2] == 1 else image
        picture = Image.fromarray(flat).resize((width, height), Image.Resampling.BICUBIC)
        out[index] = np.asarray(picture).reshape(height, width, -1)
    return out


def to_tensor(pixels: Pixels, device: torch.device) -> torch.Tensor:
    """Give float32 [N, C, H, W] with the values of the bytes, 0..255."""
    writable = np.require(pixels, requirements=["C", "W"])  # torch warns of read-only arrays
    tensor = torch.from_numpy(writable).to(device).permute(0, 3, 1, 2)
    # A fresh tensor, for its strides: with one channel those of `tensor` depend on how the array
    # came about, and choose another convolution, with another rounding.
    return torch.empty(tensor.shape, device=device).copy_(tensor)
