"""Are networks that grow, and style-based ones, possible at the images' size, and together?"""

from trilemma.errors import RecipeError
from trilemma.maths.pyramid import LEAST, levels
from trilemma.recipe.ranges import each, inside, known, not_negative, positive, share
from trilemma.recipe.recipe import AdversarialRecipe
from trilemma.recipe.style import (
    ACTIVATIONS,
    ProgressiveCritic,
    ProgressiveGenerator,
    StyleGAN2Critic,
    StyleGAN2Generator,
    StyleGAN3Generator,
)

Size = tuple[int, int]  # height, width
SIDE_MIN = 8  # pixels
MARGIN_MAX = 128  # samples; the paper has 10
STOPBAND_MIN, RELATIVE_MAX = 0.25, 8.0  # from there on there is a sample a side; of half a side


def check_progressive(
    net: ProgressiveGenerator | ProgressiveCritic, prefix: str, size: Size
) -> None:
    """Refuse a growing network that has no such size."""
    each(net, prefix, positive, "width width_max")
    _power_of_two(net.name, prefix, size)
    if isinstance(net, ProgressiveCritic):
        positive(f"{prefix}.group", net.group)
        not_negative(f"{prefix}.group_maps", net.group_maps)
        _group_maps(net, prefix, last=min(net.width_max, net.width * size[0] // LEAST))


def check_ways(family: AdversarialRecipe) -> None:
    """Refuse ways to train that these networks have not: growth, mixing, path lengths."""
    each(family, "family", not_negative, "grow_images path_length")
    each(family, "family", positive, "path_every")
    share("family.mixing", family.mixing)
    _growing(family)
    for name in ("mixing", "path_length"):
        if getattr(family, name) and not isinstance(family.generator, StyleGAN2Generator):
            raise RecipeError(
                f"family.{name} is {getattr(family, name):g}, which is for family.generator.name = "
                f"'stylegan2', not '{family.generator.name}'; set family.{name} = 0.0"
            )


def _growing(family: AdversarialRecipe) -> None:
    grows = isinstance(family.generator, ProgressiveGenerator)
    if grows != isinstance(family.critic, ProgressiveCritic):
        raise RecipeError(
            f"family.generator.name = '{family.generator.name}' and family.critic.name = "
            f"'{family.critic.name}'; progressive networks grow together: name both so, or neither"
        )
    if family.grow_images and not grows:
        raise RecipeError(
            f"family.grow_images is {family.grow_images}, and family.generator.name = "
            f"'{family.generator.name}' does not grow; set family.grow_images = 0"
        )
    if grows and family.condition != "none":
        raise RecipeError(
            f"family.condition = '{family.condition}', and progressive networks are told nothing; "
            "name 'stylegan2' for both networks, or set family.condition = 'none'"
        )


def check_stylegan2(net: StyleGAN2Generator, prefix: str, size: Size) -> None:
    """Refuse a StyleGAN2 generator that cannot make images of this size."""
    each(net, prefix, positive, "style layers mapping_rate")
    each(net, prefix, not_negative, "mapping_width embedding truncation_rows clamp")
    _doubled(net, prefix, size)
    known(f"{prefix}.mapping_activation", net.mapping_activation, ACTIVATIONS)
    _truncation(net, prefix)


def check_style_critic(net: StyleGAN2Critic, prefix: str, size: Size) -> None:
    """Refuse a StyleGAN2 critic that cannot see images of this size."""
    each(net, prefix, positive, "group mapping_rate")
    each(net, prefix, not_negative, "group_maps asked layers clamp")
    _doubled(net, prefix, size)
    _group_maps(net, prefix, last=net.widths[0] if net.widths else net.width_max)


def _group_maps(net: StyleGAN2Critic | ProgressiveCritic, prefix: str, *, last: int) -> None:
    if net.group_maps and last % net.group_maps:
        raise RecipeError(
            f"{prefix}.group_maps is {net.group_maps}; allowed: what divides {last}, the channels "
            "at 4x4"
        )


def check_stylegan3(net: StyleGAN3Generator, prefix: str, size: Size) -> None:
    """Refuse a StyleGAN3 generator that cannot make images of this size."""
    each(net, prefix, positive, "style layers mapping_rate width width_max depth first_cutoff")
    each(net, prefix, positive, "first_stopband last_stopband filter_size lrelu_upsampling")
    each(net, prefix, not_negative, "critical margin clamp truncation_rows")
    _truncation(net, prefix)
    _power_of_two(net.name, prefix, size)
    if net.critical >= net.depth:
        raise RecipeError(f"{prefix}.critical is {net.critical}; allowed: 0 to {net.depth - 1}")
    if net.kernel not in (1, 3, 5, 7):
        raise RecipeError(f"{prefix}.kernel is {net.kernel}; allowed: 1, 3, 5, 7")
    if not net.first_cutoff < size[0] / 2:
        raise RecipeError(
            f"{prefix}.first_cutoff is {net.first_cutoff:g}; allowed: below {size[0] / 2:g}, half "
            "the side"
        )
    if net.radial and net.filter_size % 2 and net.lrelu_upsampling % 2:
        raise RecipeError(
            f"{prefix}.radial = true needs an even number of taps; set filter_size so"
        )
    _bands(net, prefix, size[0])
    _widths(net.widths, prefix, net.depth)


def _bands(net: StyleGAN3Generator, prefix: str, side: int) -> None:
    """Refuse bands without samples, and filters that stop before they have passed."""
    inside(f"{prefix}.margin", net.margin, 0, MARGIN_MAX)
    least = max(net.first_cutoff, STOPBAND_MIN)
    if not least < net.first_stopband <= side:
        raise RecipeError(
            f"{prefix}.first_stopband is {net.first_stopband:g}; allowed: above {least:g}, up to "
            f"{side}"
        )
    inside(f"{prefix}.last_stopband", net.last_stopband, 1, RELATIVE_MAX)


def _doubled(net: StyleGAN2Generator | StyleGAN2Critic, prefix: str, size: Size) -> None:
    """Check what both have: maps from 4 x 4 on, an activation, and a filter."""
    each(net, prefix, positive, "width width_max")
    known(f"{prefix}.activation", net.activation, ACTIVATIONS)
    if len(net.filter) < 2 or abs(sum(net.filter)) < 1e-6:
        raise RecipeError(
            f"{prefix}.filter has {len(net.filter)} taps; allowed: 2 or more, sum not 0"
        )
    _power_of_two(net.name, prefix, size)
    _widths(net.widths, prefix, levels(size[0]))


def _truncation(net: StyleGAN2Generator | StyleGAN3Generator, prefix: str) -> None:
    inside(f"{prefix}.average_decay", net.average_decay, 0, 1)
    if net.truncation != 1 and not net.average_decay:
        raise RecipeError(
            f"{prefix}.truncation is {net.truncation:g}, and {prefix}.average_decay = 0: no mean "
            "style is kept that it could move to; allowed: 1"
        )


def _power_of_two(name: str, prefix: str, size: Size) -> None:
    height, width = size
    if height != width or height < SIDE_MIN or height & (height - 1):
        raise RecipeError(
            f"data.size {width}x{height} does not suit {prefix}.name = '{name}', whose images are "
            "square, of 8, 16, 32, 64, ... pixels"
        )


def _widths(widths: tuple[int, ...], prefix: str, count: int) -> None:
    if widths and (len(widths) != count or min(widths) < 1):
        raise RecipeError(
            f"{prefix}.widths has {len(widths)} numbers; allowed: none, or {count}, each above 0"
        )
