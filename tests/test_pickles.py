"""Pickles of networks: read as data, with nothing called; all else is refused by its name."""

import io
import json
import pickle
import sys
import time
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import snapshotfiles
from snapshotfiles import pickled, saved, small
from trilemma.errors import RunError
from trilemma.foreign import snapshots
from trilemma.foreign.machine import OPCODES_MAX, RefusedError
from trilemma.foreign.snapshots import Record, parse

PROTOCOLS = (2, 3, 4, 5)


def layer(values: Any) -> Record:
    found = values["G_ema"].state["_modules"]["layer"]
    assert isinstance(found, Record)
    return found


def check_small(content: bytes) -> None:
    snapshotfiles.CALLED.clear()
    with snapshotfiles.importable():
        values = parse(content)
    assert snapshotfiles.CALLED == []
    state = layer(values).state
    assert layer(values).name == "Layer"
    assert values["G_ema"].state["z_dim"] == 5
    assert values["G_ema"].state["_init_kwargs"] == {}
    assert state["gain"] == 0.5
    weight = state["_parameters"]["weight"].tensor()
    assert torch.equal(weight, torch.arange(6.0).reshape(2, 3))
    assert state["_buffers"]["filter"].tensor().tolist() == [0.25, 0.5, 0.25]
    assert state["_buffers"]["none"] is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(protocol: int) -> None:
    check_small(pickled(small(), protocol=protocol))


@pytest.mark.parametrize("zipped", [True, False])
def test_both_containers_of_torch_save(zipped: bool) -> None:
    check_small(saved(small(), zipped=zipped))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_source_text_is_not_even_decoded(protocol: int) -> None:
    """A source as long as real ones, 40 KB, that would not decode as UTF-8."""
    content = pickled(small(source="x" * 40_000), protocol=protocol)
    broken = content.replace(b"x" * 40_000, b"\xff" * 40_000)
    assert broken != content
    check_small(broken)


@pytest.mark.parametrize("protocol", PROTOCOLS[:3])  # in 5 NumPy names another function
def test_numpy_numbers(protocol: int) -> None:
    values = small(
        rate=np.float64(16.5), flag=np.bool_(True), count=np.int64(-3), size=np.array([36, 52])
    )
    state = parse(pickled(values, protocol=protocol))["G_ema"].state
    assert (state["rate"], state["flag"], state["count"]) == (16.5, True, -3)
    assert state["size"].values.tolist() == [36, 52]


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(
            memory_format=torch.channels_last
        ),
        torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1),
        torch.arange(10, dtype=torch.float16)[3:7],
        torch.tensor(2.5, dtype=torch.bfloat16),
        torch.tensor([True, False]),
    ],
    ids=["channels-last", "permuted", "a part", "a number", "truths"],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tensors_as_they_lie(tensor: torch.Tensor, protocol: int) -> None:
    content = pickled({"a": tensor, "b": tensor}, protocol=protocol)
    read = parse(content)
    for name in "ab":
        assert torch.equal(read[name].tensor(), tensor)
        assert read[name].tensor().is_contiguous()


def test_bytes_of_protocol_2_are_those_that_latin1_gives() -> None:
    content = bytes(range(256)) * 40  # longer than a name, so that it stays undecoded
    read = parse(pickle.dumps({"a": content, "b": b"\x80\xff"}, protocol=2))
    assert bytes(read["a"]) == content
    assert read["b"] == b"\x80\xff"


class Call:
    """What is pickled as a call of a global."""

    def __init__(self, called: Any, *arguments: Any) -> None:
        self.called, self.arguments = called, arguments

    def __reduce__(self) -> Any:
        return self.called, self.arguments


def stream(*values: Any) -> bytes:
    """Write pickles one after the other, as torch.save without a zip does."""
    return b"".join(pickle.dumps(value, protocol=2) for value in values)


def named(module: str, name: str, arguments: bytes = b")") -> bytes:
    """Write a dict with a call of a global, in any spelling."""
    line = f"c{module}\n{name}\n".encode()
    return b"\x80\x02}X\x05\x00\x00\x00G_ema" + line + arguments + b"Rs."


def peak() -> int:
    """Give the most memory that this process has had, KB; 0 where the system does not say."""
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used // 1024 if sys.platform == "darwin" else used


