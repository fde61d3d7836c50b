"""Seeds -> images: the same picture for a seed, whatever else is drawn, and never drawn twice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import tiny
from handmade import RECIPE, make_run
from trilemma import drawing, samplecache, sampling
from trilemma.cli.main import main
from trilemma.errors import RecipeError, RunError
from trilemma.families.family import DrawOptions
from trilemma.recipe import presets
from trilemma.recipe.recipe import DiffusionRecipe, Recipe
from trilemma.runs import find_run
from trilemma.samplecache import remembered
from trilemma.sampling import Drawer, drawn, load_generator, sampler_name

CPU = torch.device("cpu")
SEEDS = [5, 0, 123_456_789, 7, 2**32 - 1, 6, 1]
DIFFUSION = presets.find("tiny-diffusion").recipe


def ddpm(sampler: str) -> Recipe:
    """Give a DDPM of few timesteps with that sampler."""
    family = DIFFUSION.family
    assert isinstance(family, DiffusionRecipe)
    return replace(
        DIFFUSION, family=replace(family, process="ddpm", timesteps=8, sampler=sampler, steps=4)
    )


RECIPES = {
    "gan": RECIPE,
    "dcgan with batchnorm": replace(
        RECIPE, family=replace(tiny.GAN, generator=replace(tiny.GAN.generator, batchnorm=True))
    ),
    "edm": DIFFUSION,
    **{sampler: ddpm(sampler) for sampler in ("ancestral", "ddim", "dpm++2m", "heun")},
}


def lively(place: Path, recipe: Recipe = RECIPE) -> str:
    """Make a run whose networks are no longer at their start, where last layers may be 0."""
    make_run(place, recipe)
    for seed, file in enumerate(sorted(place.rglob("average.safetensors"))):
        rng = torch.Generator().manual_seed(seed)
        tensors = {
            name: t + 0.3 * torch.randn(t.shape, generator=rng) if t.ndim > 1 else t
            for name, t in load_file(file).items()
        }
        save_file(tensors, file, {"images_seen": "320"})
    return str(place)


def drawer(place: Path, recipe: Recipe = RECIPE, which: str = "last") -> Drawer:
    lively(place, recipe)
    return load_generator(f"{place}@{which}", device=CPU)


def levels(one: np.ndarray, other: np.ndarray) -> int:
    """Give the largest difference of two arrays of pixels."""
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_gives_one_picture_whatever_the_batch(name: str, tmp_path: Path) -> None:
    made = drawer(tmp_path / "run", RECIPES[name])
    all_at_once = drawn(made, SEEDS)
    assert (all_at_once.shape, all_at_once.dtype) == ((7, 28, 28, 1), np.uint8)
    for batch in (1, 3):
        assert levels(drawn(made, SEEDS, batch=batch), all_at_once) <= 1
    turned = drawn(made, SEEDS[::-1])[::-1]
    assert levels(turned, all_at_once) <= 1
    for first in range(6):  # and another seed gives another picture
        assert levels(all_at_once[first], all_at_once[first + 1]) > 1


@pytest.mark.parametrize("name", RECIPES)
def test_drawing_leaves_the_global_generators_alone(name: str, tmp_path: Path) -> None:
    made = drawer(tmp_path / "run", RECIPES[name])
    torch.manual_seed(3)
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = drawn(made, SEEDS)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    torch.manual_seed(4)
    assert np.array_equal(drawn(made, SEEDS), first)


def test_checkpoints_are_picked(tmp_path: Path) -> None:
    lively(tmp_path / "run", DIFFUSION)
    pictures = {
        which: drawn(load_generator(f"{tmp_path / 'run'}{which}", device=CPU), [3])
        for which in ("", "@best", "@last", "@320", "@640")
    }
    assert np.array_equal(pictures[""], pictures["@best"])
    assert np.array_equal(pictures["@last"], pictures["@640"])
    assert len({picture.tobytes() for picture in pictures.values()}) == 3
    assert find_run(f"{tmp_path / 'run'}@best").images_seen == 320


def test_sampler_and_steps_may_be_chosen(tmp_path: Path) -> None:
    place = lively(tmp_path / "run", DIFFUSION)

    def how(sampler: str = "", steps: int = 0) -> Drawer:
        return load_generator(place, device=CPU, options=DrawOptions(sampler=sampler, steps=steps))

    assert how().evaluations == 5  # Heun's three steps; the last to sigma 0 needs no second look
    assert how(steps=2).evaluations == 3
    assert how("ddim", 4).evaluations == 4
    assert levels(drawn(how("ddim", 4), SEEDS), drawn(how(), SEEDS)) > 1
    with pytest.raises(RecipeError, match=r"'hein'.*heun"):
        drawn(how("hein"), [0])


def test_a_guide_is_kept_with_the_run_and_may_be_left_out(tmp_path: Path) -> None:
    assert isinstance(DIFFUSION.family, DiffusionRecipe)
    recipe = replace(DIFFUSION, family=replace(DIFFUSION.family, guidance=2.0, guide_at=0.5))
    guided = lively(tmp_path / "guided", recipe)
    plain = load_generator(lively(tmp_path / "plain", DIFFUSION), device=CPU)

    def how(guidance: float = 0.0) -> Drawer:
        return load_generator(guided, device=CPU, options=DrawOptions(guidance=guidance))

    assert how().evaluations == 2 * how(1.0).evaluations == 2 * plain.evaluations
    assert how().parameters == 2 * plain.parameters
    assert levels(drawn(how(), SEEDS), drawn(how(1.0), SEEDS)) > 1
    assert sampler_name(how()) == "heun-3-guided-2"
    assert sampler_name(how(1.0)) == sampler_name(plain) == "heun-3"


@pytest.mark.parametrize(
    ("asked", "out", "kind"),
    [
        ("", "", "grid"),
        ("", "a.npz", "npz"),
        ("", "a.NPY", "npy"),
        ("grid", "a.png", "grid"),
        ("folder", "v1.0", "folder"),
        ("", "pictures", "grid"),
        ("npy", "a.npz", None),
        ("", "a.jpg", None),
        ("grid", "a.npz", None),
    ],
)
def test_the_ending_of_a_file_says_its_format(
    asked: Literal[""] | drawing.Kind, out: str, kind: str | None
) -> None:
    if kind is None:
        with pytest.raises(RunError, match=r"does not end so; allowed: \.png, \.npy, \.npz"):
            drawing.kind_of(asked, out)
    else:
        assert drawing.kind_of(asked, out) == kind


@pytest.fixture
def draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the batches that the cache has drawn; the cache is the test's own."""
    counted: list[int] = []

    def counting(made: Drawer, seeds: list[int], **options: Any) -> np.ndarray:
        counted.append(len(seeds))
        return sampling.drawn_together(made, seeds, **options)

    monkeypatch.setattr(samplecache, "drawn_together", counting)
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    return counted


