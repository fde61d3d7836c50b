"""RUN@steps=20: one run at several ways to draw, beside each other."""

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from trilemma import watch
from trilemma.assessing import assessed
from trilemma.betweenseeds import settled
from trilemma.cli.main import main
from trilemma.comparison import compare
from trilemma.errors import RecipeError, RunError
from trilemma.export import export
from trilemma.families.family import DrawOptions
from trilemma.runs import find_run
from trilemma.sampling import load_generator, sampler_name
from trilemma.sides import How


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a little denoiser of two steps, twice heun."""
    folder = tmp_path_factory.mktemp("ways")
    recipe = tiny.recipe(tiny.digits(folder / "digits.npz"), tiny.DIFFUSION)
    return watch.train(recipe, out=folder / "denoiser").folder.path


@pytest.mark.parametrize(
    ("asked", "checkpoint", "options"),
    [
        ("steps=5", "best", DrawOptions(steps=5)),
        ("last,steps=5", "64", DrawOptions(steps=5)),
        ("sampler=ddim,steps=3", "best", DrawOptions(sampler="ddim", steps=3)),
        ("guidance=1", "best", DrawOptions(guidance=1.0)),
    ],
)
def test_a_way_to_draw_stands_behind_the_name(
    run: Path, asked: str, checkpoint: str, options: DrawOptions
) -> None:
    found = find_run(f"{run}@{asked}")
    assert (found.checkpoint, found.options) == (checkpoint, options)
    assert find_run(str(run)).label == "denoiser"
    assert found.label.startswith("denoiser@")


def test_a_misspelt_way_is_answered_with_the_one_that_was_meant(run: Path) -> None:
    with pytest.raises(RunError, match=r"'truncatoin' is no way to draw; .*; did you mean trunc"):
        find_run(f"{run}@truncatoin=0.5")


@pytest.mark.parametrize("asked", ["step=5", "steps=many", "steps=-1", "guidance=inf", "3,last"])
def test_a_way_that_cannot_be_is_refused_in_one_line(run: Path, asked: str) -> None:
    with pytest.raises(RunError, match="allowed: "):
        find_run(f"{run}@{asked}")


def test_one_run_stands_at_several_points(run: Path) -> None:
    names = [str(run), f"{run}@steps=5", f"{run}@steps=5", f"{run}@sampler=ddim,steps=4"]
    made = compare(names, n=8, extractor="pixels", device="cpu")
    assert [sampler_name(one.drawer) for one in made.scored] == ["heun-2", "heun-5", "ddim-4"]
    assert [view.evaluations for view in made.contents.runs] == [3, 9, 4]
    shown = [view.name for view in made.contents.runs]
    assert shown == ["denoiser", "denoiser, steps 5", "denoiser, sampler ddim, steps 4"]
    assert "steps=5" in made.contents.command
    assert (made.scored[0].pixels != made.scored[1].pixels).any()


@pytest.fixture(scope="module")
def gan(run: Path) -> Path:
    """Train a little GAN beside it."""
    recipe = tiny.recipe(run.parent / "digits.npz")
    return watch.train(recipe, out=run.parent / "gan").folder.path


@pytest.fixture(scope="module")
def post(run: Path) -> Path:
    """Post-train the denoiser for one step and for two."""
    from trilemma.recipe.following import begun
    from trilemma.recipe.networks import DCGANCritic
    from trilemma.recipe.recipe import OneStepRecipe

    critic = DCGANCritic(width=4, width_max=8, batchnorm=False)
    settings = OneStepRecipe(loss="relativistic", critic=critic, levels=(0.5,))
    recipe = begun(tiny.recipe("", settings, images=16), find_run(str(run)).recipe, str(run))
    return watch.train(recipe, out=run.parent / "post").folder.path


def test_every_verb_that_draws_keeps_the_way(run: Path, post: Path, tmp_path: Path) -> None:
    plain = drawn_of(str(post), tmp_path / "a.npy")
    asked = drawn_of(f"{post}@steps=5", tmp_path / "b.npy")
    teacher = drawn_of(f"{run}@steps=5", tmp_path / "c.npy")
    assert (asked == teacher).all() and (plain != teacher).any()
    scores = assessed(f"{post}@steps=5", n=12, how=How(extractor="pixels")).scores
    assert {(score.run, score.sampler) for score in scores.scores if score.metric == "fd"} == {
        ("post@steps=5", "heun-5")
    }


def drawn_of(name: str, path: Path) -> np.ndarray:
    """Draw four images with the verb."""
    assert main(["sample", name, "--n", "4", "--format", "npy", "--out", str(path)]) == 0
    return np.load(path)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("way", "sampler", "steps"),
    [("", "", 0), ("@steps=1", "", 1), ("@steps=9", "", 9), ("@sampler=ddim", "ddim", 0)],
)
def test_explore_goes_the_way_that_was_asked_for(
    post: Path, way: str, sampler: str, steps: int
) -> None:
    found = find_run(f"{post}{way}")
    assert settled(found, DrawOptions(), print) == DrawOptions(sampler=sampler, steps=steps)


def test_explore_refuses_what_draws_between_two_seeds(run: Path, post: Path) -> None:
    with pytest.raises(RecipeError, match="in 2 steps it draws new noise"):
        settled(find_run(f"{post}@steps=2"), DrawOptions(), print)
    with pytest.raises(RecipeError, match="sampler ancestral draws new noise"):
        settled(find_run(f"{run}@sampler=ancestral"), DrawOptions(), print)


def test_what_has_no_way_to_choose_or_says_it_twice_is_refused(
    run: Path, gan: Path, post: Path, tmp_path: Path
) -> None:
    cpu = torch.device("cpu")
    with pytest.raises(RunError, match="draws in one way; drop 'steps=20'"):
        load_generator(find_run(f"{gan}@steps=20"), device=cpu)
    with pytest.raises(RunError, match="guidance is of the denoiser as it was"):
        load_generator(find_run(f"{post}@guidance=2"), device=cpu)
    with pytest.raises(RunError, match="says one thing twice"):
        find_run(f"{run}@steps=20,steps=30")
    with pytest.raises(RunError, match="a bundle draws as its recipe says"):
        export(f"{post}@steps=5", tmp_path / "bundle", device=cpu)


def test_weights_are_counted_of_those_that_draw(run: Path, post: Path) -> None:
    """One network in one step; the teacher's, which has no guide here, as before."""
    cpu = torch.device("cpu")
    one, many, before = (
        load_generator(find_run(name), device=cpu)
        for name in (str(post), f"{post}@steps=5", str(run))
    )
    assert one.parameters == many.parameters == before.parameters
    assert len(one.nets) == 2


def test_several_steps_of_one_run_are_one_curve(run: Path) -> None:
    names = [f"{run}@steps=3", f"{run}@steps=5"]
    made = compare(names, n=12, extractor="pixels", device="cpu", few_steps=True, few_steps_n=12)
    assert [curve.run for curve in made.contents.few_steps] == ["denoiser, steps 3"]
