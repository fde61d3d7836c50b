"""The bench: the plain step is the same algorithm, and the two take turns."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Generator

import tiny
from trilemma import bench_scores, machine, turns
from trilemma.bench import Plain, bench_train, noise
from trilemma.bench_scores import plain_scores
from trilemma.cli.main import main
from trilemma.data.batches import Batches
from trilemma.evaluation import evaluate
from trilemma.families import build
from trilemma.families.family import At, Family, Phase
from trilemma.features.extractor import Features
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, OptimizerRecipe
from trilemma.scores import Column
from trilemma.step import Task, prepare, update
from trilemma.turns import alternated

CPU = torch.device("cpu")
# With eps 1 a step grows with the gradient: else rounding decides about the signs of tiny ones.
MUON = OptimizerRecipe(lr=0.1, eps=1.0, muon_lr=1e-2, clip=0.1)


def same_noise(family: Family) -> Family:
    """Let every phase draw one and the same noise, whatever generator it is given."""

    def fixed(phase: Phase) -> Phase:
        draws = {
            name: lambda n, rng, draw=draw: draw(n, Generator().manual_seed(5))
            for name, draw in phase.noise.items()
        }
        return replace(phase, noise=draws)

    return replace(family, phases=tuple(fixed(phase) for phase in family.phases))


@pytest.mark.parametrize(
    "family",
    [tiny.GAN, replace(tiny.DIFFUSION, optimizer=MUON)],
    ids=["split batch", "diffusion under Muon and a clip"],
)
def test_the_plain_step_is_the_same_algorithm(
    family: AdversarialRecipe | DiffusionRecipe, tmp_path: Path
) -> None:
    recipe = tiny.recipe(tmp_path, family)
    batches = Batches(noise(recipe), recipe.train.batch_size, seed=0)
    task = Task(recipe=recipe, family=same_noise(build(recipe)), batches=batches, device=CPU)
    prepare(task)
    plain = Plain(recipe, CPU)
    plain.family = same_noise(plain.family)
    for number in range(2):
        at = At(number * recipe.train.batch_size, 0.0)
        update(task, at, images_total=10**9, rate=1.0)
        plain.step(batches.at(at.images_seen), at)
    theirs = plain.family.nets.state_dict()
    start = build(recipe).nets.state_dict()
    for name, tensor in task.family.nets.state_dict().items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-4, atol=1e-6, msg=name)
    assert any(not torch.equal(theirs[name], start[name]) for name in theirs)


def test_two_ways_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now, order = [0.0], []
    monkeypatch.setattr(turns, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def step(name: str, seconds: float) -> tuple[int, object]:
        def take(seen: int) -> None:
            now[0] += seconds
            order.append((name, seen, torch.get_num_threads()))

        return 1, take

    before = torch.get_num_threads()
    ways = {"ours": step("ours", 1.0), "plain": step("plain", 3.0)}
    taken = alternated(ways, rounds=3, images=8, device=CPU)  # type: ignore[arg-type]
    torch.set_num_threads(before)
    assert taken == {"ours": [1.0] * 3, "plain": [3.0] * 3}
    assert [name for name, *_ in order] == ["plain", "ours", "ours", "plain"] * 2 + [
        "plain",
        "ours",
    ]
    assert [seen for _, seen, _ in order[::2]] == [0, 8, 16, 24, 32]
    assert {threads for *_, threads in order} == {1}


def test_times_are_held_against_those_of_the_same_round() -> None:
    """A machine that is ten times slower in the last rounds: each is still thrice the other."""
    short = [1.0, 2.0, 3.0, 10.0, 20.0]
    long = [3.0, 6.0, 9.0, 30.0, 100.0]  # the last one is five times
    assert turns.ratio(long, short) == (3.0, 3.0, 4.0)  # the upper: between the 4th and the 5th
    assert turns.milliseconds(long) == 9000.0


@pytest.mark.parametrize("family", [tiny.GAN, tiny.DIFFUSION])
def test_a_bench_of_each_family(
    family: AdversarialRecipe | DiffusionRecipe, tmp_path: Path
) -> None:
    before = torch.get_num_threads()
    found = bench_train(tiny.recipe(tmp_path, family), rounds=15, device=CPU)
    torch.set_num_threads(before)
    assert 0 < found.low <= found.ratio <= found.high
    assert found.ratio == pytest.approx(found.plain_ms / found.ours_ms, rel=0.5)
    assert found.compute["shares"] == (family is tiny.GAN)


@pytest.mark.parametrize(("load", "said"), [(0.2, 0), (1.5, 1), (float("nan"), 0)])
def test_the_verb_prints_a_ratio_and_ends_with_json(
    load: float, said: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "load", lambda: load)
    assert main(["bench", "train", "tiny-gan", "--batch-size", "4"]) == 0
    *shown, last = capsys.readouterr().out.splitlines()
    known = json.loads(last)
    assert (known["preset"], known["images"], known["rounds"]) == ("tiny-gan", 4, 15)
    assert f"ratio  {known['ratio']:8.2f}" in "\n".join(shown)
    assert sum("busy" in line for line in shown) == said


def test_too_few_rounds_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "train", "tiny-gan", "--rounds", "3"]) == 2
    assert "--rounds is 3; allowed: 15 or more" in capsys.readouterr().err
    assert main(["bench", "train", "tiny-gna"]) == 2
    assert "unknown preset 'tiny-gna'" in capsys.readouterr().err


def test_the_textbook_s_scores_are_ours() -> None:
    rng = torch.Generator().manual_seed(0)
    fake, real = (torch.randn(60, 4, generator=rng) for _ in range(2))
    logits = torch.randn(60, 3, generator=rng)
    column = Column(
        extractor="x", weights_sha256="", resize="", reference="x", fingerprint="x", split="all",
        n_real=60, n_fake=60,
    )  # fmt: skip
    ours = evaluate(
        Features(fake.numpy(), logits.numpy()),
        Features(real.numpy(), logits.numpy()),
        run="x",
        column=column,
    )
    theirs = plain_scores(fake, real, logits)
    for score in ours.scores:
        assert theirs[score.metric] == pytest.approx(score.value, rel=1e-6), score.metric


@pytest.mark.parametrize("what", ["sample", "evaluate"])
def test_the_other_benches_print_json_too(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_scores, "IMAGES", 100)
    assert main(["bench", what, "tiny-gan"]) == 0
    known = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert known["bench"] == what
    assert known["ratio"] > 0
