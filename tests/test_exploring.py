"""Between the seeds: places and latents by hand, pictures as they are drawn from seeds, files."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.distance import cdist

import tiny
from handmade import RECIPE, make_run, noise
from trilemma import exploring, video
from trilemma.cli.main import main
from trilemma.data.named import read_digits
from trilemma.errors import MachineError, RecipeError, RunError
from trilemma.exploring import SIDE, STEP, Journey, between, explore, surrounding, walked
from trilemma.families.family import DrawOptions
from trilemma.recipe import presets
from trilemma.recipe.recipe import DiffusionRecipe, Recipe
from trilemma.report import films
from trilemma.report.explored import Place
from trilemma.runs import find_run
from trilemma.sampling import Drawer, drawn, load_generator

CPU = torch.device("cpu")
DIFFUSION = presets.find("tiny-diffusion").recipe
FAMILIES = {"gan": RECIPE, "diffusion": DIFFUSION}
QUICK = Journey(seeds=(5, 9), frames=4, among=0)
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    return tmp_path


def drawer_of(place: Path, recipe: Recipe) -> Drawer:
    make_run(place, recipe)
    return load_generator(str(place), device=CPU)


def ancestral() -> Recipe:
    """Give a DDPM that draws noise on the way, in 40 steps."""
    assert isinstance(DIFFUSION.family, DiffusionRecipe)
    family = replace(
        DIFFUSION.family, process="ddpm", timesteps=50, sampler="ancestral", steps=40, guidance=1.0
    )
    return replace(DIFFUSION, family=family)


def silent(done: int, total: int) -> None:
    """Show no progress."""


def test_places_of_a_loop_and_of_one_way() -> None:
    """Seven frames on three ways: 3, 2 and 2; each way begins at its seed."""
    third = 1 / 3
    assert walked((4, 8, 6), 7, one_way=False) == [
        Place(4, 8, 0.0),
        Place(4, 8, third),
        Place(4, 8, 2 * third),
        Place(8, 6, 0.0),
        Place(8, 6, 0.5),
        Place(6, 4, 0.0),
        Place(6, 4, 0.5),
    ]
    assert walked((4, 8, 6), 5, one_way=True) == [
        Place(4, 8, 0.0),
        Place(4, 8, 0.5),
        Place(8, 6, 0.0),
        Place(8, 6, 0.5),
        Place(8, 6, 1.0),
    ]


@pytest.mark.parametrize("name", FAMILIES)
def test_at_the_seeds_are_the_pictures_of_the_seeds(name: str, here: Path) -> None:
    drawer = drawer_of(here / "one", FAMILIES[name])
    places = walked((7, 2, 2**32 - 1), 7, one_way=True)
    latents, _ = between(drawer, places)
    pixels = exploring.pictures(drawer, latents, silent)
    whole = drawn(drawer, [7, 2, 2**32 - 1]).astype(int)
    assert np.abs(pixels[[0, 3, 6]] - whole).max() <= 1
    middle = exploring.pictures(drawer, surrounding(drawer, 2), silent)[SIDE**2 // 2]
    assert np.abs(middle - whole[1]).max() <= 1
    assert len({picture.tobytes() for picture in pixels}) == 7


@pytest.mark.parametrize("name", FAMILIES)
def test_the_walk_turns_evenly(name: str, here: Path) -> None:
    """Oracle: the arc cosine of the latents' own product, in float64."""
    drawer = drawer_of(here / "one", FAMILIES[name])
    latents, degrees = between(drawer, walked((1, 2, 3), 12, one_way=False))
    assert latents.shape[1:] == drawer.family.latents([torch.Generator()]).shape[1:]
    z = latents.flatten(1).double()
    z = z / z.norm(dim=1, keepdim=True)
    far = torch.rad2deg(torch.acos((z * z.roll(-1, 0)).sum(1)))
    assert far.tolist() == pytest.approx([d / 4 for d in degrees for _ in range(4)], rel=1e-4)


def test_the_grid_is_one_of_angles(here: Path) -> None:
    """A place a down and b right lies hypot(a, b) from the seed; the two ways are at right angles.

    So the cosine from an edge's middle to the next edge's is the product of theirs, as on a globe.
    """
    drawer = drawer_of(here / "one", RECIPE)
    latents = surrounding(drawer, 3).double()
    centre = exploring.latents_of(drawer, [3]).double()
    torch.testing.assert_close(latents.norm(dim=1), centre.norm().expand(SIDE**2))
    unit = (latents / latents.norm(dim=1, keepdim=True)).reshape(SIDE, SIDE, -1)
    half = SIDE // 2
    angle = torch.rad2deg(torch.acos((unit @ (centre[0] / centre.norm())).clamp(max=1)))
    for down, right in ((0, 0), (0, half), (half, SIDE - 1), (half - 1, half + 2)):
        expected = STEP * math.hypot(down - half, right - half)
        assert angle[down, right].item() == pytest.approx(expected, rel=1e-4)
    edge = math.cos(math.radians(STEP * half))
    assert (unit[0, half] @ unit[half, 0]).item() == pytest.approx(edge**2, rel=1e-4)
    assert torch.equal(latents, surrounding(drawer, 3).double())


