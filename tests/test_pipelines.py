"""Noise -> generator -> upscaler -> pictures: names, columns, the same bytes, what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import tiny
import trilemma as tr
from enlargers import nearest, small
from handmade import RECIPE, make_run
from test_ring import RECIPE as RING
from trilemma import pipelines
from trilemma.captions import GAP
from trilemma.cli.main import main
from trilemma.enlargements import bicubic
from trilemma.errors import MissingExtraError, NoSpaceError, RunError, TrilemmaError
from trilemma.images import Pixels
from trilemma.nets.srvgg import SRVGGNetCompact
from trilemma.pipelines import BASELINE, COMPARED, GRID, pipeline
from trilemma.recipe.recipe import UpscaleRecipe
from trilemma.upscalers import Upscaler
from trilemma.upscaling import Manner

PLAIN = Manner(precision="reference", tile=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_run(tmp_path_factory.mktemp("pipelines") / "gan").path)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network of our own kind, x2."""
    path = tmp_path_factory.mktemp("networks") / "compact.safetensors"
    save_file(SRVGGNetCompact(features=4, convs=1, scale=2).state_dict(), path)
    return str(path)


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have known networks: repeated pixels as `near`, another one as Real-ESRGAN."""
    known = {"near": nearest(), "near2": nearest(2), "near8": nearest(8), pipelines.MODEL: small()}
    named = {name: replace(up, name=name) for name, up in known.items()}
    load = pipelines.load_upscaler
    monkeypatch.setattr(
        pipelines, "load_upscaler", lambda name, **how: named.get(name) or load(name, **how)
    )


def shown(path: Path) -> Pixels:
    with Image.open(path) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def cells(path: Path, side: int, count: int) -> list[list[Pixels]]:
    """Cut side-by-side.png into its columns of pictures, each as wide as high."""
    whole = shown(path)
    rows = whole[-(count * side + (count - 1) * GAP) :]
    columns = (rows.shape[1] + GAP) // (side + GAP)
    assert rows.shape[1] == columns * side + (columns - 1) * GAP
    return [
        [rows[y : y + side, x : x + side] for y in range(0, len(rows), side + GAP)]
        for x in range(0, rows.shape[1], side + GAP)
    ]


def same(picture: Pixels, expected: Pixels) -> bool:
    return bool((picture == expected).all())


@pytest.mark.usefixtures("models")
def test_every_picture_is_what_sample_draws_repeated(run: str, tmp_path: Path) -> None:
    """With repeated pixels every answer is known: the files, the grid, three of the columns."""
    drawn = tr.sample(run, 3, seed=7).pixels
    lines: list[str] = []
    out = tmp_path / "out"
    done = pipeline(
        run, upscaler="near", manner=PLAIN, n=3, seed=7, out=out, device="cpu", say=lines.append
    )
    names = ["000007.png", "000008.png", "000009.png", GRID, COMPARED]
    assert done == [out / name for name in names]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    large = [picture.repeat(4, 0).repeat(4, 1) for picture in drawn]
    for name, picture in zip(names, large, strict=False):
        assert same(shown(out / name), picture)
    assert same(shown(out / GRID)[:112, 112:224], large[1])
    generator, cubic, other, given = cells(out / COMPARED, 112, 3)
    for index, picture in enumerate(large):
        assert same(generator[index], picture)
        assert same(given[index], picture)
        assert same(cubic[index], bicubic(drawn[index : index + 1], (112, 112))[0])
        assert not same(other[index], picture)
    assert "near: x4, float32" in lines
    assert any(line.endswith("3 images from best, seeds 7 to 9") for line in lines)


@pytest.mark.usefixtures("models")
def test_real_esrgan_alone_makes_three_columns(run: str, tmp_path: Path) -> None:
    paths = pipeline(run, manner=PLAIN, n=2, out=tmp_path, device="cpu")
    columns = cells(paths[-1], 112, 2)
    assert len(columns) == 3
    for index, picture in enumerate(columns[2]):
        assert same(picture, shown(paths[index]))


@pytest.mark.usefixtures("models")
def test_real_esrgan_has_the_upscaler_s_scale(run: str, tmp_path: Path) -> None:
    lines: list[str] = []
    asked: dict[str, Any] = {"n": 1, "out": tmp_path, "device": "cpu", "say": lines.append}
    two = pipeline(run, upscaler="near2", manner=PLAIN, **asked)
    three = replace(PLAIN, scale=3)
    assert shown(two[0]).shape == (56, 56, 1)
    assert shown(pipeline(run, upscaler="near2", manner=three, **asked)[0]).shape == (84, 84, 1)
    assert not any("goes without" in line for line in lines)
    eight = pipeline(run, upscaler="near8", manner=PLAIN, **asked)
    assert f"{COMPARED} goes without {BASELINE}: it is not asked for x8" in lines
    assert len(cells(eight[-1], 224, 1)) == 3


@pytest.mark.usefixtures("models")
def test_the_same_again_is_the_same_to_the_byte(run: str, file: str, tmp_path: Path) -> None:
    """Also where images come from the cache, and beside what an earlier time left."""

    def bytes_of(out: str) -> dict[str, bytes]:
        words = ("pipeline", run, "--upscaler", file, "--n", "2", "--precision", "reference")
        assert main([*words, "--out", str(tmp_path / out)]) == 0
        return {path.name: path.read_bytes() for path in sorted((tmp_path / out).iterdir())}

    first = bytes_of("one")
    assert len(first) == 4
    assert first == bytes_of("one") == bytes_of("other")
    assert tiny.left_over(tmp_path) == []


def test_without_the_extra_a_line_and_no_column(
    run: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = pipelines.load_upscaler

    def without(name: str, **options: Any) -> Upscaler:
        if name == pipelines.MODEL:
            raise MissingExtraError("install it: pip install 'trilemma[baseline]'")
        return load(name, **options)

    monkeypatch.setattr(pipelines, "load_upscaler", without)
    lines: list[str] = []
    paths = pipeline(
        run, upscaler=file, manner=PLAIN, n=2, out=tmp_path, device="cpu", say=lines.append
    )
    told = f"{COMPARED} goes without {BASELINE}: install it: pip install 'trilemma[baseline]'"
    assert lines.count(told) == 1
    assert paths[-1].is_file()
    with pytest.raises(MissingExtraError, match="baseline"):
        pipeline(run, n=2, out=tmp_path, device="cpu")


@pytest.mark.usefixtures("models")
def test_overviews_end_and_say_so(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "IN_GRID", 4)
    monkeypatch.setattr(pipelines, "ROWS", 2)
    lines: list[str] = []
    counts: list[tuple[int, int]] = []
    paths = pipeline(
        run,
        upscaler="near",
        manner=PLAIN,
        n=5,
        out=tmp_path,
        device="cpu",
        say=lines.append,
        progress=lambda *done: counts.append(done),
    )
    assert len(paths) == 7
    assert shown(paths[5]).shape == (224, 224, 1)
    assert len(cells(paths[6], 112, 2)) == 4
    assert lines[-2:] == [f"{GRID} shows the first 4 of 5", f"{COMPARED} shows the first 2 of 5"]
    assert counts[-1] == (12, 12)
    assert counts == sorted(counts)


@pytest.mark.usefixtures("models")
def test_classes_are_rows_and_in_the_names(tmp_path: Path) -> None:
    labels = ("cat", "dog", "owl")
    recipe = replace(
        RECIPE,
        data=replace(RECIPE.data, labels=labels),
        family=replace(tiny.GAN, condition="projection"),
    )
    place = str(make_run(tmp_path / "told", recipe).path)
    asked: dict[str, Any] = {"upscaler": "near", "manner": PLAIN, "n": 2, "device": "cpu"}
    paths = pipeline(place, classes=("owl", "cat"), out=tmp_path / "out", **asked)
    assert [path.name for path in paths[:4]] == [
        "owl-000000.png", "owl-000001.png", "cat-000000.png", "cat-000001.png",
    ]  # fmt: skip
    assert same(shown(paths[4])[112:, 112:], shown(paths[3]))
    with pytest.raises(RunError, match="unknown class 'cow'"):
        pipeline(place, classes=("cow",), out=tmp_path / "none", **asked)
    assert not (tmp_path / "none").exists()


UPSCALER = replace(RECIPE, family=UpscaleRecipe(), data=replace(RECIPE.data, channels=3))


def refused(*words: str, out: Path, error: type[TrilemmaError] = RunError, **how: Any) -> str:
    with pytest.raises(error) as caught:
        pipeline(*words, out=out, device="cpu", **how)
    assert "\n" not in str(caught.value)
    assert not (out / GRID).exists()
    return str(caught.value)


def test_what_cannot_be_is_one_line(run: str, file: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    upscaler = str(make_run(tmp_path / "sr", UPSCALER).path)
    points = str(make_run(tmp_path / "ring", RING).path)
    assert "it enlarges pictures and draws none" in refused(upscaler, upscaler=file, out=out)
    assert "points of the plane" in refused(points, upscaler=file, out=out)
    assert "gan is of kind adversarial, and no upscaler" in refused(run, upscaler=run, out=out)
    assert "no run or bundle 'nobody'" in refused("nobody", upscaler=file, out=out)
    assert "no upscaler 'nobody'" in refused(run, upscaler="nobody", out=out)
    assert "--n is 0; allowed: 1 or more" in refused(run, upscaler=file, out=out, n=0)
    assert "seed of an image is -1" in refused(run, upscaler=file, out=out, seed=-1)
    asked = ("pipeline", run, "--upscaler", file, "--out", str(out))
    assert main([*asked, "--scale", "5"]) == 2
    assert main([*asked, "--tile", "some"]) == 2
    assert not out.exists()


@pytest.mark.usefixtures("models")
def test_a_place_that_cannot_be_written_is_told_before_anything_is_drawn(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines, "performed", lambda *_, **__: pytest.fail("too late"))
    (tmp_path / "file").write_text("")
    how: dict[str, Any] = {"upscaler": "near", "manner": PLAIN}
    said = refused(run, out=tmp_path / "file", error=NoSpaceError, **how)
    assert "a file stands where its folder should be" in said
    others = tmp_path / "others"
    others.mkdir()
    (others / "holiday.png").write_bytes(b"")
    assert "holds holiday.png, not of this draw" in refused(run, out=others, **how)


def test_bicubic_goes_on_with_a_slope() -> None:
    """Cubic interpolation with Keys' kernel repeats straight lines, but for its borders."""
    ramp = np.arange(0, 240, 8, dtype=np.uint8)
    small = np.broadcast_to(ramp[None, None, :, None], (1, 4, 30, 1))
    made = bicubic(np.ascontiguousarray(small), (16, 120))
    assert made.shape == (1, 16, 120, 1)
    places = (np.arange(120) + 0.5) / 4 - 0.5
    expected = np.floor(8 * places + 0.5)
    assert (made[0, 5, 8:-8, 0] == expected[8:-8]).all()


@pytest.mark.usefixtures("models")
def test_in_python(run: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"out": tmp_path, "precision": "reference", "device": "cpu"}
    paths = tr.pipeline(tr.Run(run), upscaler="near", n=2, seed=3, **asked)
    assert [path.name for path in paths] == ["000003.png", "000004.png", GRID, COMPARED]
    assert shown(paths[0]).shape == (112, 112, 1)
