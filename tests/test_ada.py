"""Augmentation adapts to how much a critic knows by heart, and stays out of the samples."""

import itertools
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from trilemma.data.batches import Batches
from trilemma.data.values import Source
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.adaptive import SIGNAL, Adaptive
from trilemma.families.duel import Duel
from trilemma.families.family import At, Batch, Family, Noise
from trilemma.maths.augmentation import AUGMENTATIONS, augment, count, next_chance, overfitting
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.recipe.checking import check
from trilemma.recipe.networks import PerceptronCritic, PerceptronGenerator
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    OptimizerRecipe,
    Recipe,
    TrainRecipe,
)
from trilemma.step import Task, prepare, update

START, CLOCK = At(0, 0.0), At(torch.tensor(0.0), torch.tensor(0.0))
BATCH, RAMP = 100, 10_000  # images: a step moves the chance by 1/100
OF_DIFFERENCES = ("relativistic", "wasserstein")  # losses that read no score by itself
SIDES = (8, 8)  # moved by up to 1 pixel, in 9 ways
SCORES = torch.tensor([3.0, 0.7, 0.3, -2.0]), torch.tensor([1.0, 1.0, 0.1, -3.0])


def recipe(loss: str = "bce", **family: object) -> Recipe:
    settings = {"augment": ("translation",), "ada_target": 0.6, "ada_images": RAMP} | family
    gan = replace(tiny.GAN, loss=loss, **settings)
    plain = tiny.recipe("", gan, batch_size=BATCH)
    return replace(plain, data=replace(plain.data, size="{1}x{0}".format(*SIDES)))


def blank(batch: Batch, noise: Noise, told: Tensor | None) -> Tensor:
    """Generate blank images."""
    return torch.zeros(len(noise["latents"]), 1, *SIDES)


class ByHeart(nn.Module):
    """A critic that knows its training images and nothing else: +1 for one of them, else -1."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.register_buffer("images", images.flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        known = (images.flatten(1)[:, None] == self.images).all(2).any(1)
        return torch.where(known, 1.0, -1.0)


def stepped(duel: Duel, family: Family, images: Tensor, steps: int) -> list[float]:
    """Take steps of the critic's phase, without an optimizer; give the chance after each."""
    assert duel.adaptive is not None
    rng, found = torch.Generator().manual_seed(0), []
    for _ in range(steps):
        noise = {name: draw(BATCH, rng) for name, draw in family.phases[0].noise.items()}
        noise.pop("between", None)  # this critic has no slope
        _, scalars = duel.critic_loss(Batch(images), noise, CLOCK)
        duel.after_critic(START, {name: value.mean() for name, value in scalars.items()})
        found.append(float(duel.adaptive.chance))
    return found


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_the_chance_settles_where_overfitting_meets_its_target_and_falls_back(loss: str) -> None:
    """The share s that a critic by heart knows again is 1 - 8/9 p: one shift of 9 is none.

    Its mean sign is 2 s - 1, so that p comes to rest at 0.2 x 9/8; of pairs of real and fake,
    which differ where the real image is known, it is s, and p rests at 0.4 x 9/8.
    """
    family = build(recipe(loss))
    images = torch.rand(BATCH, 1, *SIDES, generator=torch.Generator().manual_seed(1)) * 2 - 1
    adaptive = family.nets["adaptive"]
    assert isinstance(adaptive, Adaptive)
    duel = Duel(blank, ByHeart(images), GAN_LOSSES[loss], recipe(loss), adaptive)
    rest = (0.4 if loss in OF_DIFFERENCES else 0.2) * 9 / 8
    chances = stepped(duel, family, images, 200)
    assert chances[:3] == pytest.approx([0.01, 0.02, 0.03]), "at first it only rises"
    assert np.mean(chances[-100:]) == pytest.approx(rest, abs=0.03)
    other = replace(duel, critic=ByHeart(images + 1))
    assert stepped(other, family, images, 60)[-1] == 0, "nothing is known by heart any more"


