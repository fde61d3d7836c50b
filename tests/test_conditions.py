"""Networks that are told labels: what reaches them, what is drawn, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from trilemma import drawing, exploring, telling, watch
from trilemma.average import kept
from trilemma.data.labels import labelled
from trilemma.data.sources import open_source
from trilemma.errors import RecipeError, RunError
from trilemma.exploring import Journey
from trilemma.families import build, built, conditions
from trilemma.families.family import At, Batch, DrawOptions, Family
from trilemma.nets.conditioned import AuxiliaryCritic, ConcatCritic, ProjectionCritic
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe
from trilemma.sampling import drawn, load_generator

START = At(torch.tensor(0.0), torch.tensor(0.0))
CLASSES = ("ant", "bee", "cow")
DATA = DataRecipe(size="28x28", channels=1, labels=CLASSES)
CONDITIONS = ("concat", "projection", "auxiliary")
FAMILIES = {
    **{name: replace(tiny.GAN, condition=name) for name in CONDITIONS},
    "diffusion": replace(tiny.DIFFUSION, condition="labels", label_dropout=0.0),
}


def step(family: Family, labels: Tensor) -> tuple[Batch, dict[str, Tensor]]:
    rng = torch.Generator().manual_seed(1)
    noise = {
        name: draw(len(labels), rng)
        for phase in family.phases
        for name, draw in phase.noise.items()
    }
    images = torch.rand(len(labels), 1, 28, 28, generator=rng) * 2 - 1
    return Batch(images, labels), noise


def shaken(net: nn.Module) -> None:
    """Move every weight, those that begin at 0 as well."""
    torch.manual_seed(3)
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.1 * torch.randn_like(weight)


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_loss_reads_the_labels_and_reaches_every_weight(kind: str) -> None:
    family = build(Recipe(data=DATA, family=FAMILIES[kind]))
    shaken(family.nets)
    labels = torch.tensor([0, 2, 1, 1])
    batch, noise = step(family, labels)
    for phase in family.phases:
        losses = phase.loss(batch, noise, START)[0]
        assert losses.shape == (4,)
        other = phase.loss(batch._replace(labels=(labels + 1) % 3), noise, START)[0]
        assert (losses - other).abs().min() > 1e-6, phase.name
        net = family.nets[phase.trains]
        net.zero_grad()
        losses.sum().backward()
        told = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
        assert all("layers" in name and name.endswith("bias") for name in told), told


@pytest.mark.parametrize("kind", FAMILIES)
def test_images_follow_what_is_asked_and_the_seed(kind: str) -> None:
    family = build(Recipe(data=DATA, family=FAMILIES[kind]))
    shaken(family.nets)
    nets = kept(family).eval()

    def draw(seeds: list[int], label: int) -> Tensor:
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        asked = conditions.encoded(DATA, torch.tensor([label] * len(seeds)))
        with torch.no_grad():
            return family.draw(nets, rngs, asked, DrawOptions())

    ants, bees = draw([1, 2], 0), draw([1, 2], 1)
    assert (ants - bees).abs().mean() > 1e-3
    torch.testing.assert_close(draw([2], 0), ants[1:], atol=2e-3, rtol=0)


def test_who_asks_for_nothing_gets_what_training_images_show() -> None:
    """All training images are bees, so that every image drawn must be the bee of its seed."""
    recipe = Recipe(data=DATA, family=FAMILIES["concat"])
    family = build(recipe)
    shaken(family.nets)
    conditions.remember(family.nets["generator"], DATA, torch.tensor([1, 1, 1]))
    nets = kept(family).eval()
    images = []
    for asked in (None, conditions.encoded(DATA, torch.tensor([1, 1]))):
        rngs = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
        images.append(family.draw(nets, rngs, asked, DrawOptions()))
    assert torch.equal(*images)


def test_a_projection_adds_the_product_of_features_and_what_is_asked() -> None:
    class Halves(nn.Module):
        width_of_features = 2

        def features(self, images: Tensor) -> Tensor:
            return images.flatten(1)

        def score(self, features: Tensor) -> Tensor:
            return features.sum(1)

    images = torch.tensor([[2.0, 3.0]])[:, :, None, None]
    asked = torch.tensor([[0.0, 1.0]])
    critic = ProjectionCritic(Halves(), conditions=2)
    assert critic(images, asked)[0].item() == 5.0
    with torch.no_grad():
        critic.asked.weight.copy_(torch.tensor([[9.0, 10.0], [9.0, -1.0]]))
    assert critic(images, asked)[0].item() == 5.0 + 2 * 10 - 3
    named = AuxiliaryCritic(Halves(), conditions=2)
    scores, guess = named(images, asked)
    expected = named.named.weight @ torch.tensor([2.0, 3.0]) + named.named.bias
    torch.testing.assert_close(guess[0], expected)
    assert scores.item() == 5.0


def test_a_map_is_put_behind_the_channels() -> None:
    class Last(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            assert images.shape == (1, 3, 2, 2)
            return images[:, 2].flatten(1).sum(1)

    critic = ConcatCritic(Last(), conditions=3, size=(2, 2))
    score, _ = critic(torch.zeros(1, 2, 2, 2), torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(score[0], critic.told.weight[:, 1].sum())


def test_guidance_goes_from_the_untold_network_through_the_told_one() -> None:
    """With guidance 1 the untold network is not asked; further on, images move linearly."""
    recipe = Recipe(data=DATA, family=replace(FAMILIES["diffusion"], steps=1, sampler="ddim"))
    family = build(recipe)
    assert not family.guides
    shaken(family.nets)
    nets = kept(family).eval()
    asked = conditions.encoded(DATA, torch.tensor([2]))
    images = {}
    for guidance in (1.0, 1.5, 2.0):
        rngs = [torch.Generator().manual_seed(0)]
        options = DrawOptions(guidance=guidance)
        images[guidance] = family.draw(nets, rngs, asked, options)
    inside = (images[2.0].abs() < 1) & (images[1.0].abs() < 1)  # not clipped
    middle = (images[1.0] + images[2.0]) / 2
    assert inside.sum() > 50
    torch.testing.assert_close(images[1.5][inside], middle[inside], atol=1e-4, rtol=1e-4)
    assert family.evaluations(DrawOptions(guidance=1.0)) == 1
    assert family.evaluations(DrawOptions(guidance=2.0)) == 2


def test_labels_are_kept_back_as_often_as_the_recipe_says() -> None:
    family = replace(tiny.DIFFUSION, condition="labels", label_dropout=0.25)
    made = build(Recipe(data=DATA, family=family))
    shaken(made.nets)
    batch, noise = step(made, torch.tensor([0, 2, 1, 1]))
    untold = {**noise, "untold": torch.tensor([0.1, 0.24, 0.26, 0.9])}
    loss = made.phases[0].loss
    first = loss(batch, untold, START)[0]
    other = loss(batch._replace(labels=torch.tensor([1, 1, 2, 2])), untold, START)[0]
    assert (first != other).tolist() == [False, False, True, True]


def test_a_recipe_without_labels_builds_nothing() -> None:
    recipe = Recipe(family=FAMILIES["concat"], data=replace(DATA, labels=()))
    with pytest.raises(RecipeError, match=r"needs labels, and data\.labels is empty"):
        build(recipe)


@pytest.mark.parametrize("kind", ["concat", "diffusion"])
def test_a_run_is_trained_and_asked_by_name_and_number(tmp_path: Path, kind: str) -> None:
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), FAMILIES[kind])
    run = watch.train(recipe, out=tmp_path / "run").folder.path
    heard: list[str] = []
    out = tmp_path / "all.npz"
    wanted = ["3", "7"]
    drawing.sample([str(run)], n=2, classes=wanted, out=out, kind="npz", say=heard.append)
    with np.load(out) as drawn:
        assert drawn["labels"].tolist() == [3, 3, 7, 7]
        assert drawn["seeds"].tolist() == [0, 1, 0, 1]
        assert drawn["images"].shape == (4, 28, 28, 1)
    assert "2 images of each of 3, 7" in heard[-1]
    folder = tmp_path / "folder"
    drawing.sample([str(run)], n=1, classes=["all"], out=folder, kind="folder")
    assert len(list(folder.iterdir())) == 10
    assert (folder / "4-000000.png").is_file()
    with pytest.raises(RunError, match="unknown class '12'"):
        drawing.sample([str(run)], n=1, classes=["12"], out=tmp_path / "a.png")
    with pytest.raises(RunError, match=r"was told 0, 1, .*; ask with --class"):
        drawing.sample([str(run)], n=1, attributes=["smile=1"], out=tmp_path / "a.png")


def test_attributes_are_asked_for_within_their_range(tmp_path: Path) -> None:
    folder = tiny.numbered(tmp_path / "faces")
    recipe = tiny.recipe(folder, FAMILIES["projection"])
    recipe = replace(recipe, data=replace(recipe.data, attributes="faces.csv"))
    run = watch.train(recipe, out=tmp_path / "run").folder.path
    out = tmp_path / "a.png"
    drawing.sample([str(run)], n=2, attributes=["odd=1", "number=30"], out=out)
    assert out.is_file()
    with pytest.raises(RunError, match="allowed: odd=0 to odd=1"):
        drawing.sample([str(run)], n=1, attributes=["odd=2"], out=out)
    with pytest.raises(RunError, match="unknown attribute 'smile'"):
        drawing.sample([str(run)], n=1, attributes=["smile=1"], out=out)


def test_a_run_that_was_told_nothing_cannot_be_asked(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="digits-gan was told no labels in training"):
        drawing.sample(["bundle:digits-gan"], n=1, classes=["3"], out=tmp_path / "a.png")


def test_the_generator_remembers_labels_of_its_source(tmp_path: Path) -> None:
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), FAMILIES["concat"])
    source = open_source(recipe.data, "train")
    recipe = labelled(recipe, source)
    assert isinstance(recipe.family, AdversarialRecipe)
    known = conditions.kept(built(recipe, source).nets["generator"])
    assert known is not None
    assert torch.equal(known.sum(1), torch.ones(len(known)))
    shares = known.mean(0).numpy()
    real = np.bincount(source.labels, minlength=10) / len(source)
    np.testing.assert_allclose(shares, real, atol=0.02)


def test_a_denoiser_remembers_labels_too(tmp_path: Path) -> None:
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), FAMILIES["diffusion"])
    source = open_source(recipe.data, "train")
    family = built(labelled(recipe, source), source)
    known = conditions.kept(family.nets["generator"])
    assert known is not None
    assert torch.equal(known.sum(1), torch.ones(len(known)))


def test_runs_of_one_name_are_drawn_both(tmp_path: Path) -> None:
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), FAMILIES["concat"])
    run = watch.train(recipe, out=tmp_path / "run").folder.path
    runs = [f"{run}@32", f"{run}@64"]
    done = drawing.sample(runs, n=2, out=tmp_path / "a.npy", kind="npy")
    assert sorted(path.name for path in done) == ["a-run@32.npy", "a-run@64.npy"]
    with pytest.raises(RunError, match="a walk shows one class"):
        exploring.explore(str(run), Journey(seeds=(5, 9), shows="all"), device=torch.device("cpu"))


@pytest.mark.parametrize("kind", ["concat", "diffusion"])
def test_a_walk_shows_one_class_all_along(tmp_path: Path, kind: str) -> None:
    """The picture of a seed is that which `sample` draws of the class."""
    recipe = tiny.recipe(tiny.digits(tmp_path / "digits.npz"), FAMILIES[kind])
    run = watch.train(recipe, out=tmp_path / "run").folder.path
    drawer = load_generator(str(run), device=torch.device("cpu"))
    for shows, label in (("7", 7), ("", 0)):
        asked = Journey(seeds=(5, 9), shows=shows)
        row = telling.all_along(drawer, "run", asked.shows, ()).row
        assert row == tuple(float(place == label) for place in range(10))
        told = replace(drawer, asked=row)
        latents = exploring.latents_of(told, [5, 9])
        pictures = exploring.pictures(told, latents, lambda done, total: None)
        np.testing.assert_allclose(pictures.astype(int), drawn(told, [5, 9]).astype(int), atol=1)
    seven = telling.all_along(drawer, "run", "7", ())
    made = telling.otherwise(drawer, seven, [5, 9, 5], lambda done, total: None)
    assert made is not None and telling.said(drawer, seven).endswith("class 7")
    (knob,) = made.knobs
    assert (made.seeds, knob.words, knob.at, made.left_out) == ((5, 9), tuple("0123456789"), 7, 0)
    for label in (2, 7):
        told = replace(drawer, asked=tuple(float(place == label) for place in range(10)))
        close = knob.pixels[label].astype(int) - drawn(told, [5, 9])
        assert abs(close).max() <= 1


def test_attributes_are_moved_one_at_a_time(tmp_path: Path) -> None:
    """60 files, named by their numbers: odd is 0 or 1, number 0 to 59."""
    recipe = tiny.recipe(tiny.numbered(tmp_path / "digits"), FAMILIES["concat"])
    recipe = replace(recipe, data=replace(recipe.data, attributes="faces.csv"))
    run = watch.train(recipe, out=tmp_path / "run").folder.path
    drawer = load_generator(str(run), device=torch.device("cpu"))
    shown = telling.all_along(drawer, "run", "", ("odd=1",))
    assert shown.row[0] == 1.0
    assert telling.said(drawer, shown) == "Asked for: odd=1; other attributes are at their mean"
    made = telling.otherwise(drawer, shown, [3], lambda done, total: None)
    assert made is not None
    odd, number = made.knobs
    assert [odd.words[place] for place in (0, 3, 6)] == ["0", "0.5", "1"]
    assert (odd.at, number.at, len(number.words)) == (6, 3, telling.VALUES)
    told = replace(drawer, asked=(-1.0, shown.row[1]))
    assert abs(odd.pixels[0].astype(int) - drawn(told, [3])).max() <= 1
