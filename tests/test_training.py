"""The loop: bit-exact resume, rollback, interrupts, best checkpoints, horizons."""

import json
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from trilemma import training
from trilemma.checkpoint import State, checkpoints
from trilemma.data.batches import Batches
from trilemma.data.values import Source
from trilemma.devices import Choice
from trilemma.errors import DivergedError, RunError, StoppedError
from trilemma.families import build
from trilemma.families.family import At, Batch, Family, Losses, Noise, TensorClock
from trilemma.recipe.networks import DCGANCritic, DCGANGenerator, UNet
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    DiffusionRecipe,
    OptimizerRecipe,
    Recipe,
    SpeedRecipe,
    TrainRecipe,
    WatchRecipe,
)
from trilemma.runfolder import RunFolder
from trilemma.sitting import Watch
from trilemma.step import Compute, Task, prepare, shape, update

BATCH, IMAGES = 8, 160


def source() -> Source:
    pixels = np.random.default_rng(0).integers(0, 256, (37, 28, 28, 1), dtype=np.uint8)
    return Source(
        name="noise:train",
        split="train",
        pixels=pixels,
        labels=np.full(37, -1),
        classes=(),
        names=[str(i) for i in range(37)],
        fingerprint="0",
    )


GAN = AdversarialRecipe(
    loss="relativistic",
    r1=0.1,
    r2=0.1,
    instance_noise=0.1,
    generator=DCGANGenerator(latent=6, width=4, width_max=8),
    critic=DCGANCritic(width=4, width_max=8, batchnorm=False, spectral_norm=True),
)
DIFFUSION = DiffusionRecipe(
    process="edm",
    generator=UNet(width=8, multipliers=(1, 2), blocks=1, attention=(7,), unshuffle=2),
    optimizer=OptimizerRecipe(clip=1.0, muon_lr=1e-3),  # Adam and Muon
    guidance=1.5,
    guide_at=0.4,
)
ADAPTIVE = replace(GAN, augment=("translation", "geometry"), ada_target=0.1, ada_images=1000)
FAMILIES = {"adaptive": ADAPTIVE, "adversarial": GAN, "diffusion": DIFFUSION}


def recipe(family: AdversarialRecipe | DiffusionRecipe = GAN, **train: object) -> Recipe:
    settings = TrainRecipe(batch_size=BATCH, epochs=0, images=IMAGES, ema_images=50, keep=50)
    return Recipe(
        data=DataRecipe(size="28x28", channels=1),
        family=family,
        train=replace(settings, **train),  # type: ignore[arg-type]
        watch=WatchRecipe(every=40),
        speed=SpeedRecipe(precision="reference"),
    )


def run(
    folder: Path, recipe: Recipe, watch: Watch | None = None, family: Family | None = None
) -> State:
    images = source()
    return training.train(
        recipe,
        family or build(recipe),
        Batches(images, recipe.train.batch_size, seed=recipe.seed),
        RunFolder(folder),
        device=torch.device("cpu"),
        images_in_epoch=len(images),
        watch=watch,
    )


def weight_sum(nets: nn.ModuleDict) -> Mapping[str, float]:
    """Any deterministic score."""
    return {"fd": float(sum(p.double().abs().sum() for p in nets.parameters()))}


def stop_at(images_seen: int) -> Watch:
    """Interrupt as Ctrl-C does, at some step."""

    def show(event: Mapping[str, object]) -> None:
        if event["event"] == "step" and event["images_seen"] == images_seen:
            signal.raise_signal(signal.SIGINT)

    return Watch(score=weight_sum, show=show)


