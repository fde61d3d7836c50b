"""What the critic's phase adds to a loss: penalties, clipping, what is logged, by closed forms."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from trilemma.families import build
from trilemma.families.adversarial import generate
from trilemma.families.duel import Duel
from trilemma.families.family import At, Batch
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.maths.penalties import slopes_squared
from trilemma.recipe.networks import DCGANCritic, DCGANGenerator
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe

START = At(torch.tensor(0.0), torch.tensor(0.0))
FAMILY = AdversarialRecipe(
    generator=DCGANGenerator(latent=6, width=4, width_max=8),
    critic=DCGANCritic(width=4, width_max=8, batchnorm=False),
)


class Linear(nn.Module):
    """D(x) = <w, x>: its slope is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-0.1, 0.2, 784))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight


class Parabola(nn.Module):
    """D(x) = a |x|^2 / 2: its slope is a x, so that it tells where it was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(0.3))

    def forward(self, images: Tensor) -> Tensor:
        return 0.5 * self.a * images.flatten(1).square().sum(1)


def duel(critic: nn.Module, **changes: object) -> tuple[Duel, Batch, dict[str, Tensor]]:
    """Make a duel of this critic, a batch of four images and a step's noise."""
    family = replace(FAMILY, **changes)  # type: ignore[arg-type]
    recipe = Recipe(data=DataRecipe(size="28x28", channels=1), family=family)
    made = build(recipe)
    rng = torch.Generator().manual_seed(1)
    noise = {name: draw(4, rng) for name, draw in made.phases[0].noise.items()}
    batch = Batch(torch.rand(4, 1, 28, 28, generator=rng) * 2 - 1)
    return (
        Duel(partial(generate, made.nets["generator"]), critic, GAN_LOSSES[family.loss], recipe),
        batch,
        noise,
    )


@pytest.mark.parametrize("which", ["gp", "dragan"])
@pytest.mark.parametrize("loss", ["wasserstein", "bce"])
def test_a_slope_apart_from_one_costs_its_square(which: str, loss: str) -> None:
    critic = Linear()
    plain, batch, noise = duel(critic, loss=loss, clip_weights=0.01)
    strict, _, more = duel(critic, loss=loss, **{which: 10.0})
    without = plain.critic_loss(batch, {**more, **noise}, START)[0]
    losses, scalars = strict.critic_loss(batch, {**more, **noise}, START)
    slope = critic.weight.norm()
    expected = 10 * (slope - 1).square()
    torch.testing.assert_close((losses - without).detach(), expected.detach().expand(4))
    (found,) = torch.autograd.grad((losses - without).sum(), critic.weight)
    by_hand = 4 * 10 * 2 * (slope - 1) * critic.weight / slope
    torch.testing.assert_close(found, by_hand.detach(), rtol=1e-4, atol=1e-4)
    if which == "gp":
        torch.testing.assert_close(scalars["slope_between"], slope.detach().expand(4))


def test_the_slope_is_taken_between_real_and_fake_images() -> None:
    """A parabola's slope at x is a x: the norm of the image itself says where it was taken."""
    critic = Parabola()
    strict, batch, noise = duel(critic, loss="wasserstein", gp=10.0)
    _, scalars = strict.critic_loss(batch, noise, START)
    with torch.no_grad():
        fakes = strict.generate(batch, noise, None)
    share = noise["between"].reshape(4, 1, 1, 1)
    places = (1 - share) * batch.images + share * fakes
    torch.testing.assert_close(scalars["slope_between"], 0.3 * places.flatten(1).norm(dim=1))
    largest = scalars["slope_between"].max().expand(4)
    torch.testing.assert_close(scalars["lipschitz"], largest)


def test_dragan_takes_the_slope_near_real_images() -> None:
    critic = Parabola()
    strict, batch, noise = duel(critic, dragan=10.0, dragan_std=0.5)
    _, scalars = strict.critic_loss(batch, noise, START)
    places = batch.images + 0.5 * noise["near"]
    torch.testing.assert_close(scalars["slope_near"], 0.3 * places.flatten(1).norm(dim=1))


def test_a_clipped_critic_is_looked_at_and_not_penalised() -> None:
    critic = Linear()
    clipped, batch, noise = duel(critic, loss="wasserstein", clip_weights=0.01)
    losses, scalars = clipped.critic_loss(batch, noise, START)
    torch.testing.assert_close(scalars["slope_between"], critic.weight.detach().norm().expand(4))
    with torch.no_grad():
        fakes = clipped.generate(batch, noise, None)
        distance = critic(batch.images) - critic(fakes)
    torch.testing.assert_close(scalars["wasserstein"], distance)
    torch.testing.assert_close(losses.detach(), -distance)


