"""Compiled networks: where that pays, what happens where it fails, and that it changes nothing."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import tiny
from trilemma import compiling, devices, measuring, training, watch
from trilemma.data.batches import Batches
from trilemma.data.labels import labelled
from trilemma.data.sources import open_source
from trilemma.devices import Choice
from trilemma.errors import MachineError, RecipeError, StoppedError
from trilemma.families import build
from trilemma.families.family import At
from trilemma.families.process import PROCESSES
from trilemma.forecasting import forecast
from trilemma.maths.randomness import rng
from trilemma.measuring import from_plain, to_plain
from trilemma.measuring_compiled import compiled_if_faster
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import Recipe, SpeedRecipe
from trilemma.step import Compute, Task, prepare, shape, update

CPU = torch.device("cpu")
ON, AUTO = SpeedRecipe(precision="float32", compile="on"), SpeedRecipe(precision="float32")


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny.digits(tmp_path / "digits.npz", 40)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for PyTorch's compiler: what it makes notes each call, and computes the same."""
    noted: list[str] = []

    def compile_(forward: Callable[..., Any], **how: Any) -> Callable[..., Any]:
        def compiled(*given: Any, **more: Any) -> Any:
            noted.append("call")
            return forward(*given, **more)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    return noted


def task_of(recipe: Recipe) -> Task:
    source = open_source(recipe.data, "train")
    batches = Batches(source, recipe.train.batch_size, seed=0)
    task = Task(recipe=recipe, family=build(recipe), batches=batches, device=CPU, threads=1)
    prepare(task)
    return task


def long(data: Path, speed: SpeedRecipe = AUTO, **train: Any) -> Recipe:
    """A training for which a minute of compiling is little."""
    return replace(tiny.recipe(data, tiny.DIFFUSION, **{"images": 10**7} | train), speed=speed)


def counted(monkeypatch: pytest.MonkeyPatch, *, faster: bool) -> None:
    """Let a compiled step take half the time of another, or twice."""
    now = [0.0]

    def trial(task: Task) -> float:
        update(task, At(0, 0.0), images_total=100, rate=1.0)
        now[0] += 0.5 if task.compute.choice.compiled == faster else 1.0
        return 1.0

    monkeypatch.setattr(measuring, "trial", trial)
    measure = partial(devices.measure, clock=lambda: now[0])
    monkeypatch.setattr(measuring.devices, "measure", measure)


def stop_at(images: int) -> Callable[[Any], None]:
    """Interrupt as Ctrl-C does, after so many images."""

    def show(event: Any) -> None:
        if event["event"] == "step" and event["images_seen"] == images:
            signal.raise_signal(signal.SIGINT)

    return show


@pytest.mark.parametrize("faster", [True, False])
def test_the_faster_way_is_kept(
    data: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str], faster: bool
) -> None:
    counted(monkeypatch, faster=faster)
    task = task_of(long(data))
    compute, seconds = compiled_if_faster(task, 0.125)
    assert compute.choice.compiled == faster == task.compute.choice.compiled
    assert seconds == pytest.approx(0.5 / 8)
    calls.clear()
    update(task, At(0, 0.0), images_total=100, rate=1.0)
    assert bool(calls) == faster


def test_a_short_training_is_not_compiled_until_the_cache_has_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    """Ten minutes hold a minute of compiling, one minute six seconds of reading what was made."""
    counted(monkeypatch, faster=True)
    said: list[str] = []
    for minutes, compiled in ((9.9, False), (10.0, True), (1.0, True), (0.9, False)):
        task = task_of(long(data, images=0, minutes=minutes))
        compute, _ = compiled_if_faster(task, 0.01, say=said.append)
        assert compute.choice.compiled == compiled, minutes
    assert said == ["compiling the network, which takes about a minute the first time"]


