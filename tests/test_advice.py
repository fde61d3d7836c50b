"""What to try: nothing that a recipe has already, and only what can be typed and trained."""

import re
from dataclasses import replace

import pytest

import tiny
from trilemma.advice import ADVICE, to_try
from trilemma.cli.arguments import parse_train
from trilemma.diagnosis import ILLNESSES
from trilemma.recipe import presets
from trilemma.recipe.checking import check
from trilemma.recipe.networks import DCGANCritic
from trilemma.recipe.recipe import AdversarialRecipe, Recipe

PLAIN = AdversarialRecipe(loss="bce", critic=DCGANCritic(batchnorm=False))


def tried(illness: str, **family: object) -> str:
    return to_try(illness, Recipe(family=replace(PLAIN, **family)))[0]  # type: ignore[arg-type]


def test_every_illness_has_advice_in_two_languages() -> None:
    assert ADVICE.keys() == ILLNESSES.keys()
    for rows in ADVICE.values():
        for english, portuguese in (row.said for row in rows):
            assert english and portuguese and english != portuguese
            assert re.findall(r"--[a-z.12-]+", english) == re.findall(r"--[a-z.12-]+", portuguese)


@pytest.mark.parametrize(
    ("illness", "has", "words"),
    [
        ("overfitted_critic", {"augment": ("color",)}, "--family.augment"),
        ("overfitted_critic", {"augment": ("color",), "ada_target": 0.6}, "--family.ada-target"),
        ("copying", {"augment": ("color",), "ada_target": 0.6}, "--family.ada-target"),
        ("explosion", {"r1": 1.0}, "--family.r1"),
        ("explosion", {"gp": 10.0}, "--family.r1"),
        ("collapse", {"r1": 1.0}, "--family.r2"),
        ("collapse", {"loss": "relativistic"}, "relativistic"),
        ("saturated_critic", {"instance_noise": 0.1}, "--family.instance-noise"),
        ("saturated_critic", {"critic_updates": 1}, "--family.critic-updates"),
        ("vanishing_gradients", {"loss": "bce"}, "saturate"),
    ],
)
def test_what_a_recipe_has_is_not_advised(illness: str, has: dict[str, object], words: str) -> None:
    assert words in to_try(illness, None)[0]
    assert words not in tried(illness, **has)


def test_what_a_recipe_lacks_is_advised() -> None:
    assert "--family.r1 1.0 and" in tried("collapse")
    assert "--family.augment" in tried("copying")
    assert "--family.ada-target 0.6)" in tried("copying", augment=("color",))
    paired = tried("copying", augment=("color",), loss="relativistic")
    assert "--family.ada-target 0.77)" in paired
    assert "a larger --family.r1" in tried("overfitted_critic", r1=1.0)
    assert "--family.critic-updates 1" in tried("saturated_critic", critic_updates=5)


def test_a_penalty_takes_the_place_of_batch_norm() -> None:
    said = tried("explosion", critic=DCGANCritic(batchnorm=True))
    assert "(--family.r1 1.0 --family.critic.no-batchnorm)" in said
    assert "no-batchnorm" not in tried("explosion")


def test_a_diffusion_model_is_not_told_of_critics() -> None:
    for illness in ("not_finite", "explosion", "collapse", "copying"):
        said = to_try(illness, Recipe(family=tiny.DIFFUSION))[0]
        assert said and "critic" not in said, illness
    assert "--family.optimizer.clip" not in to_try("explosion", Recipe(family=tiny.DIFFUSION))[0]


@pytest.mark.parametrize("preset", ["folder-gan", "mnist-dcgan", "mnist-ddpm"])
def test_every_option_that_is_advised_can_be_typed(preset: str) -> None:
    """Those with a value; widths are numbers of the reader's own."""
    recipe = presets.find(preset).recipe
    for illness in ADVICE:
        for one in to_try(illness, recipe)[0].split("; "):
            typed = re.search(r"\((--family[^()]*?)(?: and the [a-z' ]+)?\)", one)
            words = typed[1].replace(" and ", " ").split() if typed else []
            if len(words) > 1:
                check(parse_train([preset, "--data.root", "photos", *words]).recipe)