def refused(content: bytes) -> str:
    before = peak()
    start = time.perf_counter()
    with pytest.raises(RefusedError) as error:
        parse(content)
    assert time.perf_counter() - start < 5
    assert peak() - before < 100_000  # KB
    return str(error.value)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("__builtin__", "exec"),
        ("torch", "load"),
        ("torch._utils", "_import_dotted_name"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch", "_utils._rebuild_tensor_v2"),
        ("torch_utils.persistence", "_module_to_src"),
        ("torch_utils", "persistence"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
        ("collections", "Counter"),
        ("_codecs", "decode"),
        ("torch", "FloatStorage"),
        ("copyreg", "_reconstructor"),
        ("trilemma.foreign.snapshots", "read"),
    ],
)
def test_every_other_global_is_refused_by_its_name(module: str, name: str) -> None:
    assert f"{module}.{name}" in refused(named(module, name))
    stacked = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(word)]) + word for word in (module.encode(), name.encode())
    )
    assert f"{module}.{name}" in refused(stacked + b"\x93)R.")
    assert f"{module}.{name}" in refused(f"(i{module}\n{name}\n.".encode())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02cnumpy\nndarray\n)R.", "may only be named"),
        (b"\x80\x02cdnnlib.util\nEasyDict\n)R.", "may only be named"),
        (b"\x80\x02cbuiltins\nset\n)\x81.", "NEWOBJ of builtins.set"),
        (b"\x80\x02cdnnlib.util\nEasyDict\nN\x85\x81.", "dnnlib.util.EasyDict with (NoneType)"),
        (b"\x80\x02K\x01)R.", "a int is called"),
        (b"\x80\x02cbuiltins\nset\n}b.", "BUILD applied to the global builtins.set"),
        (b"\x80\x02}}b.", "BUILD applied to dict"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02Px\n.", "PERSID"),
        (b"\x80\x02K\x01Q.", "BINPERSID"),
        (b"\x80\x04cbuiltins\nset\n)}\x92.", "NEWOBJ_EX"),
        (b"\x80\x02(cos\nsystem\no.", "os.system"),
        (b"\x80\x02(K\x01K\x02o.", "OBJ"),
        (b"\x80\x05\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "BYTEARRAY8"),
        (b"\x80\x02N2.", "DUP"),
        (b"\x80\x09N.", "protocol 9"),
        (b"\x80\x02\xff.", "0xff"),
        (b"\x80\x02]K\x01K\x02s.", "filled as a dict"),
        (b"\x80\x02}K\x01K\x02s.", "a int as the key"),
        (b"\x80\x02}]K\x02s.", "a list as the key"),
        (b"\x80\x04\x8f(K\x01\x90.", "a set of more than strings"),
        (b"\x80\x02h\x07.", "memo 7"),
        (b"\x80\x02a.", "too few values"),
        (b"\x80\x02(K\x01.", "at the end"),
        (b"\x80\x02t.", "no mark"),
        (b"\x80\x02N", "ends in the middle"),
        (b"", "ends in the middle"),
        (b"\x80\x02X\xff\xff\xff\x7fabc", "ends in the middle"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc", "ends in the middle"),
        (b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffabc", "ends in the middle"),
        (b"\x80\x02\x8a\xffabc", "an integer of 255 bytes"),
        (b"\x80\x02\x8b\x00\x00\x00\x7f.", "LONG4"),
        (b"\x80\x02N.more", "4 bytes behind its end"),
        (b"\x80\x02].", "a list where a dict"),
        (b"\x80\x02c" + b"a" * 10_000, "does not end"),
    ],
)
def test_constructs_that_are_not_read(content: bytes, words: str) -> None:
    assert words in refused(content)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Call(torch.storage._load_from_bytes, b"no stream"), "in the bytes of a storage"),
        (Call(torch.storage._load_from_bytes, stream(1, 2, 3, 4, 5)), "no stream of torch.save"),
        (
            Call(torch.storage._load_from_bytes, stream(Call(eval, "1"), 2, 3, 4, 5)),
            "builtin__.eval, which is not on the list, in the bytes of a storage",
        ),
        (Call(torch.storage._load_from_bytes, "text"), "of no bytes"),
        (Call(OrderedDict, "ab"), "more than pairs"),
        (Call(OrderedDict, [("a", 1)], 2), "more than pairs"),
        (Call(OrderedDict, [(1, 1)]), "keys are no strings"),
        (np.array([None]), "dtype 'O8'"),
        (np.dtype(">f8"), "not little-endian"),
        (np.dtype([("a", "f8")]), "dtype 'V8'"),
        (np.zeros(33), "(int, tuple, _Kind, bool, memoryview)"),
        (torch.zeros(1).expand(1000), "of 1,000 elements up to place 0 on a storage of 1"),
    ],
)
def test_calls_with_other_arguments(value: Any, words: str) -> None:
    assert words in refused(pickled({"G_ema": value}, protocol=3))


