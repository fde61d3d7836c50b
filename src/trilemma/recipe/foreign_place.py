"""Where the images of another project's settings lie: named, beside the file, or in dataset/."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trilemma.errors import RecipeError
from trilemma.recipe.closest import unknown
from trilemma.recipe.foreign_values import Setting, plain

# The table of named sets stands in a layer above; a test holds the two against each other.
SOURCES = (
    *("folder", "cifar10", "digits", "fashion-mnist", "grid", "kmnist", "mnist", "ring"),
    "stacked-mnist",
)
FOLDERS = ("folder", "imagefolder", "custom", "own", "images", "local")  # a set of one's own
DEFAULT = "dataset"  # where a project without a path has its images, in folders of classes
PATH = ("/", "\\", ".")  # marks of a path, where a name of a set might stand


class Place(NamedTuple):
    """Which images: fields of a recipe's data, and what was decided about them."""

    source: str
    root: str
    notes: tuple[str, ...] = ()


def place(named: Setting | None, path: Setting | None, file: Path) -> Place:
    """Find the images of a data set's name and of a path, each of which may be missing.

    file: the settings; a path that is not where the command runs may lie beside them. RecipeError:
    the name is none of a known set, no folder, and no path is given.
    """
    name = str(named.value) if named else ""
    source = next((known for known in SOURCES if plain(known) == plain(name)), "")
    if source and source != "folder":
        root = _found(str(path.value), file) if path else Place(source, "")
        return Place(source, root.root, root.notes)
    if path is None and named is not None and plain(name) not in FOLDERS:
        return _by_name(named, name, file)
    found = _found(str(path.value), file) if path else _default(file)
    within = Path(found.root) / name
    if name and plain(name) not in FOLDERS and _inside(within, Path(found.root)):
        return Place("folder", str(within), (*found.notes, f"images are read from {within}"))
    return found


def _by_name(setting: Setting, name: str, file: Path) -> Place:
    """Take the name of a data set for a folder: itself, or one in dataset/."""
    if any(mark in name for mark in PATH) or _lies(name, file):
        return _found(name, file)
    within = str(Path(DEFAULT, name))
    if _lies(within, file):
        found = _found(within, file)
        return Place("folder", found.root, (*found.notes, f"images are read from {found.root}"))
    said = unknown(setting.key, name, SOURCES)
    raise RecipeError(f"{setting.where}: {said}; or give a folder of images as data_dir")


def _inside(within: Path, root: Path) -> bool:
    return within.is_dir() and within.resolve() != root.resolve()


def _lies(path: str, file: Path) -> bool:
    return any(place.exists() for place in _places(path, file))


def _places(path: str, file: Path) -> Sequence[Path]:
    asked = Path(path).expanduser()
    return (asked, file.parent / asked)


def _found(path: str, file: Path) -> Place:
    """Take a path where the command runs, else beside the settings, else as it is."""
    here, beside = _places(path, file)
    if not here.exists() and beside.exists():
        return Place("folder", str(beside), (f"{path} is not here; read from {beside}",))
    return Place("folder", str(here))


def _default(file: Path) -> Place:
    """Take the folder dataset/, and say where images are to be put if there is none."""
    found = _found(DEFAULT, file)
    said = f"no folder of images is named: they are read from {found.root}/"
    if not Path(found.root).exists():
        said = (
            f"no folder of images is named, and there is no {DEFAULT}/ here: put them into "
            f"{DEFAULT}/images/, or name their folder: --data.root DIR"
        )
    return Place("folder", found.root, (said, *found.notes))
