"""Can this diffusion model be trained? Its noise, its sampler, its network."""

from trilemma.errors import RecipeError
from trilemma.recipe.networks import UNet
from trilemma.recipe.own import check_network
from trilemma.recipe.ranges import each, inside, known, not_negative, positive, share
from trilemma.recipe.recipe import DiffusionRecipe


def check_diffusion(family: DiffusionRecipe, size: tuple[int, int], prefix: str = "family") -> None:
    """Refuse what cannot be trained; RecipeError names the field and what is allowed.

    prefix: the family's place in the recipe.
    """
    from trilemma.maths.noise import PREDICTIONS, SCHEDULES
    from trilemma.maths.samplers import SAMPLERS

    known(f"{prefix}.schedule", family.schedule, SCHEDULES)
    known(f"{prefix}.prediction", family.prediction, PREDICTIONS)
    known(f"{prefix}.sampler", family.sampler, SAMPLERS)
    each(family, prefix, positive, "steps sigma_data sigma_std sigma_min guidance guide_at")
    share(f"{prefix}.label_dropout", family.label_dropout)
    share(f"{prefix}.guide_at", family.guide_at)
    not_negative(f"{prefix}.guide_below", family.guide_below)
    if family.process != "ddpm" and 0 < family.guide_below < family.sigma_min:
        raise RecipeError(
            f"{prefix}.guide_below is {family.guide_below:g}, under {prefix}.sigma_min: the guide "
            f"would never be asked; allowed: 0 (always), {family.sigma_min:g} or more"
        )
    inside(f"{prefix}.timesteps", family.timesteps, 2, 100_000)
    if family.process == "ddpm" and family.steps > family.timesteps:
        raise RecipeError(
            f"{prefix}.steps is {family.steps}, more than {prefix}.timesteps; "
            f"allowed: 1 to {family.timesteps}"
        )
    if family.sigma_max <= family.sigma_min:
        raise RecipeError(
            f"{prefix}.sigma_max is {family.sigma_max:g}; allowed: more than {prefix}.sigma_min, "
            f"{family.sigma_min:g}"
        )
    _augmented(family, size, prefix)
    _denoiser(family, size, prefix)


def _augmented(family: DiffusionRecipe, size: tuple[int, int], prefix: str) -> None:
    from trilemma.maths.augmentation import AUGMENTATIONS

    share(f"{prefix}.augment_chance", family.augment_chance)
    for name in family.augment:
        known(f"{prefix}.augment", name, AUGMENTATIONS)
        if AUGMENTATIONS[name].square and size[0] != size[1]:
            raise RecipeError(f"{prefix}.augment '{name}' is for square images; set data.size so")
    if len(set(family.augment)) < len(family.augment):
        raise RecipeError(f"{prefix}.augment names one twice: {', '.join(family.augment)}")
    if family.augment and not isinstance(family.generator, UNet):
        raise RecipeError(
            f"{prefix}.augment is for the network unet, which is told of the changes; set "
            f"{prefix}.augment = [] or {prefix}.generator.name = 'unet'"
        )


def _denoiser(family: DiffusionRecipe, size: tuple[int, int], prefix: str) -> None:
    if isinstance(family.generator, UNet):
        _unet(family.generator, size, f"{prefix}.generator")
        return
    check_network(f"{prefix}.generator", family.generator)
    if family.condition != "none":
        raise RecipeError(
            f"{prefix}.condition = '{family.condition}' is for the network unet, not for one of "
            f"your own; set {prefix}.condition = 'none' or {prefix}.generator.name = 'unet'"
        )


def _unet(net: UNet, size: tuple[int, int], prefix: str) -> None:
    from trilemma.nets.unet import check_sides, halved

    each(net, prefix, positive, "width blocks heads unshuffle")
    share(f"{prefix}.dropout", net.dropout)
    if not net.multipliers or min(net.multipliers) < 1:
        raise RecipeError(
            f"{prefix}.multipliers is {list(net.multipliers)}; allowed: each 1 or more"
        )
    if any(side < 1 for side in net.attention):
        raise RecipeError(f"{prefix}.attention is {list(net.attention)}; allowed: sides, 1 or more")
    check_sides(size, net.unshuffle)
    sides = halved(min(size) // net.unshuffle, len(net.multipliers))
    for side, multiplier in zip(sides, net.multipliers, strict=True):
        features = net.width * multiplier
        if side in net.attention and features % net.heads:
            raise RecipeError(
                f"{prefix}.heads is {net.heads}; allowed: what divides the {features} features "
                f"that get attention at side {side}"
            )
