"""Snapshots in the layout of StyleGAN2-ADA and StyleGAN3, written by Python's own pickler.

The modules that such files name are made up here, and whatever is called in them fails a test.
"""

import io
import pickle
import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

HOSTILE = "raise SystemExit('the source text in a file was run')"
CALLED: list[str] = []  # of the made-up modules; stays empty


def _reconstruct_persistent_obj(meta: object) -> None:
    CALLED.append("_reconstruct_persistent_obj")


class EasyDict(dict):  # type: ignore[type-arg]
    def __init__(self, *args: object) -> None:
        CALLED.append("EasyDict")
        super().__init__()


class _Persistent:
    def __init__(self, meta: dict[str, Any]) -> None:
        self.meta = meta

    def __reduce__(self) -> Any:
        return _reconstruct_persistent_obj, (self.meta,)


@contextmanager
def importable() -> Iterator[None]:
    """Let the modules that official files name be imported, for as long as the block runs."""
    known = dict(sys.modules)
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util"):
        sys.modules[name] = ModuleType(name)
    sys.modules["torch_utils.persistence"].__dict__["_reconstruct_persistent_obj"] = (
        _reconstruct_persistent_obj
    )
    sys.modules["dnnlib.util"].__dict__["EasyDict"] = EasyDict
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    EasyDict.__module__ = "dnnlib.util"
    try:
        yield
    finally:
        for name in sys.modules.keys() - known.keys():
            if name.startswith(("torch_utils", "dnnlib")):
                del sys.modules[name]


def network(
    name: str,
    parameters: Mapping[str, Tensor] | None = None,
    buffers: Mapping[str, Tensor | None] | None = None,
    modules: Mapping[str, Any] | None = None,
    *,
    source: str = HOSTILE,
    **attributes: Any,
) -> Any:
    """Describe a network or layer as the official files do."""
    state = {
        "training": False,
        "_parameters": OrderedDict(
            (key, torch.nn.Parameter(value)) for key, value in (parameters or {}).items()
        ),
        "_buffers": dict(buffers or {}),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": dict(modules or {}),
        "_init_args": (),
        "_init_kwargs": EasyDict.__new__(EasyDict),
        **attributes,
    }
    return _Persistent(
        {
            "type": "class",
            "version": 6,
            "module_src": source,
            "class_name": name,
            "state": state,
        }
    )


def pickled(values: Mapping[str, Any], *, protocol: int = 4) -> bytes:
    """Write a snapshot."""
    with importable():
        return pickle.dumps(dict(values), protocol=protocol)


def saved(values: Mapping[str, Any], *, zipped: bool) -> bytes:
    """Write a snapshot with torch.save."""
    target = io.BytesIO()
    with importable():
        torch.save(dict(values), target, _use_new_zipfile_serialization=zipped)
    return target.getvalue()


def small(**more: Any) -> dict[str, Any]:
    """Give a snapshot of one small layer."""
    weight = torch.arange(6.0).reshape(2, 3)
    layer = network(
        "Layer",
        {"weight": weight},
        {"filter": torch.tensor([0.25, 0.5, 0.25]), "none": None},
        gain=0.5,
        size=[4, 8],
    )
    return {"G_ema": network("Generator", modules={"layer": layer}, z_dim=5, **more)}
