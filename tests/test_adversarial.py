from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from trilemma.families import build
from trilemma.families.adversarial import generate
from trilemma.families.duel import Duel
from trilemma.families.family import At, Batch, DrawOptions, Family
from trilemma.maths.gan_losses import GAN_LOSSES
from trilemma.recipe.networks import DCGANCritic, DCGANGenerator
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, Recipe

START = At(torch.tensor(0.0), torch.tensor(0.0))


def recipe(**changes: object) -> Recipe:
    family = AdversarialRecipe(
        generator=DCGANGenerator(latent=6, width=4, width_max=8),
        critic=DCGANCritic(width=4, width_max=8),
    )
    return Recipe(
        data=DataRecipe(size="28x28", channels=1),
        family=replace(family, **changes),  # type: ignore[arg-type]
    )


def step_inputs(family: Family, n: int = 4) -> tuple[Batch, dict[str, Tensor]]:
    rng = torch.Generator().manual_seed(1)
    noise = {name: draw(n, rng) for name, draw in family.phases[0].noise.items()}
    return Batch(torch.rand(n, 1, 28, 28, generator=rng) * 2 - 1), noise


@pytest.mark.parametrize("loss", GAN_LOSSES)
def test_losses_reach_their_network_and_no_other(loss: str) -> None:
    family = build(recipe(loss=loss))
    batch, noise = step_inputs(family)
    for phase in family.phases:
        for name, net in family.nets.items():
            net.requires_grad_(name == phase.trains).zero_grad()
        losses, scalars = phase.loss(batch, noise, START)
        assert losses.shape == (4,)
        assert all(values.shape == (4,) for values in scalars.values())
        losses.sum().backward()
        for name, net in family.nets.items():
            parameters = list(net.parameters())
            if name == "critic":
                parameters.pop()  # where only differences count the last bias cancels
            reached = [p.grad is not None and p.grad.abs().sum() > 0 for p in parameters]
            assert all(reached) if name == phase.trains else not any(reached)


