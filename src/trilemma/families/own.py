"""Networks and losses of a user's own: found, imported, and put into the rows of our tables.

A module is one file, my_module.py (dots are folders): in the current folder, beside the recipe, or
where Python looks. It is run from the very bytes whose digest is taken, once for each content, so
that two runs made with two versions of a file can be compared; compiled files beside it are not
read, and the modules that it imports in turn are neither digested nor kept.
"""

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from trilemma import trusted
from trilemma.errors import RecipeError, TrilemmaError
from trilemma.maths.gan_losses import GanLoss
from trilemma.nets.blocks import divide_by_largest_singular_values
from trilemma.recipe.closest import unknown
from trilemma.recipe.own import Own, arguments, check_path, named, with_digests
from trilemma.recipe.recipe import Recipe

PROBES = 8  # made-up scores by which a loss is looked at
Rows = Mapping[str, Any]  # import path -> what makes a network, or a GanLoss
NONE: Rows = MappingProxyType({})


class Code(NamedTuple):
    """A source file."""

    root: Path  # where modules were looked for
    path: Path
    source: bytes  # line ends as on Linux, so that all systems have one digest

    @property
    def digest(self) -> str:
        """Its sha256."""
        return hashlib.sha256(self.source).hexdigest()


def recorded(recipe: Recipe, beside: Path | None = None) -> Recipe:
    """Fill in the digests of the code of a user's own that a recipe names.

    beside: a folder to look into after the current one. RecipeError: as `rows`.
    """
    return with_digests(recipe, {own.field: code_of(own, beside).digest for own in named(recipe)})


def kept(recipe: Recipe, beside: Path | None = None) -> dict[str, bytes]:
    """Give the sources that a run keeps a copy of, by the file's name in the run's folder."""
    return {own.file: code_of(own, beside).source for own in named(recipe)}


def rows(recipe: Recipe, beside: Path | None = None) -> Rows:
    """Import the code of a user's own that a recipe names.

    RecipeError: nobody allowed it, it is not there, it has changed since the recipe was written,
    it cannot be imported, or it is no class and no loss.
    """
    return {own.path: row(own, code_of(own, beside)) for own in named(recipe)}


def code_of(own: Own, beside: Path | None) -> Code:
    """Find the source of a module: the first of the digest that is recorded, if there is one."""
    check_path(own.field, own.path)
    trusted.refuse_unknown(own.field, own.path)
    places = [Path.cwd(), *([beside.resolve()] if beside else []), *map(Path, sys.path)]
    files = [(place, place / own.file) for place in places if (place / own.file).is_file()]
    found = [Code(*place, place[1].read_bytes().replace(b"\r\n", b"\n")) for place in files]
    if not found:
        where = f", in {beside}" if beside else ""
        raise RecipeError(
            f"{own.field} is '{own.path}', and in the current folder{where} and where Python looks "
            f"there is no {own.file}"
        )
    same = [code for code in found if own.digest in ("", code.digest)]
    if not same:
        raise RecipeError(
            f"{own.field} is '{own.path}', and {found[0].path} has changed since the training "
            f"(sha256 {found[0].digest[:12]}, recorded {own.digest[:12]}); put the file of then "
            f"beside the recipe, or train anew: --{own.field} {own.path}"
        )
    digest = same[0].digest
    trusted.refuse_other(own.field, own.path, digest, recorded=bool(own.digest))
    return same[0]


def row(own: Own, code: Code) -> Any:
    """Make the row of a table: what makes the network, or the loss."""
    module = executed(own, code)
    if own.attribute not in vars(module):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise RecipeError(f"{own.field}: {unknown(f'name in {code.path}', own.attribute, names)}")
    found = vars(module)[own.attribute]
    if not callable(found) and not isinstance(found, GanLoss):
        raise RecipeError(f"{own.field} is '{own.path}', which is no class and no function")
    return loss(own, found) if own.field == "family.loss" else maker(own, found)


