"""A network of others -> a run of ours: read without running anything, checked, converted."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import one_hot

from trilemma.atomic import whole_folder
from trilemma.checkpoint import State, pack, write_state
from trilemma.data.named import NAMED
from trilemma.download import Progress, download
from trilemma.errors import RecipeError, RunError
from trilemma.foreign import snapshots, stylegan
from trilemma.foreign.machine import RefusedError
from trilemma.foreign.snapshots import Snapshot
from trilemma.foreign.stylegan import Described
from trilemma.foreign.tensors import SLACK
from trilemma.licences import Note, as_plain
from trilemma.nets.conditioned import KNOWN
from trilemma.places import Say, cache_folder, quiet, runs_folder
from trilemma.recipe import files
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import AdversarialRecipe, DataRecipe, OptimizerRecipe, Recipe
from trilemma.recipe.style import StyleGAN2Critic
from trilemma.runfolder import CHECKPOINTS, IMPORTED, write_json

AVERAGED, LAST, CRITIC = "G_ema", "G", "D"  # networks of a file, as it calls them
NAMES = (AVERAGED, LAST, CRITIC)
SCHEMA = 1  # of import.json
SHOWN, FACTS = 200, 50  # letters, and entries, of what a file says of its training images
UNSTATED = (
    "not stated in the file; the networks that NVIDIA published are for non-commercial use only"
)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A run that was made of a file."""

    place: Path
    lines: tuple[str, ...]  # what it is, in words


def import_network(
    what: str,
    *,
    sha256: str = "",
    nets: Sequence[str] = (AVERAGED,),
    out: Path | None = None,
    data: str = "",
    licence: str = "",
    say: Say = quiet,
    progress: Progress | None = None,
) -> Imported:
    """Make a run of a pickled network of StyleGAN2-ADA or StyleGAN3; nothing in the file is run.

    what: a file, or a URL, which needs the sha256. nets: of G_ema, G and D; G_ema's weights are the
    averaged ones, G's where it is not asked for. out: the run's folder, new or empty; None: in the
    folder of runs, named after the file. data: the images that it was trained on, a data set's name
    or a folder or archive; "": they are not here. licence: of the network, as its owner states it.
    RunError: it is not what it says, holds what is not read, or the run's folder is not empty.
    OfflineError: it would have to be downloaded and cannot be.
    """
    nets = _checked(nets)
    source = _source(what, sha256, say, progress)
    target = out or runs_folder() / source.stem
    if not target.name:  # Path(".") has none
        raise RunError("--out is the current folder; give the name of one that is not there yet")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise RunError(f"{target} is there already; give another --out DIR, or delete it")
    snapshot = snapshots.read(source, sha256=sha256)
    try:
        described = {
            name: stylegan.describe(
                snapshot.values,
                name,
                critic=name == CRITIC,
                bytes_max=SLACK * snapshot.bytes,
            )
            for name in nets
        }
        recipe = _recipe(described, data)
        check(recipe)
        about = _about(what, source, snapshot, described)
        with whole_folder(target) as beside:
            files.write(beside / "recipe.toml", recipe)
            write_json(beside / IMPORTED, about)
            notes = _notes(source.name, about, licence)
            write_json(beside / "licence.json", as_plain(notes))
            _write(beside, described)
            if target.exists():
                target.rmdir()
    except (RefusedError, RecipeError) as error:
        raise RunError(f"{source}: {error}; give another file") from error
    return Imported(place=target, lines=_lines(recipe, described, notes))


def _checked(nets: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(nets))
    if unknown := [name for name in names if name not in NAMES]:
        raise RunError(f"--nets names {unknown[0]!r}; allowed: {', '.join(NAMES)}")
    if not {AVERAGED, LAST} & {*names}:
        raise RunError(
            f"--nets is {','.join(names)}; a run needs a generator: {AVERAGED} or {LAST}"
        )
    return names


def _source(what: str, sha256: str, say: Say, progress: Progress | None) -> Path:
    """Give the file, which is downloaded if it has an address and is not in the cache."""
    if sha256 and (len(sha256) != 64 or set(sha256.lower()) - set("0123456789abcdef")):
        raise RunError(f"--sha256 is {sha256[:70]!r}; allowed: 64 hexadecimal digits")
    address = urlsplit(what)
    if address.scheme not in ("http", "https"):
        return Path(what)
    if not sha256:
        raise RunError(f"{what}: an address needs --sha256 HEX, so that it is the file you mean")
    last = unquote(address.path).rpartition("/")[2]
    name = re.sub(r"[^\w.-]", "_", last).strip(".") or "network.pkl"
    kept = cache_folder(say=say) / "networks" / sha256.lower()[:16] / name
    if kept.is_file():
        return kept
    return download(
        name,
        [what],
        kept,
        checksum=sha256.lower(),
        instead="get the file elsewhere, and give its path",
        say=say,
        progress=progress,
    )