def test_the_signal_of_each_loss() -> None:
    """By hand: halfway is 0, or 1/2 between targets 0 and 1, or nowhere."""
    scores = dict(zip(("real", "fake"), SCORES, strict=True))
    expected = {"least-squares": [1, 1, -1, -1]}
    expected |= {name: [1, -1, 1, 1] for name in OF_DIFFERENCES}
    for name, loss in GAN_LOSSES.items():
        duel = Duel(
            blank,
            ByHeart(torch.zeros(1, 1, *SIDES)),
            loss,
            recipe(name),
            Adaptive(target=0.6, ramp=1),
        )
        assert duel.learnt(scores)[SIGNAL].tolist() == expected.get(name, [1, 1, 1, -1]), name


def test_the_signal_of_differences_ignores_where_scores_lie() -> None:
    real, fake = SCORES
    found = overfitting(real=real + 9, fake=fake + 9, middle=None)
    assert torch.equal(found, overfitting(real=real, fake=fake, middle=None))


def test_a_target_of_pairs_is_higher_for_the_same_overlap() -> None:
    """What the docstring says, with a million scores: 0.6 is 0.77."""
    rng, apart = torch.Generator().manual_seed(0), NormalDist().inv_cdf(0.8)
    real, fake = torch.randn(2, 1_000_000, generator=rng) + torch.tensor([[apart], [-apart]])
    assert overfitting(real=real, fake=fake, middle=0.0).mean() == pytest.approx(0.6, abs=5e-3)
    assert overfitting(real=real, fake=fake, middle=None).mean() == pytest.approx(0.766, abs=5e-3)


def test_the_chance_takes_a_whole_ramp_and_stays_a_probability() -> None:
    chance, steps = torch.zeros(()), 0
    while chance < 1:
        chance, steps = moved(chance, 1.0), steps + 1
    assert steps == pytest.approx(RAMP / BATCH, abs=1)
    assert moved(chance, 1.0) == 1
    assert moved(chance, 0.6) == chance, "at the target it rests"
    assert moved(torch.zeros(()), -1.0) == 0


def moved(chance: Tensor, signal: float) -> Tensor:
    told = torch.tensor(signal)
    return next_chance(
        chance, signal=told, target=float(torch.tensor(0.6)), images=BATCH, ramp=RAMP
    )


def test_each_change_is_made_of_a_share_of_images_apart_from_the_others() -> None:
    names, n, rng = tuple(AUGMENTATIONS), 4000, torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, 8, 8, generator=rng).expand(n, -1, -1, -1)
    left = {}
    for kind in [(name,) for name in names] + [names]:
        numbers = torch.rand(n, count(kind, chosen=True), generator=rng)
        for chance in (0.0, 0.25, 1.0):
            same = (augment(images, numbers, kind, torch.tensor(chance)) == images).all((1, 2, 3))
            left[kind, chance] = float(same.float().mean())
    assert all(share == 1 for (_, chance), share in left.items() if chance == 0)
    nothing = {"flip": 1 / 2, "turn": 1 / 4, "translation": 1 / 9}  # changes that change nothing
    for name in names:
        none = nothing.get(name, 0.0)
        assert left[(name,), 1.0] == pytest.approx(none, abs=0.03)
        assert left[(name,), 0.25] == pytest.approx(1 - 0.25 * (1 - none), abs=0.03)
    alone = np.prod([1 - 0.25 * (1 - nothing.get(name, 0.0)) for name in names])
    assert left[names, 0.25] == pytest.approx(alone, abs=0.03)


def test_a_chance_of_one_is_augmentation_of_every_image() -> None:
    names = tuple(AUGMENTATIONS)
    images, numbers = torch.rand(9, 3, 8, 8), torch.rand(9, count(names))
    widths, start, columns = [AUGMENTATIONS[name].numbers for name in names], 0, []
    for width in widths:
        columns += [torch.rand(9, 1), numbers[:, start : start + width]]
        start += width
    chosen = augment(images, torch.cat(columns, 1), names, torch.tensor(1.0))
    assert torch.equal(chosen, augment(images, numbers, names))


# What augmentation does to a distribution over all pictures of some tiny kind is a matrix: column j
# is where picture j goes. It can be undone, and so does not leak, where the matrix has full rank.


