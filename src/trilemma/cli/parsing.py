"""A dataclass from the words of a command line, through tyro, with errors in one line."""

import contextlib
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import tyro

from trilemma.errors import TrilemmaError
from trilemma.recipe.closest import unknown
from trilemma.recipe.overrides import FILLED_IN, variants

Arguments = TypeVar("Arguments")
OPTION = re.compile(r"--?[A-Za-z]")  # -1.5 is a value
WHOLE = ("input", "settings")  # lists whose values may hold commas
WORDINGS: Sequence[tuple[str, str]] = (  # of Python and tyro -> ours
    (r"(\S+): could not convert string to float: (.*)", r"\1 is \2; allowed: a number"),
    (r"(\S+): invalid literal for int\(\) .*: ('.*')", r"\1 is \2; allowed: a whole number"),
    (
        r"[Ii]nvalid choice ('.*') for argument '(.+)'\. Expected one of \((.*?),?\)",
        r"\2 is \1; allowed: \3",
    ),
    (
        r"(\S+): no type matching \{None\}\|FLOAT could be instantiated from \['(.*?)'\].*",
        r"\1 is '\2'; allowed: a number",
    ),
    (
        r"(\S+): Could not find valid parse for arguments: \[(.*)\]",
        r"\1 is \2; allowed: numbers, such as 1 2 or 1,2",
    ),
    (r"Missing value for argument '(.+)'\..*", r"\1 lacks its value"),
)


@dataclass(frozen=True)
class Option:
    """A field as the command line spells it."""

    name: str  # dotted, with underscores: train.batch_size
    hint: Any

    @property
    def flag(self) -> str:
        """Give the option itself, such as --train.batch-size."""
        return "--" + self.name.replace("_", "-")

    @property
    def values(self) -> int:
        """Give how many values follow: 0 for a switch, -1 for as many as there are."""
        if self.hint is bool:
            return 0
        return -1 if get_origin(self.hint) is tuple else 1

    def holds(self, word: str) -> bool:
        """May this word be one of several values? Numbers and attributes show what they are not."""
        kind = get_args(self.hint)[0]
        if kind in (int, float):
            return all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", part) for part in word.split(","))
        return self.name != "attributes" or "=" in word


def parse(arguments: type[Arguments], words: Sequence[str], *, verb: str) -> Arguments:
    """Fill a frozen dataclass from the words behind a verb; --help prints it and ends.

    The comment of each field is its help, the docstring the verb's. TrilemmaError in one line for
    what does not exist or has the wrong type, with the closest options.
    """
    spelled = listed(normal(words), options(arguments))
    return read(arguments, spelled, prog=f"trilemma {verb}", default=None, about="")


def listed(words: Sequence[str], known: Iterable[Option]) -> list[str]:
    """Write lists one way: `--seeds 0,1 RUN` becomes `RUN --seeds 0 1`.

    Values are parted at commas, but not at one that a space follows, nor in files' names. A word
    that cannot be a value of the list, such as a name behind numbers, goes to the front.
    """
    lists = {option.flag: option for option in known if option.values == -1}
    front: list[str] = []
    spelled: list[str] = []
    now: Option | None = None
    first = False  # is this the list's first value? A wrong one is a mistake, not a name
    for word in words:
        if OPTION.match(word):
            now, first = lists.get(word), True
            spelled.append(word)
        elif now is None or now.name in WHOLE:
            spelled.append(word)
        elif first or now.holds(word):
            spelled += [part for part in re.split(r",(?! )", word) if part]
            first = False
        else:
            front.append(word)
    return [*front, *spelled]