def _recipe(described: Mapping[str, Described], data: str) -> Recipe:
    """Give the recipe of a run that has these networks."""
    generator = described.get(AVERAGED) or described[LAST]
    for name, one in described.items():
        facts = (one.side, one.channels, one.told)
        if facts != (generator.side, generator.channels, generator.told):
            raise RefusedError(f"{name} is for other images or labels than the generator")
        if name == LAST and one.sizes != generator.sizes:
            raise RefusedError(f"{LAST} has other layers than {AVERAGED}")
    critic = described[CRITIC].sizes if CRITIC in described else StyleGAN2Critic()
    assert isinstance(critic, StyleGAN2Critic)
    assert not isinstance(generator.sizes, StyleGAN2Critic)
    adam = OptimizerRecipe(lr=0.0025, beta1=0.0, beta2=0.99)  # of the papers
    return Recipe(
        data=DataRecipe(
            source=data if data in NAMED else "folder",
            root="" if data in NAMED else data,
            size=f"{generator.side}x{generator.side}",
            channels=generator.channels,
            labels=tuple(map(str, range(generator.told))),
        ),
        family=AdversarialRecipe(
            r1=10.0,
            condition="projection" if generator.told else "none",
            generator=generator.sizes,
            critic=critic,
            generator_optimizer=adam,
            critic_optimizer=adam,
        ),
    )


def _write(place: Path, described: Mapping[str, Described]) -> None:
    """Write the weights: those that are drawn with, and beside them a checkpoint of all others."""
    averaged = AVERAGED if AVERAGED in described else LAST
    average = _named("generator", described[averaged])
    (place / "best").mkdir()
    save_file(average, place / "best/average.safetensors", {"images_seen": "0"})
    if described.keys() == {averaged}:
        return
    beside = place / CHECKPOINTS / "0"
    beside.mkdir(parents=True)
    shutil.copyfile(place / "best/average.safetensors", beside / "average.safetensors")
    tensors = average
    if LAST in described and averaged != LAST:
        del average  # a large network is not held twice
        tensors = _named("generator", described[LAST])
    if CRITIC in described:
        tensors = {**tensors, **_named("critic", described[CRITIC])}
    save_file(tensors, beside / "nets.safetensors")
    (beside / "optimizer.safetensors").write_bytes(pack({}, {"of": "nothing yet"}))
    write_state(beside, State())


def _named(net: str, found: Described) -> dict[str, Tensor]:
    tensors = {f"{net}.{name}": tensor for name, tensor in found.tensors().items()}
    if net == "generator" and found.told:  # of images that nothing is asked of: each class alike
        classes = torch.arange(KNOWN) % found.told
        tensors[f"{net}.{stylegan.KNOWN}"] = one_hot(classes, found.told).float()
    return tensors


def _about(
    what: str, source: Path, snapshot: Snapshot, described: Mapping[str, Described]
) -> dict[str, Any]:
    """Give import.json: where the run is from, and what was read."""
    said = snapshot.values.get("training_set_kwargs")
    plain = {
        _shown(key): _shown(value) if isinstance(value, str) else value
        for key, value in ([*said.items()][:FACTS] if isinstance(said, dict) else ())
        if value is None or isinstance(value, str | int | float)
    }
    return {
        "schema": SCHEMA,
        "file": source.name,
        "url": what if urlsplit(what).scheme in ("http", "https") else "",
        "sha256": snapshot.sha256,
        "bytes": snapshot.bytes,
        "networks": {
            name: {"kind": one.sizes.name, "parameters": one.bytes // 4}
            for name, one in described.items()
        },
        "training_set": plain,
    }


def _shown(text: str) -> str:
    """Give the beginning of a text from a file, without what steers a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:SHOWN])


def _notes(name: str, about: Mapping[str, Any], licence: str) -> list[Note]:
    path = str(about["training_set"].get("path") or "")
    images = path.replace("\\", "/").rstrip("/").rpartition("/")[2] or "that nobody named"
    return [
        Note(what=f"weights {name}", licence=licence or UNSTATED),
        Note(what=f"training images {images}", licence="not stated"),
    ]


def _lines(
    recipe: Recipe, described: Mapping[str, Described], notes: Sequence[Note]
) -> tuple[str, ...]:
    family = recipe.family
    assert isinstance(family, AdversarialRecipe)
    counts = ", ".join(f"{name} {one.bytes // 4:,}" for name, one in described.items())
    told = f", told {len(recipe.data.labels)} classes" if recipe.data.labels else ""
    return (
        f"{family.generator.name}, {recipe.data.size}, {recipe.data.channels} channels{told}; "
        f"numbers in the weights: {counts}",
        *(
            f"NOT FOR COMMERCIAL USE: {note.what}: {note.licence}"
            for note in notes
            if note.commercial == "no"
        ),
    )
