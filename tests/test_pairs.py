from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from trilemma.data.batches import Batches
from trilemma.data.pairs import Pairs, paired, pairs_of, stem
from trilemma.data.sources import open_source
from trilemma.errors import DataError
from trilemma.images import to_images, to_pixels, write_png
from trilemma.maths.resize import imresize, rounded
from trilemma.recipe.recipe import DataRecipe, Recipe, UpscaleRecipe

SIZE = "64x48"


def photos(folder: Path, count: int = 6, *, shrink: int = 1) -> Path:
    """Write pictures of noise with some structure, named 0.png, 1.png, ...; or their small ones."""
    rng = np.random.default_rng(0)
    for number in range(count):
        wide = rng.uniform(0, 255, (1, 3, 12, 16))
        high = rounded(imresize(torch.from_numpy(wide), (48, 64)))
        low = rounded(imresize(high, (48 // shrink, 64 // shrink))) if shrink > 1 else high
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{number}.png", low[0].permute(1, 2, 0).to(torch.uint8).numpy())
    return folder


def recipe(root: Path, low: str = "bicubic", **family: object) -> Recipe:
    settings = UpscaleRecipe(crop=8)
    return Recipe(
        data=DataRecipe(root=str(root), size=SIZE, low=low, held_out=0.0),
        family=replace(settings, **family),  # type: ignore[arg-type]
    )


def batches(one: Recipe, n: int = 4, *, flip: bool = False) -> Batches:
    source = open_source(one.data, "train")
    return Batches(source, n, seed=0, flip=flip, pair=pairs_of(one, source))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photos(tmp_path_factory.mktemp("pairs") / "high")


@pytest.mark.parametrize("low", ["bicubic", "real"])
def test_a_batch_is_the_same_whoever_computes_which_part(low: str, folder: Path) -> None:
    whole = batches(recipe(folder, low), flip=True).at(8)
    parts = [batches(recipe(folder, low), flip=True).at(8, slice(i, i + 2)) for i in (0, 2)]
    assert whole.low is not None
    assert whole.low.shape == (4, 3, 8, 8)
    assert whole.images.shape == (4, 3, 32, 32)
    for index, name in ((0, "images"), (2, "low")):
        both = torch.cat([part[index] for part in parts])
        assert torch.equal(whole[index], both), name


def test_small_crops_lie_where_the_large_ones_do(folder: Path) -> None:
    """Away from the crop's border, shrinking the large crop gives the small one."""
    batch = batches(recipe(folder, crop=10)).at(0)
    assert batch.low is not None
    again = imresize(batch.images.double(), (10, 10))
    inside = (again - batch.low)[..., 3:-3, 3:-3]
    assert inside.abs().max() < 0.51 / 127.5  # the rounding of 8 bits


def test_whole_images_and_other_scales(folder: Path) -> None:
    batch = batches(recipe(folder, crop=0, scale=2)).at(0)
    assert batch.low is not None
    assert batch.images.shape == (4, 3, 48, 64)
    assert batch.low.shape == (4, 3, 24, 32)


@pytest.mark.parametrize("flip", [False, True])
def test_ready_pairs_are_those_that_bicubic_makes(flip: bool, folder: Path) -> None:
    low = photos(folder.parent / "low", shrink=4)
    given = batches(recipe(folder, str(low)), flip=flip).at(4)
    made = batches(recipe(folder), flip=flip).at(4)
    assert given.low is not None
    assert made.low is not None
    torch.testing.assert_close(given.images, made.images)
    torch.testing.assert_close(given.low, made.low, atol=1.01 / 127.5, rtol=0)  # halves, flipped
    assert (given.low - made.low).abs().mean() < 0.01 / 127.5


def test_ready_pairs_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    few = photos(tmp_path / "few", 4, shrink=4)
    with pytest.raises(DataError, match=r"2 of 6 images have no small one \(first: 4.png, 5.png\)"):
        batches(recipe(folder, str(few)))
    half = photos(tmp_path / "half", shrink=2)
    with pytest.raises(DataError, match="want 16x12"):
        batches(recipe(folder, str(half)))
    with pytest.raises(DataError, match="no such folder; allowed: bicubic, real"):
        batches(recipe(folder, str(tmp_path / "none")))


def test_names_of_pairs() -> None:
    assert stem("Set5/babyx4.png", 4) == "baby"
    assert stem("train/a.b.jpg", 4) == "a.b"


def test_the_fingerprint_counts_how_small_images_are_made(folder: Path) -> None:
    source = open_source(recipe(folder).data, "train")
    low = photos(folder.parent / "low", shrink=4)
    marks = [
        paired(recipe(folder, how), source).fingerprint for how in ("bicubic", "real", str(low))
    ]
    assert len({*marks, source.fingerprint}) == 4
    assert paired(tiny.recipe(folder), source) is source


def test_the_matched_gain_and_offset_are_of_values_in_minus_one_to_one(folder: Path) -> None:
    one = recipe(folder, "generator=x", matched_gain=(0.5,) * 3, matched_offset=(0.2, 0.0, -0.1))
    source = open_source(one.data, "train")
    pairs = pairs_of(one, source)
    assert isinstance(pairs, Pairs)
    images = to_images(np.asarray(source.pixels[:2]))
    rows = torch.arange(2)
    plain = pairs_of(recipe(folder), source)
    assert plain is not None
    before = plain.small(images, rows, name="x", places=range(2))
    after = pairs.small(images, rows, name="x", places=range(2))
    wanted = 0.5 * before + torch.tensor([0.2, 0.0, -0.1])[:, None, None]
    assert (after - wanted).abs().max() < 1.01 / 127.5
    assert to_pixels(after).float().std() < to_pixels(before).float().std()
