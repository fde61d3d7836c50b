"""Another project's JSON of settings, such as parameters.json, as a recipe.

Their names are compared without case, hyphens and underscores. What has no counterpart is not lost
in silence: it comes back as a line for the user.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from trilemma.errors import RecipeError
from trilemma.recipe import presets
from trilemma.recipe.closest import unknown
from trilemma.recipe.overrides import apply, leaves, with_ema, with_lr
from trilemma.recipe.recipe import Recipe

OPTIMIZERS = ("family.generator_optimizer", "family.critic_optimizer", "family.optimizer")
FIELDS: Mapping[str, tuple[str, ...]] = {  # a field of ours: what others call it
    "seed": ("seed", "manualseed", "randomseed"),
    "data.root": ("dataroot", "datadir", "datapath", "datasetpath", "imagedir", "imagefolder"),
    "data.size": ("imagesize", "imgsize", "size", "resolution"),
    "data.channels": ("channels", "nc", "imgchannels", "imagechannels", "numchannels"),
    "family.generator.latent": ("latentdim", "latentsize", "latent", "nz", "zdim", "noisedim"),
    "family.generator.width": ("ngf", "basechannels"),
    "family.critic.width": ("ndf",),
    "family.generator_optimizer.lr": ("lrg", "glr", "lrgenerator", "generatorlr"),
    "family.critic_optimizer.lr": ("lrd", "dlr", "lrdiscriminator", "discriminatorlr"),
    **{f"{optimizer}.beta1": ("beta1", "b1") for optimizer in OPTIMIZERS},
    **{f"{optimizer}.beta2": ("beta2", "b2") for optimizer in OPTIMIZERS},
    "family.optimizer.clip": ("gradclip", "clip", "gradientclip", "maxgradnorm"),
    "family.critic_updates": ("ncritic", "criticiters", "criticiterations"),
    "family.timesteps": ("timesteps", "t", "numtimesteps", "ntimesteps", "diffusionsteps"),
    "family.schedule": ("betaschedule", "noiseschedule"),
    "family.steps": ("samplingsteps", "ddimsteps"),
    "train.batch_size": ("batchsize", "bs", "batch", "trainbatchsize"),
    "train.epochs": ("epochs", "numepochs", "nepochs"),
    "train.patience": ("patience", "earlystoppingpatience"),
    "train.early_stop": ("earlystop", "earlystopping"),
    "speed.device": ("device",),
}
RATES = ("lr", "learningrate")
AVERAGES = ("ema", "emadecay", "emarate")
KINDS = ("model", "modeltype", "modelname", "kind")
DATA_SETS = ("dataset", "datasetname", "data")
SLOPES = ("lambdagp", "gplambda", "gpweight", "gradientpenalty")  # weights of WGAN-GP's penalty
# The table of named sets stands in a layer above; a test holds the two against each other.
SOURCES = (
    *("folder", "cifar10", "digits", "fashion-mnist", "grid", "kmnist", "mnist", "ring"),
    "stacked-mnist",
)
DIFFUSION = ("family.timesteps", "family.schedule", "family.steps")  # fields of that family alone


class _Setting(NamedTuple):
    written: str  # as the file has it
    value: Any


Settings = Mapping[str, _Setting]  # by its plain name


def recipe_of(settings: Mapping[str, Any], *, where: str) -> tuple[Recipe, tuple[str, ...]]:
    """Make a recipe of somebody else's settings, and lines about what was not said and not used.

    What the settings do not say is as in the preset closest to them. RecipeError if no setting has
    a counterpart, or if one has a value that its field cannot take.
    """
    given = {_plain(name): _Setting(name, value) for name, value in _flat(settings)}
    source = _source(given, where)
    base = presets.find(_closest_preset(given, source)).recipe
    recipe = replace(base, data=replace(base.data, source=source or base.data.source))
    used = set(_present(given, (*KINDS, *DATA_SETS)))
    there = {name for name, _ in leaves(recipe)}
    for field, theirs in FIELDS.items():
        for name in _present(given, theirs) if field in there else ():
            table = _nested(field, _fitted(field, given[name].value))
            recipe = apply(recipe, table, where=f"{where}: {given[name].written}")
            used.add(name)
    recipe, shared = _shared(recipe, given, where)
    used |= shared
    if not used:
        raise RecipeError(f"{where}: no setting that is known here; a recipe has schema = 1")
    if _present(given, FIELDS["train.epochs"]):
        recipe = replace(recipe, train=replace(recipe.train, images=0, minutes=0.0))
    _refuse_slopes(given, where)
    left = [name for name in given if name not in used]
    about = f"{where}: another project's settings; what they do not say is as in {base.preset}"
    return recipe, (
        about,
        *(f"{where}: {given[name].written} has no counterpart here" for name in left),
    )


def _refuse_slopes(given: Settings, where: str) -> None:
    """Refuse what would train with another loss than the one that was meant."""
    for name in _present(given, SLOPES):
        if given[name].value:
            raise RecipeError(
                f"{where}: {given[name].written} = {given[name].value}, but WGAN-GP is not there "
                "yet; without that line the settings train a DCGAN with binary cross-entropy"
            )


def _shared(recipe: Recipe, given: Settings, where: str) -> tuple[Recipe, set[str]]:
    """Apply the settings that stand for several fields of ours, or in another unit."""
    rates, averages = _present(given, RATES), _present(given, AVERAGES)
    for name in rates:
        recipe = with_lr(recipe, _number(given[name], where))
    for name in averages:
        recipe = with_ema(recipe, _number(given[name], where))
    return recipe, {*rates, *averages}


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of all levels, each by its last name."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _present(given: Settings, names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name in given]


def _source(given: Settings, where: str) -> str:
    """Give the data set that is named; empty if none is."""
    for name in _present(given, DATA_SETS):
        asked = str(given[name].value)
        for source in SOURCES:
            if _plain(asked) == _plain(source):
                return source
        raise RecipeError(f"{where}: {unknown(given[name].written, asked, SOURCES)}")
    return ""


def _closest_preset(given: Settings, source: str) -> str:
    models = [_plain(str(given[name].value)) for name in _present(given, KINDS)]
    told = any("diff" in model or "ddpm" in model for model in models)
    diffusion = told or any(_present(given, FIELDS[field]) for field in DIFFUSION)
    named = f"{source or 'folder'}-{'ddpm' if diffusion else 'dcgan'}"
    return named if named in presets.names() else f"folder-{'ddpm' if diffusion else 'dcgan'}"


def _fitted(field: str, value: Any) -> Any:
    """Write a size as the recipe does: 64 or [64, 64] (height first) become text."""
    if field != "data.size":
        return value
    sides = value if isinstance(value, list) else [value]
    return "x".join(str(side) for side in reversed(sides))


def _number(setting: _Setting, where: str) -> float:
    if isinstance(setting.value, bool) or not isinstance(setting.value, int | float):
        raise RecipeError(
            f"{where}: {setting.written} is {setting.value!r}; allowed: a number, such as 0.0002"
        )
    return float(setting.value)


def _nested(field: str, value: Any) -> dict[str, Any]:
    head, _, rest = field.partition(".")
    return {head: _nested(rest, value) if rest else value}
