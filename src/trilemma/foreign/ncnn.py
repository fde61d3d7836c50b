"""Networks in ncnn's two files: NAME.param, the layers as text, and NAME.bin, their weights.

The .param file is a number, `LAYERS BLOBS`, then a line for each layer: its type and name, the
numbers of its inputs and outputs, their names, and `key=value` pairs. The .bin file has no header:
what each layer needs, in the order of the lines. Only networks of convolutions and PReLUs are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MAGIC = "7767517"
ARRAY = -23300  # key of an array with the key 0; that of 1 is one less
FLOAT16, FLOAT32 = 0x01306B47, 0  # tags before the weights of a convolution
OUT, WIDTH, HEIGHT, BIASED, WEIGHTS = 0, 1, 11, 5, 6  # keys of a convolution
EMPTY = ("BinaryOp", "Concat", "Eltwise", "Input", "Interp", "PixelShuffle", "Split")
Value = float | tuple[float, ...]


class NcnnError(Exception):
    """The files are not what is read here."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A line of a .param file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    values: Mapping[int, Value]  # by key; an array has the key it would have as a number

    def number(self, key: int, default: int = 0) -> int:
        """Give a whole number. NcnnError: it is an array."""
        value = self.values.get(key, default)
        if isinstance(value, tuple):
            raise NcnnError(f"layer {self.name} has an array at {key}")
        return int(value)


def parse(text: str) -> list[Layer]:
    """Read a .param file. NcnnError: it is none, or its counts do not fit its lines."""
    first, *lines = text.splitlines() or [""]
    if first.strip() != MAGIC or not lines:
        raise NcnnError(f"begins with {first[:20]!r}, must begin with {MAGIC}")
    try:
        layers, blobs = map(int, lines[0].split())
        found = [_layer(line.split()) for line in lines[1:] if line.strip()]
    except (ValueError, IndexError) as error:
        raise NcnnError(f"has a line that is no layer ({error})") from error
    made = sum(len(layer.outputs) for layer in found)
    if (len(found), made) != (layers, blobs):
        raise NcnnError(f"has {len(found)} layers and {made} blobs, says {layers} and {blobs}")
    return found


def _layer(words: list[str]) -> Layer:
    kind, name, inputs, outputs = words[0], words[1], int(words[2]), int(words[3])
    names, pairs = words[4 : 4 + inputs + outputs], words[4 + inputs + outputs :]
    return Layer(
        kind=kind,
        name=name,
        inputs=tuple(names[:inputs]),
        outputs=tuple(names[inputs:]),
        values=dict(_pair(pair) for pair in pairs),
    )


def _pair(text: str) -> tuple[int, Value]:
    """Read `key=value`; an array is `-233KK=count,v,v` or, in newer files, `KK=v,v`."""
    key, _, value = text.partition("=")
    numbers = tuple(float(word) for word in value.split(","))
    if int(key) <= ARRAY:
        return ARRAY - int(key), numbers[1:]
    return int(key), numbers if "," in value else numbers[0]


def weights(layers: list[Layer], content: bytes) -> list[dict[str, Tensor]]:
    """Give the weights of each convolution and PReLU of a .bin file, in its order.

    A convolution: `weight` [out, in, height, width], float16 or float32 as in the file, and `bias`
    [out], float32. A PReLU: `weight` [slopes]. NcnnError: a layer of another kind, weights of
    another type, or bytes that are missing or left over.
    """
    reader = _Reader(content)
    found = []
    for layer in layers:
        if layer.kind == "Convolution":
            found.append(_convolution(layer, reader))
        elif layer.kind == "PReLU":
            found.append({"weight": reader.numbers(layer.number(0), "<f4")})
        elif layer.kind not in EMPTY:
            raise NcnnError(f"layer {layer.name} is a {layer.kind}, which is not read here")
    if reader.at != len(content):
        raise NcnnError(f"{len(content) - reader.at:,} of {len(content):,} bytes are left over")
    return found


def _convolution(layer: Layer, reader: "_Reader") -> dict[str, Tensor]:
    out, width, count = layer.number(OUT), layer.number(WIDTH), layer.number(WEIGHTS)
    height = layer.number(HEIGHT, width)
    if min(out, width, height, count) < 1 or count % (out * width * height):
        raise NcnnError(f"layer {layer.name}: {count} weights for {out} x {height} x {width}")
    weight = reader.tagged(layer.name, count).reshape(out, -1, height, width)
    if not layer.number(BIASED):
        return {"weight": weight}
    return {"weight": weight, "bias": reader.numbers(out, "<f4")}


class _Reader:
    """A place in the bytes of a .bin file."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def numbers(self, count: int, kind: str) -> Tensor:
        """Read numbers of a NumPy type."""
        end = self.at + count * np.dtype(kind).itemsize
        if count < 0 or end > len(self.content):
            raise NcnnError(f"{len(self.content):,} bytes, needs {end:,} or more")
        read = np.frombuffer(self.content, kind, count, self.at)
        self.at = end
        return torch.from_numpy(read.astype(read.dtype.newbyteorder("=")))

    def tagged(self, name: str, count: int) -> Tensor:
        """Read a tag and weights of the type that it names; float16 fills up whole words."""
        tag = int(self.numbers(1, "<i4")[0]) & 0xFFFFFFFF
        if tag not in (FLOAT16, FLOAT32):
            raise NcnnError(f"layer {name} has weights of the type {tag:#010x}, not float16 or 32")
        read = self.numbers(count, "<f2" if tag == FLOAT16 else "<f4")
        self.at += 2 * (count % 2) if tag == FLOAT16 else 0
        return read
