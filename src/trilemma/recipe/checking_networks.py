"""Are the networks of a generator and its critic possible, each alone and at the images' size?"""

from collections.abc import Callable, Mapping
from typing import Any

from trilemma.errors import RecipeError
from trilemma.recipe.checking_style import (
    check_progressive,
    check_style_critic,
    check_stylegan2,
    check_stylegan3,
)
from trilemma.recipe.networks import (
    Critic,
    DCGANCritic,
    DCGANGenerator,
    EncoderCritic,
    Generator,
    OwnCritic,
    OwnGenerator,
    PerceptronCritic,
    PerceptronGenerator,
    R3Critic,
    R3Generator,
    ResidualCritic,
    ResidualGenerator,
)
from trilemma.recipe.own import check_network
from trilemma.recipe.ranges import each, positive
from trilemma.recipe.style import (
    ProgressiveCritic,
    ProgressiveGenerator,
    StyleGAN2Critic,
    StyleGAN2Generator,
    StyleGAN3Generator,
)

Size = tuple[int, int]  # height, width


def check_generator(net: Generator, size: Size) -> None:
    """Refuse a generator that cannot make images of this size."""
    positive("family.generator.latent", net.latent)
    CHECKS[type(net)](net, "family.generator", size)


def check_critic(net: Critic, size: Size, penalties: list[str]) -> None:
    """Refuse a critic that cannot see images of this size; penalties: on its slope, that are on."""
    CHECKS[type(net)](net, "family.critic", size)
    if isinstance(net, DCGANCritic) and net.batchnorm and penalties:
        raise RecipeError(
            f"family.critic.batchnorm = true does not go with {' and '.join(penalties)}: a penalty "
            "needs the slope at one image alone; set family.critic.batchnorm = false (or take "
            "family.critic.name = 'residual', which has layer norms), or "
            + " and ".join(f"family.{name} = 0" for name in penalties)
        )


def _dense(net: PerceptronGenerator | PerceptronCritic, prefix: str, size: Size) -> None:
    each(net, prefix, positive, "width depth")


def _encoder(net: EncoderCritic, prefix: str, size: Size) -> None:
    positive(f"{prefix}.hidden", net.hidden)


def _own(net: OwnGenerator | OwnCritic, prefix: str, size: Size) -> None:
    check_network(prefix, net)


def _pyramid(net: Any, prefix: str, size: Size) -> None:
    """Check what has maps of ever smaller sides, and a `width` and `width_max`."""
    from trilemma.nets.dcgan import fits  # late: it loads torch

    positive(f"{prefix}.width", net.width)
    if net.width_max < net.width:
        raise RecipeError(
            f"{prefix}.width_max is {net.width_max}, less than width; allowed: {net.width} or more"
        )
    height, width = size
    if not fits(height, width):
        raise RecipeError(
            f"data.size {width}x{height} does not suit {prefix}.name = '{net.name}', whose sides "
            "are k x 2^m with a small k; such as 28, 32, 48, 64, 96, 128"
        )


def _bottlenecks(net: R3Generator | R3Critic, prefix: str, size: Size) -> None:
    from trilemma.nets.dcgan import halvings

    each(net, prefix, positive, "blocks group expansion")
    _pyramid(net, prefix, size)
    for level in range(halvings(*size) + 1):
        inner = min(net.width_max, net.width << level) * net.expansion
        if inner % net.group:
            raise RecipeError(
                f"{prefix}.group is {net.group}; allowed: what divides the {inner} features inside "
                f"a bottleneck at {size[1] >> level}x{size[0] >> level} (width x expansion)"
            )


Check = Callable[[Any, str, Size], None]
CHECKS: Mapping[type, Check] = {  # by network: (it, its place in the recipe, the images' size)
    DCGANCritic: _pyramid,
    DCGANGenerator: _pyramid,
    EncoderCritic: _encoder,
    OwnCritic: _own,
    OwnGenerator: _own,
    PerceptronCritic: _dense,
    PerceptronGenerator: _dense,
    ProgressiveCritic: check_progressive,
    ProgressiveGenerator: check_progressive,
    R3Critic: _bottlenecks,
    R3Generator: _bottlenecks,
    ResidualCritic: _pyramid,
    ResidualGenerator: _pyramid,
    StyleGAN2Critic: check_style_critic,
    StyleGAN2Generator: check_stylegan2,
    StyleGAN3Generator: check_stylegan3,
}
