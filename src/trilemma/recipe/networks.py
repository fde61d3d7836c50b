"""The sizes of every network, as dataclasses; `name` says which one it is."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class DCGANGenerator:
    """Transposed convolutions from a latent vector to an image (Radford et al. 2015)."""

    name: Literal["dcgan"] = "dcgan"
    latent: int = 100  # numbers in the latent vector z
    width: int = 64  # channels before the last layer; doubled at every halving of the side
    width_max: int = 512  # channels, at most
    batchnorm: bool = True  # normalise over the batch, as the paper does
    refine: bool = False  # one more 3x3 convolution before the last layer


@dataclass(frozen=True, kw_only=True)
class DCGANCritic:
    """Strided convolutions from an image to one number (Radford et al. 2015)."""

    name: Literal["dcgan"] = "dcgan"
    width: int = 64  # channels after the first layer; doubled at every halving of the side
    width_max: int = 512  # channels, at most
    hidden: int = 0  # units of a layer between the last map and the score; 0: none, as the paper
    batchnorm: bool = True  # normalise over the batch; not under a gradient penalty
    spectral_norm: bool = False  # divide every weight by its largest singular value


@dataclass(frozen=True, kw_only=True)
class UNet:
    """A U-Net with time embedding, group norm and attention (Ho et al. 2020)."""

    name: Literal["unet"] = "unet"
    width: int = 64  # channels at the full side
    multipliers: tuple[int, ...] = (1, 2, 2)  # of the width, one for each resolution
    blocks: int = 2  # residual blocks at each resolution
    attention: tuple[int, ...] = (8, 7)  # sides (images after unshuffling) that get attention
    heads: int = 4  # attention heads
    dropout: float = 0.0  # probability
    unshuffle: int = 1  # 2: pixels of 2x2 become channels, a quarter of the cost