def test_clipping_bounds_every_weight_of_the_critic_and_none_of_the_generator() -> None:
    family = replace(FAMILY, loss="wasserstein", clip_weights=0.01)
    made = build(Recipe(data=DataRecipe(size="28x28", channels=1), family=family))
    before = {name: p.clone() for name, p in made.nets["generator"].named_parameters()}
    made.phases[0].after(At(0, 0.0), {})
    largest = [float(p.detach().abs().max()) for p in made.nets["critic"].parameters()]
    assert max(largest) == pytest.approx(0.01)
    assert all(torch.equal(p, before[n]) for n, p in made.nets["generator"].named_parameters())


def test_what_is_logged_says_what_scores_are() -> None:
    for loss, names in {
        "bce": {"d_real", "d_fake"},
        "hinge": {"score_real", "score_fake"},
        "least-squares": {"score_real", "score_fake"},
    }.items():
        made, batch, noise = duel(Linear(), loss=loss)
        assert set(made.critic_loss(batch, noise, START)[1]) == names


@pytest.mark.parametrize("which", ["r1", "r2", "gp", "dragan"])
def test_every_penalty_reaches_the_weights_of_a_real_critic(which: str) -> None:
    """Against finite differences in float64, on the first convolution: a second derivative."""
    made, batch, noise = duel(Linear(), loss="wasserstein", **{which: 10.0})
    family = build(made.whole_recipe)
    critic, generator = family.nets["critic"].double(), family.nets["generator"].double()
    fakes = partial(generate, generator)
    wide = Duel(fakes, critic, made.loss, made.whole_recipe)
    off = replace(made.recipe, **{which: 0.0, "clip_weights": 1.0})  # type: ignore[arg-type]
    bare = Duel(
        partial(generate, generator), critic, made.loss, replace(made.whole_recipe, family=off)
    )
    batch = Batch(batch.images.double())
    noise = {name: tensor.double() for name, tensor in noise.items()}

    def extra() -> Tensor:
        clock = At(torch.tensor(0.0), torch.tensor(0.0))
        with_it = wide.critic_loss(batch, noise, clock)[0].sum()
        return with_it - bare.critic_loss(batch, noise, clock)[0].sum()

    weight = next(critic.parameters())
    (gradient,) = torch.autograd.grad(extra(), weight)
    place, step = (1, 0, 2, 1), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[place] += sign * step
        values.append(extra().item())
        with torch.no_grad():
            weight[place] -= sign * step
    assert gradient[place].item() != 0
    assert gradient[place].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4)


def test_looking_at_a_clipped_critic_leaves_no_mark_on_it() -> None:
    """One count of batches for real images and one for fakes; none for those between."""
    family = replace(FAMILY, loss="wasserstein", clip_weights=0.01, critic=DCGANCritic(width=4))
    made = build(Recipe(data=DataRecipe(size="28x28", channels=1), family=family))
    _, batch, noise = duel(Linear(), loss="wasserstein", clip_weights=0.01)
    made.phases[0].loss(batch, noise, START)
    counts = [b for n, b in made.nets["critic"].named_buffers() if n.endswith("batches_tracked")]
    assert [int(count) for count in counts] == [2] * len(counts)
    assert made.nets["critic"].training


def test_clipping_leaves_frozen_layers_as_they_are() -> None:
    family = replace(FAMILY, loss="wasserstein", clip_weights=0.01)
    made = build(Recipe(data=DataRecipe(size="28x28", channels=1), family=family))
    first = next(made.nets["critic"].parameters())
    first.requires_grad_(False)
    before = first.clone()
    made.phases[0].after(At(0, 0.0), {})
    assert torch.equal(first, before)


def test_pairs_are_logged_as_the_probability_that_the_real_one_is_real() -> None:
    made, batch, noise = duel(Linear(), loss="relativistic")
    losses, scalars = made.critic_loss(batch, noise, START)
    torch.testing.assert_close(-scalars["d_pair"].log(), losses.detach())  # -log sigmoid(r - f)


def test_without_again_a_slope_has_no_graph() -> None:
    images = torch.randn(2, 3, requires_grad=True)
    weight = torch.ones(3, requires_grad=True)
    (squared,) = slopes_squared(images @ weight, images, again=False)
    assert not squared.requires_grad


@pytest.mark.parametrize("which", ["r1", "r2", "gp", "dragan"])
def test_penalties_take_fakes_that_autocast_made_bf16(which: str) -> None:
    made, batch, noise = duel(Linear(), loss="wasserstein", **{which: 10.0})
    family = build(made.whole_recipe)
    exact = family.phases[0].loss(batch, noise, START)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = family.phases[0].loss(batch, noise, START)[0]
    torch.testing.assert_close(losses, exact, rtol=0.1, atol=0.05)
