"""The words behind `trilemma train`: a preset or a file first, then every field of the recipe.

The preset is found before tyro runs, so that --help shows its values and its kinds of network.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tyro

from trilemma.cli.parents import following, recipe_file
from trilemma.cli.parsing import OPTION, listed, normal, options, parse, read
from trilemma.errors import RecipeError, TrilemmaError
from trilemma.recipe import files, foreign, presets
from trilemma.recipe.overrides import SELECTORS, apply, nested, with_ema, with_lr
from trilemma.recipe.own import as_typed
from trilemma.recipe.recipe import Recipe

__all__ = [
    "SHORT",
    "STAGED",
    "Base",
    "TrainCommand",
    "long_forms",
    "parse",
    "parse_train",
    "take_preset",
    "value_of",
]

SHORT = {  # of options that are used often
    "--epochs": "--train.epochs",
    "--images": "--train.images",
    "--minutes": "--train.minutes",
    "--batch-size": "--train.batch-size",
    "--early-stop": "--train.early-stop",
    "--patience": "--train.patience",
    "--timesteps": "--family.timesteps",
    "--device": "--speed.device",
    "--precision": "--speed.precision",
    "--from": "--start.run",
    "--freeze": "--start.freeze",
}
LENGTHS = ("epochs", "images", "minutes")  # fields of train that say how long
FOLDER = "folder-gan"  # the preset for a folder of images, where none is named
VERB = "trilemma train"
STAGED = re.compile(r"^--stage\.([^.]+)\.")  # in front of an option: of that stage alone
ABOUT = (
    "Train a model from a preset, or from a recipe file. The values below are those of {preset}; "
    "`trilemma presets` lists the presets. Networks and losses may be module:Name of your own. "
    "Short forms: " + ", ".join(SHORT) + "."
)


@dataclass(frozen=True, kw_only=True)
class TrainCommand:
    """What `trilemma train` was asked for."""

    recipe: Recipe
    seeds: tuple[int, ...]  # one training each
    out: Path | None = None  # folder of the run; None: named after the recipe, below the runs
    dry_run: bool = False  # only print the recipe and a forecast
    continue_run: str = ""  # a finished run that goes on; its recipe is in `recipe`
    typed: frozenset[str] = frozenset()  # dotted fields that the command line gave
    beside: Path | None = None  # folder of the recipe's file, where code of the user's may lie
    own: tuple[str, ...] = ()  # import paths of code of the user's own that were typed
    trust: bool = False  # import those, too, that only a file names
    notes: tuple[str, ...] = ()  # lines for the user, such as settings that were left out


_Preset = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[PRESET]")]
_Continue = Annotated[str, tyro.conf.arg(name="continue", metavar="RUN")]
_Nested = Annotated[Recipe, tyro.conf.arg(name="")]  # --data.root, not --recipe.data.root


@dataclass(frozen=True, kw_only=True)
class _Options:
    preset: _Preset = ""  # a preset's name; see `trilemma presets`
    config: str = ""  # in place of a preset: a recipe (.toml, .json) or another project's settings
    continue_run: _Continue = ""  # in place of a preset: a finished run that is to go on
    seeds: tuple[int, ...] = ()  # several trainings that differ in the seed, such as 0 1 2
    out: str = ""  # folder of the run; empty: PRESET-sSEED-DIGEST below ./runs
    dry_run: bool = False  # print the whole recipe and a forecast of time, memory and disk; no more
    trust: bool = False  # run the code of somebody's own (module:Name) that a recipe's file names
    lr: float | None = None  # learning rate of every optimizer; what it falls to falls along
    ema: float | None = None  # decay of the averaged weights, per step, such as 0.999; 0: off
    recipe: _Nested = field(default_factory=Recipe)


@dataclass(frozen=True)
class Base:
    """A recipe that the options change."""

    recipe: Recipe
    named: str  # preset or file, for the help
    notes: tuple[str, ...] = ()
    beside: Path | None = None  # folder of the file


def parse_train(words: Sequence[str], base: Base | None = None) -> TrainCommand:
    """Read the words behind `trilemma train`; loads no torch, but for --continue.

    base: what they change, where no preset is among them. TrilemmaError in one line for an unknown
    preset, option or value, with the closest ones. Whether the recipe is possible,
    `recipe.checking.check` says.
    """
    typed_so = {long: short for short, long in SHORT.items() if short in normal(words)}
    try:
        return _parsed(listed(long_forms(normal(words)), options(_Options)), base)
    except TrilemmaError as error:  # which names fields as they were typed
        said = str(error)
        for long, short in typed_so.items():
            said = re.sub(rf"{long}(?![\w.-])", short, said)
        raise type(error)(said) from error


def _parsed(asked: Sequence[str], base: Base | None) -> TrainCommand:
    preset, asked = take_preset(asked)
    base = base or _base(preset, asked)
    base = replace(base, recipe=following(base.recipe, value_of(asked, "--start.run")))
    asked, choices = _choices(asked)
    recipe = apply(base.recipe, choices, where="command line")
    given = read(
        _Options,
        asked,
        prog=VERB,
        default=_Options(preset=preset, recipe=recipe),
        about=ABOUT.format(preset=base.named),
        short=SHORT,
    )
    typed = _typed(asked)
    finished, own = as_typed(_finished(given, typed), typed)
    return TrainCommand(
        recipe=finished,
        seeds=_seeds(given, typed),
        out=Path(given.out) if given.out else None,
        dry_run=given.dry_run,
        continue_run=given.continue_run,
        typed=typed,
        notes=(*base.notes, *_both_lengths(finished, typed)),
        beside=base.beside,
        own=own,
        trust=given.trust,
    )


def long_forms(words: Iterable[str]) -> list[str]:
    """Write short forms out; `--no-early-stop` is one, too."""
    off = {f"--no-{short[2:]}": _off(long) for short, long in SHORT.items()}
    return [{**SHORT, **off}.get(word, word) for word in words]


def _off(flag: str) -> str:
    head, _, last = flag.rpartition(".")
    return f"{head}.no-{last}"


def take_preset(words: Sequence[str]) -> tuple[str, list[str]]:
    """Find the preset's name, the one word that is neither an option nor the value of one."""
    takes = {option.flag: option.values for option in options(_Options)}
    takes["--preset"] = 0  # as good as the bare name
    found: list[str] = []
    rest: list[str] = []
    left = 0
    for word in words:
        if OPTION.match(word):
            plain = long_forms([STAGED.sub("--", word)])[0]
            left = takes.get(plain, 0 if _switch_off(word) or word == "-h" else 1)
            left = 0 if word == "--help" else left
        elif left == 0:
            found.append(word)
            continue
        else:
            left -= left > 0
        if word != "--preset":
            rest.append(word)
    if len(found) > 1:
        raise RecipeError(f"'{found[1]}' is a second preset after '{found[0]}'; allowed: one")
    return "".join(found), rest


