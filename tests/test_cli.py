"""The frame of the command line: verbs, errors and statuses, and the words behind `train`."""

import errno
import importlib.util
import re
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

import pytest
import tyro

from trilemma import __version__
from trilemma.cli import main as cli
from trilemma.cli.arguments import parse
from trilemma.cli.parsing import one_line, options
from trilemma.errors import DivergedError, MachineError, TrilemmaError


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Do something to runs."""

    runs: Annotated[tuple[str, ...], tyro.conf.Positional] = ()  # names of runs
    batch_size: int = 64  # images at once
    json: bool = False  # print JSON


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the module of a verb `probe` whose `run` a test may replace."""
    module = ModuleType("trilemma.cli.probe")
    module.Arguments = Arguments  # type: ignore[attr-defined]
    module.run = print  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trilemma.cli.probe", module)
    monkeypatch.setattr(cli, "VERBS", {"probe": cli.Verb("probe", "try something")})
    return module


def raising(error: BaseException) -> object:
    def run(arguments: Arguments) -> None:
        raise error

    return run


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """Give the one line on stderr; nothing may be on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.rstrip("\n")


def test_help_lists_every_verb_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["-h"], []):
        assert cli.main(words) == 0
        out = capsys.readouterr().out
        for name, verb in cli.VERBS.items():
            assert re.search(rf"^  {name} +{re.escape(verb.about)}$", out, re.MULTILINE)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"trilemma {__version__}\n"


@pytest.mark.parametrize("name", cli.VERBS)
def test_a_verb_has_its_module(name: str) -> None:
    verb = cli.VERBS[name]
    if importlib.util.find_spec(f"trilemma.cli.{verb.module}") is None:
        pytest.skip(f"cli/{verb.module}.py is not written yet")
    module = importlib.import_module(f"trilemma.cli.{verb.module}")
    assert callable(module.run)
    assert verb.trains or list(options(module.Arguments))


def test_an_unknown_verb_is_answered_with_the_closest(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trian"]) == 2
    assert "did you mean train?" in line_of(capsys)


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (TrilemmaError("first\n second"), 2, "trilemma: first second"),
        (MachineError("no GPU"), 3, "trilemma: no GPU"),
        (DivergedError("nan"), 4, "trilemma: nan"),
        (KeyboardInterrupt(), 130, "trilemma: stopped"),
        (OSError(errno.ENOSPC, "full", "a.bin"), 3, "trilemma: a.bin: the disk is full"),
        (PermissionError(errno.EACCES, "no", "b"), 3, "trilemma: b: may not be read or written"),
        (ZeroDivisionError("by\nzero"), 1, "trilemma: a mistake of ours, not yours: ZeroDivision"),
        (FileNotFoundError(errno.ENOENT, "none", "c"), 3, "trilemma: c: none; see what lies there"),
        (NotADirectoryError(errno.ENOTDIR, "no folder", "d"), 3, "trilemma: d: no folder; see"),
        (OSError(errno.EIO, "odd"), 1, "trilemma: a mistake of ours"),
        (MemoryError(), 3, "trilemma: the memory is too small"),
        (OSError(errno.ENOMEM, "no memory", "e"), 3, "trilemma: the memory is too small"),
        (RuntimeError("CUDA out of memory. Tried to"), 3, "trilemma: the memory is too small"),
        (RuntimeError("MPS backend out of memory (MPS"), 3, "trilemma: the memory is too small"),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when"), 3, "trilemma: the memory is too small"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    verb: ModuleType,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    verb.run = raising(error)  # type: ignore[attr-defined]
    assert cli.main(["probe"]) == status
    assert line_of(capsys).startswith(said)


def test_memory_that_runs_out_is_known_without_torch() -> None:
    """The words that torch itself has for it."""
    import torch

    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    assert cli._as_ours(caught.value) is not None


def test_debug_shows_where(verb: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    verb.run = raising(ValueError("odd"))  # type: ignore[attr-defined]
    assert cli.main(["probe", "--debug", "a"]) == 1
    assert "Traceback" in capsys.readouterr().err
    assert cli.main(["probe"]) == 1
    assert "--debug shows where" in line_of(capsys)


@pytest.mark.parametrize("status", [0, 1, 130, 143])
def test_an_exit_keeps_its_status(verb: ModuleType, status: int) -> None:
    verb.run = raising(SystemExit(status))  # type: ignore[attr-defined]
    assert cli.main(["probe"]) == status


def test_any_verb_s_arguments() -> None:
    words = ["a", "b", "--batch_size=7", "--json"]
    assert parse(Arguments, words, verb="probe") == Arguments(
        runs=("a", "b"), batch_size=7, json=True
    )
    assert parse(Arguments, [], verb="probe") == Arguments()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--batchsize", "7"], "did you mean --batch-size?"),
        (["--batch-size", "x"], "--batch-size is 'x'; allowed: a whole number;"),
        (["--batch-size"], "--batch-size lacks its value;"),
        (["--json", "--no-such"], "unknown option '--no-such'"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], said: str) -> None:
    with pytest.raises(TrilemmaError) as caught:
        parse(Arguments, words, verb="probe")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("see trilemma probe --help")
    assert not set("│╭╰─") & set(str(caught.value))


def test_a_box_becomes_a_line() -> None:
    box = (
        "\x1b[31m╭─ Value error ─────╮\x1b[0m\n"
        "│ Error parsing --x: it is │\n"
        "│ wrong.          │\n"
        "│ ─────────────── │\n"
        "│ Argument helptext: │\n"
        "╰─────────────────╯\n"
    )
    assert one_line(box) == "--x: it is wrong"
    plain = (
        " Value error  \n ------- \n  Error parsing --x: it is \n  wrong.\n  -------\n  For\n  \n"
    )
    assert one_line(plain) == "--x: it is wrong"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no preset; allowed: cats-dcgan, "),
        ("digits-gna", "closest: digits-gan, "),
        ("mnist-dcgan mnist-ddpm", "'mnist-ddpm' is a second preset after 'mnist-dcgan'"),
        ("mnist-dcgan --config a.toml", "each give the recipe; allowed: one"),
        ("mnist-dcgan --seed 1 --seeds 1,2", "--seed and --seeds are both given"),
        ("mnist-dcgan --seeds 1,1", "different numbers"),
        ("mnist-dcgan --seeds a", "--seeds is 'a'; allowed: numbers, such as 1 2 or 1,2;"),
        ("mnist-dcgan --lr abc", "--lr is 'abc'; allowed: a number;"),
        ("mnist-dcgan --train.epoch 3", "closest: --train.epochs"),
        ("mnist-dcgan --minuts 3", "closest: --minutes"),
        ("mnist-dcgan --minutes abc", "--minutes is 'abc'; allowed: a number;"),
        ("mnist-dcgan --timesteps 3", "'--timesteps' is for another kind"),
        ("mnist-dcgan --epochs x", "--epochs is 'x'; allowed: a number;"),
        ("mnist-dcgan --precision fp16", "reference"),
        ("mnist-dcgan --family.kind dif", "did you mean diffusion?"),
        ("mnist-dcgan --family.generator unet", "unknown family.generator.name 'unet'"),
        ("mnist-dcgan --lr 0", "--lr is 0; allowed: more than 0"),
        ("mnist-dcgan --ema 1.5", "ema is 1.5"),
        ("mnist-dcgan --data.root", "--data.root"),
        ("--config none.toml", "none.toml: no such file"),
        ("--continue none", "no run or bundle 'none'"),
        ("photos.zip", "trilemma train --data.root photos.zip"),
        ("mine.toml", "trilemma train --config mine.toml"),
    ],
)
def test_train_answers_mistakes_in_a_line(
    line: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", *line.split()]) == 2
    assert said in line_of(capsys)
