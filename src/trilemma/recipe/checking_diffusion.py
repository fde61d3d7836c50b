"""Can this diffusion model be trained? Its noise, its sampler, its network."""

from trilemma.errors import RecipeError
from trilemma.recipe.networks import UNet
from trilemma.recipe.own import check_network
from trilemma.recipe.ranges import each, inside, known, not_negative, positive, share
from trilemma.recipe.recipe import DiffusionRecipe


def check_diffusion(family: DiffusionRecipe, size: tuple[int, int]) -> None:
    """Refuse what cannot be trained; RecipeError names the field and what is allowed."""
    from trilemma.maths.noise import PREDICTIONS, SCHEDULES
    from trilemma.maths.samplers import SAMPLERS

    known("family.schedule", family.schedule, SCHEDULES)
    known("family.prediction", family.prediction, PREDICTIONS)
    known("family.sampler", family.sampler, SAMPLERS)
    each(family, "family", positive, "steps sigma_data sigma_std sigma_min guidance guide_at")
    share("family.label_dropout", family.label_dropout)
    share("family.guide_at", family.guide_at)
    not_negative("family.guide_below", family.guide_below)
    if family.process != "ddpm" and 0 < family.guide_below < family.sigma_min:
        raise RecipeError(
            f"family.guide_below is {family.guide_below:g}, under family.sigma_min: the guide "
            f"would never be asked; allowed: 0 (always), {family.sigma_min:g} or more"
        )
    inside("family.timesteps", family.timesteps, 2, 100_000)
    if family.process == "ddpm" and family.steps > family.timesteps:
        raise RecipeError(
            f"family.steps is {family.steps}, more than family.timesteps; "
            f"allowed: 1 to {family.timesteps}"
        )
    if family.sigma_max <= family.sigma_min:
        raise RecipeError(
            f"family.sigma_max is {family.sigma_max:g}; allowed: more than family.sigma_min, "
            f"{family.sigma_min:g}"
        )
    _denoiser(family, size)


def _denoiser(family: DiffusionRecipe, size: tuple[int, int]) -> None:
    if isinstance(family.generator, UNet):
        _unet(family.generator, size)
        return
    check_network("family.generator", family.generator)
    if family.condition != "none":
        raise RecipeError(
            f"family.condition = '{family.condition}' is for the network unet, not for one of your "
            "own; set family.condition = 'none' or family.generator.name = 'unet'"
        )


def _unet(net: UNet, size: tuple[int, int]) -> None:
    from trilemma.nets.unet import check_sides, halved

    prefix = "family.generator"
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
