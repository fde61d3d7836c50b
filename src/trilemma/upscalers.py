"""A model's name or file -> the network that enlarges images."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from trilemma import runs, weights
from trilemma.atomic import write_bytes
from trilemma.errors import RunError
from trilemma.foreign import ncnn, others, tensors, upscalers
from trilemma.licences import licences
from trilemma.places import Say, cache_folder, quiet
from trilemma.recipe.recipe import UpscaleRecipe

BASELINES = ("realesr-animevideov3", "realesrgan-x4plus", "realesrgan-x4plus-anime")
UNSTATED = "not stated in the file"

# Pixels of the input: the largest margin. What is further away moves a result by under half a level
# of 255, although x4plus can see 349 pixels far and x4plus-anime 94. Measured in float32 on strips
# of 180 x 32 pixels (photos, noise, black and white; 6 and 8 of them), whole against cut in two:
# the largest difference of all that lies at least so far from the cut, in levels.
#     pixels           10    16    24    32    40    48    64    80
#     x4plus           40    19    11   7.6   4.6   2.9   0.3   0.1
#     x4plus-anime     37    34    14   9.8   3.4   1.4   0.3   0.0
# Networks of others (spandrel, ONNX) get the same, unmeasured.
DEEP = 64


@dataclass(frozen=True, kw_only=True)
class Upscaler:
    """A network that enlarges images, and what must be known to use it.

    The network takes float32 [N, 3, h, w] in [0, 1] and gives [N, 3, scale h, scale w], in [0, 1]
    but not clamped. It is in `eval` and its weights want no gradients.
    """

    name: str
    net: nn.Module
    scale: int
    margin: int  # pixels of the input around a tile that the tile's result depends on; see DEEP
    multiple: int = 1  # pixels of the input: tiles begin at multiples of it; they may end anywhere
    licence: str  # of the weights
    sha256: str  # of the file that the weights are from


def load_upscaler(model: str, *, device: torch.device, say: Say = quiet) -> Upscaler:
    """Load a baseline by its name, the network of a file (a suffix of FILES), or that of a run.

    say: gets a line about third-party weights. RunError: there is no such model, or its file is
    not one. MissingExtraError: a package that it needs is not installed.
    """
    if model in BASELINES:
        return _baseline(model, device=device, say=say)
    path = Path(model)
    if path.suffix.lower() in FILES:
        return FILES[path.suffix.lower()](path, device, say)
    if runs.candidates(runs.parted(model)[0]):
        run = runs.undrawn(runs.find_run(model, say=say), "an upscaler")
        return _trained(run, device=device)
    close = get_close_matches(model, BASELINES, 1)
    raise RunError(
        f"no upscaler {model!r}; "
        + (f"did you mean {close[0]}? " if close else "")
        + f"Allowed: {', '.join(BASELINES)}, a run or bundle of kind upscale, or a file "
        f"({', '.join(FILES)})"
    )


def _trained(run: runs.Found, *, device: torch.device) -> Upscaler:
    """Load the averaged network of a run or bundle. RunError: it is one that enlarges nothing."""
    net = None
    if isinstance(run.recipe.family, UpscaleRecipe):
        net = upscalers.network(tensors.read(run.weights))
    if net is None:
        raise RunError(
            f"{run.name} is of kind {run.recipe.family.kind}, and no upscaler; give one of "
            f"{', '.join(BASELINES)}, or a run of kind upscale (trilemma train cats-sr-compact)"
        )
    licence = "; ".join(f"{note.what}: {note.licence}" for note in licences(run))
    sha256 = weights.sha256_of(run.weights)
    return _ours(net, run.name, name=run.name, licence=licence, sha256=sha256, device=device)


def _baseline(name: str, *, device: torch.device, say: Say) -> Upscaler:
    """Load Real-ESRGAN's weights from their package; converted once, then from the cache."""
    net = upscalers.network(baseline_tensors(name, say=say))
    assert net is not None, f"{name} is not the network that it was"
    row = weights.WEIGHTS[name]
    return _ours(net, name, name=name, licence=row.licence, sha256=row.sha256, device=device)


def baseline_tensors(name: str, *, say: Say = quiet) -> dict[str, Tensor]:
    """Give a baseline's weights under Real-ESRGAN's names, float16 where its file has that.

    They are kept in the cache as safetensors; the package is read once. Errors as `weights.find`.
    """
    row = weights.WEIGHTS[name]
    kept = cache_folder(say=say) / "upscalers" / f"{name}-{row.sha256[:16]}.safetensors"
    with suppress(OSError, SafetensorError):  # not there yet, or broken: made anew
        found = load_file(kept)
        say(f"{name}: weights from {kept}, {row.licence}")
        return found
    file = weights.find(name, say=say)
    try:
        layers = ncnn.parse(file.with_suffix(".param").read_text(encoding="utf-8"))
        parts = ncnn.weights(layers, file.read_bytes())
    except (OSError, ValueError, ncnn.NcnnError) as error:
        raise RunError(
            f"{file.with_suffix('.param')}: {error}; install its package anew"
        ) from error
    kinds = [layer.kind for layer in layers if layer.kind in ("Convolution", "PReLU")]
    converted = upscalers.from_ncnn(kinds, parts)
    write_bytes(kept, save(converted, {"source": row.sha256, "licence": row.licence}))
    return converted


def _ours(
    net: upscalers.Ours, where: str, *, name: str, licence: str, sha256: str, device: torch.device
) -> Upscaler:
    return Upscaler(
        name=name,
        net=others.coloured(net, net.channels, net.channels, where).to(device),
        scale=net.scale,
        margin=min(net.radius, DEEP),
        multiple=getattr(net, "unshuffle", 1),
        licence=licence,
        sha256=sha256,
    )


def _weights_file(path: Path, device: torch.device, say: Say) -> Upscaler:
    """Load a file of tensors: into a network of ours, or what spandrel makes of them."""
    found = tensors.read(path)
    sha256 = weights.sha256_of(path)
    net = upscalers.network(found)
    if net is not None:
        return _ours(net, str(path), name=path.stem, licence=UNSTATED, sha256=sha256, device=device)
    return _other(path, others.recognised(found, path, device=device), sha256=sha256)


def _onnx_file(path: Path, device: torch.device, say: Say) -> Upscaler:
    found = others.onnx(path, device=device, say=say)
    return _other(path, found, sha256=weights.sha256_of(path))


def _other(path: Path, other: others.Other, *, sha256: str) -> Upscaler:
    return Upscaler(
        name=path.stem,
        net=other.net,
        scale=other.scale,
        margin=DEEP,
        multiple=other.multiple,
        licence=UNSTATED,
        sha256=sha256,
    )


FILES: Mapping[str, Callable[[Path, torch.device, Say], Upscaler]] = {
    ".onnx": _onnx_file,
    **dict.fromkeys(tensors.READERS, _weights_file),
}
