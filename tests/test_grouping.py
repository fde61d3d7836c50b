"""What runs are called in a report: as somebody named them, else after their presets."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from handmade import RECIPE
from trilemma.grouping import given_name, group_names
from trilemma.recipe.naming import run_name
from trilemma.runs import Found
from trilemma.scoring import Scored


class Only:
    """A scored run of which nothing but its place is known."""

    def __init__(self, found: Found) -> None:
        self.found = found


def run(place: str, *, preset: str = "p", seed: int = 0, bundle: bool = False) -> Scored:
    path = Path(place)
    found = Found(
        name=path.name,
        place=path,
        recipe=replace(RECIPE, preset=preset, seed=seed),
        weights=path / "w",
        checkpoint="best",
        bundle=bundle,
    )
    return cast("Scored", Only(found))


MADE, OTHER = "runs/p-s0-0123abcd", "runs/p-s0-4567abcd"


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ([[run(MADE)]], ["p"]),
        ([[run("mine/loud")]], ["loud"]),
        ([[run("mine/loud")], [run(MADE)]], ["loud", "p"]),
        ([[run(MADE)], [run(OTHER)]], ["p-s0-0123abcd", "p-s0-4567abcd"]),
        ([[run(MADE + "+320")]], ["p"]),  # a training that went on
        ([[run("b/p", bundle=True)]], ["p"]),
        ([[run("mine/seed-0"), run("mine/seed-1", seed=1)]], ["mine (2 seeds)"]),
        ([[run("mine/seed-0")], [run("yours/seed-0")]], ["mine/seed-0", "yours/seed-0"]),
        ([[run(MADE), run("runs/p-s1-0123abcd", seed=1)]], ["p (2 seeds)"]),
        ([[run("loud"), run("quiet", seed=1)]], ["p (2 seeds)"]),
        ([[run("a/x")], [run("b/x")]], ["a/x@best", "b/x@best"]),
    ],
)
def test_names_that_somebody_gave_are_kept(groups: list[list[Scored]], names: list[str]) -> None:
    assert group_names(groups) == names


def test_a_name_that_was_made_is_none_that_was_given() -> None:
    name = run_name(replace(RECIPE, preset="p", seed=12), "fingerprint")
    assert given_name([run(f"runs/{name}").found]) == ""
