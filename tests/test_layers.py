"""No import points up, and none goes in a circle: read from the syntax tree, against the map.

The map is the table of layers in docs/architecture.md. Every import counts: at the top of a file,
in a function, for types only, and by a name in a string.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "trilemma"
Places = dict[str, tuple[int, int]]  # errors.py or maths/ -> (layer, position in its row)


def read_map(text: str) -> Places:
    """Read the table of layers: the number in its first column, the places in its second."""
    places: Places = {}
    for layer, names in re.findall(r"^\| (\d+) \| (`[^|]*`) \|", text, re.MULTILINE):
        for position, name in enumerate(re.findall(r"`([^`]+)`", names)):
            assert name not in places, f"{name} stands twice in the table"
            places[name] = (int(layer), position)
    return places


def read_modules(package: Path) -> dict[str, Path]:
    """Name every module of a package by its dots."""
    modules = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def place(path: Path, package: Path) -> str:
    """Give a file's place in the table: its name, or the subfolder it stands in."""
    first, *rest = path.relative_to(package).parts
    return f"{first}/" if rest else first


def names_in(tree: ast.AST, around: list[str]) -> Iterator[str]:
    """Give what a file imports, by dots; around: the packages that it stands in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = around[: len(around) - node.level + 1] if node.level else []
            words = [*base, *([node.module] if node.module else [])]
            yield from (".".join([*words, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def imports(package: Path) -> dict[str, set[str]]:
    """Give for every module the modules of the same package that it imports."""
    modules = read_modules(package)
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        words = module.split(".")
        around = words if path.name == "__init__.py" else words[:-1]
        graph[module] = set()
        for name in names_in(ast.parse(path.read_text(encoding="utf-8")), around):
            while name not in modules and "." in name:
                name = name.rpartition(".")[0]
            if name in modules:
                graph[module].add(name)
    return graph


def faults(package: Path, places: Places) -> list[str]:
    """List the files without a place, the imports that point up, and the first circle."""
    modules = read_modules(package)
    where = {module: place(path, package) for module, path in modules.items()}
    lost = sorted({name for name in where.values() if name not in places})
    if lost:
        return [f"{name} is not in the table of docs/architecture.md" for name in lost]
    graph = imports(package)
    found = [
        f"{module} imports {target}, which stands above it or after it in its row"
        for module, targets in graph.items()
        for target in sorted(targets)
        if places[where[target]] > places[where[module]]
    ]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append("circle: " + " <- ".join(error.args[1]))
    return found


def test_imports_point_down() -> None:
    places = read_map((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert faults(PACKAGE, places) == []


def test_every_place_of_the_map_exists() -> None:
    places = read_map((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert [name for name in places if not (PACKAGE / name).exists()] == []


MAP = """
| layer | place | what stands there |
|---|---|---|
| 0 | `errors.py`, `maths/` | formulas |
| 1 | `images.py`, `nets/` | networks |
| 2 | `__init__.py` | names |
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a small package, whole but for the lines given; give its folder."""
    names = ["__init__", "errors", "images", "maths.__init__", "maths.noise", "nets.__init__"]
    for name in [*names, "nets.unet", *files]:
        path = folder / "house" / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files.get(name, ""), encoding="utf-8")
    return folder / "house"


def test_map_is_read_in_its_order() -> None:
    assert read_map(MAP) == {
        "errors.py": (0, 0),
        "maths/": (0, 1),
        "images.py": (1, 0),
        "nets/": (1, 1),
        "__init__.py": (2, 0),
    }


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"images": "from house.errors import Broken\nimport house.maths.noise\nimport ast, torch"},
        {"maths.noise": "from house import errors", "nets.unet": "from ..images import grid"},
        {"maths.noise": "from . import other", "maths.other": "from house.errors import Broken"},
        {"__init__": "def f():\n    from house.nets import unet\n    import_module(name)"},
        {"images": "from household.nets import unet"},
    ],
)
def test_checker_accepts(tmp_path: Path, files: dict[str, str]) -> None:
    assert faults(write(tmp_path, files), read_map(MAP)) == []


@pytest.mark.parametrize(
    ("files", "module", "target"),
    [
        ({"errors": "import house.images"}, "house.errors", "house.images"),
        ({"errors": "import house.images as i"}, "house.errors", "house.images"),
        ({"errors": "from house import images"}, "house.errors", "house.images"),
        ({"errors": "from house.images import grid"}, "house.errors", "house.images"),
        ({"errors": "from .images import grid"}, "house.errors", "house.images"),
        ({"maths.noise": "from ..images import grid"}, "house.maths.noise", "house.images"),
        ({"maths.__init__": "from ..nets import unet"}, "house.maths", "house.nets.unet"),
        ({"errors": "def f():\n    from house import nets"}, "house.errors", "house.nets"),
        (
            {"errors": "if TYPE_CHECKING:\n    from house.nets.unet import UNet"},
            "house.errors",
            "house.nets.unet",
        ),
        ({"errors": "importlib.import_module('house.nets')"}, "house.errors", "house.nets"),
        ({"errors": "__import__('house.nets')"}, "house.errors", "house.nets"),
        ({"errors": "from house.maths import noise"}, "house.errors", "house.maths.noise"),
        ({"images": "from house.nets import unet"}, "house.images", "house.nets.unet"),
        ({"nets.unet": "from house import __version__"}, "house.nets.unet", "house"),
    ],
)
def test_checker_refuses_up(
    tmp_path: Path, files: dict[str, str], module: str, target: str
) -> None:
    expected = f"{module} imports {target}, which stands above it or after it in its row"
    assert faults(write(tmp_path, files), read_map(MAP)) == [expected]


@pytest.mark.parametrize(
    "files",
    [
        {"maths.noise": "from house.maths import other", "maths.other": "import house.maths.noise"},
        {"maths.noise": "def f():\n    from . import other", "maths.other": "from . import noise"},
        {"maths.__init__": "from .noise import x", "maths.noise": "from house.maths import y"},
    ],
)
def test_checker_refuses_circles(tmp_path: Path, files: dict[str, str]) -> None:
    (fault,) = faults(write(tmp_path, files), read_map(MAP))
    assert fault.startswith("circle: ")
    assert "house.maths.noise" in fault


def test_checker_refuses_a_file_without_a_place(tmp_path: Path) -> None:
    package = write(tmp_path, {"helpers": "", "extra.thing": ""})
    assert [fault.split()[0] for fault in faults(package, read_map(MAP))] == [
        "extra/",
        "helpers.py",
    ]


HEAVY = ("torch", "torchvision", "matplotlib")
AFTER_IMPORT = """
import importlib, pkgutil, sys, trilemma, trilemma.recipe
for module in pkgutil.iter_modules(trilemma.recipe.__path__, "trilemma.recipe."):
    if module.name != "trilemma.recipe.checking":  # knows the tables of maths and nets; runs later
        importlib.import_module(module.name)
"""
AFTER_HELP = """
import sys
from trilemma.cli.main import main
sys.argv = ["trilemma", *{arguments!r}, "--help"]
try:
    main()
except SystemExit:
    pass
"""
LIST = "\nprint([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"


def heavy_after(code: str) -> str:
    """Run code in a fresh interpreter; give the heavy packages that it imported."""
    command = [sys.executable, "-c", code + LIST.format(heavy=HEAVY)]
    finished = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    return finished.stderr.strip().splitlines()[-1]


def test_recipes_are_without_torch() -> None:
    assert heavy_after(AFTER_IMPORT) == "[]"


def test_heavy_imports_are_seen() -> None:
    assert heavy_after("import sys, torch") == "['torch']"


@pytest.mark.parametrize("arguments", [[], ["train"], ["compare"]])
def test_help_is_without_torch(arguments: list[str]) -> None:
    assert heavy_after(AFTER_HELP.format(arguments=arguments)) == "[]"
