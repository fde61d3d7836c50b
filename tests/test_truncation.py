"""How near to the mean style pictures are drawn: asked for at drawing, beside the recipe's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import tiny
from test_styled import FAMILY
from trilemma import watch
from trilemma.cli.main import main
from trilemma.comparison import compare
from trilemma.errors import RunError
from trilemma.families.family import DrawOptions
from trilemma.images import to_pixels
from trilemma.recipe import files
from trilemma.runs import find_run
from trilemma.sampling import Pixels, drawn, load_generator, sampler_name

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a little style-based GAN whose layers know no noise."""
    folder = tmp_path_factory.mktemp("truncation")
    net = replace(FAMILY.generator, noise=False)  # type: ignore[type-var]
    recipe = tiny.recipe(tiny.digits(folder / "digits.npz"), replace(FAMILY, generator=net))
    recipe = replace(recipe, data=replace(recipe.data, size="8x8"))
    return watch.train(recipe, out=folder / "styled").folder.path


def images(name: str, options: DrawOptions | None = None) -> Pixels:
    return drawn(load_generator(name, device=CPU, options=options), range(4))


def test_styles_are_moved_towards_their_mean(run: Path) -> None:
    """Against the definition, mean + psi (w - mean) for every layer, written out."""
    drawer = load_generator(str(run), device=CPU)
    net: Any = drawer.nets["generator"]
    z = drawer.family.latents([torch.Generator().manual_seed(seed) for seed in range(4)])
    w, mean = net.mapping(z), net.mapping.average
    for psi in (-1.0, 0.5, 2.0):
        rows = (mean + psi * (w - mean))[:, None].expand(-1, net.synthesis.rows, -1)
        expected = to_pixels(net.synthesis(rows))
        assert (images(f"{run}@truncation={psi:g}") == expected).all()


def test_one_is_none_and_nought_is_the_mean_picture(run: Path) -> None:
    plain, mean = images(str(run)), images(f"{run}@truncation=0")
    assert (images(str(run), DrawOptions(truncation=1.0)) == plain).all()
    assert (mean == mean[:1]).all()
    assert (plain != plain[:1]).any()


def test_what_is_asked_for_goes_before_the_recipe_s(run: Path, tmp_path: Path) -> None:
    own, half = images(str(run)), images(f"{run}@truncation=0.5")
    recipe = files.read(run / "recipe.toml")
    net: Any = replace(recipe.family.generator, truncation=0.5)  # type: ignore[type-var]
    (tmp_path / "run").mkdir()
    for path in run.iterdir():
        if path.name != "recipe.toml":
            (tmp_path / "run" / path.name).symlink_to(path)
    files.write(
        tmp_path / "run/recipe.toml", replace(recipe, family=replace(recipe.family, generator=net))
    )  # type: ignore[arg-type]
    assert (images(str(tmp_path / "run")) == half).all()
    assert (images(str(tmp_path / "run"), DrawOptions(truncation=1.0)) == own).all()


def test_sample_and_compare_say_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sample", str(run), "--n", "4", "--out", str(tmp_path / "a.npy")]
    assert main([*words, "--truncation", "0.5"]) == 0
    assert "truncation 0.5" in capsys.readouterr().err
    assert (np.load(tmp_path / "a.npy") == images(f"{run}@truncation=0.5")).all()
    made = compare([str(run), f"{run}@truncation=0.5"], n=8, extractor="pixels", device="cpu")
    assert [sampler_name(one.drawer) for one in made.scored] == ["", "truncated-0.5"]
    assert [view.name for view in made.contents.runs] == ["styled", "styled, truncation 0.5"]


def test_a_walk_is_drawn_with_it(run: Path, tmp_path: Path) -> None:
    """Between two seeds of psi 0 lies one picture, again and again."""
    words = ["explore", "--seeds", "1", "2", "--frames", "4", "--device", "cpu"]
    for way in ("@truncation=0", ""):
        out = tmp_path / f"walk{way}"
        assert main([*words, f"{run}{way}", "--out", str(out)]) == 0
        with Image.open(out / "walk.gif") as film:
            shown = {frame.convert("RGB").tobytes() for frame in ImageSequence.Iterator(film)}
        assert (len(shown) == 1) == bool(way)


@pytest.mark.parametrize(
    ("family", "line"),
    [
        (tiny.GAN, "a 'dcgan' has no styles; it is for stylegan2 and stylegan3"),
        (tiny.DIFFUSION, "truncation 0.5 is for style-based GANs"),
    ],
    ids=["dcgan", "diffusion"],
)
def test_networks_without_styles_are_refused(tmp_path: Path, family: object, line: str) -> None:
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz", 40), family, images=8)
    place = watch.train(recipe, out=tmp_path / "plain").folder.path
    with pytest.raises(RunError, match=line):
        load_generator(f"{place}@truncation=0.5", device=CPU)


@pytest.mark.parametrize("asked", ["truncation=much", "truncation=0.5,steps=3", "truncation=inf"])
def test_what_cannot_be_is_refused_in_a_line(run: Path, asked: str) -> None:
    with pytest.raises(RunError, match=r"allowed: |drop "):
        load_generator(find_run(f"{run}@{asked}"), device=CPU)
