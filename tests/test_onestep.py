"""Post-training: a denoiser that learns to draw in one evaluation, and still draws as it did."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Generator, Tensor, nn

import tiny
from trilemma import watch
from trilemma.cli.arguments import parse_train
from trilemma.errors import RecipeError
from trilemma.families import build
from trilemma.families.family import At, Batch, DrawOptions, Family
from trilemma.recipe import files, presets
from trilemma.recipe.checking import check
from trilemma.recipe.following import after
from trilemma.recipe.networks import DCGANCritic, EncoderCritic, OwnDenoiser
from trilemma.recipe.recipe import OneStepRecipe, OptimizerRecipe, Recipe, StartRecipe
from trilemma.sampling import drawn, load_generator

CPU = torch.device("cpu")
CLOCK = At(torch.tensor(0), torch.tensor(0.0))
ONESTEP = OneStepRecipe(
    loss="relativistic",
    r1=1.0,
    r2=1.0,
    critic=DCGANCritic(width=4, width_max=8, batchnorm=False),
    denoiser=tiny.DIFFUSION,
)


def recipe_of(family: OneStepRecipe = ONESTEP) -> Recipe:
    return replace(tiny.recipe("", family), start=StartRecipe(run="any"))


def woken(family: Family) -> Family:
    """Give every weight of the denoiser a random value: its last layers begin at 0."""
    rng = Generator().manual_seed(3)
    for name in ("generator", "teacher", "critic"):
        for parameter in family.nets[name].parameters():
            parameter.data = torch.randn(parameter.shape, generator=rng) * 0.1
    return family


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a little denoiser with a guide, and give its folder."""
    folder = tmp_path_factory.mktemp("parents")
    guided = replace(tiny.DIFFUSION, guidance=2.0, guide_at=0.5)
    recipe = tiny.recipe(tiny.digits(folder / "digits.npz"), guided)
    return watch.train(recipe, out=folder / "denoiser").folder.path


def begun(parent: Path, lr: float = 1e-3, **family: object) -> Recipe:
    """Give the recipe of a short post-training of it."""
    rate = OptimizerRecipe(lr=lr)
    settings = replace(ONESTEP, generator_optimizer=rate, critic_optimizer=rate, **family)  # type: ignore[arg-type]
    whole = after(tiny.recipe("", settings, images=16), files.read(parent / "recipe.toml"), "it")
    return replace(whole, start=StartRecipe(run=str(parent)), seed=5)


def edm(x: Tensor, sigma: float, net: Callable[..., Tensor], sigma_data: float = 0.5) -> Tensor:
    """Write out Karras et al. 2022, table 1, for one level."""
    root = math.sqrt(sigma**2 + sigma_data**2)
    level = torch.full((len(x),), math.log(sigma) / 4)
    return sigma_data**2 / root**2 * x + sigma * sigma_data / root * net(x / root, level)


