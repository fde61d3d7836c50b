"""The sizes of every network, as dataclasses; `name` says which one it is."""

from dataclasses import dataclass
from typing import Literal

from trilemma.recipe.style import (
    ProgressiveCritic,
    ProgressiveGenerator,
    StyleGAN2Critic,
    StyleGAN2Generator,
    StyleGAN3Generator,
)


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
class ResidualGenerator:
    """Two 3x3 convolutions beside a shortcut, at every side (Gulrajani et al. 2017)."""

    name: Literal["residual"] = "residual"
    latent: int = 128  # numbers in the latent vector z
    width: int = 32  # channels at the full side; doubled at every halving; the paper: 64 to 128
    width_max: int = 256  # channels, at most
    batchnorm: bool = True  # normalise over the batch, as the paper does


@dataclass(frozen=True, kw_only=True)
class ResidualCritic:
    """Two 3x3 convolutions beside a shortcut, then a mean (Gulrajani et al. 2017)."""

    name: Literal["residual"] = "residual"
    width: int = 32  # channels after the first block; doubled at every halving; the paper: 64, 128
    width_max: int = 256  # channels, at most
    norm: Literal["none", "layer"] = "none"  # layer: over each image alone, so penalties may be on
    spectral_norm: bool = False  # divide every weight by its largest singular value


@dataclass(frozen=True, kw_only=True)
class R3Generator:
    """Residual bottlenecks without normalization (Huang et al. 2025)."""

    name: Literal["r3"] = "r3"
    latent: int = 64  # numbers in the latent vector z
    width: int = 32  # channels at the full side; doubled at every halving
    width_max: int = 256  # channels, at most
    blocks: int = 1  # bottlenecks at each side; the paper: 2
    group: int = 16  # features that a 3x3 convolution sees together
    expansion: int = 2  # features inside a bottleneck, for each one outside


@dataclass(frozen=True, kw_only=True)
class R3Critic:
    """Residual bottlenecks without normalization (Huang et al. 2025)."""

    name: Literal["r3"] = "r3"
    width: int = 32  # channels at the full side; doubled at every halving
    width_max: int = 256  # channels, at most
    blocks: int = 1  # bottlenecks at each side; the paper: 2
    group: int = 16  # features that a 3x3 convolution sees together
    expansion: int = 2  # features inside a bottleneck, for each one outside
    spectral_norm: bool = False  # divide every weight by its largest singular value


@dataclass(frozen=True, kw_only=True)
class EncoderCritic:
    """The first half of the denoiser that is post-trained, with its weights, and a small head."""

    name: Literal["encoder"] = "encoder"
    hidden: int = 128  # units between its last maps and the score


@dataclass(frozen=True, kw_only=True)
class PerceptronGenerator:
    """Dense layers alone, for points and tiny images."""

    name: Literal["perceptron"] = "perceptron"
    latent: int = 16  # numbers in the latent vector z
    width: int = 128  # units of a hidden layer
    depth: int = 3  # hidden layers


@dataclass(frozen=True, kw_only=True)
class PerceptronCritic:
    """Dense layers alone, for points and tiny images."""

    name: Literal["perceptron"] = "perceptron"
    width: int = 128  # units of a hidden layer
    depth: int = 3  # hidden layers
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


@dataclass(frozen=True, kw_only=True)
class Compact:
    """A stack of convolutions at the small side (Real-ESRGAN's SRVGG): fast."""

    name: Literal["compact"] = "compact"
    width: int = 64  # features of each convolution
    convs: int = 16  # convolutions between the first and the last; animevideov3: 16


@dataclass(frozen=True, kw_only=True)
class RRDB:
    """Residual-in-residual dense blocks (ESRGAN, Real-ESRGAN)."""

    name: Literal["rrdb"] = "rrdb"
    width: int = 64  # features between the blocks
    blocks: int = 23  # of three dense blocks each; x4plus-anime: 6
    growth: int = 32  # features that each layer of a dense block adds


@dataclass(frozen=True, kw_only=True)
class SRGAN:
    """Residual blocks, then sub-pixel layers (Ledig et al. 2017)."""

    name: Literal["srgan"] = "srgan"
    width: int = 64  # features of each convolution
    blocks: int = 16  # of two convolutions each
    batchnorm: bool = True  # normalise over the batch, as the paper does


@dataclass(frozen=True, kw_only=True)
class UNetCritic:
    """A score for every pixel, spectral normalization (Real-ESRGAN)."""

    name: Literal["unet"] = "unet"
    width: int = 64  # features of the first layer, doubled at each of three halvings


@dataclass(frozen=True, kw_only=True)
class SRGANCritic:
    """Eight convolutions and two dense layers, one score an image (Ledig et al. 2017)."""

    name: Literal["srgan"] = "srgan"
    width: int = 64  # features of the first two layers, doubled every two
    hidden: int = 1024  # units before the score
    batchnorm: bool = True  # normalise over the batch, as the paper does
    spectral_norm: bool = False  # divide every weight by its largest singular value


@dataclass(frozen=True, kw_only=True)
class OwnGenerator:
    """A class of a user's own: Net(size, channels, latent, settings); forward(z) gives images."""

    name: str = ""  # module:Class, of a file in this folder
    latent: int = 64  # numbers in the latent vector z
    settings: tuple[str, ...] = ()  # more arguments of the class, such as width=32 norm=true
    digest: str = ""  # sha256 of the file; filled in, and checked where it is there


@dataclass(frozen=True, kw_only=True)
class OwnCritic:
    """A class of a user's own: Net(size, channels, settings); forward(images) gives scores [N]."""

    name: str = ""  # module:Class, of a file in this folder
    settings: tuple[str, ...] = ()  # more arguments of the class, such as width=32 norm=true
    spectral_norm: bool = False  # divide every weight by its largest singular value
    digest: str = ""  # sha256 of the file; filled in, and checked where it is there


@dataclass(frozen=True, kw_only=True)
class OwnDenoiser:
    """A class of a user's own: Net(size, channels, settings); forward(noisy images, level [N])."""

    name: str = ""  # module:Class, of a file in this folder
    settings: tuple[str, ...] = ()  # more arguments of the class, such as width=32 norm=true
    digest: str = ""  # sha256 of the file; filled in, and checked where it is there


Generator = (
    DCGANGenerator
    | PerceptronGenerator
    | ProgressiveGenerator
    | R3Generator
    | ResidualGenerator
    | StyleGAN2Generator
    | StyleGAN3Generator
    | OwnGenerator
)
Critic = (
    DCGANCritic
    | EncoderCritic
    | PerceptronCritic
    | ProgressiveCritic
    | R3Critic
    | ResidualCritic
    | StyleGAN2Critic
    | OwnCritic
)
Denoiser = UNet | OwnDenoiser
Enlarger = Compact | RRDB | SRGAN
UpscaleCritic = UNetCritic | SRGANCritic