def operator(pictures: Tensor, name: str, cells: int, chance: float) -> np.ndarray:
    """Enumerate an augmentation of every picture [K, 1, H, W], with numbers in equal cells."""
    ways = list(itertools.product([(i + 0.5) / cells for i in range(cells)], repeat=count((name,))))
    total = len(pictures) * len(ways)
    many = pictures.repeat_interleave(len(ways), 0)
    numbers = torch.tensor(ways).repeat(len(pictures), 1)
    matrix = np.zeros((len(pictures),) * 2)
    for gate, weight in ((0.0, chance), (1.0, 1 - chance)):  # below the chance, or not
        chosen = torch.cat([torch.full((total, 1), gate), numbers], 1)
        changed = augment(many, chosen, (name,), torch.tensor(0.5))
        where = (
            (changed[:, None] == pictures).flatten(2).all(2).int().argmax(1).reshape(-1, len(ways))
        )
        for column, rows in enumerate(where.tolist()):
            for row in rows:
                matrix[row, column] += weight / len(ways)
    return matrix


def every_picture(height: int, width: int) -> Tensor:
    """List all pictures of ones and zeros."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=height * width))).reshape(
        -1, 1, height, width
    )


@pytest.mark.parametrize(("name", "cells", "orbits"), [("flip", 2, 10), ("turn", 4, 6)])
def test_turns_and_flips_leak_at_one_and_not_below(name: str, cells: int, orbits: int) -> None:
    """An average over a group is a projection: its eigenvalues are 1 and, where it mixes, 1 - p.

    Of the 16 pictures of 2x2, 4 are mirror images of themselves and 12 pair up: 10 orbits. Turned
    by quarters there are 6 (Burnside: (16 + 2 + 4 + 2) / 4).
    """
    for chance in (0.3, 0.8, 0.95, 1.0):
        values = np.sort(np.linalg.eigvals(operator(every_picture(2, 2), name, cells, chance)).real)
        expected = [1 - chance] * (16 - orbits) + [1.0] * orbits
        assert np.allclose(values, expected, atol=1e-6)
    assert np.linalg.matrix_rank(operator(every_picture(2, 2), name, cells, 1.0)) == orbits


def paths(side: int, chance: float) -> list[float]:
    """Give the eigenvalues of shifts by -1, 0, 1 of all pictures in a row of `side` pixels.

    What a shift pushes out never comes back, so that the matrix is triangular in blocks: one for
    each pattern, by the L places where it fits, in which shifts are a path of length L. The
    eigenvalues of that are 1 + 2 cos(k pi / (L + 1)), of which p/3 counts.
    """
    found = [1.0]  # the empty picture
    for span in range(1, side + 1):
        places, patterns = side - span + 1, 2 ** max(0, span - 2)
        for k in range(1, places + 1):
            ahead = 1 + 2 * np.cos(k * np.pi / (places + 1))
            found += [1 - chance + chance / 3 * ahead] * patterns
    return sorted(found)


@pytest.mark.parametrize("chance", [0.3, 0.6, 0.8])
def test_translation_does_not_leak_below_about_eight_tenths(chance: float) -> None:
    """A row of 4 pixels moves by up to 1; rows of one pixel's height do not move down."""
    values = np.linalg.eigvals(operator(every_picture(1, 4), "translation", 3, chance))
    assert np.allclose(np.sort(values.real), paths(4, chance), atol=1e-5)
    assert abs(values.imag).max() < 1e-6
    assert values.real.min() > 0, "full rank, at every chance up to this one, too"


def test_the_chance_is_part_of_a_checkpoint_and_not_of_the_average() -> None:
    family = build(recipe())
    assert "adaptive.chance" in family.nets.state_dict()
    assert "adaptive" not in family.averaged and "adaptive" not in family.optimizers
    assert "adaptive" not in build(recipe(ada_target=0.0)).nets


BARS = AdversarialRecipe(
    loss="relativistic",
    r1=1.0,
    r2=1.0,
    augment=("turn",),
    ada_target=0.6,
    ada_images=2000,
    generator=PerceptronGenerator(latent=8, width=64, depth=2),
    critic=PerceptronCritic(width=64, depth=2),
    generator_optimizer=OptimizerRecipe(beta1=0.0, beta2=0.99, lr=1e-3),
    critic_optimizer=OptimizerRecipe(beta1=0.0, beta2=0.99, lr=1e-3),
)
SIDE, BAR = 6, 2


