"""Can this upscaler be trained? Its sides, its stages, its networks; each refused in one line."""

from trilemma.errors import RecipeError
from trilemma.recipe.networks import RRDB, SRGAN, Compact, SRGANCritic, UNetCritic
from trilemma.recipe.ranges import each, inside, known, not_negative, positive
from trilemma.recipe.recipe import DataRecipe, Recipe, UpscaleRecipe, parse_size

METRICS = ("fd", "kid", "perceptual", "psnr_y", "ssim_y")  # that may be watched
SMALLEST = 8  # pixels of a small side; below it the networks see mostly border
BICUBIC, REAL, GENERATOR = "bicubic", "real", "generator="  # what data.low may say, beside a folder
SIDES = {UNetCritic: 8, SRGANCritic: 16}  # of which a critic's images must be multiples


def check_upscale(family: UpscaleRecipe, data: DataRecipe) -> None:
    """Refuse what cannot be trained; RecipeError names the field and what is allowed."""
    from trilemma.maths.gan_losses import GAN_LOSSES
    from trilemma.maths.image_losses import IMAGE_LOSSES

    known("family.pixel_loss", family.pixel_loss, IMAGE_LOSSES)
    known("family.loss", family.loss, GAN_LOSSES)
    inside("family.scale", family.scale, 2, 4)
    each(family, "family", not_negative, "crop pixel perceptual variation adversarial critic_first")
    inside("family.stage_two", family.stage_two, 0, 1)
    _stages(family)
    _sides(family, parse_size(data.size))
    _network(family)
    if not data.low:
        raise RecipeError(
            f"data.low is empty; allowed: {BICUBIC}, {REAL}, {GENERATOR}RUN or a folder"
        )


def check_low(recipe: Recipe) -> None:
    """Refuse small images for a family that makes none of them."""
    if recipe.data.low != BICUBIC:
        raise RecipeError(
            f"data.low is '{recipe.data.low}', and family.kind = '{recipe.family.kind}' takes no "
            f"small images; set data.low = '{BICUBIC}', or family.kind = 'upscale'"
        )


def _stages(family: UpscaleRecipe) -> None:
    second = family.perceptual or family.variation or family.adversarial
    if not family.pixel and (family.stage_two > 0 or not second):
        raise RecipeError(
            "family.pixel is 0, so that nothing is learnt in stage one; set a weight, such as 1, "
            "or family.stage_two = 0 and one of perceptual, adversarial"
        )
    if second and family.stage_two == 1:
        raise RecipeError(
            "family.perceptual, variation and adversarial belong to stage two, and "
            "family.stage_two = 1 says never; set family.stage_two, such as 0.6"
        )
    if family.critic_first and not family.adversarial:
        raise RecipeError(
            f"family.critic_first is {family.critic_first}, and family.adversarial = 0 leaves no "
            "critic; set family.critic_first = 0 or family.adversarial = 0.05"
        )


def _sides(family: UpscaleRecipe, size: tuple[int, int]) -> None:
    for side in size:
        if side % family.scale:
            raise RecipeError(
                f"data.size has a side of {side}, no multiple of family.scale = {family.scale}; "
                f"allowed: such as {side // family.scale * family.scale}"
            )
    small = min(size) // family.scale
    if small < SMALLEST:
        raise RecipeError(
            f"data.size is the large side: {min(size)} is {small} small pixels; allowed: "
            f"{SMALLEST * family.scale} or more"
        )
    if family.crop:
        inside("family.crop", family.crop, SMALLEST, small)
    multiple = SIDES[type(family.critic)]
    large = [family.crop * family.scale] if family.crop else [*size]
    if family.adversarial and any(side % multiple for side in large):
        raise RecipeError(
            f"family.critic.name = '{family.critic.name}' sees sides of {max(large)} pixels; "
            f"allowed: multiples of {multiple}; set family.crop"
        )


def _network(family: UpscaleRecipe) -> None:
    net, prefix = family.generator, "family.generator"
    positive(f"{prefix}.width", net.width)
    positive("family.critic.width", family.critic.width)
    if isinstance(net, Compact):
        positive(f"{prefix}.convs", net.convs)
    if isinstance(net, RRDB):
        each(net, prefix, positive, "blocks growth")
        if family.scale == 3:
            raise RecipeError(
                "family.generator.name = 'rrdb' doubles sides: family.scale 3 is none of its; "
                "allowed: 2, 4, or another network"
            )
    if isinstance(net, SRGAN):
        positive(f"{prefix}.blocks", net.blocks)