def test_what_was_drawn_is_not_drawn_again(tmp_path: Path, draws: list[int]) -> None:
    made = drawer(tmp_path / "run")
    weights = find_run(f"{tmp_path / 'run'}@last").weights
    first = remembered(made, weights, SEEDS)
    assert np.array_equal(first, drawn(made, SEEDS))
    assert np.array_equal(remembered(made, weights, SEEDS), first)
    assert draws == [7]
    assert levels(remembered(made, weights, SEEDS[::-1])[::-1], first) <= 1
    assert np.array_equal(remembered(made, weights, SEEDS[:2]), first[:2])
    assert draws == [7, 7, 2]


def test_other_weights_samplers_and_sizes_are_drawn_anew(tmp_path: Path, draws: list[int]) -> None:
    made = drawer(tmp_path / "run", DIFFUSION)
    last, best = (find_run(f"{tmp_path / 'run'}@{which}").weights for which in ("last", "best"))
    keys = {
        samplecache.key(made, last, SEEDS),
        samplecache.key(made, best, SEEDS),
        samplecache.key(replace(made, options=DrawOptions(steps=2)), last, SEEDS),
        samplecache.key(replace(made, options=DrawOptions(sampler="ddim")), last, SEEDS),
        samplecache.key(replace(made, recipe=ddpm("heun")), last, SEEDS),
        samplecache.key(made, last, SEEDS[1:]),
        samplecache.key(made, last, SEEDS[::-1]),
    }
    assert len(keys) == 7
    remembered(made, last, [1])
    last.write_bytes(best.read_bytes())
    remembered(made, last, [1])
    assert draws == [1, 1]


