"""The sizes of networks that grow and of style-based ones; `name` says which one it is."""

from dataclasses import dataclass
from typing import Literal

ACTIVATIONS = (
    "elu", "linear", "lrelu", "relu", "selu", "sigmoid", "softplus", "swish", "tanh",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProgressiveGenerator:
    """Convolutions and normalised features, one side after the other (Karras et al. 2018)."""

    name: Literal["progressive"] = "progressive"
    latent: int = 512  # numbers in the latent vector z
    width: int = 32  # channels at the full side; doubled at every halving; the paper at 1024: 16
    width_max: int = 512  # channels, at most


@dataclass(frozen=True, kw_only=True)
class ProgressiveCritic:
    """The same turned round, and how varied a batch is (Karras et al. 2018)."""

    name: Literal["progressive"] = "progressive"
    width: int = 32  # channels at the full side; doubled at every halving; the paper at 1024: 16
    width_max: int = 512  # channels, at most
    group: int = 4  # images whose deviation is taken together, at most
    group_maps: int = 1  # maps of that deviation; 0: none
    spectral_norm: Literal[False] = False  # its weights are scaled already


@dataclass(frozen=True, kw_only=True)
class StyleGAN2Generator:
    """Convolutions whose weights a style scales (Karras et al. 2020)."""

    name: Literal["stylegan2"] = "stylegan2"
    latent: int = 512  # numbers in the latent vector z
    style: int = 512  # numbers in w, which z is mapped to
    layers: int = 8  # of the mapping z -> w
    mapping_width: int = 0  # units of its layers but the last; 0: as style
    mapping_rate: float = 0.01  # how fast they learn beside the others
    mapping_activation: str = "lrelu"  # of those layers
    average_decay: float = 0.998  # of the mean w that truncation moves to, a batch
    embedding: int = 0  # numbers that an image's labels become, beside z; 0: as style
    width: int = 32  # channels at the full side; doubled at every halving of the side
    width_max: int = 512  # channels, at most
    widths: tuple[int, ...] = ()  # channels at 4x4, 8x8, ...; empty: by width and width_max
    output: Literal["skip", "residual", "original"] = "skip"  # how colours come about: figure 7
    activation: str = "lrelu"  # of the convolutions
    noise: bool = True  # add noise, whose strength is learnt, to every map
    clamp: float = 0.0  # largest value of a map; 0: no limit
    filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)  # taps, of one axis, where sides double
    truncation: float = 1.0  # psi: how far drawn styles are from the mean one; 1: as they are
    truncation_rows: int = 0  # first layers whose styles are so; 0: all


@dataclass(frozen=True, kw_only=True)
class StyleGAN3Generator:
    """Maps as samples of continuous signals (Karras et al. 2021), configurations t and r."""

    name: Literal["stylegan3"] = "stylegan3"
    latent: int = 512  # numbers in the latent vector z
    style: int = 512  # numbers in w, which z is mapped to
    layers: int = 2  # of the mapping z -> w
    mapping_rate: float = 0.01  # how fast they learn beside the others
    average_decay: float = 0.998  # of the mean w that truncation moves to, a batch
    width: int = 128  # channels times the highest frequency, over half the side; r: 256
    width_max: int = 512  # channels, at most; r: 1024
    widths: tuple[int, ...] = ()  # channels of each layer but the colours; empty: by the two above
    depth: int = 14  # layers behind the first waves, without that of the colours
    critical: int = 2  # of them, the last ones, sampled as sparsely as can be
    first_cutoff: float = 2.0  # frequency that the first layer passes, in waves a side
    first_stopband: float = 4.2870938501451725  # from which on it passes none; 2^2.1
    last_stopband: float = 1.2311444133449163  # of the last, over half the side; 2^0.3
    margin: int = 10  # samples around the picture
    kernel: int = 3  # side of the convolutions; r: 1
    radial: bool = False  # filters alike in all directions, of r
    filter_size: int = 6  # taps of a filter for each sample of the lower rate
    lrelu_upsampling: int = 2  # rate of the non-linearities, over the maps'
    clamp: float = 256.0  # largest value of a map; 0: no limit
    output_scale: float = 0.25  # factor on the images
    truncation: float = 1.0  # psi: how far drawn styles are from the mean one; 1: as they are
    truncation_rows: int = 0  # first layers whose styles are so; 0: all


@dataclass(frozen=True, kw_only=True)
class StyleGAN2Critic:
    """Convolutions with ways beside them, and how varied a batch is (Karras et al. 2020)."""

    name: Literal["stylegan2"] = "stylegan2"
    width: int = 32  # channels at the full side; doubled at every halving of the side
    width_max: int = 512  # channels, at most
    widths: tuple[int, ...] = ()  # channels at 4x4, 8x8, ...; empty: by width and width_max
    input: Literal["skip", "residual", "original"] = "residual"  # how images enter: figure 7
    activation: str = "lrelu"  # of the convolutions
    clamp: float = 0.0  # largest value of a map; 0: no limit
    filter: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)  # taps, of one axis, where sides halve
    group: int = 4  # images whose deviation is taken together, at most
    group_maps: int = 1  # maps of that deviation; 0: none
    asked: int = 0  # numbers that an image's labels become; 0: as the channels at 4x4
    layers: int = 8  # of the mapping of these
    mapping_rate: float = 0.01  # how fast they learn beside the others
    spectral_norm: Literal[False] = False  # its weights are scaled already