def bars(quarters: int) -> Task:
    """Prepare a training on pictures of a bright bar at one side: 0 the top, 1 the left, ..."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 90, (500, SIDE, SIDE, 1), dtype=np.uint8)
    pixels[:, :BAR] += rng.integers(120, 165, (500, 1, 1, 1), dtype=np.uint8)
    source = Source(
        name="bars",
        split="train",
        pixels=np.ascontiguousarray(np.rot90(pixels, quarters, (1, 2))),
        labels=np.full(500, -1),
        classes=(),
        names=[""] * 500,
        fingerprint="0",
    )
    data = DataRecipe(size=f"{SIDE}x{SIDE}", channels=1)
    made = Recipe(data=data, family=BARS, train=TrainRecipe(batch_size=64))
    task = Task(
        recipe=made,
        family=build(made),
        batches=Batches(source, 64, seed=0),
        device=torch.device("cpu"),
    )
    prepare(task)
    return task


def shares(task: Task) -> list[float]:
    """Give the share of samples that are brightest at the top, left, bottom and right."""
    z = torch.randn(500, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        images = task.family.nets["generator"](z)[:, 0]
    sides = [images.rot90(-quarters, (1, 2))[:, :BAR].mean((1, 2)) for quarters in range(4)]
    brightest = torch.stack(sides, 1).argmax(1)
    return [float((brightest == side).float().mean()) for side in range(4)]


@pytest.mark.slow
def test_quarter_turns_of_some_images_stay_out_of_the_samples() -> None:
    """A generator puts the bar where it is, at the top or at the bottom, though 60 % are turned.

    Where every image is turned, the critic cannot know which way is up: the two trainings see the
    same distribution, and at least one of them errs.
    """
    for chance in (0.6, 1.0):
        found = []
        for quarters in (0, 2):
            task = bars(quarters)
            task.family.nets["adaptive"].get_buffer("chance").fill_(chance)
            task.family.nets["adaptive"].ramp = 10**9  # it stays there
            for step in range(300):
                update(task, At(step * 64, step / 300), images_total=300 * 64, rate=1.0)
            found.append(shares(task)[quarters])
        if chance < 1:
            assert min(found) > 0.95, found
        else:
            assert min(found) < 0.5, found


def test_a_training_moves_the_chance_by_its_own_signal() -> None:
    """Of each round the log tells the chance that was used and the signal that moves it next."""
    task = bars(0)
    told = [
        update(task, At(step * 64, step / 40), images_total=40 * 64, rate=1.0).scalars
        for step in range(40)
    ]
    chances = [float(scalars["ada_p"]) for scalars in told]
    expected = 0.0
    for chance, scalars in zip(chances, told, strict=True):
        assert chance == pytest.approx(expected, abs=1e-6)
        step = 64 / 2000 if float(scalars["ada_signal"]) > 0.6 else -64 / 2000
        expected = min(1.0, max(0.0, expected + step))
    assert max(chances) > 0.1, "the critic learns faster than the generator at first"


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ({"ada_target": 1.0}, r"family\.ada_target is 1; allowed: 0 to below 1"),
        ({"ada_images": 0}, r"family\.ada_images is 0; allowed: more than 0"),
        ({"augment": ()}, r"family\.augment names nothing to do"),
        ({"augment": ("turn",), "ada_target": 0.0}, r"'turn' of every image would be learnt"),
    ],
)
def test_what_cannot_work_is_one_line(family: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check(recipe(**family))  # type: ignore[arg-type]


def test_quarter_turns_are_for_squares() -> None:
    made = recipe(augment=("turn",))
    check(made)
    with pytest.raises(RecipeError, match="'turn' is for square images"):
        check(replace(made, data=replace(made.data, size="32x16")))


def test_a_recipe_without_a_target_draws_the_numbers_it_always_drew() -> None:
    gan = AdversarialRecipe(augment=("color", "translation"))
    drawn = build(replace(tiny.recipe(""), family=gan)).phases[0].noise["change_real"]
    assert drawn(4, torch.Generator()).shape == (4, 5)