def logged(folder: Path) -> list[dict[str, object]]:
    events = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    kept = [event for event in events if event["event"] in ("step", "score")]
    return [{key: value for key, value in event.items() if key != "seconds"} for event in kept]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_resumed_run_repeats_an_uninterrupted_one_to_the_bit(
    kind: str, channels_last: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights, averages, optimizers, state and log, after N = N/2 + resume + N/2."""

    def as_told(task: Task) -> tuple[Compute, float]:
        task.compute = Compute(choice=Choice(channels_last=channels_last))
        shape(task)
        return task.compute, 1.0

    monkeypatch.setattr(training, "measured", as_told)
    settings = recipe(FAMILIES[kind])
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    run(whole, settings, Watch(score=weight_sum))
    with pytest.raises(StoppedError, match="stopped at 88 images"):
        run(halves, settings, stop_at(88))
    run(halves, settings, Watch(score=weight_sum))
    for name in ("nets", "average", "optimizer"):
        file = f"checkpoints/{IMAGES}/{name}.safetensors"
        one, other = load_file(whole / file), load_file(halves / file)
        assert one.keys() == other.keys() and one
        for key in one:
            assert torch.equal(one[key], other[key]), f"{name}: {key}"
    assert logged(whole) == logged(halves)
    assert len(logged(whole)) > 20
    one, other = (
        json.loads((folder / f"checkpoints/{IMAGES}/state.json").read_text())
        for folder in (whole, halves)
    )
    assert one | {"seconds": 0} == other | {"seconds": 0}


def test_different_seeds_differ(tmp_path: Path) -> None:
    for seed in (0, 1):
        run(tmp_path / str(seed), replace(recipe(images=16), seed=seed))
    files = [tmp_path / str(seed) / "checkpoints/16/nets.safetensors" for seed in (0, 1)]
    assert files[0].read_bytes() != files[1].read_bytes()


def test_the_best_checkpoint_is_the_one_with_the_lowest_score(tmp_path: Path) -> None:
    scores = iter([99.0, 3.0, 2.0, 5.0, 4.0])  # the first is of the untrained networks
    watch = Watch(score=lambda nets: {"fd": next(scores)})
    state = run(tmp_path, recipe(), watch)
    assert (state.best, state.best_images, state.since_best) == (2.0, 80, 2)
    best = load_file(tmp_path / "best/average.safetensors")
    then = load_file(tmp_path / "checkpoints/80/average.safetensors")
    assert all(torch.equal(best[key], then[key]) for key in then)


def test_best_by_generator_loss(tmp_path: Path) -> None:
    settings = replace(recipe(), watch=WatchRecipe(every=40, best="generator_loss"))
    state = run(tmp_path, settings)
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    means = {
        event["images_seen"]: event["scalars"]["generator_loss"]
        for event in events
        if event["event"] == "score"
    }
    assert len(means) == 4
    assert state.best_images == min(means, key=lambda images: means[images])
    steps = [event for event in events if event["event"] == "step" and event["images_seen"] <= 40]
    expected = sum(event["losses"]["generator"] for event in steps) / len(steps)
    assert means[40] == pytest.approx(expected)


def test_early_stop_after_patience(tmp_path: Path) -> None:
    scores = iter([9.0, 1.0, 2.0, 3.0, 4.0])
    settings = recipe(early_stop=True, patience=2)
    state = run(tmp_path, settings, Watch(score=lambda nets: {"fd": next(scores)}))
    assert state.images_seen == 120
    assert (
        "no better score"
        in json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["why"]
    )


def test_plateau_lowers_the_learning_rate(tmp_path: Path) -> None:
    scores = iter([9.0, 1.0, 2.0, 3.0, 4.0])
    settings = recipe(plateau=0.5, plateau_patience=2)
    assert run(tmp_path, settings, Watch(score=lambda nets: {"fd": next(scores)})).rate == 0.5


def test_a_non_finite_loss_goes_back_and_three_are_forgiven(tmp_path: Path) -> None:
    """Poisoned at 48 images, four times: back to the checkpoint at 40 each time, then the end."""
    settings = recipe()
    family = build(settings)
    poisoned = []
    critic = family.phases[0]

    def poison(batch, noise, at):  # type: ignore[no-untyped-def]
        losses, scalars = critic.loss(batch, noise, at)
        if float(at.images_seen) == 48 and len(poisoned) < limit:
            poisoned.append(1)
            return losses * float("nan"), scalars
        return losses, scalars

    sick = replace(family, phases=(replace(critic, loss=poison), *family.phases[1:]))
    limit = 4
    with pytest.raises(DivergedError, match=r"phase 'critic' \(relativistic\).*3 times over"):
        run(tmp_path, settings, family=sick)
    events = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    back = [event for event in events if event["event"] == "rollback"]
    assert [event["rate"] for event in back] == [0.5, 0.25, 0.125]
    assert all(event["images_seen"] == 40 for event in back)
    limit = 0
    state = run(tmp_path, settings, family=sick)  # the same command goes on at the lower rate
    assert (state.images_seen, state.rate) == (IMAGES, 0.125)
    for tensor in load_file(tmp_path / f"checkpoints/{IMAGES}/nets.safetensors").values():
        assert tensor.isfinite().all()


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.locked(), pytest.raises(RunError, match="another process trains here"):
        run(tmp_path, recipe())


def test_old_checkpoints_go(tmp_path: Path) -> None:
    run(tmp_path, recipe(keep=2))
    kept = [place.name for place in checkpoints(RunFolder(tmp_path))]
    assert kept == ["120", str(IMAGES)]


def test_a_gradient_that_is_not_finite_is_caught_though_the_loss_is() -> None:
    """sqrt at 0: the loss is 0, its slope infinite."""
    settings = recipe(DIFFUSION)
    family = build(settings)
    only = family.phases[0]

    def loss(batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        weight = next(family.nets["generator"].parameters()).flatten()[0]
        return (0 * weight.expand(len(batch.images))).sqrt(), {}

    task = Task(
        recipe=settings,
        family=replace(family, phases=(replace(only, loss=loss),)),
        batches=Batches(source(), BATCH, seed=0),
        device=torch.device("cpu"),
    )
    prepare(task)
    round_ = update(task, At(0, 0.0), images_total=IMAGES, rate=1.0)
    assert round_.losses["denoise"] == 0
    assert task.bad["denoise"]


def test_an_interrupt_does_not_save_weights_that_are_not_finite(tmp_path: Path) -> None:
    settings = recipe()
    family = build(settings)
    generator = family.phases[1]

    def poison(batch: Batch, noise: Noise, at: TensorClock) -> Losses:
        losses, scalars = generator.loss(batch, noise, at)
        if float(at.images_seen) == 80:
            signal.raise_signal(signal.SIGTERM)
            return losses * float("nan"), scalars
        return losses, scalars

    sick = replace(family, phases=(family.phases[0], replace(generator, loss=poison)))
    with pytest.raises(StoppedError):
        run(tmp_path, settings, family=sick)
    last = checkpoints(RunFolder(tmp_path))[-1]
    for tensor in load_file(last / "nets.safetensors").values():
        assert tensor.isfinite().all()


def test_dropout_is_drawn_anew_each_step_and_the_same_after_a_resume(tmp_path: Path) -> None:
    settings = recipe(replace(DIFFUSION, generator=replace(DIFFUSION.generator, dropout=0.5)))
    before = torch.get_rng_state()
    run(tmp_path / "whole", settings, Watch(score=weight_sum))
    with pytest.raises(StoppedError):
        run(tmp_path / "halves", settings, stop_at(88))
    run(tmp_path / "halves", settings, Watch(score=weight_sum))
    assert torch.equal(before, torch.get_rng_state())
    assert logged(tmp_path / "whole") == logged(tmp_path / "halves")