def test_another_batch_is_compiled_anew(
    data: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    counted(monkeypatch, faster=True)
    compiled_if_faster(task_of(long(data)), 0.01)
    said: list[str] = []
    compiled_if_faster(task_of(long(data, batch_size=4)), 0.01, say=said.append)
    assert len(said) == 1


@pytest.mark.parametrize(
    "speed",
    [replace(AUTO, compile="off"), SpeedRecipe(precision="reference")],
    ids=["off", "reference"],
)
def test_who_wants_none_gets_none(data: Path, calls: list[str], speed: SpeedRecipe) -> None:
    task = task_of(long(data, speed))
    assert compiled_if_faster(task, 0.01) == (Compute(), 0.01)
    assert not calls


def test_a_batch_in_parts_and_a_gan_are_not_compiled(data: Path, calls: list[str]) -> None:
    task = task_of(long(data))
    task.compute = Compute(parts=2)
    assert compiled_if_faster(task, 0.01) == (Compute(parts=2), 0.01)
    gan = task_of(replace(tiny.recipe(data, images=10**7), speed=AUTO))
    assert compiled_if_faster(gan, 0.01) == (Compute(), 0.01)
    assert not calls


def test_where_compiling_fails_training_goes_on_and_says_so(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compile_(forward: Callable[..., Any], **how: Any) -> Callable[..., Any]:
        def compiled(*given: Any, **more: Any) -> Any:
            raise RuntimeError("g++: error: no such thing\nmore of it")

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    task = task_of(long(data))
    weights = {name: t.clone() for name, t in task.family.nets.state_dict().items()}
    said: list[str] = []
    assert compiled_if_faster(task, 0.01, say=said.append) == (Compute(), 0.01)
    assert said[1] == "compiling failed (g++: error: no such thing); going on without"
    update(task, At(0, 0.0), images_total=100, rate=0.0)
    after = task.family.nets.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)
    with pytest.raises(MachineError, match=r"speed\.compile is 'on', but compiling failed: g\+\+"):
        compiled_if_faster(task_of(long(data, ON)), 0.01)


class Lost(torch.autograd.Function):
    """Pass a tensor on; no gradient comes back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return torch.zeros_like(gradient)


def test_a_way_back_that_is_lost_is_a_failure(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a layer of the middle: a fresh denoiser's loss, and its gradient's norm, are right."""
    task, said = task_of(long(data)), list[str]()
    norm = task.family.nets["generator"].norm
    whole = norm.forward

    def compile_(forward: Callable[..., Any], **how: Any) -> Callable[..., Any]:
        def compiled(*given: Any, **more: Any) -> Any:
            norm.forward = lambda x: whole(Lost.apply(x))
            try:
                return forward(*given, **more)
            finally:
                del norm.forward

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    weights = {name: t.clone() for name, t in task.family.nets.state_dict().items()}
    assert compiled_if_faster(task, 0.01, say=said.append) == (Compute(), 0.01)
    assert "compiling failed (the gradient of generator." in said[1]
    after = task.family.nets.state_dict()
    assert all(torch.equal(weights[name], after[name]) for name in weights)


def test_what_the_compilers_say_is_told_in_a_line() -> None:
    """A title stands first in PyTorch's reports, and what is wrong below the command."""
    from torch._inductor.exc import CppCompileError

    error = CppCompileError(["g++", "x.cpp"], "x.cpp:2:10: fatal error: Python.h: No such file")
    assert compiling.reason(error) == "x.cpp:2:10: fatal error: Python.h: No such file"
    assert compiling.reason(RuntimeError("")) == "RuntimeError"
    assert compiling.reason(RuntimeError("first\nsecond")) == "first"


def test_a_folder_of_kernels_of_the_user_s_own_is_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    """And what was compiled into one is not expected in another."""
    counted(monkeypatch, faster=True)
    for name in ("torchinductor_mine", "other"):
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / name))
        said: list[str] = []
        compiled_if_faster(task_of(long(data)), 0.01, say=said.append)
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / name)
        assert len(said) == 1
        assert len(list((tmp_path / name).iterdir())) == 1


def test_the_folder_that_pytorch_names_is_not_taken(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    theirs = Path(tempfile.gettempdir()) / "torchinductor_somebody"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(theirs))
    counted(monkeypatch, faster=True)
    compiled_if_faster(task_of(long(data)), 0.01)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "cache/compiled")