def read(
    arguments: type[Arguments],
    words: Sequence[str],
    *,
    prog: str,
    default: Arguments | None,
    about: str,
    short: Iterable[str] = (),
) -> Arguments:
    """Fill a dataclass from normal words, starting at `default`; about: the help's text.

    short: options that stand for longer ones, to be suggested where a word is unknown.
    """
    caught, printed = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stderr(caught), contextlib.redirect_stdout(printed):
            parsed, rest = tyro.cli(
                arguments,
                args=list(words),
                prog=prog,
                description=about or arguments.__doc__,
                default=tyro.MISSING_NONPROP if default is None else default,
                return_unknown_args=True,
                config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff)
                if default is None
                else (tyro.conf.AvoidSubcommands,),
            )
    except SystemExit as end:
        if not end.code:
            print(to_be_typed(printed.getvalue()), end="")
            raise  # --help
        said = ours(one_line(caught.getvalue()))
        raise TrilemmaError(f"{said}; see {prog} --help") from None
    if rest:
        raise TrilemmaError(_not_known(rest, arguments, default, prog, short))
    result: Arguments = parsed
    return result


def normal(words: Sequence[str]) -> list[str]:
    """Split --name=value, and spell the options with hyphens."""
    spelled: list[str] = []
    for word in words:
        if not OPTION.match(word):
            spelled.append(word)
            continue
        name, equals, value = word.partition("=")
        spelled += [name.replace("_", "-"), value] if equals else [name.replace("_", "-")]
    return spelled


def options(part: type, prefix: str = "", *, at: object = None) -> Iterator[Option]:
    """Yield every option of a dataclass and of what is nested in it.

    at: an instance that says which of several nested dataclasses is meant; without: all of them.
    """
    resolved = get_type_hints(part, include_extras=True)
    for entry in fields(part):
        hint, name = _plain(resolved[entry.name], entry.name)
        nested, held = variants(hint), getattr(at, entry.name, None)
        for variant in nested if held is None else (type(held),):
            if nested:
                yield from options(variant, f"{prefix}{name}." if name else prefix, at=held)
        if not nested:
            yield Option(prefix + name, hint)


def one_line(box: str) -> str:
    """Take the message out of one of tyro's error boxes: no frame, no colours, no line breaks.

    A terminal without box characters gets the title and a rule of hyphens in place of the frame.
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    rows = [row.strip("│╰╯ ") for row in plain.splitlines()]
    rules = [number for number, row in enumerate(rows) if re.fullmatch("[─-]{3,}|╭.*", row)]
    begin, end = (*rules, len(rows), len(rows))[:2]
    text = " ".join(" ".join(rows[begin + 1 : end]).split())
    return text.rstrip(".").removeprefix("Error parsing ")


def to_be_typed(text: str) -> str:
    """Leave the fields that are filled in out of a help: from their option to the next one."""
    hidden = {"--" + name.replace("_", "-") for name in FILLED_IN}
    kept, hide = list[str](), False
    for line in text.splitlines(keepends=True):
        words = re.sub(r"\x1b\[[0-9;]*m|[│|]", " ", line).split()
        if not words or words[0].startswith(("-", "╰", "╭")):
            hide = bool(words) and words[0].rstrip(",") in hidden
        kept += [] if hide else [line]
    return "".join(kept)


def ours(said: str) -> str:
    """Say a mistake as our own errors do: what was found, what is allowed."""
    if lacking := re.fullmatch(r"Missing from (trilemma \w+): (.*)", said):
        words = re.findall(r"(?:^|\(required\) )([A-Z]+)", lacking[2])
        return f"{lacking[1]} lacks {', '.join(words)}"
    for theirs, wording in WORDINGS:
        if re.fullmatch(theirs, said):
            return re.sub(theirs, wording, said)
    return said


def _plain(hint: Any, name: str) -> tuple[Any, str]:
    """Take the type out of its annotation, and the name that the annotation may give."""
    if get_origin(hint) is not Annotated:
        return hint, name
    for note in hint.__metadata__:
        given = getattr(note, "name", None)
        if isinstance(given, str):
            name = given
    return get_args(hint)[0], name


def _not_known(rest: Sequence[str], part: type, at: object, prog: str, short: Iterable[str]) -> str:
    wrong = next((word for word in rest if OPTION.match(word)), "")
    if not wrong:
        return f"'{rest[0]}' is one word too many; see {prog} --help"
    if wrong in {option.flag for option in options(part)}:
        return f"option '{wrong}' is for another kind or network than this; see {prog} --help"
    flags = (*short, *(option.flag for option in options(part, at=at)))
    return f"{unknown('option', wrong, flags)}; see {prog} --help"