@pytest.mark.parametrize("keep", [0, 3, 100, -5], ids=lambda keep: f"{keep} bytes")
def test_a_damaged_entry_is_drawn_again(tmp_path: Path, draws: list[int], keep: int) -> None:
    made = drawer(tmp_path / "run")
    weights = find_run(f"{tmp_path / 'run'}@last").weights
    first = remembered(made, weights, SEEDS)
    (entry,) = (tmp_path / "cache" / "images").iterdir()
    entry.write_bytes(entry.read_bytes()[:keep])
    assert np.array_equal(remembered(made, weights, SEEDS), first)
    assert draws == [7, 7]
    assert np.array_equal(np.load(entry), first)


def test_without_a_cache_all_is_drawn(
    tmp_path: Path, draws: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "file" / "cache"))
    made = drawer(tmp_path / "run")
    weights = find_run(f"{tmp_path / 'run'}@last").weights
    assert np.array_equal(remembered(made, weights, [1]), remembered(made, weights, [1]))
    assert draws == [1, 1]


def test_formats_of_the_verb_hold_the_same_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = drawn(drawer(tmp_path / "run", which="best"), range(9, 14))
    words = ["sample", str(tmp_path / "run"), "--n", "5", "--seed", "9"]
    outs = {kind: tmp_path / "new" / f"out.{kind}" for kind in ("grid", "folder", "npy", "npz")}
    for kind, out in outs.items():
        out = out.with_suffix(".png") if kind == "grid" else out
        assert main([*words, "--format", kind, "--out", str(out)]) == 0
        assert str(out) in capsys.readouterr().out
    assert np.array_equal(np.load(outs["npy"]), expected)
    with np.load(outs["npz"]) as held:
        assert np.array_equal(held["images"], expected)
        assert held["seeds"].tolist() == [9, 10, 11, 12, 13]
        assert held["labels"].tolist() == [-1] * 5
    for seed, picture in zip(range(9, 14), expected, strict=True):
        file = outs["folder"] / f"{seed:06d}.png"
        assert np.array_equal(np.asarray(Image.open(file)), picture[:, :, 0])
    sheet = np.asarray(Image.open(outs["grid"].with_suffix(".png")))
    assert np.array_equal(sheet[28:56, :28], expected[3, :, :, 0])  # three in a row


def test_several_runs_stand_side_by_side_from_equal_seeds(tmp_path: Path) -> None:
    lively(tmp_path / "one")
    lively(tmp_path / "other", DIFFUSION)
    out = tmp_path / "both.png"
    names = [str(tmp_path / "one"), str(tmp_path / "other")]
    drawing.sample(names, n=4, seed=2, out=out, device="cpu")
    sheet = np.asarray(Image.open(out))
    assert sheet.shape == (56, 56 + drawing.GAP + 56)
    for name, left in zip(names, (0, 56 + drawing.GAP), strict=True):
        expected = drawn(load_generator(name, device=CPU), [2])[0, :, :, 0]
        assert levels(sheet[:28, left : left + 28], expected) <= 1
    assert (sheet[:, 56 : 56 + drawing.GAP] == 255).all()


@pytest.mark.parametrize("how", [{"n": 0}, {"n": -1}, {"batch": 0}])
def test_nothing_to_draw_is_one_line(tmp_path: Path, how: dict[str, int]) -> None:
    make_run(tmp_path / "run")
    ((name, value),) = how.items()
    with pytest.raises(RunError, match=rf"^--{name} is {value}; allowed: 1 or more$"):
        drawing.sample([str(tmp_path / "run")], out=tmp_path / "x.png", **how)  # type: ignore[arg-type]


def test_seeds_outside_the_generator_s_range_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It keeps 32 bits: a larger seed would silently give the picture of a smaller one."""
    make_run(tmp_path / "run")
    for seed, n in ((-1, 1), (2**32, 1), (2**32 - 1, 2), (2**70, 1)):
        words = ["sample", str(tmp_path / "run"), "--seed", str(seed), "--n", str(n)]
        assert main([*words, "--out", str(tmp_path / "x.png")]) == 2, seed
        *_, line = capsys.readouterr().err.splitlines()
        assert "allowed: 0 to 4,294,967,295" in line
    assert sampling.drawn(load_generator(str(tmp_path / "run"), device=CPU), [2**32 - 1]).any()
