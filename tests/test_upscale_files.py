"""Enlarging files: names, types, failures, what is there before, GIFs, films, memory, the verb."""

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import trilemma as tr
from enlargers import nearest, small
from trilemma import api, bench_upscale, machine, upscalingfiles, video
from trilemma.cli.main import main
from trilemma.errors import (
    DataError,
    MachineError,
    MemoryTooSmallError,
    MissingExtraError,
    NoSpaceError,
)
from trilemma.upscaling import Manner, Ready, ready
from trilemma.upscalingfiles import jobs, upscale_files

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pictures of several types, one of them below."""
    rng = np.random.default_rng(5)
    place = tmp_path / "in"
    (place / "below").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "c.webp", "d.tif", "e.bmp", "below/f.png"):
        Image.fromarray(rng.integers(0, 256, (30, 41, 3), np.uint8)).save(place / name)
    (place / "notes.txt").write_text("no picture")
    (place / ".hidden.png").write_text("no picture")
    return place


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a small network as every model."""
    for module in (upscalingfiles, api):
        monkeypatch.setattr(module, "load_upscaler", lambda *_, **__: small())


def made(**manner: Any) -> Ready:
    return ready(small(), Manner(**{"precision": "reference", **manner}), device=CPU)


def names(place: Path) -> list[str]:
    return sorted(p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())


