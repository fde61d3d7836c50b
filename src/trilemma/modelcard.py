"""The card of a bundle: what the model is, made of, worth, and not good for. One Markdown text."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from trilemma.recipe.own import Own, named
from trilemma.recipe.recipe import (
    AdversarialRecipe,
    DataRecipe,
    DiffusionRecipe,
    OneStepRecipe,
    Recipe,
    UpscaleRecipe,
)
from trilemma.report import metrics, words
from trilemma.report.missing import sayable
from trilemma.report.numbers import duration, plain, with_error
from trilemma.runfolder import IMPORTED, RunFolder
from trilemma.runs import Found
from trilemma.runviews import machine
from trilemma.sampling import Drawer
from trilemma.scores import Column, Score, Scores
from trilemma.warmstart import START

Rows = Sequence[Mapping[str, str]]  # of licence.json: what, licence, commercial

NOT_COMMERCIAL = (
    "**NOT FOR COMMERCIAL USE.** At least one licence of its data forbids it, and goes along with "
    "this network and with what is made from it."
)
FINE = "None of these licences forbids commercial use; keep to their terms, such as naming authors."
UNKNOWN = (
    "A licence is not stated, or not known to us: ask the owner of the images before you "
    "publish or sell what is made with this network."
)


def card(name: str, found: Found, drawer: Drawer, *, notes: Rows, scores: Scores | None) -> str:
    """Write the card of a run's network; notes: licences; scores: None: never scored."""
    parts = (
        f"# {name}",
        *((NOT_COMMERCIAL,) if closed(notes) else ()),
        what(found.recipe, drawer),
        "![64 images, seeds 0 to 63](grid.png)",
        f"## Data and licences\n\n{data(found.recipe.data)}\n\n{licences(notes)}",
        f"## Training\n\n{training(found)}",
        f"## Scores\n\n{quality(scores, name)}",
        f"## Use\n\n{use(name, found.recipe)}",
        f"## Limits\n\n{limits(found.recipe, scores)}",
        f"Written by trilemma on {dt.date.today().isoformat()}.",
    )
    return "\n\n".join(parts) + "\n"


def closed(notes: Rows) -> bool:
    """Does a licence forbid commercial use?"""
    return any(note["commercial"] == "no" for note in notes)


def what(recipe: Recipe, drawer: Drawer) -> str:
    """Say in a few lines what the model is."""
    family = recipe.family
    if isinstance(family, UpscaleRecipe):
        return (
            f"An upscaler: it makes small images {family.scale} times larger, "
            f"{colour(recipe.data)}. It was trained on images of {recipe.data.size.lower()} "
            f"pixels, made small by {recipe.data.low}.\n"
        )
    kind, net = kind_of(family)
    times = drawer.evaluations
    return (
        f"{kind} that draws images of {recipe.data.size.lower()} pixels, {colour(recipe.data)}, "
        f"{told(recipe)}.\n"
        f"Network: {net}, {drawer.parameters:,} parameters, "
        f"{times:,} network evaluation{'s' if times > 1 else ''} an image."
    )


def kind_of(family: AdversarialRecipe | DiffusionRecipe | OneStepRecipe) -> tuple[str, str]:
    """Name the kind of model and its network."""
    if isinstance(family, OneStepRecipe):
        return "A denoiser, post-trained against a critic,", family.denoiser.generator.name
    adversarial = isinstance(family, AdversarialRecipe)
    return "An adversarial network" if adversarial else "A diffusion model", family.generator.name


def told(recipe: Recipe) -> str:
    """Say what an image can be asked to show."""
    if recipe.family.condition == "none":
        return "without a condition: a seed gives a picture"
    return f"told what to show: {', '.join(recipe.data.labels)}"


def colour(recipe: DataRecipe) -> str:
    """Name the channels."""
    return {1: "grey", 2: "as points of the plane"}.get(recipe.channels, "in colour")


def data(recipe: DataRecipe) -> str:
    """Say which images were trained on."""
    folder = f"the folder {Path(recipe.root).name}" if recipe.root else "images that are not here"
    name = recipe.source if recipe.source != "folder" else folder
    kept = f", only of the classes {', '.join(recipe.classes)}" if recipe.classes else ""
    flip = ", mirrored at random" if recipe.flip else ""
    return f"Trained on {name}{kept}{flip}, brought to {recipe.size.lower()}, {colour(recipe)}."


def licences(notes: Rows) -> str:
    """List the licences that go along, and what follows from them."""
    rows = [f"- {note['what']}: {note['licence']}" for note in notes]
    unknown = any(note["commercial"] == "unknown" for note in notes)
    verdict = NOT_COMMERCIAL if closed(notes) else UNKNOWN if unknown else FINE
    return "\n".join([*rows, "", verdict])


