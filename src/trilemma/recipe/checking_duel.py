"""Can these two be trained against each other? Losses, penalties, augmentations, networks."""

from itertools import pairwise

from trilemma.errors import RecipeError
from trilemma.recipe.checking_diffusion import check_diffusion
from trilemma.recipe.checking_networks import check_critic, check_generator
from trilemma.recipe.checking_style import check_ways
from trilemma.recipe.networks import EncoderCritic, OwnCritic, UNet
from trilemma.recipe.own import check_path, is_path
from trilemma.recipe.ranges import each, known, not_negative, positive, share
from trilemma.recipe.recipe import AdversarialRecipe, DuelRecipe, OneStepRecipe

ELSEWHERE = {  # losses by the names that they have elsewhere
    **dict.fromkeys(("non-saturating", "nonsaturating", "ns", "vanilla", "logistic"), "'bce'"),
    **dict.fromkeys(("minimax", "minmax"), "'saturating'"),
    **dict.fromkeys(("lsgan", "ls", "mse", "least_squares"), "'least-squares'"),
    **dict.fromkeys(("wgan-gp", "wgangp", "wgan_gp"), "'wasserstein' with family.gp = 10.0"),
    "wgan": "'wasserstein' with family.clip_weights = 0.01 or family.gp = 10.0",
    **dict.fromkeys(("rpgan", "rgan", "ragan", "r3gan"), "'relativistic'"),
}
PENALTIES = ("r1", "r2", "gp", "dragan")  # fields: weights of penalties on a critic's slope


def check_duel(family: DuelRecipe, size: tuple[int, int]) -> None:
    """Refuse what cannot be trained; RecipeError names the field and what is allowed."""
    from trilemma.maths.gan_losses import GAN_LOSSES

    if is_path(family.loss):
        check_path("family.loss", family.loss)
    else:
        if family.loss.lower() in ELSEWHERE:
            raise RecipeError(
                f"family.loss '{family.loss}' is {ELSEWHERE[family.loss.lower()]} here"
            )
        known("family.loss", family.loss, GAN_LOSSES)
    _augmented(family, size)
    each(family, "family", not_negative, "instance_noise instance_noise_images r1 r2 penalty_end")
    each(family, "family", not_negative, "gp dragan drift clip_weights auxiliary")
    each(
        family, "family", positive, "critic_updates r1_every slope_step dragan_std condition_width"
    )
    _lipschitz(family)
    if not 0.5 < family.label_real <= 1:
        raise RecipeError(
            f"family.label_real is {family.label_real:g}; allowed: more than 0.5, at most 1"
        )
    if family.label_real != 1 and family.loss != "bce":
        raise RecipeError(
            f"family.label_real = {family.label_real:g} is for the loss bce, not '{family.loss}'; "
            "set family.label_real = 1.0 or family.loss = 'bce'"
        )
    if isinstance(family, AdversarialRecipe):
        check_generator(family.generator, size)
        check_ways(family)
        if isinstance(family.critic, EncoderCritic):
            raise RecipeError(
                "family.critic.name = 'encoder' is half of a denoiser, which family.kind = "
                "'adversarial' has not; set family.critic.name = 'dcgan', 'residual' or 'r3'"
            )
    elif isinstance(family, OneStepRecipe):
        _onestep(family, size)
    penalties = [name for name in PENALTIES if getattr(family, name)]
    if family.clip_weights and penalties:
        raise RecipeError(
            f"family.clip_weights = {family.clip_weights:g} does not go with "
            f"{' and '.join(penalties)}: each bounds the critic's slope, and clipped weights undo "
            "what a penalty asks for; set family.clip_weights = 0, or "
            + " and ".join(f"family.{name} = 0" for name in penalties)
        )
    check_critic(family.critic, size, penalties)


def _augmented(family: DuelRecipe, size: tuple[int, int]) -> None:
    from trilemma.maths.augmentation import AUGMENTATIONS

    share("family.ada_target", family.ada_target)
    positive("family.ada_images", family.ada_images)
    for name in family.augment:
        known("family.augment", name, AUGMENTATIONS)
        if AUGMENTATIONS[name].leaks and not family.ada_target:
            raise RecipeError(
                f"family.augment '{name}' of every image would be learnt: samples would show it; "
                "set family.ada_target = 0.6, so that some images stay as they are"
            )
        if AUGMENTATIONS[name].square and size[0] != size[1]:
            raise RecipeError(f"family.augment '{name}' is for square images; set data.size so")
    if len(set(family.augment)) < len(family.augment):
        raise RecipeError(f"family.augment names one twice: {', '.join(family.augment)}")
    if family.ada_target and not family.augment:
        raise RecipeError(
            f"family.ada_target is {family.ada_target:g} and family.augment names nothing to do; "
            "set family.augment = ['color', 'translation'], or family.ada_target = 0.0"
        )


def _lipschitz(family: DuelRecipe) -> None:
    """Refuse a Wasserstein critic that nothing holds back; one of the user's own may do so."""
    fields = (*PENALTIES, "clip_weights")
    critic = family.critic
    normed = getattr(critic, "batchnorm", False) or getattr(critic, "norm", "none") != "none"
    bounded = getattr(critic, "spectral_norm", False) and not normed and family.condition == "none"
    held = bounded or any(getattr(family, name) for name in fields)
    held = held or isinstance(family.critic, OwnCritic)
    if family.loss == "wasserstein" and not held:
        raise RecipeError(
            "family.loss = 'wasserstein' needs a critic that is held back; set family.gp = 10.0, "
            "family.clip_weights = 0.01 or, of a critic without other norms and labels, "
            "family.critic.spectral_norm = true"
        )


def _onestep(family: OneStepRecipe, size: tuple[int, int]) -> None:
    if not isinstance(family.denoiser.generator, UNet):
        raise RecipeError(
            f"family.kind = 'onestep' goes on from the network unet, not from "
            f"'{family.denoiser.generator.name}'; train the denoiser with "
            "family.generator.name = 'unet'"
        )
    check_diffusion(family.denoiser, size, prefix="family.denoiser")
    each(family, "family", positive, "sigma steps")
    each(family, "family", not_negative, "rehearse distill_weight")
    levels = (family.sigma, *family.levels)
    if any(lower >= level or lower <= 0 for level, lower in pairwise(levels)):
        raise RecipeError(
            f"family.levels is {list(family.levels)}; allowed: falling from below family.sigma, "
            f"{family.sigma:g}, and more than 0"
        )
    if family.steps > len(levels):
        raise RecipeError(
            f"family.steps is {family.steps}, more than the {len(levels)} that family.sigma and "
            f"family.levels make; allowed: 1 to {len(levels)}. To draw as the denoiser did: "
            "RUN@steps=20"
        )
    told = family.denoiser.condition != "none"
    if told != (family.condition != "none"):
        raise RecipeError(
            f"family.condition = '{family.condition}', but the denoiser was trained "
            f"{'with' if told else 'without'} labels; set family.condition = "
            f"'{'projection' if told else 'none'}'"
        )
    if (family.distill != "none") != (family.distill_weight > 0):
        raise RecipeError(
            f"family.distill = '{family.distill}' with family.distill_weight = "
            f"{family.distill_weight:g}; set both, or 'none' and 0"
        )