def executed(own: Own, code: Code) -> ModuleType:
    """Run a source, once in this process, under a name that no import statement can have."""
    name = f"{own.module}@{code.digest[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__, module.__package__ = str(code.path), own.module.rpartition(".")[0]
    sys.modules[name] = module  # dataclasses look themselves up there
    sys.path.insert(0, str(code.root))
    try:
        with blamed(own):
            exec(compile(code.source, str(code.path), "exec"), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(code.root))
    return module


@contextmanager
def blamed(*owns: Own) -> Iterator[None]:
    """Say an error that the user's code raises in one line, with the file and line of it."""
    try:
        yield
    except TrilemmaError:
        raise
    except (Exception, SystemExit) as error:
        files = {module.__file__ for own in owns for module in loaded(own)}
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f"{f.filename}, line {f.lineno}" for f in frames if f.filename in files]
        if isinstance(error, SyntaxError) and error.filename in files:
            lines.append(f"{error.filename}, line {error.lineno}")
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        names = " or ".join(f"'{own.path}'" for own in owns)
        fields = " or ".join(own.field for own in owns)
        raise RecipeError(f"{fields} is {names}: {': '.join([*lines[-1:], what])}") from error


def loaded(own: Own) -> list[ModuleType]:
    """List the versions of a module that were run in this process."""
    return [m for name, m in list(sys.modules.items()) if name.startswith(f"{own.module}@")]


def maker(own: Own, made_by: Callable[..., Any]) -> Callable[..., nn.Module]:
    """Give what makes a network of the fields of its dataclass."""

    def make(
        *,
        settings: tuple[str, ...],
        digest: str,
        spectral_norm: bool = False,
        **sizes: Any,
    ) -> nn.Module:
        with blamed(own):
            net = made_by(**sizes, **arguments(own.field, settings))
        if not isinstance(net, nn.Module):
            raise RecipeError(f"{own.field} is '{own.path}', which makes no torch.nn.Module")
        if spectral_norm:
            divide_by_largest_singular_values(net)
        return net

    return make


def loss(own: Own, found: Any) -> GanLoss:
    """Make a row of a GanLoss, or of a function (*, real, fake) -> (critic's, generator's) [N].

    It is tried on made-up scores. RecipeError: it does not give a value for each image.
    """
    given = found if isinstance(found, GanLoss) else pair(own, found)
    rng = torch.Generator().manual_seed(0)
    real, other, fake = torch.randn(3, PROBES, generator=rng)
    with blamed(own):
        values = {
            "critic": given.critic(real=real, fake=fake),
            "generator": given.generator(real=real, fake=fake),
        }
        again = given.generator(real=other, fake=fake)
    for side, value in values.items():
        if not isinstance(value, Tensor) or value.shape != (PROBES,):
            shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise RecipeError(
                f"{own.field} is '{own.path}', which gives the {side} {shape} for {PROBES} scores; "
                f"allowed: [{PROBES}], one value an image, not averaged"
            )
    reads_real = not torch.equal(values["generator"], again)
    if isinstance(found, GanLoss) and reads_real and not found.paired:
        raise RecipeError(
            f"{own.field} is '{own.path}', whose generator's loss reads the real scores; "
            "say so: GanLoss(..., paired=True)"
        )
    return given._replace(paired=given.paired or reads_real)


def pair(own: Own, function: Callable[..., Any]) -> GanLoss:
    """Take the two losses that one function gives apart."""

    def side(number: int) -> Callable[..., Tensor]:
        def one(*, real: Tensor, fake: Tensor) -> Tensor:
            both = function(real=real, fake=fake)
            if not isinstance(both, tuple) or len(both) != 2:
                raise RecipeError(
                    f"{own.field} is '{own.path}', which gives {type(both).__name__}; allowed: two "
                    "tensors [N], the critic's losses and the generator's"
                )
            mine: Tensor = both[number]
            return mine

        return one

    return GanLoss(side(0), side(1))