def shown(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_folder_is_what_single_pictures_are(folder: Path, tmp_path: Path) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    found = upscale_files(jobs([folder], out, recursive=True), made(tile=16))
    assert names(out) == ["a.png", "b.jpg", "below/f.png", "c.webp", "d.tif", "e.bmp"]
    assert sorted(found.written) == sorted(out / name for name in names(out))
    assert found.failed == ()
    for name in names(out):
        upscale_files(jobs([folder / name], alone), made(tile=16))
        with Image.open(folder / name) as before, Image.open(out / name) as after:
            assert after.format == before.format
            assert after.size == (164, 120)
        one = (out / name).read_bytes()
        assert one == (alone / Path(name).name).read_bytes()
    assert names(folder) == [".hidden.png", *names(out), "notes.txt"]


def test_without_recursive_nothing_below(folder: Path, tmp_path: Path) -> None:
    assert len(jobs([folder], tmp_path / "out")) == 5
    assert len(jobs([folder], folder / "below")) == 5  # results are no inputs
    assert len(jobs([folder], folder / "below", recursive=True)) == 5


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        (["none.png"], "out", "no such file or folder"),
        (["in/below/f.png", "f.png"], "out", "would both become"),
        (["in/a.png"], "in", "would be written over"),
        (["empty"], "out", "no images or films in it; folders in it: --recursive"),
    ],
)
def test_places_that_cannot_be(
    folder: Path, tmp_path: Path, inputs: list[str], out: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copy(folder / "a.png", tmp_path / "f.png")
    with pytest.raises(DataError, match=message):
        jobs([tmp_path / name for name in inputs], tmp_path / out)


def test_broken_files_are_listed_and_the_others_done(
    folder: Path, tmp_path: Path, shared_data: Path
) -> None:
    for path in (shared_data / "bad").glob("[0-9]*.*"):
        shutil.copy(path, folder / path.name)
    said: list[str] = []
    found = upscale_files(jobs([folder], tmp_path / "out"), made(), say=said.append)
    broken = sorted(path.name[:2] for path, _ in found.failed)
    assert broken == ["01", "02", "03", "09", "13", "13"]
    assert not found.named_failed
    assert all("\n" not in reason for _, reason in found.failed)
    assert len(found.written) == 5 + 15 - 6
    assert not [name for name in names(tmp_path / "out") if name.startswith(".")]
    named = upscale_files(jobs([folder / "a.png", *folder.glob("02*")], tmp_path / "out"), made())
    assert named.named_failed
    with pytest.raises(DataError, match=r"02_zero_bytes\.jpg: empty file"):
        upscale_files(jobs(list(folder.glob("02*")), tmp_path / "out"), made())


def test_results_of_before_can_stay(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    upscale_files(jobs([folder], out), made())
    (out / "a.png").unlink()
    (out / "b.jpg").write_bytes(b"mine")
    found = upscale_files(jobs([folder], out), made(), skip_existing=True)
    assert found.written == (out / "a.png",)
    assert len(found.there) == 4
    assert (out / "b.jpg").read_bytes() == b"mine"


def test_memory_that_ends_gives_smaller_tiles(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles: list[int] = []

    def once(job: Any, made: Ready, **_: Any) -> None:
        tiles.append(made.tile)
        if made.tile > 70:
            raise MemoryTooSmallError("too large")

    monkeypatch.setattr(upscalingfiles, "once", once)
    found = upscale_files(jobs([folder / "a.png"], tmp_path), made(tile=-1))
    assert len(found.written) == 1
    assert tiles == [512, 256, 128, 64]
    with pytest.raises(MemoryTooSmallError, match=r"a\.png: too large"):
        upscale_files(jobs([folder / "a.png"], tmp_path), made(tile=128))


def test_smaller_tiles_stay_for_the_files_after(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of five fails twice; one that fits nowhere in between takes no tiles away."""
    tiles: list[tuple[str, int]] = []

    def once(job: Any, made: Ready, **_: Any) -> None:
        tiles.append((job.source.name, made.tile))
        if made.tile > 128 or job.source.name == "c.webp":
            raise MemoryTooSmallError("too large")

    monkeypatch.setattr(upscalingfiles, "once", once)
    found = upscale_files(jobs([folder], tmp_path / "out"), made(tile=-1))
    assert [(name, tile) for name, tile in tiles if name != "c.webp"] == [
        ("a.png", 512),
        ("a.png", 256),
        ("a.png", 128),
        ("b.jpg", 128),
        ("d.tif", 128),
        ("e.bmp", 128),
    ]
    assert [tile for name, tile in tiles if name == "c.webp"] == [128, 64, 32, 16]
    assert [path.name for path, _ in found.failed] == ["c.webp"]


def test_full_disk_ends_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def once(*_: Any, **__: Any) -> None:
        raise NoSpaceError("full")

    monkeypatch.setattr(upscalingfiles, "once", once)
    with pytest.raises(NoSpaceError):
        upscale_files(jobs([folder], tmp_path / "out"), made())


def test_moving_gif_moves_on(tmp_path: Path) -> None:
    """Three frames that differ, the corner never seen; times and loop stay."""
    frames = []
    for number in range(3):
        pixels = np.zeros((20, 24, 4), np.uint8)
        pixels[..., 3] = 255
        pixels[4:9, 5 * number : 5 * number + 5, number] = 255
        pixels[12:, 18:, 3] = 0
        frames.append(Image.fromarray(pixels))
    times = [50, 120, 200]
    frames[0].save(
        tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=times, loop=3,
        disposal=2,
    )  # fmt: skip
    network = ready(nearest(2), Manner(precision="reference"), device=CPU)
    upscale_files(jobs([tmp_path / "a.gif"], tmp_path / "out"), network)
    with Image.open(tmp_path / "a.gif") as before, Image.open(tmp_path / "out/a.gif") as after:
        assert after.size == (48, 40)
        assert after.info["loop"] == before.info["loop"] == 3
        pairs = zip(ImageSequence.Iterator(before), ImageSequence.Iterator(after), strict=True)
        for number, (old, new) in enumerate(pairs):
            assert new.info["duration"] == times[number]
            large = np.asarray(old.convert("RGBA")).repeat(2, 0).repeat(2, 1)
            ours = np.asarray(new.convert("RGBA"))
            np.testing.assert_array_equal(ours[..., 3], large[..., 3])
            seen = large[..., 3] > 0
            np.testing.assert_array_equal(ours[seen], large[seen])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A second of film, 12 frames of 38 x 27 pixels, with a tone."""
    pytest.importorskip("imageio_ffmpeg")
    source = "testsrc2=size=38x28:rate=12:duration=1"
    tone = "sine=frequency=440:duration=1"
    place = tmp_path / "film.mp4"
    subprocess.run(
        [video.ffmpeg(), "-v", "error", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", tone,
         "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p", "-c:a", "aac",
         "-shortest", str(place)],
        check=True,
    )  # fmt: skip
    return place


def stream(path: Path, *how: str) -> bytes:
    """Give a stream of a file as ffmpeg writes it."""
    command = [video.ffmpeg(), "-v", "error", "-i", str(path), *how, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_film_keeps_its_frames_and_its_sound(film: Path, tmp_path: Path) -> None:
    network = ready(nearest(3), Manner(precision="reference"), device=CPU)
    told: list[tuple[int, int]] = []
    upscale_files(jobs([film], tmp_path / "out"), network, progress=lambda *now: told.append(now))
    assert told[-1] == (12 * 38 * 28, 12 * 38 * 28)
    after = tmp_path / "out" / "film.mp4"
    sound = ("-map", "0:a", "-c", "copy", "-f", "adts")
    assert stream(after, *sound) == stream(film, *sound)
    raw = ("-map", "0:v", "-f", "rawvideo", "-pix_fmt", "rgb24")
    old = np.frombuffer(stream(film, *raw), np.uint8).reshape(-1, 28, 38, 3)
    new = np.frombuffer(stream(after, *raw), np.uint8).reshape(-1, 84, 114, 3)
    assert len(old) == len(new) == 12
    large = old.repeat(3, 1).repeat(3, 2).astype(int)
    assert np.abs(new - large).mean() < 3
    assert names(tmp_path / "out") == ["film.mp4"]


def test_no_film_is_a_line(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(DataError, match=r"a\.mp4: not a film that can be read"):
        upscale_files(jobs([tmp_path / "a.mp4"], tmp_path / "out"), made())


@pytest.mark.usefixtures("model")
def test_verb(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Short and long options alike; paths on stdout, the rest on stderr."""
    out = tmp_path / "out"
    shorts = ["-i", str(folder), "-o", str(out), "-s", "2", "-n", "any", "--precision", "reference"]
    assert main(["upscale", *shorts]) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(out / name) for name in names(out)]
    assert "enlarged: 5" in said.err
    assert shown(out / "a.png").shape == (60, 82, 3)
    longs = ["--out", str(out), "--skip-existing", "--scale", "2", "--precision", "reference"]
    assert main(["upscale", str(folder), *longs]) == 0
    assert "enlarged: 0; there before: 5" in capsys.readouterr().err


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to enlarge"),
        (["x.png", "--tile", "wide"], "--tile is wide; allowed: auto, 0"),
        (["x.png", "--tile", "7"], "--tile is 7; allowed: auto, 0"),
        (["x.png", "--quality", "0"], "--quality is 0; allowed: 1 to 100"),
        (["x.png", "--scale", "7"], "--scale is 7; allowed: 2, 3, 4"),
        (["x.png"], "x.png: no such file or folder"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upscale", *words]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("trilemma: ")
    assert message in last


@pytest.mark.usefixtures("model")
def test_broken_ones_of_a_folder_are_no_error_but_named_ones_are(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "z.png").write_bytes(b"")
    options = ["-o", str(tmp_path / "out"), "--precision", "reference"]
    assert main(["upscale", str(folder), *options]) == 0
    assert "enlarged: 5; failed: 1" in capsys.readouterr().err
    assert main(["upscale", str(folder / "a.png"), str(folder / "z.png"), *options]) == 2
    assert "1 could not be enlarged (first: " in capsys.readouterr().err
    (folder / "only").mkdir()
    shutil.copy(folder / "z.png", folder / "only")
    assert main(["upscale", str(folder / "only"), *options]) == 2


@pytest.mark.usefixtures("model")
def test_python(folder: Path, tmp_path: Path) -> None:
    done = tr.upscale(folder, out=tmp_path / "out", precision="reference")
    assert isinstance(done, list)
    assert len(done) == 5
    image = shown(folder / "a.png")
    large = tr.upscale(image[None], precision="reference")
    assert isinstance(large, tr.Images)
    np.testing.assert_array_equal(large.pixels[0], shown(tmp_path / "out" / "a.png"))


@pytest.mark.usefixtures("model")
def test_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_upscale, "load_upscaler", lambda *_, **__: small())
    monkeypatch.setattr(machine, "load", lambda: 1.5)
    words = ["bench", "upscale", "any", "--sides", "8", "12", "--precision", "reference"]
    assert main(words) == 0
    said = capsys.readouterr().out.splitlines()
    found = json.loads(said[-1])
    assert [row["side"] for row in found["rows"]] == [8, 12]
    for row in found["rows"]:
        assert row["low"] <= row["ratio"] <= row["high"]
        assert row["decibels"] is None  # no difference at all
        assert row["ncnn_ms"] is None
        assert (row["asked"], row["precision"]) == ("reference", "float32")
    assert re.search(r"ratio +\d+\.\d\d", "\n".join(said))
    assert "the machine was busy (load 1.5 before)" in said[-2]


class Deaf:
    """A runtime that reads no file, or computes nothing."""

    def __init__(self, reads: int = 0) -> None:
        self.reads, self.opt = reads, SimpleNamespace()

    def load_param(self, path: str) -> int:
        return 0

    def load_model(self, path: str) -> int:
        return self.reads

    def create_extractor(self) -> SimpleNamespace:
        return SimpleNamespace(input=lambda *_: 0, extract=lambda *_: (-100, None))


def test_bench_says_why_ncnn_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed, broken, without its weights, with others: each a reason of its own."""
    told: list[str] = []
    name, file = "realesrgan-x4plus", tmp_path / "a.bin"

    def way(model: str = name) -> Any:
        return bench_upscale.ncnn_way(model, 1, told.append)

    runtime = SimpleNamespace(Net=lambda: Deaf(-1), Mat=lambda planes: planes)
    monkeypatch.setitem(sys.modules, "ncnn", runtime)
    monkeypatch.setattr(bench_upscale.weights, "find", lambda _: file)
    assert way("mine") is None and way() is None
    runtime.Net = Deaf
    monkeypatch.setattr(bench_upscale.weights, "find", missing)
    assert way() is None
    monkeypatch.setattr(bench_upscale.weights, "find", lambda _: file)
    (tmp_path / "ncnn.py").write_text("import a_library_of_its_own")
    monkeypatch.delitem(sys.modules, "ncnn")
    monkeypatch.syspath_prepend(tmp_path)
    assert way() is None
    (tmp_path / "ncnn.py").write_text("raise ImportError('libgomp.so.1: cannot open')")
    importlib.invalidate_caches()
    assert way() is None
    monkeypatch.setitem(sys.modules, "ncnn", None)
    assert way() is None
    assert told == [
        f"ncnn {why}; its times are left out"
        for why in (
            "has no file of mine",
            f"gets no weights: {file} and its .param cannot be read; install their package anew",
            "gets no weights: a package is not installed",
            "cannot be loaded: No module named 'a_library_of_its_own'",
            "cannot be loaded: libgomp.so.1: cannot open",
            "is not installed",
        )
    ]


def missing(name: str) -> Path:
    raise MissingExtraError("a package is not installed")


def test_bench_times_no_failure_of_ncnn(tmp_path: Path) -> None:
    image = SimpleNamespace(clone=lambda: None)
    runtime = SimpleNamespace(Net=Deaf, Mat=lambda planes: image)
    enlarge = bench_upscale.ncnn_net(runtime, tmp_path / "a.bin", 1)
    with pytest.raises(MachineError, match="ncnn: status -100 at 5x4"):
        enlarge(np.zeros((4, 5, 3), np.uint8))


RUN = """
import sys
sys.path.insert(0, {tests!r})
from enlargers import small, nearest
from trilemma import upscalingfiles
from trilemma.cli.main import main
upscalingfiles.load_upscaler = lambda *_, **__: {model}
"""
PEAK = """
from pathlib import Path
import numpy as np
def held(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))
image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
from PIL import Image
Image.fromarray(image).save({tiny!r})
main(["upscale", {tiny!r}, "-o", {out!r}])
before = held("VmRSS")
assert main(["upscale", {large!r}, "-o", {out!r}]) == 0
print((held("VmHWM") - before) / 2**30)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_twelve_megapixels_take_less_than_two_gigabytes(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = np.mgrid[:3000, :4000]
    waves = (128 + 60 * np.sin(x / 37) + 60 * np.cos(y / 23)).astype(np.uint8)
    large = tmp_path / f"large.{ending}"
    Image.fromarray(np.stack([waves, waves.T[:3000, :3000].repeat(2, 1)[:, :4000], waves], 2)).save(
        large
    )
    code = RUN.format(tests=str(Path(__file__).parent), model="small(width=16)") + PEAK.format(
        tiny=str(tmp_path / "tiny.png"), out=str(tmp_path / "out"), large=str(large)
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout.split()[-1]) < 2
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(tmp_path / "out" / large.name) as image:
        assert image.size == (16000, 12000)


SLOWLY = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell starts us with &
def slow(upscaler):
    forward = upscaler.net.forward
    def waits(images):
        time.sleep(0.2)
        print("a tile", flush=True)
        return forward(images)
    upscaler.net.forward = waits
    return upscaler
sys.exit(main(["upscale", {image!r}, "-o", {out!r}, "--tile", "16", "--precision", "reference"]))
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of another system")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_leaves_no_half_file(tmp_path: Path, number: int, status: int) -> None:
    Image.fromarray(np.zeros((400, 400, 3), np.uint8)).save(tmp_path / "a.png")
    out = tmp_path / "out"
    code = RUN.format(tests=str(Path(__file__).parent), model="slow(nearest())") + SLOWLY.format(
        image=str(tmp_path / "a.png"), out=str(out)
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == b"a tile\n"
    deadline = time.monotonic() + 60
    while not (out.exists() and any(out.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [path.name.endswith(".part") for path in out.iterdir()] == [True]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    assert names(out) == []
