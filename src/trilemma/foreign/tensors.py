"""A file of tensors, .pth or .safetensors -> the tensors by name; nothing in it is run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trilemma.errors import RunError
from trilemma.weights import plain

KEYS = (  # under which the tensors are kept, the best first: averages before the last weights
    "params_ema", "params", "state_dict", "model_state_dict", "generator", "model",
)  # fmt: skip
SLACK = 4  # tensors may share memory in a file, but not so that a small one fills a machine


def read(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file; where it has averages beside the last weights, the averages.

    RunError: it is not there, is no file of tensors, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; give a file of weights")
    tensors = READERS[path.suffix.lower()](path)
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if claimed > SLACK * path.stat().st_size:
        raise RunError(
            f"{path}: {path.stat().st_size:,} bytes claim to be tensors of {claimed:,}; give "
            "another file"
        )
    return tensors


def _pickled(path: Path) -> dict[str, Tensor]:
    found = plain(path)
    for key in KEYS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    tensors: dict[str, Tensor] = found if isinstance(found, dict) else {}
    names = all(isinstance(name, str) for name in tensors)
    if not tensors or not names or not all(map(torch.is_tensor, tensors.values())):
        raise RunError(
            f"{path}: no tensors by name, a {type(found).__name__}; give a file of weights, with "
            f"or without one of the keys {', '.join(KEYS)}"
        )
    return dict(tensors)


def _safe(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        said = str(error).partition("\n")[0]
        raise RunError(f"{path}: no .safetensors file ({said}); give another one") from error


READERS: Mapping[str, Callable[[Path], dict[str, Tensor]]] = {
    ".ckpt": _pickled,
    ".pt": _pickled,
    ".pth": _pickled,
    ".safetensors": _safe,
}
