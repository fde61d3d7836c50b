"""ncnn's two files, written by hand after its documentation."""

import struct

import numpy as np
import pytest
import torch

from trilemma.foreign import ncnn, upscalers

PARAM = """7767517
6 6
Input        data    0 1 data
Convolution  first   1 1 data a 0=2 1=3 11=1 4=1 5=1 6=18 9=2 -23310=1,2.000000e-01
PReLU        bent    1 1 a b 0=2
Split        both    1 2 b c d

Eltwise      sum     2 1 c d e 0=1 -23301=2,2.000000e-01,1.000000e+00
Convolution  last    1 0 e 0=1 1=1 5=0 6=3
"""
HALVES = np.arange(18, dtype="<f2") / 8
THREE = np.array([0.5, -1.25, 3.0], dtype="<f2")  # an odd number of halves: two bytes fill the word
BIN = (
    struct.pack("<I", 0x01306B47) + HALVES.tobytes()
    + struct.pack("<2f", 0.25, -7) + struct.pack("<2f", 0.1, 0.2)
    + struct.pack("<I", 0x01306B47) + THREE.tobytes() + b"\xff\xff"
)  # fmt: skip


def test_param() -> None:
    layers = ncnn.parse(PARAM)
    assert [layer.kind for layer in layers] == [
        "Input", "Convolution", "PReLU", "Split", "Eltwise", "Convolution",
    ]  # fmt: skip
    assert layers[3].inputs == ("b",)
    assert layers[3].outputs == ("c", "d")
    assert layers[1].values[10] == (0.2,)
    assert layers[4].values[1] == (0.2, 1.0)
    assert layers[1].number(ncnn.HEIGHT) == 1


def test_newer_arrays() -> None:
    (layer,) = ncnn.parse("7767517\n1 1\nThing t 0 1 x 3=1,2.5 4=7\n")
    assert layer.values == {3: (1.0, 2.5), 4: 7.0}


def test_weights() -> None:
    first, bent, last = ncnn.weights(ncnn.parse(PARAM), BIN)
    assert first["weight"].shape == (2, 3, 1, 3)
    assert first["weight"].dtype == torch.float16
    assert first["weight"].flatten().tolist() == (np.arange(18) / 8).tolist()
    assert first["bias"].tolist() == [0.25, -7]
    assert bent["weight"].tolist() == pytest.approx([0.1, 0.2])
    assert last.keys() == {"weight"}
    assert last["weight"].tolist() == [[[[0.5]], [[-1.25]], [[3.0]]]]


def test_float32() -> None:
    param = "7767517\n1 0\nConvolution c 1 0 x 0=1 1=1 5=1 6=2\n"
    (found,) = ncnn.weights(ncnn.parse(param), struct.pack("<I3f", 0, 1, 2, 3))
    assert found["weight"].flatten().tolist() == [1, 2]
    assert found["bias"].tolist() == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "begins with"),
        ("7767518\n1 1\n", "begins with"),
        ("7767517", "begins with"),
        ("7767517\nmany\n", "no layer"),
        ("7767517\n1 1\nInput data\n", "no layer"),
        ("7767517\n1 1\nInput data 0 1 data x\n", "no layer"),
        (PARAM.replace("6 6", "7 6"), "6 layers and 6 blobs, says 7 and 6"),
    ],
)
def test_bad_params(text: str, said: str) -> None:
    with pytest.raises(ncnn.NcnnError, match=said):
        ncnn.parse(text)


@pytest.mark.parametrize(
    ("param", "content", "said"),
    [
        (PARAM, BIN[:-1], "needs|left over"),
        (PARAM, BIN + b"\0", "left over"),
        (PARAM, struct.pack("<I", 0x000D4B38) + BIN[4:], "0x000d4b38"),
        (PARAM.replace("PReLU", "Gelu"), BIN, "Gelu"),
        (PARAM.replace("6=18", "6=17"), BIN, "17 weights"),
        (PARAM.replace("6=18", "6=-18"), BIN, "weights"),
        (PARAM.replace("6=18", "6=1800000000"), BIN, "needs"),
    ],
)
def test_bad_weights(param: str, content: bytes, said: str) -> None:
    with pytest.raises(ncnn.NcnnError, match=said):
        ncnn.weights(ncnn.parse(param), content)


def test_names_in_the_order_of_the_layers() -> None:
    names = upscalers.rrdb_names(21)
    assert len(names) == 21
    assert names[:6] == [
        "conv_first", "body.0.rdb1.conv1", "body.0.rdb1.conv2", "body.0.rdb1.conv3",
        "body.0.rdb1.conv4", "body.0.rdb1.conv5",
    ]  # fmt: skip
    assert names[-5:] == ["conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last"]
