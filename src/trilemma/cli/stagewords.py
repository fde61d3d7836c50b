"""The words behind `trilemma train` where a preset is several trainings: which are for which.

Some are for all stages; `--stage.NAME.` in front of any other makes it one of a single stage.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from trilemma.cli.arguments import (
    SHORT,
    STAGED,
    Base,
    TrainCommand,
    parse_train,
    take_preset,
    value_of,
)
from trilemma.cli.parsing import OPTION, normal
from trilemma.errors import RecipeError, TrilemmaError
from trilemma.recipe import files, foreign, presets
from trilemma.recipe.closest import unknown
from trilemma.recipe.presets import Preset
from trilemma.recipe.stages import Stage, following, minutes_of

WHOLE = ("--seed", "--seeds", "--out", "--dry-run", "--trust")  # of the command: never of a stage
MINUTES = "--train.minutes"
ALL = ("--data.root", MINUTES, *WHOLE)  # beside --speed.*, for every stage
ALL_SAID = "--data.root, --minutes (of all stages), --seed, --seeds, --out, --device, --precision, "
ALL_SAID += "--speed.*, --dry-run and --trust"
HELP = """usage: trilemma train {name} [OPTIONS]

{about}

Trainings that follow one another, each a run of its own; the same command again goes on where
they stopped:
{stages}

For all of them: {all}.
For one of them: --stage.NAME. in front of any option of trilemma train, such as
  --stage.{last}.batch-size 4
{helps}"""


@dataclass(frozen=True, kw_only=True)
class StagesCommand:
    """What `trilemma train` was asked for with a preset of several trainings."""

    name: str  # of the preset
    stages: tuple[Stage, ...]  # with what was typed
    seeds: tuple[int, ...]  # all stages for each
    out: Path | None  # folder of the runs' folders; None: each named after its recipe
    dry_run: bool
    beside: Path | None  # folder of the preset's file
    own: tuple[str, ...]  # import paths of code of the user's own that were typed
    trust: bool


class Group(NamedTuple):
    """An option and its values, and the stage it is for."""

    stage: str  # empty: all
    words: list[str]

    @property
    def flag(self) -> str:
        """Give the option, without its stage."""
        return self.words[0]


def parse_training(words: Sequence[str]) -> TrainCommand | StagesCommand:
    """Read the words behind `trilemma train` for one training or for several; loads no torch.

    TrilemmaError in one line, as `parse_train`, with the stage that it is about.
    """
    preset, asked = take_preset(normal(words))
    found = staged(preset, asked)
    if found is None:
        return parse_train(words)
    if {"-h", "--help"} & set(asked):
        print(told(found))
        raise SystemExit(0)
    names = [stage.name for stage in found.stages]
    groups = [group for group in grouped(asked, names) if group.flag != "--config"]
    for group in groups:
        refuse_misplaced(group, found)
    config = value_of(asked, "--config")
    beside = Path(config).parent if config else presets.OWN
    commands: dict[str, TrainCommand] = {}
    for stage in found.stages:
        known = {name: command.recipe for name, command in commands.items()}
        commands[stage.name] = _command(following(stage, known), groups, beside)
    return whole(found, list(commands.values()), beside)


def staged(preset: str, words: Sequence[str]) -> Preset | None:
    """Find the preset or the file, if it has several stages; None: it has not, or is not there."""
    config = value_of(words, "--config")
    if config and not preset:
        table = files.read_table(config)
        return presets.read(config) if holds_stages(table, config) else None
    if preset not in presets.names():
        return None
    found = presets.find(preset)
    return found if found.stages[0].name else None


def holds_stages(table: Mapping[str, Any], path: str) -> bool:
    """Are there stages of ours in a file? JSON of other projects has tables of that name, too."""
    json = path.lower().endswith(".json")
    return isinstance(table.get("stages"), list) and not (json and not foreign.OURS & table.keys())


def grouped(words: Sequence[str], names: Sequence[str]) -> Iterator[Group]:
    """Put each option together with its values. RecipeError: there is no such stage."""
    groups: list[list[str]] = []
    for word in words:
        if OPTION.match(word):
            groups.append([word])
        else:  # a word before the first option is a preset and was taken
            groups[-1].append(word)
    for option, *values in groups:
        found = STAGED.match(option)
        if not found:
            yield Group("", [option, *values])
            continue
        name = found.group(1)
        if name not in names:
            raise RecipeError(f"{option}: {unknown('stage', name, names)}")
        yield Group(name, [f"--{option[found.end() :]}", *values])


def refuse_misplaced(group: Group, found: Preset) -> None:
    """Refuse an option that is for one stage and names none, or is for all and names one."""
    flag, last = group.flag, found.stages[-1].name
    long = SHORT.get(flag, flag)
    if group.stage:
        if flag in (*WHOLE, "--config", "--continue", "--preset"):
            raise RecipeError(f"--stage.{group.stage}.{flag[2:]}: {flag} is no option of one stage")
    elif flag == "--continue":
        raise RecipeError("a preset and --continue each give the recipe; allowed: one")
    elif long not in ALL and not long.startswith("--speed."):
        raise RecipeError(
            f"{flag}: of which stage of {found.name}? Such as --stage.{last}.{flag[2:]}; "
            f"for all of them are {ALL_SAID}"
        )


def _command(stage: Stage, groups: Sequence[Group], beside: Path) -> TrainCommand:
    """Read what is for a stage: the words for all, then its own."""
    ordered = [
        *(_shared(group, stage) for group in groups if not group.stage),
        *(group.words for group in groups if group.stage == stage.name),
    ]
    words = [word for each in ordered for word in each]
    try:
        return parse_train(words, Base(stage.recipe, stage.name, beside=beside))
    except TrilemmaError as error:
        raise type(error)(f"stage {stage.name}: {error}") from error


def _shared(group: Group, stage: Stage) -> list[str]:
    """Give the words of an option for all stages, minutes by their shares."""
    if SHORT.get(group.flag, group.flag) == MINUTES and len(group.words) == 2:
        try:
            return [group.flag, str(minutes_of(stage, float(group.words[1])))]
        except ValueError:
            pass  # tyro says what is wrong with it
    return group.words


def whole(found: Preset, commands: Sequence[TrainCommand], beside: Path) -> StagesCommand:
    """Put the stages' commands together."""
    first = commands[0]
    return StagesCommand(
        name=found.name,
        stages=tuple(
            replace(stage, recipe=command.recipe)
            for stage, command in zip(found.stages, commands, strict=True)
        ),
        seeds=first.seeds,
        out=first.out,
        dry_run=first.dry_run,
        beside=beside,
        own=tuple(dict.fromkeys(path for command in commands for path in command.own)),
        trust=first.trust,
    )


def told(found: Preset) -> str:
    """Give the text of --help."""
    width = max(len(stage.name) for stage in found.stages)
    rows = [
        f"  {stage.name:{width}}  {stage.recipe.train.minutes:5.3g} min  "
        f"as {stage.base or 'its own recipe'}"
        for stage in found.stages
    ]
    based = [stage for stage in found.stages if stage.base]
    return HELP.format(
        name=found.name,
        about=found.about,
        stages="\n".join(rows),
        all=ALL_SAID,
        last=found.stages[-1].name,
        helps="\n".join(
            f"trilemma train {one.base} --help shows those of {one.name}." for one in based
        ),
    )