def test_little_that_is_left_is_not_worth_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    counted(monkeypatch, faster=True)
    task = task_of(long(data, images=0, minutes=60.0))
    assert not compiled_if_faster(task, 0.01, rest=0.05)[0].choice.compiled
    assert compiled_if_faster(task, 0.01, rest=0.2)[0].choice.compiled


def test_on_is_refused_for_a_batch_in_parts_and_for_a_gan(data: Path, calls: list[str]) -> None:
    task = task_of(long(data, ON))
    task.compute = Compute(parts=2)
    with pytest.raises(MachineError, match="'on', but the batch is computed in parts"):
        compiled_if_faster(task, 0.01)
    with pytest.raises(
        RecipeError, match=r"speed\.compile = 'on' is for family\.kind = 'diffusion'"
    ):
        check(replace(tiny.recipe(data), speed=ON))
    assert not calls


def test_on_that_cannot_be_leaves_no_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MachineError):
        watch.train(long(data, ON), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_forecast_counts_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    counted(monkeypatch, faster=True)
    assert forecast(long(data, ON), say=lambda line: None)["compute"]["compiled"]


def test_switched_off_it_is_off_after_a_resume(
    data: Path, tmp_path: Path, calls: list[str]
) -> None:
    recipe, out = replace(tiny.recipe(data, tiny.DIFFUSION), speed=ON), tmp_path / "run"
    with pytest.raises(StoppedError):
        watch.train(recipe, out=out, show=stop_at(24))
    calls.clear()
    watch.train(replace(recipe, speed=replace(ON, compile="off")), out=out)
    assert not calls
    assert [event["not_bit_exact"] for event in tiny.events(out, "resume")] == [True]


def test_what_stands_in_the_way() -> None:
    assert compiling.hindrance(CPU, 2) == "compiling is not tried with several processes"
    assert compiling.hindrance(torch.device("mps"), 1) == "compiling is not tried on mps"


def test_without_a_compiler(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("CXX", "my-compiler")
    assert compiling.hindrance(CPU, 1) == "the C++ compiler my-compiler is not installed"
    assert compiled_if_faster(task_of(long(data)), 0.01) == (Compute(), 0.01)
    with pytest.raises(
        MachineError, match="'on', but the C\\+\\+ compiler my-compiler is not installed"
    ):
        compiled_if_faster(task_of(long(data, ON)), 0.01)


def test_reference_is_never_compiled(data: Path) -> None:
    speed = SpeedRecipe(precision="reference", compile="on")
    with pytest.raises(RecipeError, match=r"speed\.compile = 'on' .* 'reference'"):
        check(long(data, speed))


def test_networks_are_themselves_again_after_a_step(data: Path, calls: list[str]) -> None:
    """Scores and pictures between the rounds see no compiled network, nor do copies."""
    task = task_of(long(data, ON))
    compiled_if_faster(task, 0.01)
    calls.clear()
    net = task.family.nets["generator"]
    update(task, At(0, 0.0), images_total=100, rate=1.0)
    assert len(calls) == 1
    assert "forward" not in vars(net)
    net(torch.zeros(1, 1, 28, 28), torch.zeros(1))
    assert len(calls) == 1


def test_a_resumed_run_is_compiled_as_before_or_says_that_it_is_not(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: list[str]
) -> None:
    recipe, out = replace(tiny.recipe(data, tiny.DIFFUSION), speed=ON), tmp_path / "run"

    for images in (24, 40):
        calls.clear()
        with pytest.raises(StoppedError):
            watch.train(recipe, out=out, show=stop_at(images))
        assert calls
    calls.clear()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MachineError, match=r"C\+\+ compiler .* is not installed"):
        watch.train(recipe, out=out)
    watch.train(replace(recipe, speed=AUTO), out=out)
    assert not calls
    resumed = [event["not_bit_exact"] for event in tiny.events(out, "resume")]
    assert resumed == [False, True]


def test_a_choice_is_written_down_and_read_again() -> None:
    choice = replace(Compute().choice, compiled=True)
    assert from_plain(to_plain(Compute(choice=choice))) == Compute(choice=choice)
    old = {name: value for name, value in to_plain(Compute()).items() if name != "compiled"}
    assert from_plain(old) == Compute()  # of a run of before


class Once(torch.autograd.Function):
    """Pass a tensor on; its derivative has none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.clone()


def once(forward: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *given, **more: forward(Once.apply(x), *given, **more)


VARIANTS = {
    "plain": tiny.DIFFUSION,
    "labels": replace(tiny.DIFFUSION, condition="labels"),
    "augmented": replace(tiny.DIFFUSION, augment=("flip",)),
    **{p: replace(tiny.DIFFUSION, process=p, sampler="ddim", timesteps=9) for p in PROCESSES},
}


def looked_through(recipe: Recipe, name: str) -> None:
    """Take a round in which no second derivative may go through a network."""
    task = task_of(recipe)
    net = task.family.nets[name]
    net.forward = once(net.forward)  # type: ignore[method-assign]
    update(task, At(0, 0.0), images_total=100, rate=1.0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_second_derivative_goes_through_a_network_that_is_compiled(
    data: Path, variant: str
) -> None:
    """PyTorch's compiler has none, and once dropped a penalty's gradients without a word."""
    recipe = tiny.recipe(data, VARIANTS[variant])
    recipe = labelled(recipe, open_source(recipe.data, "train"))
    assert build(recipe).compiles == ("generator",)
    looked_through(recipe, "generator")


def test_a_penalty_on_the_slope_takes_one(data: Path) -> None:
    with pytest.raises(RuntimeError, match="differentiate twice"):
        looked_through(tiny.recipe(data, replace(tiny.GAN, r1=1.0)), "critic")


@pytest.mark.slow
@pytest.mark.skipif(bool(compiling.hindrance(CPU, 1)), reason="no C++ compiler is installed")
def test_compiled_gradients_are_those_of_the_network(data: Path) -> None:
    """Of a round in float32: PyTorch's compiler against PyTorch itself, within rounding."""
    found = []
    for compiled in (False, True):
        task = task_of(tiny.recipe(data, tiny.DIFFUSION))
        with torch.no_grad():
            for weight in task.family.nets.parameters():  # the last layer begins at 0
                weight.add_(0.02 * torch.randn(weight.shape, generator=rng(0, "w", 0)))
        task.compute = Compute(choice=Choice(compiled=compiled))
        shape(task)
        update(task, At(0, 0.0), images_total=100, rate=0.0)
        found.append([p.grad for p in task.trainable["generator"]])
    for one, other in zip(*found, strict=True):
        assert one is not None and other is not None and one.abs().max() > 0
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6 * float(one.abs().max()))


