"""RUN@steps=20: one run at several ways to draw, beside each other."""

from pathlib import Path

import pytest

import tiny
from trilemma import watch
from trilemma.comparison import compare
from trilemma.errors import RunError
from trilemma.families.family import DrawOptions
from trilemma.runs import find_run
from trilemma.scoring import sampler_name


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