def test_networks_come_from_the_seed_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = (build(replace(recipe(), seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = [family.nets["generator"].layers[0].weight for family in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


class Linear(torch.nn.Module):
    """A critic whose slope is known: D(x) = <w, x>, slope w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-0.1, 0.2, 784))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight


def penalty(settings: AdversarialRecipe, noise: dict[str, Tensor], batch: Batch) -> Tensor:
    """Give what the penalties of these settings add to a linear critic's loss: [N]."""
    critic, generator = Linear(), build(recipe()).nets["generator"]
    off = replace(settings, r1=0.0, r2=0.0)
    with_it, without = (
        Duel(
            partial(generate, generator), critic, GAN_LOSSES["bce"], Recipe(family=how)
        ).critic_loss(batch, noise, START)[0]
        for how in (settings, off)
    )
    (gradient,) = torch.autograd.grad((with_it - without).sum(), critic.weight)
    assert gradient.abs().sum() > 0
    return (with_it - without).detach()


@pytest.mark.parametrize("which", ["r1", "r2"])
def test_a_penalty_adds_half_gamma_times_the_squared_slope(which: str) -> None:
    settings = recipe(critic=DCGANCritic(batchnorm=False)).family
    assert isinstance(settings, AdversarialRecipe)
    family, critic = build(recipe()), Linear()
    batch, noise = step_inputs(family)
    results = []
    for gamma in (0.0, 3.0):
        changed = replace(settings, **{which: gamma})
        duel = Duel(
            partial(generate, family.nets["generator"]),
            critic,
            GAN_LOSSES["bce"],
            Recipe(family=changed),
        )
        results.append(duel.critic_loss(batch, noise, START)[0])
    extra = 0.5 * 3.0 * critic.weight.square().sum().detach()
    torch.testing.assert_close((results[1] - results[0]).detach(), extra.expand(4))
    (gradient,) = torch.autograd.grad((results[1] - results[0]).sum(), critic.weight)
    torch.testing.assert_close(gradient, 4 * 3.0 * critic.weight.detach())


@pytest.mark.parametrize("which", ["r1", "r2"])
def test_a_penalty_by_differences_is_the_slope_along_a_random_step(which: str) -> None:
    """On a linear critic (<w, n>)^2 exactly, whatever the step; its mean over n is |w|^2."""
    how = recipe(critic=DCGANCritic(batchnorm=False), slopes="differences", **{which: 3.0})
    family = build(how)
    assert isinstance(how.family, AdversarialRecipe)
    batch, noise = step_inputs(family)
    kind = {"r1": "step_real", "r2": "step_fake"}[which]
    assert {name for name in noise if name.startswith("step")} == {kind}
    along = (noise[kind].flatten(1) @ Linear().weight.detach()).square()
    for step in (0.1, 2.0):
        found = penalty(replace(how.family, slope_step=step), noise, batch)
        torch.testing.assert_close(found, 0.5 * 3.0 * along, rtol=1e-3, atol=1e-4)
    many, mean = step_inputs(family, 3000)[1][kind], Linear().weight.detach().square().sum()
    squares = (many.flatten(1) @ Linear().weight.detach()).square()
    assert squares.mean().item() == pytest.approx(mean.item(), rel=0.08)


def test_penalty_fades_to_its_end() -> None:
    settings = recipe(
        critic=DCGANCritic(width=4, width_max=8, batchnorm=False),
        loss="relativistic",
        r1=2.0,
        penalty_end=0.25,
    )
    family = build(settings)
    batch, noise = step_inputs(family)
    plain = build(replace(settings, family=replace(settings.family, r1=0.0)))
    base = plain.phases[0].loss(batch, noise, START)[0]
    begin = family.phases[0].loss(batch, noise, START)[0] - base
    end = family.phases[0].loss(batch, noise, At(torch.tensor(9.0), torch.tensor(1.0)))[0] - base
    torch.testing.assert_close(end, 0.25 * begin, rtol=1e-3, atol=1e-5)


def test_instance_noise_fades_and_is_off_at_its_end() -> None:
    family = build(recipe(instance_noise=0.5, instance_noise_images=100))
    plain = build(recipe())
    batch, noise = step_inputs(family)
    assert set(noise) == {"latents", "on_real", "on_fake"}
    for net in (*family.nets.values(), *plain.nets.values()):
        net.eval()
    late = At(torch.tensor(100.0), torch.tensor(0.5))
    now = family.phases[0].loss(batch, noise, START)[0]
    gone = family.phases[0].loss(batch, noise, late)[0]
    bare = plain.phases[0].loss(batch, {"latents": noise["latents"]}, START)[0]
    torch.testing.assert_close(gone, bare)
    assert (now - bare).abs().min() > 1e-6


def test_one_pass_equals_two_where_no_batch_statistics_are() -> None:
    settings = recipe(critic=DCGANCritic(width=4, width_max=8, batchnorm=False))
    family = build(settings)
    critic = family.nets["critic"]
    batch, noise = step_inputs(family)
    with torch.no_grad():
        fakes = family.nets["generator"](noise["latents"])
        expected = GAN_LOSSES["bce"].critic(real=critic(batch.images), fake=critic(fakes))
        losses, _ = family.phases[0].loss(batch, noise, START)
    torch.testing.assert_close(losses, expected)


def test_critic_updates_repeat_the_first_phase_only() -> None:
    family = build(recipe(critic_updates=5))
    assert [phase.repeats(At(0, 0.0)) for phase in family.phases] == [5, 1]


def test_splits_only_without_batch_statistics() -> None:
    bare = recipe(generator=DCGANGenerator(batchnorm=False), critic=DCGANCritic(batchnorm=False))
    assert build(bare).splits
    assert not build(recipe()).splits
    assert not build(recipe(critic=DCGANCritic(batchnorm=False, spectral_norm=True))).splits


def test_an_image_depends_on_its_own_seed_alone() -> None:
    family = build(recipe())
    family.nets.eval()

    def drawn(*seeds: int) -> Tensor:
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
        with torch.inference_mode():
            return family.draw(family.nets, rngs, None, DrawOptions())

    alone, together = drawn(7), drawn(3, 7, 9)
    torch.testing.assert_close(alone[0], together[1], rtol=0, atol=1e-5)
    assert not torch.allclose(together[0], together[1])
    assert family.evaluations(DrawOptions()) == 1