@pytest.mark.slow
@pytest.mark.skipif(bool(compiling.hindrance(CPU, 1)), reason="no C++ compiler is installed")
def test_a_compiled_run_is_resumed_to_the_bit(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Channels last, and with dropout, whose numbers the compiled network draws by itself."""

    def as_told(task: Task) -> tuple[Compute, float]:
        task.compute = Compute(choice=Choice(channels_last=True))
        shape(task)
        return task.compute, 1.0

    monkeypatch.setattr(training, "measured", as_told)
    net: Any = replace(tiny.DIFFUSION.generator, dropout=0.3)
    recipe = replace(tiny.recipe(data, replace(tiny.DIFFUSION, generator=net)), speed=ON)
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    watch.train(recipe, out=whole)
    with pytest.raises(StoppedError):
        watch.train(recipe, out=halves, show=stop_at(32))
    watch.train(recipe, out=halves)
    for name in ("nets", "average", "optimizer"):
        file = f"checkpoints/64/{name}.safetensors"
        one, other = load_file(whole / file), load_file(halves / file)
        assert one.keys() == other.keys() and one
        assert all(torch.equal(one[key], other[key]) for key in one)
    (start,) = tiny.events(whole, "start")
    assert start["choices"]["compute"]["channels_last"] and start["choices"]["compute"]["compiled"]
