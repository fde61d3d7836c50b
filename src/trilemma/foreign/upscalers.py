"""Tensors of an upscaler -> the network that they fit, its sizes read off their shapes.

Known: RRDBNet with the names of ESRGAN (old and new) and of Real-ESRGAN, SRVGGNetCompact, SRGAN's
generator with ours, and the weights of Real-ESRGAN in ncnn's order.
"""

import re
from collections.abc import Callable, Mapping
from math import isqrt

import torch
from torch import Tensor, nn

from trilemma.nets.rrdb import CONVS, RRDBNet
from trilemma.nets.srgan import SRGANGenerator
from trilemma.nets.srvgg import SRVGGNetCompact

Tensors = Mapping[str, Tensor]
Ours = RRDBNet | SRGANGenerator | SRVGGNetCompact

WRAPPED = ("module.", "_orig_mod.", "generator.", "netG.", "net_g.", "params_ema.", "params.")
RENAMED: Mapping[str, str] = {  # the beginning of a name in ESRGAN's files -> in Real-ESRGAN's
    r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)\.": r"body.\1.rdb\2.conv\3.",
    r"trunk_conv\.": "conv_body.",
    r"upconv(\d)\.": r"conv_up\1.",
    r"HRconv\.": "conv_hr.",
    r"model\.0\.": "conv_first.",
    r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.": r"body.\1.rdb\2.conv\3.",
    r"model\.1\.sub\.\d+\.(?=weight$|bias$)": "conv_body.",
}


def network(tensors: Tensors) -> Ours | None:
    """Build the network that these tensors fit, filled, in float32; None: it is none of ours."""
    named = renamed(tensors)
    for build in BUILDERS:
        with torch.device("meta"):  # no memory and no random numbers for what is replaced
            net = build(named)
        if net is not None and fits(net, named):
            net.load_state_dict(dict(named), assign=True)
            return net.float().eval().requires_grad_(False)
    return None


def fits(net: nn.Module, tensors: Tensors) -> bool:
    """Have the tensors the names and shapes of the network's, and are they floats?"""
    wanted = {name: tensor.shape for name, tensor in net.state_dict().items()}
    counters = {name for name in wanted if name.endswith(".num_batches_tracked")}
    return {name: tensor.shape for name, tensor in tensors.items()} == wanted and all(
        tensor.is_floating_point() for name, tensor in tensors.items() if name not in counters
    )


def renamed(tensors: Tensors) -> dict[str, Tensor]:
    """Give the tensors Real-ESRGAN's names, without what wrappers put in front."""
    named = dict(tensors)
    for front in WRAPPED:
        if named and all(name.startswith(front) for name in named):
            named = {name.removeprefix(front): tensor for name, tensor in named.items()}
    return _last_layers({_renamed(name): tensor for name, tensor in named.items()})


def _renamed(name: str) -> str:
    for pattern, new in RENAMED.items():
        changed, times = re.subn(rf"^{pattern}", new, name)
        if times:
            return changed
    return name


def _last_layers(tensors: Tensors) -> dict[str, Tensor]:
    """Name `model.N` behind the trunk: the upsampling ones in their order, then the last two."""
    parts = {name: re.fullmatch(r"model\.(\d+)\.(weight|bias)", name) for name in tensors}
    numbers = sorted({int(found[1]) for found in parts.values() if found})
    ups = [f"conv_up{place}" for place in range(1, len(numbers) - 1)]
    layers = dict(zip(numbers, [*ups, "conv_hr", "conv_last"], strict=False))
    return {
        f"{layers[int(found[1])]}.{found[2]}" if found else name: tensors[name]
        for name, found in parts.items()
    }


def _rrdb(tensors: Tensors) -> RRDBNet | None:
    first = _shape(tensors, "conv_first.weight")
    last = _shape(tensors, "conv_last.weight")
    inner = _shape(tensors, "body.0.rdb1.conv1.weight")
    if first is None or last is None or inner is None:
        return None
    doublings = _count(tensors, r"conv_up(\d+)\.weight", start=1)
    unshuffle = isqrt(first[1] // last[0])
    if unshuffle < 1 or 2**doublings % unshuffle:
        return None
    return RRDBNet(
        channels=last[0],
        features=first[0],
        blocks=_count(tensors, r"body\.(\d+)\.rdb1\.conv1\.weight"),
        growth=inner[0],
        scale=2**doublings // unshuffle,
        unshuffle=unshuffle,
    )


def _srvgg(tensors: Tensors) -> SRVGGNetCompact | None:
    layers = _count(tensors, r"body\.(\d+)\.weight")
    first = _shape(tensors, "body.0.weight")
    last = _shape(tensors, f"body.{layers - 1}.weight")
    if first is None or last is None or layers < 3 or last[0] < first[1]:
        return None
    return SRVGGNetCompact(
        channels=first[1],
        features=first[0],
        convs=(layers - 3) // 2,
        scale=isqrt(last[0] // first[1]),
    )


def _srgan(tensors: Tensors) -> SRGANGenerator | None:
    first = _shape(tensors, "conv_first.0.weight")
    up = _shape(tensors, "ups.0.0.weight")
    if first is None:
        return None
    three = up is not None and up[0] == 9 * first[0]
    return SRGANGenerator(
        channels=first[1],
        features=first[0],
        blocks=_count(tensors, r"body\.(\d+)\.layers\.0\.weight"),
        scale=3 if three else 2 ** _count(tensors, r"ups\.(\d+)\.0\.weight"),
        batchnorm="conv_body.1.running_mean" in tensors,
    )


BUILDERS: tuple[Callable[[Tensors], Ours | None], ...] = (_rrdb, _srvgg, _srgan)


def _shape(tensors: Tensors, name: str) -> torch.Size | None:
    """Give the shape of the weight of a convolution; None: there is none that is not empty."""
    weight = tensors.get(name)
    return weight.shape if weight is not None and weight.dim() == 4 and weight.numel() else None


def _count(tensors: Tensors, pattern: str, *, start: int = 0) -> int:
    """Count the layers of a pattern with a number; 0 unless they go up from `start` by ones."""
    numbers = sorted(int(found[1]) for name in tensors if (found := re.fullmatch(pattern, name)))
    return len(numbers) if numbers == list(range(start, start + len(numbers))) else 0


def rrdb_names(convolutions: int) -> list[str]:
    """Name the convolutions of Real-ESRGAN's RRDBNet x4 in the order that they compute in."""
    blocks, left = divmod(convolutions - 6, CONVS)
    assert left == 0, f"{convolutions} convolutions are none of an RRDBNet"
    inner = [
        f"body.{block}.rdb{dense}.conv{layer}"
        for block in range(blocks)
        for dense in (1, 2, 3)
        for layer in range(1, 6)
    ]
    return ["conv_first", *inner, "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]


def from_ncnn(kinds: list[str], layers: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Name the weights of an ncnn file: with PReLUs SRVGGNetCompact's, else RRDBNet's.

    kinds: of the layers that have weights, Convolution or PReLU.
    """
    compact = "PReLU" in kinds
    names = [f"body.{i}" for i in range(len(kinds))] if compact else rrdb_names(len(kinds))
    return {
        f"{name}.{part}": tensor
        for name, parts in zip(names, layers, strict=True)
        for part, tensor in parts.items()
    }
