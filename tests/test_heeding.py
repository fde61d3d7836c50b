"""How often an image shows the class it was asked for: hits counted by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trilemma import heeding
from trilemma.data.sources import open_named
from trilemma.data.values import Source
from trilemma.errors import DataError
from trilemma.evaluation import read_scores, write_scores
from trilemma.families.family import Family
from trilemma.features.domain import embedded
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe
from trilemma.report import asked, words
from trilemma.runs import Found
from trilemma.sampling import Drawer
from trilemma.scores import Heeded, Scores

CPU = torch.device("cpu")
DIGITS = tuple("0123456789")
THREE = ("1", "4", "7")


@pytest.fixture(scope="module")
def held_out() -> Source:
    source = open_named("digits:test")
    return replace(source, pixels=np.asarray(source.pixels[:]))


def run_of(place: Path, *, condition: str = "concat", labels: tuple[str, ...] = THREE) -> Found:
    """Give a run on digits of three classes, its weights a file that nobody reads."""
    weights = place / "weights"
    weights.write_bytes(b"of no network")
    data = DataRecipe(source="digits", size="28x28", channels=1, labels=labels, classes=labels)
    recipe = Recipe(data=data, family=AdversarialRecipe(condition=condition))
    return Found(
        name="r", place=place, recipe=recipe, weights=weights, checkpoint="best", bundle=False
    )


def drawer_of(found: Found, images: Source, monkeypatch: pytest.MonkeyPatch) -> Drawer:
    """Draw, when 1 or 7 is asked for, real ones; when 4 is, every fourth time a real 9."""

    def drawn(drawer: Drawer, seeds: range, **_: object) -> np.ndarray:
        asked_for = found.recipe.data.labels[drawer.asked.index(1.0)]
        wanted = [
            "9" if asked_for == "4" and place % 4 == 0 else asked_for for place in range(len(seeds))
        ]
        rows = {name: np.flatnonzero(images.labels == int(name)) for name in DIGITS}
        return np.asarray(
            [images.pixels[rows[name][place % 5]] for place, name in enumerate(wanted)]
        )

    monkeypatch.setattr("trilemma.samplecache.drawn_together", drawn)
    family: Family = None  # type: ignore[assignment]
    nets = torch.nn.ModuleDict()
    return Drawer(recipe=found.recipe, family=family, nets=nets, device=CPU)


def test_hits_are_counted_class_by_class(
    tmp_path: Path, held_out: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of every class 20 images; those of 4 are nines five times."""
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    sure = sure_of(held_out)
    found = run_of(tmp_path)
    made = heeding.heed(found, drawer_of(found, sure, monkeypatch), held_out, n=60)
    (score,), (shares,) = made.scores, made.heeded
    assert shares == Heeded(run="r", classes=THREE, share=(1.0, 0.75, 1.0), n=20)
    assert shares.worst == ("4", 0.75)
    assert (score.value, score.n) == (pytest.approx(55 / 60), 60)
    # Wilson's interval of 55 in 60, z = 1.96: centre 0.8916, half width 0.0724.
    assert score.error == pytest.approx(0.0724 / 1.96, rel=0.01)
    assert made.columns[score.column].extractor == "domain"
    other = replace(score, value=0.1, sampler="of another drawing")
    both = replace(made, scores=(other, *made.scores))
    said = asked.lines(both, words.read("en"), "en")["r"]
    assert said == ("Asked for a class: 92 ± 4 % of 60 images show it (worst: 4, 75 % of 20).")


def sure_of(source: Source) -> Source:
    """Keep the images that the classifier sees as what they are."""
    by = embedded("digits", device=CPU)
    right = by(np.asarray(source.pixels)).logits.argmax(axis=1) == source.labels
    return replace(source, pixels=source.pixels[right], labels=source.labels[right])


def test_the_floor_is_the_classifiers_own_share(held_out: Source) -> None:
    """Two classes in unlike numbers: the mean over classes, not over images."""
    sure = sure_of(held_out)
    ones, fours = (np.flatnonzero(sure.labels == label) for label in (1, 4))
    rows = np.concatenate([ones[:9], fours[:2]])
    labels = sure.labels[rows].copy()
    labels[-1] = 3  # a four that is called a three
    labels[0] = -1  # of unknown class: left out
    mixed = replace(sure, pixels=sure.pixels[rows], labels=labels)
    assert heeding.known(embedded("digits", device=CPU), mixed) == pytest.approx(2 / 3)
    nobody = replace(mixed, labels=np.full(len(rows), -1))
    assert math.isnan(heeding.known(embedded("digits", device=CPU), nobody))


def test_where_nothing_can_be_counted_a_line_says_why(tmp_path: Path, held_out: Source) -> None:
    heard: list[str] = []

    def heed(found: Found) -> Scores:
        family: Family = None  # type: ignore[assignment]
        drawer = Drawer(recipe=found.recipe, family=family, nets=torch.nn.ModuleDict(), device=CPU)
        return heeding.heed(found, drawer, held_out, say=heard.append)

    assert heed(run_of(tmp_path, condition="none")) == Scores()
    assert heard == []
    assert heed(run_of(tmp_path, labels=("ant", "bee"))) == Scores()
    assert "no classifier of ant, bee, ... ships" in heard.pop()
    found = run_of(tmp_path)
    data = replace(found.recipe.data, label_low=(0.0,) * 3, label_high=(1.0,) * 3)
    assert heed(replace(found, recipe=replace(found.recipe, data=data))) == Scores()
    assert "attributes, which no classifier tells" in heard.pop()


def test_it_is_measured_where_it_is_named_or_nothing_is(tmp_path: Path, held_out: Source) -> None:
    assert heeding.others((heeding.NAME, "fd")) == ("fd",)
    with pytest.raises(DataError, match="beside its own held-out images"):
        heeding.others(("asked_class",), alone=False)
    found = run_of(tmp_path, condition="none")
    family: Family = None  # type: ignore[assignment]
    drawer = Drawer(recipe=found.recipe, family=family, nets=torch.nn.ModuleDict(), device=CPU)
    assert heeding.heed(found, drawer, held_out, metrics=("fd",)) == Scores()
    with pytest.raises(DataError, match="metric asked_class: r was told no labels"):
        heeding.heed(found, drawer, held_out, metrics=("fd", "asked_class"))


def test_the_shares_stand_in_scores_json(tmp_path: Path) -> None:
    one = Heeded(run="r", classes=("a", "b"), share=(1.0, 0.5), n=4, sampler="s-5", checkpoint="7")
    path = tmp_path / "scores.json"
    write_scores(path, Scores(heeded=(one,)))
    assert read_scores(path) == Scores(heeded=(one,))
    content = json.loads(path.read_text("utf-8"))
    del content["heeded"][0]["sampler"], content["heeded"][0]["checkpoint"]
    path.write_text(json.dumps(content), encoding="utf-8")  # as files of before have it
    assert read_scores(path).heeded == (replace(one, sampler="", checkpoint=""),)