def tensor(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Write a tensor on a storage of 4 elements."""
    arguments = (four(), offset, shape, strides, False, None)
    call = Call(torch._utils._rebuild_tensor_v2, *arguments)
    return pickled({"G_ema": call}, protocol=3)


def four() -> torch.storage.TypedStorage:
    """Give a storage of 4 elements."""
    inner = torch.zeros(4).untyped_storage()
    return torch.storage.TypedStorage(wrap_storage=inner, dtype=torch.float32, _internal=True)


@pytest.mark.parametrize(
    ("offset", "shape", "strides", "words"),
    [
        (0, (5,), (1,), "5 elements up to place 4 on a storage of 4"),
        (1, (4,), (1,), "up to place 4"),
        (0, (2,), (4,), "up to place 4"),
        (0, (10**6, 10**6), (10**6, 1), "1,000,000,000,000 elements"),
        (0, (10**6, 10**6), (0, 0), "1,000,000,000,000 elements"),
        (-1, (1,), (1,), "a negative number"),
        (0, (-1,), (1,), "a negative number"),
        (0, (2,), (-1,), "a negative number"),
        (0, (2, 2), (1,), "2 dimensions and 1 strides"),
        (0, (1,) * 9, (1,) * 9, "9 dimensions"),
        (0, (True,), (1,), "whole numbers"),
        (0, (2.0,), (1,), "whole numbers"),
        (2**70, (1,), (1,), "up to place"),
    ],
)
def test_tensors_outside_of_their_storage(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...], words: str
) -> None:
    assert words in refused(tensor(offset, shape, strides))


def test_a_storage_that_claims_more_than_follows() -> None:
    whole = io.BytesIO()
    torch.save(four(), whole, _use_new_zipfile_serialization=False)
    content = whole.getvalue()
    for claimed in (5, 10**12):
        place = content.index(b"K\x04", content.index(b"cpu"))
        number = b"\x8a\x06" + claimed.to_bytes(6, "little")
        broken = content[:place] + number + content[place + 2 :]
        call = Call(torch.storage._load_from_bytes, broken)
        assert "claims" in (why := refused(pickled({"G_ema": call}))) or "announced" in why


def test_limits_on_number_and_depth() -> None:
    assert f"{OPCODES_MAX:,} opcodes" in refused(b"\x80\x02" + b"N0" * OPCODES_MAX)
    assert f"{OPCODES_MAX:,} opcodes" in refused(b"\x80\x04" + b"\x8f0" * OPCODES_MAX)
    assert "on the stack" in refused(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    assert "deep" in refused(b"\x80\x02N" + b"\x85" * 100_000 + b".")


def word(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode()


def test_what_is_copied_is_charged() -> None:
    """A list of 9,000 strings, made a set or a dict a thousand times: 9 million entries."""
    strings = b"".join(word(str(n)) for n in range(9_000))
    pairs = b"".join(word(str(n)) + b"N\x86" for n in range(9_000))
    many = b"h\x00h\x01\x85R0" * 1_000
    for name, values in (("builtins\nset", strings), ("collections\nOrderedDict", pairs)):
        start = b"\x80\x02}c" + name.encode() + b"\nq\x000](" + values + b"eq\x010"
        assert "copied values" in refused(start + many + b".")
        once = parse(start + word("a") + b"h\x00h\x01\x85Rs.")
        assert len(once["a"]) == 9_000


@pytest.mark.parametrize("length", [4_000, 400_000])
def test_texts_are_written_anew_once(length: int) -> None:
    """Again and again the bytes of one text: more of them than the file has."""
    start = b"\x80\x02}(c_codecs\nencode\nq\x000" + word("x" * length) + b"q\x010"
    start += word("latin1") + b"q\x020"
    call = b"h\x00h\x01h\x02\x86R"
    once = parse(start + word("a") + call + b"u.")
    assert bytes(once["a"]) == b"x" * length
    assert "bytes of texts" in refused(start + call * 9_000 + b"u.")


def test_an_empty_text_has_no_bytes() -> None:
    """Of protocol 0, a line without letters; and what is not as UTF-8 at all."""
    start, end = b"\x80\x02}" + word("a") + b"c_codecs\nencode\nV", b"\nX\x06\0\0\0latin1\x86Rs."
    assert parse(start + end)["a"] == b""
    for broken in (b"\xc3", b"\xa9", b"\xc4\xa9", b"a\xc3a"):
        assert "letters that are no bytes" in refused(start + broken + end)


def test_refusals_are_short_and_name_no_whole_value() -> None:
    assert (
        len(refused(b"\x80\x02c_codecs\nencode\ncbuiltins\nset\n(" + b"N" * 9_000 + b"tR.")) < 500
    )
    assert (
        len(refused(b"\x80\x04" + b"\x8d\xff\x0f" + b"\0" * 6 + b"m" * 4095 + word("n") + b"\x93."))
        < 500
    )
    broken = saved(small(), zipped=True).replace(b"data.pkl", b"da\x1b[2J.k")
    assert "\x1b" not in refused(broken)


def test_networks_within_each_other_do_not_end_the_process() -> None:
    """9,000 records, each an attribute of the next: read, and given up without recursion."""
    start = b"\x80\x02ctorch_utils.persistence\n_reconstruct_persistent_obj\nq\x000"
    name = b"X\x01\x00\x00\x00Aq\x020N"
    meta = b"X\x04\x00\x00\x00typeX\x05\x00\x00\x00classX\x0a\x00\x00\x00class_nameh\x02"
    state = b"X\x05\x00\x00\x00state}X\x01\x00\x00\x00ah\x01s"
    wrap = b"q\x010h\x00}(" + meta + state + b"u\x85R"
    read = parse(start + name + wrap * 9_000 + b"q\x010}X\x05\x00\x00\x00G_emah\x01s.")
    assert isinstance(read["G_ema"], Record)
    assert isinstance(read["G_ema"].state["a"], Record)


def test_what_is_shared_is_looked_at_once() -> None:
    """A list of ten that holds ten of ten ... 10^12 leaves."""
    value: list[Any] = [1] * 10
    for _ in range(12):
        value = [value] * 10
    start = time.perf_counter()
    parse(pickle.dumps({"G_ema": value}))
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("name", ["../evil", "/evil", "archive/../../evil", "a\\evil"])
def test_zip_members_that_lead_elsewhere(name: str) -> None:
    content = io.BytesIO(saved(small(), zipped=True))
    with zipfile.ZipFile(content, "a") as archive:
        archive.writestr(name, b"evil")
    assert "evil" in refused(content.getvalue())


def test_packed_zips_are_refused() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 10**8)
    assert "packed" in refused(content.getvalue())


def test_zips_of_many_members_are_refused() -> None:
    assert "members" in refused(saved(small(), zipped=True) + b"PK\x01\x02" * 30_000)


def test_tensorflow_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(named("dnnlib.tflib.network", "Network"))
    with pytest.raises(RunError, match="pickled with TensorFlow"):
        snapshots.read(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>not found", b"\x89PNG\r\n"])
def test_other_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "network.pkl"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        snapshots.read(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


NAMES = {  # file -> what the refusal names; those without a word here are read as data
    "01_os_system.pkl": "os.system",
    "02_posix_system_proto4.pkl": "posix.system",
    "03_subprocess_popen.pkl": "subprocess.Popen",
    "04_builtins_eval.pkl": "builtins.eval",
    "05_builtins_exec_py2name.pkl": "__builtin__.exec",
    "06_import_getattr_chain.pkl": "builtins.getattr",
    "07_numpy_object_array.pkl": "dtype 'O8'",
    "08_torch_storage_nested_pickle.pkl": "posix.system",
    "09_torch_utils_import_dotted_name.pkl": "torch._utils._import_dotted_name",
    "10_dotted_attribute_global.pkl": "torch.serialization.os.system",
    "11_inst_and_obj_opcodes.pkl": "INST, of the global os.system",
    "12_codecs_misuse.pkl": "_codecs.encode",
    "13_module_src_executes.pkl": "",
    "14_persistent_obj_reduced.pkl": "",
    "15_nested_zip.pt": "posix.system",
    "16_memo_bomb.pkl": "",
    "17_deep_recursion.pkl": "deep",
    "18_truncated.pkl": "ends in the middle",
    "19_wrong_types.pkl": "",
    "20_tensor_out_of_bounds.pkl": "1,000,000,000,000 elements",
    "21_tensor_zero_stride_1e12.pkl": "1,000,000,000,000 elements",
    "22_storage_claims_1e12.pkl": "claims 4,000,000,000,000 bytes",
    "23_negative_offset.pkl": "-1000",
    "24_build_on_function.pkl": "BUILD applied to the global torch._utils._rebuild_tensor_v2",
    "25_ext_and_persid.pkl": "EXT1",
    "26_zip_traversal.pt": "stylegan_hostile_26_zip_traversal",
}


def test_hostile_files(
    shared_stylegan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is refused by the name of what is forbidden, and leaves nothing behind."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = shared_stylegan / "malicious"
    listed = json.loads((folder / "expected.json").read_text())
    assert listed.keys() == NAMES.keys()
    snapshotfiles.CALLED.clear()
    with snapshotfiles.importable():
        for name, words in NAMES.items():
            content = (folder / name).read_bytes()
            if words:
                assert words in refused(content), name
            else:
                parse(content)
    assert snapshotfiles.CALLED == []
    assert list(tmp_path.iterdir()) == []
    assert not hasattr(torch._utils._rebuild_tensor_v2, "stylegan_hostile")


def test_networks_are_described_alike_in_every_container(shared_stylegan: Path) -> None:
    for path in sorted(
        [*shared_stylegan.glob("*.pkl"), *shared_stylegan.glob("extra/extra*.p[kt]*")]
    ):
        values = snapshots.read(path).values
        assert {"G", "D", "G_ema"} <= values.keys(), path
        assert isinstance(values["G_ema"], Record)
