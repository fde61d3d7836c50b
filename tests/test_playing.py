"""Tables, directions and projections of runs: by hand, on networks whose answers are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from handmade import make_run
from stylefiles import SMALL2, SMALL3
from tiny import GAN
from trilemma import directions, drawing, labelled, latents, latentstrips, projecting
from trilemma.checkpoint import unpack
from trilemma.cli.main import main
from trilemma.errors import DataError, RunError
from trilemma.exploring import Journey, explore, straight, walked
from trilemma.families.spaces import Space
from trilemma.images import read_image, write_png
from trilemma.latents import Known, points_of, usual
from trilemma.nets.mapping import truncated
from trilemma.playing import Play, play
from trilemma.projecting import Search
from trilemma.recipe import presets
from trilemma.recipe.recipe import DataRecipe, Recipe
from trilemma.report.strips import Strip, laid
from trilemma.runs import find_run
from trilemma.sampling import drawn, load_generator

CPU = torch.device("cpu")
Capture = pytest.CaptureFixture[str]
DATA = DataRecipe(root="none", size="16x16", channels=3)
STYLED = Recipe(preset="styled", data=DATA, family=replace(GAN, generator=SMALL2))
PLAIN = Recipe(preset="plain", data=replace(DATA, channels=1), family=GAN)
RECIPES = {
    "stylegan2": STYLED,
    "stylegan3": replace(STYLED, family=replace(GAN, generator=SMALL3)),
    "plain": PLAIN,
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own; few seeds say what is usual."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("trilemma.latents.SAMPLES", 400)
    monkeypatch.setattr(directions, "HEARD", 200)
    monkeypatch.setattr(projecting, "TRIED", 16)
    return tmp_path


def known(recipe: Recipe, *, sides: tuple[str, ...] = ()) -> Known:
    """Make a run `one`, and load it."""
    make_run(Path("runs/one"), recipe, kept=(320,))
    found = find_run("one")
    return latents.known(found, load_generator(found, device=CPU), sides=sides, say=print)


def rolled(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(int)


@pytest.mark.parametrize("name", RECIPES)
def test_truncation_goes_from_the_seed_through_the_mean(name: str) -> None:
    """psi 1 is the seed's own picture; psi 0 is one picture for all; z is its own multiple."""
    place = known(RECIPES[name])
    strip = latentstrips.truncation(place, (3, 8))
    own = drawn(place.drawer, [3, 8])
    assert np.abs(rolled(strip.pixels[:, -1]) - rolled(own)).max() <= 1
    middle = list(latentstrips.PSI).index(0.0)
    assert np.abs(rolled(strip.pixels[0, middle]) - rolled(strip.pixels[1, middle])).max() <= 1
    assert len({picture.tobytes() for picture in strip.pixels[0]}) == len(latentstrips.PSI)
    half = list(latentstrips.PSI).index(0.5)
    z = place.drawer.family.latents([torch.Generator().manual_seed(8)])
    net = place.drawer.nets["generator"]
    with torch.no_grad():
        if name == "plain":
            image = net(z / 2)
        else:
            w, average = net.mapping(z), net.mapping.average
            rows = net.synthesis.rows
            image = net.synthesis(truncated(w, average, psi=0.5, rows=rows, cut=0))
    pixels = ((image[0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(strip.pixels[1, half] - pixels).max() <= 1


def test_mixed_styles_come_from_both(here: Path) -> None:
    """All layers lent give the lender's own picture, none the borrower's, some neither."""
    place = known(STYLED)
    rows = place.space.rows
    (whole,) = latentstrips.mixing(place, (1, 2), (5, 6, 7), tuple(range(rows)))
    own = drawn(place.drawer, [1, 2, 5, 6, 7])
    assert whole.pixels.shape == (3, 4, 16, 16, 3)
    assert (whole.pixels[0, 0] == 255).all()
    assert np.abs(rolled(whole.pixels[1:, 0]) - rolled(own[:2])).max() <= 1
    for row in (1, 2):
        assert np.abs(rolled(whole.pixels[row, 1:]) - rolled(own[2:])).max() <= 1
    thirds = latentstrips.mixing(place, (1, 2), (5, 6, 7), ())
    assert [strip.name for strip in thirds] == ["mix-0-1", "mix-2-3", "mix-4-5"]
    points = points_of(place.drawer, place.space, [1, 6])[0]
    by_hand = torch.cat([points[1:, :2], points[:1, 2:]], 1)
    images = place.drawer.nets["generator"].synthesis(by_hand)
    pixels = ((images[0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(thirds[0].pixels[1, 2] - pixels).max() <= 1


@pytest.mark.parametrize("name", RECIPES)
def test_steps_along_directions_are_standard_deviations(name: str) -> None:
    place = known(RECIPES[name])
    cloud = usual(place.drawer, place.space).double()
    for way in directions.several(place, ["pca:3", "sefa:2"]):
        unit = way.step.double() / way.step.double().norm()
        wide = (cloud @ unit).std().item()
        near = 0.15 if name == "plain" else 1e-3  # of z other seeds were taken
        assert way.step.norm().item() == pytest.approx(wide, rel=near)
    first, second, third = directions.several(place, ["pca:3"])
    if name != "plain":
        _, lengths, axes = np.linalg.svd(cloud.numpy() - cloud.numpy().mean(0))
        far = (lengths / np.sqrt(len(cloud) - 1))[:3, None] * axes[:3]
        found = torch.stack([first.step, second.step, third.step]).numpy()
        assert np.abs(found) == pytest.approx(np.abs(far), abs=1e-4)
    assert directions.one(place, "pca:2").step.equal(second.step)


def test_layers_are_moved_alone() -> None:
    place = known(STYLED)
    (way,) = directions.several(place, ["pca:1"])
    whole = directions.moved(place.space, way, 2.0)
    assert whole.equal(2 * way.step.expand(6, -1))
    part = directions.moved(place.space, directions.only(way, (2, 3)), 2.0)
    assert part[2:4].equal(whole[2:4]) and not part[[0, 1, 4, 5]].any()
    assert directions.layers(place.space, "2-3", "one") == (2, 3)
    assert directions.layers(place.space, "4", "one") == (4,)
    for words in ("3-6", "3-2", "a", "-1"):
        with pytest.raises(RunError, match=f"--layers {words}; allowed: two layers of 0-5"):
            directions.layers(place.space, words, "one")


@pytest.mark.parametrize("name", ["stylegan2", "plain"])
def test_a_saved_direction_moves_samples(name: str, here: Path) -> None:
    """Twice a step of pca:1, saved under a name, is what pca:1=2 does; it is not nothing."""
    place = known(RECIPES[name])
    asked = Play(save=("smile=pca:1",))
    (kept,) = play("one", asked, device=CPU)
    assert kept == here / "runs/one/directions/smile.safetensors"
    draws = {}
    for word in ("", "smile=2", "pca:1=2.0", f"{kept}=2", "smile=-2"):
        words = [word] if word else []
        drawing.sample(["one"], n=2, out=here / "a.npy", kind="npy", direction=words, device="cpu")
        draws[word] = np.load(here / "a.npy")
    assert (draws["smile=2"] == draws["pca:1=2.0"]).all()
    assert (draws["smile=2"] == draws[f"{kept}=2"]).all()
    assert (draws["smile=2"] != draws[""]).any() and (draws["smile=2"] != draws["smile=-2"]).any()
    points = points_of(place.drawer, place.space, [0, 1])[0]
    way = directions.one(place, "pca:1")
    with torch.no_grad():
        images = place.space.images(points + 2 * way.step, None)
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    assert np.abs(draws["smile=2"] - pixels).max() <= 1


def test_directions_of_other_weights_are_told_and_of_other_points_refused(here: Path) -> None:
    known(STYLED)
    play("one", Play(save=("a=sefa:1",)), device=CPU)
    make_run(here / "runs/two", replace(STYLED, seed=9), kept=(320,))
    path, told = "runs/one/directions/a.safetensors", list[str]()
    found = find_run("two")
    directions.moving(found, load_generator(found, device=CPU), [f"{path}=1"], say=told.append)
    assert told == [
        f"{path}: found in other weights, of one",
        f"two: every picture is moved along {path}=1",
    ]
    make_run(here / "runs/three", PLAIN, kept=(320,))
    plain = find_run("three")
    with pytest.raises(RunError, match="moves w of 16 numbers; three has z of 6 numbers and 1 lay"):
        directions.moving(plain, load_generator(plain, device=CPU), [f"{path}=1"], say=print)


def test_two_sides_part_as_their_means_do(here: Path) -> None:
    """Seeds by number, or as the files of `sample --format folder`; sorted by hand."""
    place = known(PLAIN, sides=("1,4,7", "2,3"))
    way = directions.one(place, "sides")
    points = points_of(place.drawer, place.space, [1, 4, 7, 2, 3])[0][:, 0]
    by_hand = points[:3].mean(0) - points[3:].mean(0)
    cosine = (way.step @ by_hand) / way.step.norm() / by_hand.norm()
    assert cosine.item() == pytest.approx(1, abs=1e-5)
    for folder, seeds in (("yes", (1, 4, 7)), ("no", (2, 3))):
        for seed in seeds:
            write_png(here / folder / f"{seed:06d}.png", np.zeros((4, 4), np.uint8))
    other = directions.one(place._replace(sides=("yes", "no")), "sides")
    torch.testing.assert_close(other.step, way.step)
    with pytest.raises(RunError, match="--sides none: no seeds; allowed: 1,4,7, or a folder"):
        directions.one(place._replace(sides=("none", "no")), "sides")
    with pytest.raises(RunError, match="sides: name two: --sides 1,4,7 2,3,9"):
        directions.one(place._replace(sides=()), "sides")


def test_a_column_of_a_table_is_a_direction(here: Path) -> None:
    """Oracle: the covariance of points and numbers, by numpy; rows are seeds or their pictures."""
    place = known(PLAIN)
    values = [0.5, -1.0, 3.0, 2.0]
    names = ["1", "all/000004.png", "000007.PNG", "cat-000002.png"]
    rows = [f"{name},{number},yes" for name, number in zip(names, values, strict=True)]
    (here / "a b.csv").write_text("\n".join(["file,smile,all", *rows]), encoding="utf-8")
    way = directions.one(place, "a b.csv:smile").step.double().numpy()
    points = points_of(place.drawer, place.space, [1, 4, 7, 2])[0][:, 0].double().numpy()
    shares = np.array(values) - np.mean(values)
    by_hand = shares @ (points - points.mean(0))
    assert way / np.linalg.norm(way) == pytest.approx(by_hand / np.linalg.norm(by_hand), abs=1e-5)
    for word, said in (
        ("a b.csv:smil", "a b.csv:smil: unknown column 'smil'; allowed: smile, all"),
        ("a b.csv:all", "a b.csv:all: 4 rows, all alike; a direction needs two that differ"),
    ):
        with pytest.raises(RunError, match=said):
            directions.one(place, word)
    (here / "b.csv").write_text("file,smile\nme.png,1\nyou.png,0", encoding="utf-8")
    with pytest.raises(RunError, match="no seed and no picture of one, such as 0000"):
        directions.one(place, "b.csv:smile")
    with pytest.raises(DataError, match=r"c\.csv:smile: c\.csv: no such file"):
        directions.one(place, "c.csv:smile")


def test_a_class_is_found_where_a_classifier_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: along it the classifier's own share of sevens rises, in seeds that found nothing."""
    monkeypatch.setattr(labelled, "DRAWN", 600)
    found = find_run("bundle:digits-gan")
    drawer = load_generator(found, device=CPU)
    place = latents.known(found, drawer, say=print)
    way = directions.one(place, "class:7")
    judge = labelled.classifier(found, device=CPU, say=print)
    assert judge is not None
    shares = []
    for steps in (-2.0, 0.0, 2.0):
        shifted = replace(drawer, move=directions.moved(place.space, way, steps))
        logits = judge(drawn(shifted, range(90_000, 90_100))).logits
        shares.append((logits.argmax(1) == judge.classes.index("7")).mean())
    assert shares[0] < shares[1] < shares[2] and shares[2] > 2 * shares[1]
    with pytest.raises(RunError, match="class:x: unknown class 'x'"):
        directions.one(place, "class:x")


@pytest.mark.parametrize("name", ["stylegan2", "plain"])
def test_a_projection_finds_a_run_s_own_picture(name: str, here: Path) -> None:
    """It comes nearer than where it began, and than other seeds; it is taken up as it was left."""
    place = known(RECIPES[name])
    write_png(here / "own.png", drawn(place.drawer, [77])[0])
    asked = Play(project="own.png", steps=50, move=("pca:1=2",), directions=("pca:2",))
    told: list[str] = []
    files = play("one", asked, device=CPU, say=told.append)
    assert [path.name for path in files] == [
        "projection.png",
        "edited.png",
        "directions.png",
        "projected.safetensors",
        "projected.png",
    ]
    losses = [float(line.rsplit(" ", 1)[1]) for line in told if line.startswith("step ")]
    assert losses[-1] < 0.7 * losses[0]
    channels = place.drawer.recipe.data.channels
    found = read_image(here / "explore-one/projected.png", channels=channels).astype(float)
    own = read_image(here / "own.png", channels=channels).astype(float)
    others = drawn(place.drawer, range(20)).astype(float)
    far = np.sqrt(((others - own) ** 2).mean((1, 2, 3)))
    assert np.sqrt(((found - own) ** 2).mean()) < 0.6 * np.median(far)
    again = Play(latent="explore-one/projected.safetensors", move=("pca:1=2",))
    first = (here / "explore-one/edited.png").read_bytes()
    assert [path.name for path in play("one", again, device=CPU)] == ["edited.png"]
    assert (here / "explore-one/edited.png").read_bytes() == first


class Plane(nn.Module):
    """A linear generator of images [N, 1, 2, 3] from z [N, 4]."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 6).requires_grad_(False)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layer(z)
        return images.reshape(-1, 1, 2, 3)


class Nothing(nn.Module):
    """Sees no difference."""

    def forward(self, made: Tensor, real: Tensor) -> Tensor:
        return made.flatten(1).sum(1) * 0


def test_the_latent_of_a_linear_generator_is_found() -> None:
    """Only one z makes its picture; a longer one than is usual is brought back to sqrt(4)."""
    torch.manual_seed(8)
    net = Plane()
    space = Space(net, "z", 1)
    for length, expected in ((1.5, 1.5), (9.0, 2.0)):
        z = length * torch.tensor([[0.5, -0.5, 0.7, -0.1]])  # of length 1
        search = Search(space, Nothing(), net(z), None)
        starts = torch.stack([torch.zeros(4), torch.ones(4)])
        made = projecting.descend(
            search, starts, steps=200, spread=2.0, seed=1, say=str, show=lambda done, total: None
        )
        assert made.point.norm().item() == pytest.approx(expected, rel=0.02)
        if length == 1.5:
            torch.testing.assert_close(made.point, z[0], atol=0.02, rtol=0)
            assert made.loss < 1e-4


def test_the_same_seed_finds_the_same_and_another_one_does_not(here: Path) -> None:
    place = known(STYLED)
    write_png(here / "own.png", drawn(place.drawer, [77])[0])
    found = []
    for seed in (3, 3, 4):
        play("one", Play(project="own.png", steps=3, seeds=(seed,)), device=CPU)
        found.append(unpack(here / "explore-one/projected.safetensors"))
    first, again, other = found
    assert {key.partition(".")[0] for key in first} == {"point", "noise"}
    assert first.keys() == again.keys() and all(again[key].equal(first[key]) for key in again)
    assert not other["point"].equal(first["point"])


def test_a_projection_of_other_weights_is_refused(here: Path) -> None:
    place = known(PLAIN)
    write_png(here / "own.png", drawn(place.drawer, [7])[0])
    play("one", Play(project="own.png", steps=1), device=CPU)
    make_run(here / "runs/two", replace(PLAIN, seed=9), kept=(320,))
    file, moved = "explore-one/projected.safetensors", ("pca:1=1",)
    with pytest.raises(
        RunError, match="found in one with other weights than two@best; look for it"
    ):
        play("two", Play(latent=file, move=moved), device=CPU)
    play("one", Play(save=("a=pca:1",)), device=CPU)
    with pytest.raises(RunError, match="no projected picture; --latent takes what --project has"):
        play("one", Play(latent="runs/one/directions/a.safetensors", move=moved), device=CPU)
    with pytest.raises(RunError, match=r"projected.safetensors: no direction; save one"):
        play("one", Play(save=(f"b={file}",)), device=CPU)


def test_a_walk_in_w_is_straight_and_ends_at_the_seeds(here: Path) -> None:
    place = known(STYLED)
    places = walked((3, 8), 5, one_way=True)
    points = straight(place.drawer, place.space, places)
    ends = points_of(place.drawer, place.space, [3, 8])[0]
    torch.testing.assert_close(points[2], ends.mean(0))
    asked = Journey(seeds=(3, 8), frames=5, one_way=True, among=0, space="w", html=True)
    files = explore("one", asked, device=CPU)
    with Image.open(files[0]) as film:
        assert film.n_frames == 5  # type: ignore[attr-defined]
    page = files[-1].read_text("utf-8")
    assert "goes straight on at an even pace" in page and "slerp" not in page
    moved = explore("one", replace(asked, move=("pca:1=3",)), out=here / "moved", device=CPU)
    assert moved[0].read_bytes() != files[0].read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mix", "1", "2"], "one: its generator, dcgan, has no w; --mix: style-based networks"),
        (["--space", "w"], "one: its generator, dcgan, has no w; --space w: style-based networks"),
        (["--directions", "pca:0"], "pca:0; allowed: pca:1 and more"),
        (["--directions", "pcb:1"], "unknown direction 'pcb:1'; allowed: pca:1, sefa:1, class:N"),
        (["--directions", "pca:1", "--layers", "0-3"], "--layers 0-3: one has no w;"),
        (["--directions", "class:7"], "class:7: no classifier of one's images is there; sort"),
        (["--save-direction", "smile"], "--save-direction smile; allowed: a name and what, such"),
        (["--save-direction", "a/b=pca:1"], "--save-direction a/b; allowed: letters, digits, _"),
        (["--direction", "smile"], "--direction smile; allowed: a name and steps, such as smile=2"),
        (["--direction", "pca:1=nan"], "--direction pca:1=nan; allowed: a name and steps"),
        (["--direction", "smile=2"], "one: unknown direction 'smile'; allowed: pca:1, sefa:1"),
        (["--project", "no.png"], "no.png: no such file"),
        (["--latent", "no.safetensors", "--direction", "pca:1=1"], "no.safetensors"),
        (["--truncation", "--html"], "--html is for a walk, which is not drawn beside --trunc"),
        (["--truncation", "--frames", "9"], "--frames is for a walk"),
        (["--truncation", "--fps", "9"], "--fps is for a walk"),
        (["--truncation", "--one-way"], "--one-way is for a walk"),
        (["--truncation", "--around", "9"], "--around is for a walk"),
        (["--truncation", "--among", "9"], "--among is for a walk"),
        (["--project", "a.png", "--latent", "b"], "--project looks for a picture and --latent tak"),
        (["--latent", "b"], "--latent alone draws nothing; say what moves the picture: --dir"),
        (["--save-direction", "a=pca:1", "--direction", "b=1"], "--direction has no picture to mo"),
        (["--sides", "1", "2"], "--sides is for the direction sides; ask for it: --directions"),
        (["--directions", "pca:1", "--sides", "1", "2"], "--sides is for the direction sides; ask"),
        (["--direction", "sides=1", "--sides", "1", "2"], "--sides is for the direction sides;"),
        (["--layers", "0-3"], "--layers is for --direction, --directions, --save-direction and"),
        (["--truncation", "--layers", "0-3"], "--layers is for --direction, --directions, --save"),
        (["--project-steps", "9"], "--project-steps is for --project, which was not asked for"),
        (["--truncation", "--project-steps", "9"], "--project-steps is for --project, which was"),
        (["--project", "a.png", "--steps", "9"], "--steps is for a walk"),
        (["--truncation", "--seeds", "-3"], "the seed of an image is -3; allowed: 0 to"),
    ],
)
def test_what_cannot_be_is_one_line(
    here: Path, capsys: Capture, words: list[str], said: str
) -> None:
    make_run(here / "runs/one", PLAIN, kept=(320,))
    assert main(["explore", "one", *words]) == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "explore-one").exists()


@pytest.mark.parametrize("words", [["--truncation"], ["--direction", "pca:1=2"], ["--space", "w"]])
def test_diffusion_runs_have_no_directions_and_say_so(
    here: Path, capsys: Capture, words: list[str]
) -> None:
    make_run(here / "runs/one", presets.find("tiny-diffusion").recipe, kept=(320,))
    assert main(["explore", "one", *words]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "one: diffusion runs begin with a whole image, not with a point" in said
    assert "of GANs alone; between seeds of diffusion runs explore walks as it is" in said


def test_the_verb_prints_its_files(here: Path, capsys: Capture) -> None:
    make_run(here / "runs/one", STYLED, kept=(320,))
    words = ["explore", "one", "--seeds", "3", "8", "--out", "a b", "--truncation", "--mix", "5"]
    assert main([*words, "--directions", "pca:2", "--save-direction", "x=pca:2"]) == 0
    printed = [Path(line) for line in capsys.readouterr().out.splitlines()]
    names = ["truncation", "mix-0-1", "mix-2-3", "mix-4-5", "directions"]
    assert printed == [*(Path("a b") / f"{name}.png" for name in names), Path("a b/x.safetensors")]
    assert all(path.is_file() for path in printed)


def test_tables_are_laid_out_by_hand() -> None:
    """Two rows of three pictures, 8 pixels apart below their words, 64 wide at least."""
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1, 1).repeat(16, 2).repeat(16, 3)
    whole = laid(Strip(name="a", rows=("one", "two"), columns=("x", "y", "z"), pixels=pixels * 40))
    side = 16 * (300 // 16)
    assert whole.shape[1] == 4 * side + 3 * 8
    top = whole.shape[0] - 2 * side - 8
    middle = whole[top + side // 2 :: side + 8, side + 8 + side // 2 :: side + 8]
    assert middle[..., 0].tolist() == [[0, 40, 80], [120, 160, 200]]
