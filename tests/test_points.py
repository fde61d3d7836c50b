"""Sets that are made: points around centres, and three digits in three colours."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from trilemma.data import named
from trilemma.data.health import health
from trilemma.data.points import POINT_SETS
from trilemma.data.sources import open_named, open_source
from trilemma.data.stacked import stacked
from trilemma.errors import DataError
from trilemma.features import extractors
from trilemma.images import grid, to_images, to_pixels
from trilemma.maths import frechet
from trilemma.recipe import checking
from trilemma.recipe.recipe import DataRecipe
from trilemma.scatter import REACH, SIDE, scatter

POINTS = DataRecipe(source="ring", size="1x1", channels=2)


def coordinates(name: str, split: str) -> np.ndarray:
    return np.asarray(open_named(f"{name}:{split}").pixels[:]).reshape(-1, 2)


def test_the_ring_is_eight_places_and_the_grid_twenty_five() -> None:
    """PacGAN's: radius 1, deviation 0.01; spacing 2, deviation 0.05; made smaller."""
    ring, grid25 = POINT_SETS["ring"], POINT_SETS["grid"]
    assert {round(math.hypot(*centre), 9) for centre in ring.centres} == {0.8}
    turns = sorted(math.degrees(math.atan2(y, x)) % 360 for x, y in ring.centres)
    assert turns == pytest.approx(range(0, 360, 45))
    assert ring.deviation / 0.8 == pytest.approx(0.01)
    assert sorted(grid25.centres) == [
        (pytest.approx(x), pytest.approx(y))
        for x in (-0.8, -0.4, 0, 0.4, 0.8)
        for y in (-0.8, -0.4, 0, 0.4, 0.8)
    ]
    assert grid25.deviation / 0.4 == pytest.approx(0.05 / 2)
    assert tuple(POINT_SETS) == checking.POINTS


@pytest.mark.parametrize("name", POINT_SETS)
def test_points_are_gaussians_around_their_centres(name: str) -> None:
    source, places = open_named(f"{name}:test"), POINT_SETS[name]
    points = np.asarray(source.pixels[:]).reshape(-1, 2)
    assert (points.dtype, len(points)) == (np.float32, 10_000)
    assert len(set(np.bincount(source.labels).tolist())) == 1, "each centre has equally many"
    assert len(source.classes) == len(places.centres)
    noise = (points - np.array(places.centres)[source.labels]) / places.deviation
    assert kstest(noise.ravel(), "norm").pvalue > 0.01
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.04, "round"
    assert "own work" in source.licence


def test_train_and_test_differ_and_are_always_the_same() -> None:
    train, test = coordinates("ring", "train"), coordinates("ring", "test")
    assert len(train) == 50_000
    assert not set(map(bytes, train)) & set(map(bytes, test))
    assert (coordinates("ring", "train") == train).all()
    marks = [open_named(f"ring:{split}").fingerprint for split in ("train", "test", "train")]
    assert marks[0] == marks[2] != marks[1]


def test_points_are_never_rounded() -> None:
    pixels = coordinates("grid", "test")[:5].reshape(-1, 1, 1, 2)
    images = to_images(pixels)
    assert images.shape == (5, 2, 1, 1)
    assert (to_pixels(images).numpy() == pixels).all()
    assert (to_pixels(3 * images).numpy() == 3 * pixels).all(), "nor cut to [-1, 1]"


def test_a_recipe_opens_them_and_another_shape_is_one_line() -> None:
    assert open_source(POINTS, "train").pixels.shape == (50_000, 1, 1, 2)
    with pytest.raises(DataError, match="holds points, no images"):
        open_named("ring:test", size=(8, 8))
    with pytest.raises(DataError, match="holds images, no points"):
        open_named("digits:test", channels=2)


def test_the_health_of_points_is_one_line() -> None:
    for source in ("ring", open_named("ring:test")):
        with pytest.raises(DataError, match="trilemma train ring-gan"):
            health(source)


def test_points_in_a_file_are_read_again(tmp_path: Path) -> None:
    pixels = np.asarray(open_named("ring:test").pixels[:20])
    np.savez(tmp_path / "mine.npz", images=pixels)
    assert (np.asarray(open_named(str(tmp_path / "mine.npz")).pixels[:]) == pixels).all()
    np.save(tmp_path / "wide.npy", pixels.astype(np.float64))
    with pytest.raises(DataError, match="float32"):
        open_named(str(tmp_path / "wide.npy"))


