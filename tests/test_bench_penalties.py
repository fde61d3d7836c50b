"""What a penalty costs: which steps are held against which, and what is said."""

from dataclasses import replace

import pytest
import torch

import tiny
from trilemma import bench_penalties
from trilemma.bench_penalties import PLAIN, VARIANTS, cost, lines, without
from trilemma.cli.main import main
from trilemma.errors import RecipeError
from trilemma.recipe.networks import DCGANCritic
from trilemma.recipe.recipe import AdversarialRecipe

CPU = torch.device("cpu")


def test_the_ratio_is_of_the_plain_step_in_the_same_round() -> None:
    taken = {PLAIN: [1.0, 2.0, 4.0], "r1": [2.0, 6.0, 8.0]}
    found = cost("r1", taken, {"precision": "bf16"})
    assert (found.milliseconds, found.ratio) == (6000.0, 2.0)
    assert cost(PLAIN, taken, {}).ratio == 1.0


def test_the_plain_step_has_no_penalty_and_the_others_have_theirs() -> None:
    family = AdversarialRecipe(loss="wasserstein", gp=10.0, r1=3.0, critic=DCGANCritic())
    plain = without(family)
    assert (plain.loss, plain.gp, plain.r1, plain.critic.batchnorm) == ("bce", 0.0, 0.0, False)  # type: ignore[union-attr]
    for name, settings in VARIANTS.items():
        on = [f for f in ("r1", "r2", "gp", "dragan") if settings.get(f)]
        assert bool(on) == (name != PLAIN)


def test_every_penalty_has_a_row(tmp_path: object) -> None:
    recipe = replace(tiny.recipe("unused"), preset="tiny")
    found = bench_penalties.bench_penalties(recipe, rounds=2, device=CPU)
    assert [one.penalty for one in found.costs] == list(VARIANTS)
    for load, said in ((0.2, 0), (1.5, 1), (float("nan"), 0)):
        told = lines(replace(found, load=load))
        assert len(told) == 1 + len(VARIANTS) + said
        assert sum("the machine was busy (load 1.5 before)" in line for line in told) == said
    with pytest.raises(RecipeError, match="no critic"):
        bench_penalties.bench_penalties(
            replace(recipe, family=tiny.DIFFUSION), rounds=2, device=CPU
        )


def test_a_model_without_a_critic_is_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "penalties", "tiny-diffusion"]) == 2
    assert "has no critic" in capsys.readouterr().err