def training(found: Found) -> str:
    """Say how long, on what, and with what it was trained; of imported networks, where from."""
    if (found.place / IMPORTED).is_file():
        told = json.loads((found.place / IMPORTED).read_text(encoding="utf-8"))
        return (
            f"- imported from {told['file']} (sha256 {told['sha256'][:12]}), trained by others; "
            "recipe.toml holds its networks, and not how they were trained"
        )
    log = RunFolder(found.place).log()
    facts = machine(found)
    train, seconds = found.recipe.train, float(log[-1]["seconds"]) if log else float("nan")
    recipe = f"preset {found.recipe.preset}" if found.recipe.preset else "a recipe of its own"
    where = f"{facts.get('cpu', 'unknown')}, {facts.get('cores', '?')} cores"
    if gpus := facts.get("gpus"):
        where = ", ".join(str(gpu["name"]) for gpu in gpus)
    rows = (
        f"- recipe: {recipe}, seed {found.recipe.seed}, whole in recipe.toml",
        f"- these weights: averaged, after {found.images_seen:,} images ({found.checkpoint})",
        f"- the whole training: {duration(seconds, language='en')}, batches of {train.batch_size}",
        *begun(found),
        *((f"- machine: {where}, torch {facts.get('torch', '?')}",) if facts else ()),
    )
    return "\n".join(rows)


def begun(found: Found) -> list[str]:
    """Say with whose weights the training began; nothing where they were drawn."""
    path = found.place / START
    if not path.is_file():
        return []
    told = json.loads(path.read_text(encoding="utf-8"))
    which = f"{told['run']}, {told['checkpoint']} (sha256 {told['weights_sha256'][:12]})"
    return [f"- begun with: the weights of {which}; its licences go along"]


def quality(scores: Scores | None, name: str) -> str:
    """Lay out scores with errors and columns; say so where there are none."""
    if scores is None:
        return f"None yet. `trilemma evaluate {name}` makes some."
    scores = sayable(scores)
    rows = ["| metric | value | n | floor | column |", "|---|---|---|---|---|"]
    rows += [row(score, scores.columns.get(score.column)) for score in scores.scores]
    about = [column_line(key, column) for key, column in scores.columns.items()]
    return "\n".join([*rows, "", "Floor: as many other real images. Columns:", "", *about])


def row(score: Score, column: Column | None) -> str:
    """Write one score as a row of a Markdown table."""
    label = metrics.label(score.metric, column, words.read("en"))
    value = with_error(score.value, score.error, language="en")
    value += " (biased)" if score.biased else ""
    how = f"{label}, {score.sampler}" if score.sampler else label
    floor = plain(score.floor, language="en")
    return f"| {how} | {value} | {score.n:,} | {floor} | {score.column} |"


def column_line(key: str, column: Column) -> str:
    """Say what a column is."""
    return (
        f"- {key}: {column.extractor}, {column.n_fake:,} images against {column.n_real:,} of "
        f"{column.reference} ({column.split}, {column.fingerprint[:8]}); size: {column.resize}"
    )


def use(name: str, recipe: Recipe) -> str:
    """Show how images are drawn, on the command line and in Python, and which code it takes."""
    owns = list(named(recipe))
    more = " --trust" if owns else ""
    trust = "".join(f'tr.trust("{own.path}")\n' for own in owns)
    return f"""\
{code(owns)}```
trilemma sample ./{name} --n 64{more}
trilemma evaluate ./{name}{more}
```

```python
import trilemma as tr

{trust}images = tr.sample("./{name}", 64, seed=0)  # image i from seed i
images.save("{name}.png")
```"""


def code(owns: Sequence[Own]) -> str:
    """Say which files of somebody's own code are needed and not here."""
    if not owns:
        return ""
    files = {own.file: own.digest for own in owns}
    rows = [f"- {name}, sha256 {digest}" for name, digest in files.items()]
    about = (
        "**This bundle draws only with code that is not inside.** Lay beside recipe.toml, look at "
        "it before you run it, and give --trust:"
    )
    return "\n".join([about, "", *rows, "", ""])


def limits(recipe: Recipe, scores: Scores | None) -> str:
    """Say what the model cannot do and what was not measured."""
    rows = [
        f"- It draws what its training images show, at {recipe.data.size.lower()} and no other "
        "size; their gaps and their prejudices are its own.",
        "- Its images are made up. Where a training image is met again, that image's licence and "
        "the rights of who it shows hold; `trilemma compare` looks for copies.",
    ]
    if scores is None or any(score.biased for score in scores.scores):
        rows.append("- It was scored on few images or none: do not rank it by small differences.")
    return "\n".join(rows)
