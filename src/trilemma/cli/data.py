"""trilemma data: look at a data set: counts, sizes, broken files, what to train on it."""

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

if TYPE_CHECKING:
    from trilemma.data.health import Health
    from trilemma.recipe.recipe import Recipe

LISTED = 5  # broken files, duplicates and sizes that are named; the rest is counted
LONG = 3600  # seconds; a training that takes longer is worth a hint

_Images = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES")]


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """Check a data set's health, and say what to train on it and how long that takes here.

    It is a folder, a zip, an .npz or .npy file, shards, or a named set: digits, mnist, ...
    """

    images: _Images  # what is looked at
    root: str = ""  # where the files of a named set lie; empty: the cache
    size: str = ""  # width x height to train at, pixels, such as 64x64; empty: as suggested
    channels: Literal[0, 1, 3] = 0  # to train with: 1 grey, 3 colour; 0: as suggested
    classes: tuple[str, ...] = ()  # to train on; empty: all
    preset: str = ""  # to train; empty: as suggested
    out: str = "contact.png"  # the contact sheet, in the place of an older one; empty: none
    quick: bool = False  # leave out how long the training takes, which is measured
    json: bool = False  # print the facts as JSON


def run(arguments: Arguments) -> None:
    """Look, print, write the contact sheet, forecast."""
    from trilemma.cli.arguments import parse_train
    from trilemma.data.health import health
    from trilemma.data.sheet import check_free, write_sheet
    from trilemma.live import counted, say
    from trilemma.recipe.checking import check
    from trilemma.sides import parsed

    if arguments.out:
        check_free(Path(arguments.out))
    size = parsed(arguments.size) if arguments.size else None
    with counted("images") as progress:
        found = health(arguments.images, root=arguments.root, size=size, progress=progress, say=say)
    command = suggested(found.command, arguments)
    recipe = parse_train(shlex.split(command)[2:]).recipe
    check(recipe)
    seen = facts(found) | {"command": command}
    if not arguments.json:
        print("\n".join((*lines(found), f"train:       {command}")), flush=True)
    if arguments.out:
        write_sheet(Path(arguments.out), found.sheet)
        say(f"contact sheet: {arguments.out}")
    if not arguments.quick:
        seen["forecast"] = forecast_of(recipe, say=say)
        if not arguments.json:
            print("\n".join((*forecast_lines(seen["forecast"]), *often(found, seen["forecast"]))))
    if arguments.json:
        print(json.dumps(seen, indent=1))


def suggested(command: str, arguments: Arguments) -> str:
    """Put what the user chose into the suggested command."""
    words = shlex.split(command)
    options = dict(zip(words[3::2], words[4::2], strict=True))  # after: trilemma train PRESET
    if arguments.size:
        options["--data.size"] = arguments.size
    if arguments.channels:
        options["--data.channels"] = str(arguments.channels)
    tail = ["--data.classes", *arguments.classes] if arguments.classes else []
    flat = [word for pair in options.items() for word in pair]
    return shlex.join([*words[:2], arguments.preset or words[2], *flat, *tail])


def facts(found: "Health") -> dict[str, Any]:
    """Give the facts as plain values, without the picture."""
    known = {name: value for name, value in asdict(found).items() if name not in ("sheet", "sizes")}
    sizes = {f"{width}x{height}": count for (width, height), count in found.sizes.items()}
    return known | {"sizes": sizes}


def lines(found: "Health") -> list[str]:
    """Write the facts for people."""
    (w, h), (width, height) = found.smallest, found.largest
    sizes = [f"{a}x{b}: {n:,}" for (a, b), n in found.sizes.items()]
    splits = [f"{name or 'none given'}: {n:,}" for name, n in found.splits.items()]
    classes = [f"{name}: {n:,}" for name, n in found.classes.items()]
    skipped = [f"{name} ({reason})" for name, reason in found.skipped]
    twins = [f"{twin.name} is like {twin.like}" for twin in found.duplicates]
    rows = (
        f"{found.name}: {found.images:,} images, {found.grey:,} of them grey",
        f"sizes:       {w}x{h} to {width}x{height}; {first(sizes)}"
        if sizes[1:]
        else f"size:        {w}x{h}",
        f"splits:      {first(splits)}" if splits else "",
        f"classes:     {len(classes)}; {first(classes, 12)}" if classes else "classes:     none",
        f"skipped:     {len(skipped):,}{'; ' + first(skipped) if skipped else ''}",
        f"alike:       {len(twins):,} of {found.compared:,} compared"
        f"{'; ' + first(twins) if twins else ''}",
        f"licence:     {found.licence or 'not stated; you know what you may do with them'}",
        *(f"note:        {note}" for note in found.notes),
        *(f"advice:      {line}" for line in found.advice),
    )
    return [row for row in rows if row]


def first(items: list[str], count: int = LISTED) -> str:
    """Name the first few and count the rest."""
    more = f", and {len(items) - count:,} more" if len(items) > count else ""
    return ", ".join(items[:count]) + more


def forecast_of(recipe: "Recipe", *, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what a training takes here; a dictionary with `error` where it cannot begin."""
    from trilemma.errors import TrilemmaError
    from trilemma.forecasting import forecast

    say("measuring a few steps of it ...")
    try:
        return forecast(recipe, say=say)
    except TrilemmaError as error:
        return {"error": str(error)}


def often(found: "Health", known: dict[str, Any]) -> list[str]:
    """Say how often the images of a small set are seen."""
    from trilemma.data.fewimages import long_enough

    if "error" in known:
        return []
    return [f"small set:   {line}" for line in long_enough(found.images, known["epochs"])]


def forecast_lines(known: dict[str, Any]) -> list[str]:
    """Write a forecast for people."""
    from trilemma.report.numbers import duration

    if "error" in known:
        return [f"it cannot begin: {known['error']}"]
    made = [
        f"takes here:  about {duration(known['seconds'], language='en')} for {known['images']:,} "
        f"images ({known['epochs']:g} epochs), {known['images_per_second']:,} images/s on "
        f"{known['device']}; --train.{known['ends_by']} ends it",
        f"needs:       {known['memory_bytes'] / 1e9:.1f} GB of memory, "
        f"{known['disk_bytes'] / 1e6:,.0f} MB of disk",
    ]
    if known["epochs"] < 1:
        made.append(
            f"hint:        --train.{known['ends_by']} ends it before every image was seen once; "
            "more minutes, or a smaller --data.size, draw better"
        )
    if known["seconds"] > LONG:
        made.append("shorter:     the same with --minutes 30, or --data.size 32x32")
    return made