def test_the_distance_of_points_is_that_of_the_plane() -> None:
    """Of Gaussians moved by (3, 4) and wider by a half: 25 + 2 (1.5 - 1)^2."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((200_000, 1, 1, 2)).astype(np.float32)
    other = (1.5 * rng.standard_normal((200_000, 1, 1, 2)) + (3, 4)).astype(np.float32)
    extractor = extractors.load("auto", source="ring", shape=(1, 1, 2))
    seen = [torch.from_numpy(extractor(points).features) for points in (one, other)]
    assert extractor.name == "points"
    moments = [frechet.moments(side) for side in seen]
    found = frechet.distance(moments[0], frechet.reference(moments[1]))
    assert found == pytest.approx(25 + 2 * 0.25, abs=0.1)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("lite0", (1, 1, 2), "does not look at points"),
        ("points", (28, 28, 3), "does not look at images"),
        ("stacked", (28, 28, 1), "three colours"),
    ],
)
def test_an_extractor_of_the_other_kind_is_refused(
    name: str, shape: tuple[int, int, int], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        extractors.load(name, source="ring", shape=shape)


def test_a_grid_of_points_is_a_scatter_plot() -> None:
    """One point a quarter to the right and at the top: ink there, and nowhere else."""
    picture = grid(np.array([[[[0.55, 1.1]]]], np.float32))
    assert picture.shape == (SIDE, SIDE, 3)
    rows, columns = np.nonzero(picture[..., 0] < 128)
    assert set(rows.tolist()) <= {0, 1}
    assert columns.mean() == pytest.approx(SIDE * (0.55 / REACH + 1) / 2 - 0.5, abs=0.6)


def test_points_beyond_the_window_lie_on_its_edge_and_centres_get_rings() -> None:
    beyond = scatter(np.array([[9.0, -9.0], [np.nan, np.inf]]))
    assert beyond[-1, -1].tolist() != [255, 255, 255]
    assert beyond[0, SIDE // 2].tolist() != [255, 255, 255]
    ringed = scatter(np.empty((0, 2)), centres=[(0.0, 0.0)], radius=REACH / 2)
    middle = ringed[SIDE // 2]
    marked = np.flatnonzero((middle < 250).any(axis=1))
    assert marked.min() == pytest.approx(SIDE / 4, abs=1)
    assert marked.max() == pytest.approx(3 * SIDE / 4, abs=1)


def test_stacked_digits_spell_their_number() -> None:
    """Digits that are flat grey of ten times their value, two of each."""
    labels = np.repeat(np.arange(10), 2)
    pixels = np.broadcast_to((10 * labels)[:, None, None, None], (20, 28, 28, 1)).astype(np.uint8)
    images, numbers = stacked(pixels, labels, "test")
    assert images.shape == (26_000, 28, 28, 3)
    assert (np.bincount(numbers) == 26).all()
    assert len(np.bincount(numbers)) == 1000
    spelled = images[:, 5, 7].astype(int) // 10 @ [100, 10, 1]
    assert (spelled == numbers).all()
    again, same = stacked(pixels, labels, "test")
    assert (again == images).all()
    assert (same == numbers).all()


def test_a_digit_that_is_missing_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = np.zeros((9, 28, 28, 1), np.uint8), np.arange(9)
    monkeypatch.setattr(named, "read_idx_split", lambda folder, split: arrays)
    with pytest.raises(DataError, match="no 9 among the test digits"):
        named.read_stacked(tmp_path, "test")


def test_stacked_mnist_is_seen_as_its_number(shared_data: Path) -> None:
    """By the classifier of single digits, right for 0.9962 of them: 0.989 of three at once."""
    source = open_named("stacked-mnist:test", root=str(shared_data))
    assert len(source) == 26_000
    assert source.classes[7] == "007"
    from trilemma.features import stacked as looked_at

    pixels = np.asarray(source.pixels[:2_000])
    seen = looked_at.numbers(device=torch.device("cpu"))(pixels).features[:, 0]
    assert (seen == source.labels[:2_000]).mean() == pytest.approx(0.9962**3, abs=0.01)
    extractor = extractors.load("auto", source="stacked-mnist:test", shape=(28, 28, 3))
    features = extractor(pixels[:6]).features
    alone = extractors.load("domain", source="mnist")(pixels[:6, :, :, 1:2]).features
    assert (extractor.name, features.shape) == ("stacked", (6, 192))
    assert np.allclose(features[:, 64:128], alone, atol=1e-5), "green, by itself"