def test_latents_of_two_numbers_have_no_grid(here: Path) -> None:
    generator = replace(tiny.GAN.generator, latent=2)
    drawer = drawer_of(here / "one", replace(RECIPE, family=replace(tiny.GAN, generator=generator)))
    with pytest.raises(RunError, match="have 2 numbers; a grid takes at least 3"):
        surrounding(drawer, 0)


def test_a_sampler_that_draws_on_the_way_is_replaced_and_that_is_said(here: Path) -> None:
    make_run(here / "one", ancestral())
    found, told = find_run(str(here / "one")), list[str]()

    def settled(**options: object) -> DrawOptions:
        told.clear()
        return exploring.settled(found, DrawOptions(**options), told.append)  # type: ignore[arg-type]

    assert settled() == DrawOptions(sampler="dpm++2m", steps=20)
    assert len(told) == 1
    assert "one: its sampler, ancestral, draws new noise at every step" in told[0]
    assert "dpm++2m with 20 steps draws in its place" in told[0]
    assert settled(steps=6) == DrawOptions(sampler="dpm++2m", steps=6)
    assert settled(sampler="heun") == DrawOptions(sampler="heun")
    assert told == []
    with pytest.raises(
        RecipeError, match=r"nothing lies between .* allowed: ddim, dpm\+\+2m, heun"
    ):
        settled(sampler="ancestral")
    with pytest.raises(RecipeError, match="unknown sampler 'hein'"):
        explore("one", replace(QUICK, options=DrawOptions(sampler="hein")), device=CPU)


def test_options_of_samplers_do_nothing_to_a_gan(here: Path) -> None:
    make_run(here / "runs/one")
    told: list[str] = []
    explore("one", replace(QUICK, options=DrawOptions(steps=3)), device=CPU, say=told.append)
    assert "one: a GAN; --sampler, --steps and --guidance do nothing to it" in told