def _switch_off(word: str) -> bool:
    return word.rpartition(".")[2].startswith("no-")


def _base(preset: str, words: Sequence[str]) -> Base:
    """Give the recipe that the options change: of a preset, a file, a run, or a folder's."""
    config, run = value_of(words, "--config"), value_of(words, "--continue")
    if sum(map(bool, (preset, config, run))) > 1:
        raise RecipeError("a preset, --config and --continue each give the recipe; allowed: one")
    if run:
        return Base(files.read(recipe_file(run)), run)
    if config:
        return _config(config)
    if preset:
        _check_preset(preset)
        return Base(presets.find(preset).recipe, preset, beside=presets.OWN)
    if "--data.root" in words or {"-h", "--help"} & set(words):
        return Base(presets.find(FOLDER).recipe, FOLDER)
    raise RecipeError(
        f"no preset; allowed: {', '.join(presets.names())}; "
        "or give --data.root FOLDER to train on a folder of images"
    )


def _check_preset(name: str) -> None:
    """Answer a path where a preset was expected."""
    if name in presets.names():
        return
    if Path(name).is_dir() or name.endswith((".zip", ".npz", ".npy")):
        raise RecipeError(f"'{name}' is no preset; to train on it: {VERB} --data.root {name}")
    if name.endswith((".toml", ".json")):
        raise RecipeError(f"'{name}' is no preset; to use this file: {VERB} --config {name}")


def _config(path: str) -> Base:
    """Read a recipe file, or another project's settings, such as JSON without a schema."""
    table = files.read_table(path)
    if foreign.is_foreign(table, json=path.lower().endswith(".json")):
        recipe, notes = foreign.recipe_of(table, where=path)
        return Base(replace(recipe, preset=Path(path).stem), path, notes)
    return Base(presets.read(path).recipe, path, beside=Path(path).parent)


def value_of(words: Sequence[str], flag: str) -> str:
    """Give the last value of an option before it is parsed; empty if it is not there."""
    after = [value for word, value in pairwise(words) if word == flag]
    return after[-1] if after else ""


def _choices(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Find what chooses a dataclass (--family.kind, --family.generator.name) as a nested table.

    `--family.generator NAME` is short for `--family.generator.name NAME`.
    """
    flags = [option.flag for option in options(Recipe)]
    choosing = {flag for flag in flags if flag.rpartition(".")[2] in SELECTORS}
    short = {flag.rpartition(".")[0]: flag for flag in choosing}
    spelled = [short.get(word, word) for word in words]
    table: dict[str, Any] = {}
    for word, value in pairwise(spelled):
        if word in choosing and not OPTION.match(value):
            table = files.merge(table, nested(word[2:], value))
    return spelled, table


def _typed(words: Sequence[str]) -> frozenset[str]:
    names = (word[2:].replace(".no-", ".") for word in words if OPTION.match(word))
    return frozenset(name.replace("-", "_") for name in names)


def _finished(given: _Options, typed: frozenset[str]) -> Recipe:
    """Apply what depends on several fields: rates, averaging, and how long the training is."""
    recipe = given.recipe
    if given.lr is not None:
        if not (given.lr > 0 and math.isfinite(given.lr)):
            raise RecipeError(f"--lr is {given.lr:g}; allowed: more than 0")
        recipe = with_lr(recipe, given.lr)
    if given.ema is not None:
        recipe = with_ema(recipe, given.ema)
    return apply(recipe, {"train": _lengths(typed)}, where="command line")


def _lengths(typed: frozenset[str]) -> Mapping[str, Any]:
    """Say which lengths give way: epochs or images replace the preset's, minutes are a limit."""
    said = [name for name in LENGTHS if f"train.{name}" in typed]
    if not {"epochs", "images"} & set(said):
        return {}
    return {name: 0 for name in LENGTHS if name not in said}


def _both_lengths(recipe: Recipe, typed: frozenset[str]) -> tuple[str, ...]:
    """Say which length counts where two were typed."""
    if not {"train.epochs", "train.images"} <= typed or not recipe.train.images:
        return ()
    return (f"--images {recipe.train.images} counts, --epochs {recipe.train.epochs:g} does not",)


def _seeds(given: _Options, typed: frozenset[str]) -> tuple[int, ...]:
    if not given.seeds:
        return (given.recipe.seed,)
    if "seed" in typed:
        raise RecipeError("--seed and --seeds are both given; allowed: one of them")
    seeds = given.seeds
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        said = " ".join(map(str, seeds))
        raise RecipeError(f"--seeds is '{said}'; allowed: different numbers, 0 or more")
    return seeds