def test_before_training_one_step_is_the_denoiser_at_its_level(
    parent: Path, tmp_path: Path
) -> None:
    still = begun(parent, lr=1e-12)
    run = watch.train(still, out=tmp_path / "new").folder.path
    student, before = load_generator(str(run), device=CPU), load_generator(str(parent), device=CPU)
    assert student.evaluations == 1
    z = torch.randn(3, 1, 28, 28, generator=Generator().manual_seed(1))
    with torch.no_grad():
        found = student.family.render(student.nets, z, [Generator()] * 3, None, DrawOptions())
        expected = edm(2.5 * z, 2.5, before.nets["generator"]).clamp(-1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_run_still_draws_as_the_denoiser_did(parent: Path, tmp_path: Path) -> None:
    """Whatever the network learns: with steps or a sampler, its pictures are the parent's."""
    run = watch.train(begun(parent, lr=1e-1), out=tmp_path / "new").folder.path
    before = drawn(load_generator(str(parent), device=CPU), range(4))
    many = load_generator(str(run), device=CPU, options=DrawOptions(steps=2))
    named = load_generator(str(run), device=CPU, options=DrawOptions(sampler="heun"))
    own = load_generator(str(run), device=CPU)
    assert (drawn(many, range(4)) == before).all()
    assert (drawn(named, range(4)) == before).all()
    assert (drawn(own, range(4)) != before).any()
    assert (own.evaluations, many.evaluations) == (1, 6), "heun twice less one, and its guide"


def test_gradients_reach_the_tensors_that_the_denoiser_trained() -> None:
    family = woken(build(recipe_of()))
    rng = Generator().manual_seed(1)
    batch = Batch(torch.rand(4, 1, 28, 28, generator=rng) * 2 - 1)
    phase = family.phases[1]
    assert phase.trains == "generator"
    noise = {name: draw(4, rng) for name, draw in phase.noise.items()}
    phase.loss(batch, noise, CLOCK)[0].sum().backward()
    post = reached(family.nets["generator"])
    old = build(replace(recipe_of(), family=tiny.DIFFUSION))
    old.nets["generator"].load_state_dict(family.nets["generator"].state_dict())
    old.nets["generator"].zero_grad()
    first = old.phases[0]
    noise = {name: draw(4, rng) for name, draw in first.noise.items()}
    first.loss(batch, noise, CLOCK)[0].sum().backward()
    assert post == reached(old.nets["generator"])
    assert len(post) > 20
    assert not reached(family.nets["teacher"])


def reached(net: nn.Module) -> set[str]:
    """Name the weights that have a gradient."""
    return {n for n, p in net.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}


def test_a_rung_below_starts_from_a_real_image_under_less_noise() -> None:
    """Pure noise on the first rung; x0 + 0.5 z on the second."""
    family = woken(build(recipe_of(replace(ONESTEP, levels=(0.5,)))))
    images, z = torch.rand(2, 2, 1, 28, 28, generator=Generator().manual_seed(1)) * 2 - 1
    rung = torch.tensor([0.2, 0.8])
    assert family.shared is not None
    fakes = family.shared.make(Batch(images), {"latents": z, "rung": rung})
    net = family.nets["generator"]
    torch.testing.assert_close(fakes[:1], edm(2.5 * z[:1], 2.5, net), rtol=1e-4, atol=1e-5)
    noisy = images[1:] + 0.5 * z[1:]
    torch.testing.assert_close(fakes[1:], edm(noisy, 0.5, net), rtol=1e-4, atol=1e-5)


def test_two_steps_put_noise_on_the_first_picture() -> None:
    family = woken(build(recipe_of(replace(ONESTEP, levels=(0.5,), steps=2))))
    nets = nn.ModuleDict({name: family.nets[name] for name in family.averaged})
    rngs = [Generator().manual_seed(seed) for seed in (7, 8)]
    z = family.latents(rngs)
    with torch.no_grad():
        found = family.render(nets, z, rngs, None, DrawOptions())
        first = edm(2.5 * z, 2.5, nets["generator"]).clamp(-1, 1)
        again = [Generator().manual_seed(seed) for seed in (7, 8)]
        family.latents(again)
        more = torch.stack([torch.randn(1, 28, 28, generator=rng) for rng in again])
        expected = edm(first + 0.5 * more, 0.5, nets["generator"]).clamp(-1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert [family.evaluations(DrawOptions(steps=n)) for n in (0, 1, 2, 3)] == [2, 1, 2, 5]


def test_rehearsing_is_the_old_loss_once_in_so_many_rounds() -> None:
    """(sigma^2 + s^2) / (sigma s)^2 times the squared error of D, table 1 of Karras et al. 2022."""
    family = woken(build(recipe_of(replace(ONESTEP, rehearse=3))))
    phase = family.phases[2]
    due = [phase.repeats(At(round_ * 8, 0.0)) for round_ in range(7)]
    assert due == [1, 0, 0, 1, 0, 0, 1]
    images, eps = torch.randn(2, 1, 1, 28, 28, generator=Generator().manual_seed(1))
    losses, _ = phase.loss(Batch(images), {"noise": eps, "level": torch.tensor([0.5])}, CLOCK)
    sigma, s = math.exp(-1.2 + 1.2 * 0.5), 0.5
    errors = edm(images + sigma * eps, sigma, family.nets["generator"]) - images
    expected = (sigma**2 + s**2) / (sigma * s) ** 2 * errors.square().mean((1, 2, 3))
    torch.testing.assert_close(losses, expected, rtol=1e-3, atol=1e-5)


def test_rehearsing_leaves_labels_out_as_often_as_before() -> None:
    """The old task of a denoiser that is told labels: its phase draws who is told nothing."""
    before = replace(tiny.DIFFUSION, condition="labels")
    told = replace(ONESTEP, rehearse=1, denoiser=before, condition="projection")
    recipe = recipe_of(told)
    recipe = replace(recipe, data=replace(recipe.data, labels=("a", "b")))
    assert {"noise", "level", "untold"} == set(build(recipe).phases[2].noise)


def test_one_step_draws_what_is_asked_for() -> None:
    """G(z | row) is the denoiser's answer under that row, whatever those that it keeps are."""
    before = replace(tiny.DIFFUSION, condition="labels")
    recipe = recipe_of(replace(ONESTEP, denoiser=before, condition="projection"))
    recipe = replace(recipe, data=replace(recipe.data, labels=("a", "b")))
    family = woken(build(recipe))
    nets = nn.ModuleDict({name: family.nets[name] for name in family.averaged})
    z = torch.randn(2, 1, 28, 28, generator=Generator().manual_seed(1))
    rows = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    rngs = [Generator().manual_seed(seed) for seed in (1, 2)]
    with torch.no_grad():
        found = family.render(nets, z, rngs, rows, DrawOptions())

        def told(x: Tensor, level: Tensor) -> Tensor:
            return nets["generator"](x, level, rows)  # type: ignore[no-any-return]

        expected = edm(2.5 * z, 2.5, told).clamp(-1, 1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found[0] != family.render(nets, z, rngs, rows.flip(0), DrawOptions())[0]).any()


@pytest.mark.parametrize("more", [{}, {"levels": (0.6,), "rehearse": 2}, "distilled"])
def test_a_resumed_post_training_is_the_same_to_the_bit(
    more: object, parent: Path, tmp_path: Path
) -> None:
    settings = {"distill": "consistency", "distill_weight": 0.5} if more == "distilled" else more
    recipe = begun(parent, **settings)  # type: ignore[arg-type]
    whole = watch.train(recipe, out=tmp_path / "whole").folder.path
    half = shutil.copytree(whole, tmp_path / "half")
    last = sorted((half / "checkpoints").iterdir(), key=lambda path: int(path.name))[-1]
    shutil.rmtree(last)
    kept = [event for event in tiny.events(half) if event["event"] != "end"]
    (half / "log.jsonl").write_text("".join(json.dumps(e) + "\n" for e in kept), encoding="utf-8")
    watch.train(recipe, out=half)
    for file in ("nets", "average"):
        ends = [
            (run / "checkpoints" / last.name / f"{file}.safetensors").read_bytes()
            for run in (whole, half)
        ]
        assert ends[0] == ends[1], file


def test_from_a_run_it_takes_networks_and_images(parent: Path) -> None:
    recipe = parse_train(["onestep", "--from", str(parent), "--family.sigma", "3"]).recipe
    family = recipe.family
    assert isinstance(family, OneStepRecipe)
    assert family.denoiser.generator == tiny.DIFFUSION.generator
    assert family.denoiser.guidance == 2.0
    assert (recipe.data.size, recipe.data.channels) == ("28x28", 1)
    assert (family.sigma, recipe.start.run) == (3.0, str(parent))


def test_what_cannot_be_is_refused_in_one_line() -> None:
    preset = presets.find("onestep").recipe
    with pytest.raises(RecipeError, match="--from RUN"):
        check(preset)
    with pytest.raises(RecipeError, match="allowed behind --from, for one step: a run of kind"):
        after(preset, tiny.recipe(""), "a-gan")
    own = replace(tiny.DIFFUSION, generator=OwnDenoiser(name="my_module:Net"))
    wrong = {
        "family.steps is 2, more than the 1": {"steps": 2},
        "from the network unet": {"denoiser": own},
        "family.levels": {"levels": (0.5, 0.9)},
        "trained without labels": {"condition": "projection"},
        "set both": {"distill": "consistency"},
        "family.denoiser.steps": {"denoiser": replace(tiny.DIFFUSION, steps=0)},
    }
    for match, fields in wrong.items():
        with pytest.raises(RecipeError, match=match):
            check(recipe_of(replace(ONESTEP, **fields)))  # type: ignore[arg-type]


def test_a_denoiser_that_was_told_labels_gets_a_critic_that_is_told_them() -> None:
    told = replace(tiny.recipe(""), family=replace(tiny.DIFFUSION, condition="labels"))
    family = after(presets.find("onestep").recipe, told, "it").family
    assert family.condition == "projection"


def test_a_critic_of_the_denoisers_own_half_begins_with_its_weights(
    parent: Path, tmp_path: Path
) -> None:
    recipe = begun(parent, lr=1e-12, critic=EncoderCritic(hidden=8))
    lines: list[str] = []
    run = watch.train(recipe, out=tmp_path / "new", say=lines.append).folder.path
    first = load_file(run / "checkpoints/0/nets.safetensors")
    half = {name for name in first if name.startswith("critic.encoder.")}
    assert len(half) > 10
    for name in half:
        own = name.replace("critic.encoder.", "generator.")
        assert torch.equal(first[name], first[own]), name
    assert [line for line in lines if "tensors of the critic" in line and "critic.hidden" in line]
    unused = json.loads((run / "start.json").read_text("utf-8"))["unused"]
    assert not [name for name in unused if name.startswith("critic.critic")]


def test_penalties_reach_that_critic_through_its_attention() -> None:
    family = woken(build(recipe_of(replace(ONESTEP, critic=EncoderCritic(hidden=8), r2=0.0))))
    rng = Generator().manual_seed(1)
    images = (torch.rand(2, 1, 28, 28, generator=rng) * 2 - 1).requires_grad_()
    critic = family.nets["critic"]
    (slope,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert "encoder.across.attention.asked.weight" in reached(critic)


def test_a_critic_that_has_seen_the_ruler_is_refused() -> None:
    with pytest.raises(RecipeError, match="to please the ruler"):
        parse_train(["onestep", "--family.critic", "dinov2"])
    with pytest.raises(RecipeError, match="half of a denoiser"):
        check(tiny.recipe("", replace(tiny.GAN, critic=EncoderCritic())))