@pytest.mark.parametrize("name", FAMILIES)
def test_files_are_what_was_drawn(name: str, here: Path) -> None:
    make_run(here / "runs/one", FAMILIES[name])
    asked = replace(QUICK, seeds=(5, 9, 1), frames=6, fps=10.0)
    done = explore("one", asked, device=CPU)
    assert done == [Path("explore-one/walk.gif"), Path("explore-one/around.png")]
    whole = drawn(load_generator("one", device=CPU), [5, 9, 1]).astype(int)
    with Image.open(done[0]) as film:
        assert (film.n_frames, film.size, film.info["duration"]) == (6, (252, 252), 100)  # type: ignore[attr-defined]
        for frame, picture in zip((0, 2, 4), whole, strict=True):
            film.seek(frame)
            shown = np.asarray(film.convert("L"))[4::9, 4::9].astype(int)
            assert np.abs(shown - picture[:, :, 0]).max() <= 1
    with Image.open(done[1]) as sheet:
        assert sheet.size == (3 * 28 * SIDE, 3 * 28 * SIDE)
        cell = np.asarray(sheet).reshape(SIDE, 84, SIDE, 84)[SIDE // 2, 1::3, SIDE // 2, 1::3]
        assert np.abs(cell.astype(int) - whole[0, :, :, 0]).max() <= 1


def folder_run(here: Path) -> Path:
    """Make a run on digits of a file that may be moved away; give the file."""
    file = tiny.digits(here / "set.npz", 60)
    data = replace(RECIPE.data, source="folder", root=str(file), held_out=0.25)
    make_run(here / "runs/one", replace(RECIPE, data=data))
    return file


def test_the_nearest_training_images_are_scipys(here: Path) -> None:
    file = folder_run(here)
    found = find_run("one")
    asked, drawer = Journey(seeds=(5, 9), frames=4), load_generator("one", device=CPU)
    shown = exploring.explored(found, drawer, asked, say=print, progress=silent)
    likes = shown.likes
    assert likes is not None and shown.missing == ""
    assert (likes.seeds, likes.among, likes.extractor) == ([5, 9], 45, "pixels")
    held = np.load(file)["images"].reshape(60, 28, 28, 1)
    known = {picture.tobytes() for picture in held}
    assert all(image.tobytes() in known for near in likes.neighbours for image in near)
    pairs = zip(likes.pixels, likes.neighbours, likes.distances, strict=True)
    ratios = []
    for picture, near, distances in pairs:
        far = cdist(flat(picture[None]), flat(near))[0]
        assert far.tolist() == sorted(far) and list(distances) == sorted(distances)
        ratios += [one / other for one, other in zip(distances, far, strict=True)]
        closest = np.sort(cdist(flat(picture[None]), flat(held))[0])
        assert far[0] >= closest[0]  # of all 60; 45 were trained on
    assert ratios == pytest.approx([ratios[0]] * 6, rel=1e-4)  # pixels, in another unit
    assert likes.held_out > 0


def flat(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1).astype(float)


def test_training_images_that_are_gone_cost_their_picture_only(here: Path) -> None:
    file = folder_run(here)
    asked = replace(QUICK, among=30, html=True)
    names = [path.name for path in explore("one", asked, device=CPU)]
    assert names == ["walk.gif", "around.png", "nearest.png", "explore.html"]
    with Image.open("explore-one/nearest.png") as sheet:
        assert sheet.size == (2 * 168, 4 * 168 + 8)  # 768 // 4 holds 28 six times
    file.unlink()
    told: list[str] = []
    done = explore("one", asked, out=here / "other", device=CPU, say=told.append)
    assert [path.name for path in done] == ["walk.gif", "around.png", "explore.html"]
    (line,) = (line for line in told if "no nearest training images" in line)
    assert "set.npz is no file" in line
    assert "set.npz is no file" in (here / "other/explore.html").read_text("utf-8")


@pytest.mark.parametrize("channels", [1, 3])
def test_an_mp4_holds_the_walk(channels: int, here: Path) -> None:
    """Oracle: ffmpeg itself reads it back. Half of the red is gone, so that colours cannot turn."""
    pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    film = films.enlarged(read_digits(Path(), "train")[0][:7], 120, even=True)
    film = film.repeat(channels, axis=3)
    film[..., 0] //= 2
    video.write_mp4(here / "new" / "a.mp4", film, fps=12.5)
    read = subprocess.run(
        [video.ffmpeg(), "-i", "new/a.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        capture_output=True,
        check=True,
    )
    (about, *_) = (line for line in read.stderr.decode().splitlines() if "Video: " in line)
    assert all(word in about for word in ("h264", "yuv420p", "112x112", "12.50 fps"))
    shown = np.frombuffer(read.stdout, np.uint8).reshape(7, 112, 112, 3).astype(int)
    assert np.abs(shown - film).mean() < 2
    assert [path.name for path in (here / "new").iterdir()] == ["a.mp4"]


def test_what_ffmpeg_complains_about_is_said(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="the extra `video` is not installed")
    monkeypatch.setattr(video, "CODEC", ("-c:v", "no-such-codec"))
    with pytest.raises(MachineError, match=r"a\.mp4: ffmpeg could not write it: .+"):
        video.write_mp4(here / "new" / "a.mp4", noise(2, 8), fps=10)
    assert list((here / "new").iterdir()) == []


def test_without_ffmpeg_nothing_is_drawn_and_the_command_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    make_run(here / "runs/one")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert main(["explore", "one", "--mp4", "--frames", "4"]) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("trilemma: an MP4 needs ffmpeg;")
    assert "pip install 'trilemma[video]'" in said
    assert not (here / "explore-one").exists()


def test_pictures_are_enlarged_by_whole_pixels() -> None:
    pixels = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5, 1)
    twice = films.enlarged(pixels, 14)
    assert twice.shape == (2, 6, 10, 1)
    assert (twice[1, 2:4, 8:10, 0] == pixels[1, 1, 4, 0]).all()
    assert films.enlarged(pixels, 15).shape == (2, 9, 15, 1)
    assert films.enlarged(pixels, 15, even=True).shape == (2, 12, 20, 1)
    assert films.enlarged(pixels, 2).shape == pixels.shape
    assert films.enlarged(pixels, 2, even=True).shape == (2, 6, 10, 1)
    assert films.enlarged(pixels[:, :2, :4], 2, even=True).shape == (2, 2, 4, 1)


def test_the_verb_prints_its_files(here: Path, capsys: Capture) -> None:
    make_run(here / "runs/one")
    words = ["explore", "one", "--seeds", "3", "8", "--frames", "4", "--among", "0", "--one-way"]
    assert main([*words, "--around", "7", "--out", "a b", "--html"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert printed == [Path("a b") / name for name in ("walk.gif", "around.png", "explore.html")]
    assert all(path.is_file() for path in printed)
    assert "Around seed 7" in printed[-1].read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "1"], "--seeds has 1; allowed: 2 or more, to walk between them"),
        (["--seeds", "1", "-3"], "the seed of an image is -3; allowed: 0 to 4,294,967,295"),
        (["--around", "4294967296"], "the seed of an image is 4294967296"),
        (["--around", "-2"], "--around is -2; allowed: a seed, or -1 for the first"),
        (["--frames", "3"], "--frames is 3; allowed: 4 or more, one for each seed"),
        (["--fps", "0"], "--fps is 0; allowed: 1 to 50"),
        (["--fps", "nan"], "--fps is nan; allowed: 1 to 50"),
        (["--among", "-1"], "--among is -1; allowed: 0 or more"),
    ],
)
def test_what_cannot_be_is_one_line(
    here: Path, capsys: Capture, words: list[str], said: str
) -> None:
    make_run(here / "runs/one")
    assert main(["explore", "one", *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "explore-one").exists()


def test_bundles_are_explored(here: Path) -> None:
    """Those that ship, with the digits that ship."""
    call: Callable[..., list[Path]] = explore
    done = call("bundle:digits-gan", replace(QUICK, among=200), device=CPU)
    assert [path.name for path in done] == ["walk.gif", "around.png", "nearest.png"]
