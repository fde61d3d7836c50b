"""What to try against each illness, less what a recipe has already or cannot have."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from trilemma.recipe.recipe import DiffusionRecipe, DuelRecipe, Recipe, UpscaleRecipe

DIFFERENCES = ("relativistic", "wasserstein")  # losses of no middle: ADA's target is .77 for them


class Advice(NamedTuple):
    """Something to try: (English, Portuguese), and the recipes that it is news for."""

    said: tuple[str, str]
    news: Callable[[Recipe], bool] = lambda recipe: True


def adversarial(recipe: Recipe) -> DuelRecipe | None:
    """Give what has a critic that is trained against; None: it has none."""
    return recipe.family if isinstance(recipe.family, DuelRecipe) else None


def gan(has: Callable[[DuelRecipe], bool]) -> Callable[[Recipe], bool]:
    """Make a question about GANs one about recipes; of others the answer is no."""

    def asked(recipe: Recipe) -> bool:
        family = adversarial(recipe)
        return family is not None and has(family)

    return asked


def unclipped(recipe: Recipe) -> bool:
    """Has it a critic, and does a gradient of the two go without a limit?"""
    family = recipe.family
    if isinstance(family, DiffusionRecipe) or lacks_critic(recipe):
        return False
    return not (family.critic_optimizer.clip and family.generator_optimizer.clip)


def lacks_critic(recipe: Recipe) -> bool:
    """Is there no critic in it?"""
    family = recipe.family
    return isinstance(family, DiffusionRecipe) or (
        isinstance(family, UpscaleRecipe) and not family.adversarial
    )


def has_width(recipe: Recipe, net: str) -> bool:
    """Is a network's width a setting of this recipe?"""
    return hasattr(getattr(recipe.family, net, None), "width")


def unbound(family: DuelRecipe) -> bool:
    """Does nothing bound the critic's slope, and is it one image's own?"""
    return not (bound(family) or batchnorm(family))


def bound(family: DuelRecipe) -> bool:
    """Does something bound the critic's slope?"""
    return bool(family.r1 or family.gp or family.dragan or family.clip_weights)


def batchnorm(family: DuelRecipe) -> bool:
    """Has the critic batch norm, with which no penalty goes?"""
    return bool(getattr(family.critic, "batchnorm", False))


LOWER_RATES = Advice(
    (
        "lower --lr to the preset's or a tenth of what it was",
        "diminuir --lr até a da receita ou um décimo do que era",
    )
)
CLIP = Advice(
    (
        "clip the gradient (--family.critic-optimizer.clip 1.0 and the generator's)",
        "limitar o gradiente (--family.critic-optimizer.clip 1.0 e o do gerador)",
    ),
    unclipped,
)
CLIP_DENOISER = Advice(
    (
        "clip the gradient (--family.optimizer.clip 1.0)",
        "limitar o gradiente (--family.optimizer.clip 1.0)",
    ),
    lambda recipe: isinstance(recipe.family, DiffusionRecipe) and not recipe.family.optimizer.clip,
)
FLOAT32 = Advice(
    ("--precision float32 if it was bf16", "--precision float32 se era bf16"),
    lambda recipe: recipe.speed.precision in ("auto", "bf16"),
)
PENALISE = Advice(
    (
        "penalise the critic's slope (--family.r1 1.0)",
        "penalizar a inclinação do crítico (--family.r1 1.0)",
    ),
    gan(unbound),
)
PENALISE_BOTH = Advice(
    (
        "penalise the critic's slope (--family.r1 1.0 and --family.r2 1.0)",
        "penalizar a inclinação do crítico (--family.r1 1.0 e --family.r2 1.0)",
    ),
    gan(unbound),
)
PENALISE_ALONE = Advice(
    (
        "penalise the critic's slope, without its batch norm (--family.r1 1.0 "
        "--family.critic.no-batchnorm)",
        "penalizar a inclinação do crítico, sem a normalização por lote dele (--family.r1 1.0 "
        "--family.critic.no-batchnorm)",
    ),
    gan(lambda family: batchnorm(family) and not bound(family)),
)
PENALISE_MORE = Advice(
    (
        "a stronger penalty (a larger --family.r1 than the recipe's)",
        "uma penalidade maior (um --family.r1 maior que o da receita)",
    ),
    gan(lambda family: family.r1 > 0),
)
RELATIVISTIC = Advice(
    ("take --family.loss relativistic", "usar --family.loss relativistic"),
    gan(lambda family: family.loss != "relativistic"),
)
UNSATURATED = Advice(
    (
        "take a loss that does not saturate (--family.loss relativistic)",
        "usar uma perda que não satura (--family.loss relativistic)",
    ),
    gan(lambda family: family.loss == "saturating"),
)
LARGER_BATCHES = Advice(("larger batches", "lotes maiores"))
WEAKER_GENERATOR = Advice(
    (
        "a lower learning rate of the generator, or a higher one of a critic that is fooled",
        "uma taxa menor para o gerador, ou uma maior para um crítico que se deixa enganar",
    ),
    lambda recipe: not lacks_critic(recipe),
)
WEAKER_CRITIC = Advice(
    (
        "weaken the critic by a lower learning rate (--family.critic-optimizer.lr)",
        "enfraquecer o crítico com uma taxa menor (--family.critic-optimizer.lr)",
    ),
    lambda recipe: not lacks_critic(recipe),
)
NOISE = Advice(
    (
        "noise on what the critic sees (--family.instance-noise 0.1)",
        "ruído no que o crítico vê (--family.instance-noise 0.1)",
    ),
    gan(lambda family: not family.instance_noise),
)
FEWER_UPDATES = Advice(
    (
        "fewer critic updates (--family.critic-updates 1)",
        "menos passos do crítico (--family.critic-updates 1)",
    ),
    gan(lambda family: family.critic_updates > 1),
)
LESS_MOMENTUM = Advice(
    (
        "less momentum (--family.critic-optimizer.beta1 0 and the generator's)",
        "menos momento (--family.critic-optimizer.beta1 0 e o do gerador)",
    ),
    gan(lambda f: bool(f.critic_optimizer.beta1 or f.generator_optimizer.beta1)),
)
MORE_IMAGES = Advice(("more images", "mais imagens"))
CHANGES = Advice(
    (
        "changes to what the critic sees (--family.augment color translation)",
        "mudanças no que o crítico vê (--family.augment color translation)",
    ),
    gan(lambda family: not family.augment),
)
ADAPTIVE = Advice(
    (
        "changes of a share of the images that adapts (--family.ada-target 0.6)",
        "mudanças de uma parte das imagens que se adapta (--family.ada-target 0.6)",
    ),
    gan(lambda f: not f.ada_target and bool(f.augment) and f.loss not in DIFFERENCES),
)
ADAPTIVE_PAIRS = Advice(
    (
        "changes of a share of the images that adapts (--family.ada-target 0.77)",
        "mudanças de uma parte das imagens que se adapta (--family.ada-target 0.77)",
    ),
    gan(lambda f: not f.ada_target and bool(f.augment) and f.loss in DIFFERENCES),
)
SMALLER_CRITIC = Advice(
    ("a smaller critic (--family.critic.width)", "um crítico menor (--family.critic.width)"),
    lambda recipe: not lacks_critic(recipe) and has_width(recipe, "critic"),
)
EARLIER_END = Advice(
    ("an earlier end (--early-stop)", "parar antes (--early-stop)"),
    lambda recipe: not recipe.train.early_stop,
)
SMALLER_NETWORK = Advice(
    ("a smaller network (--family.generator.width)", "uma rede menor (--family.generator.width)"),
    lambda recipe: has_width(recipe, "generator"),
)
LOOK_AT_COPIES = Advice(
    (
        "an earlier checkpoint (RUN@IMAGES); look at the nearest training images in the report",
        "um ponto salvo anterior (RUN@IMAGENS); veja no relatório as imagens de treino mais "
        "próximas",
    )
)

ADVICE: Mapping[str, Sequence[Advice]] = {  # illness -> what helps, the surest first
    "not_finite": (LOWER_RATES, CLIP, CLIP_DENOISER, FLOAT32),
    "explosion": (LOWER_RATES, CLIP, CLIP_DENOISER, PENALISE, PENALISE_ALONE),
    "collapse": (PENALISE_BOTH, PENALISE_ALONE, RELATIVISTIC, LARGER_BATCHES, WEAKER_GENERATOR),
    "saturated_critic": (
        *(WEAKER_CRITIC, PENALISE, PENALISE_ALONE, PENALISE_MORE),
        *(NOISE, FEWER_UPDATES),
    ),
    "vanishing_gradients": (UNSATURATED, WEAKER_CRITIC, PENALISE, PENALISE_ALONE),
    "oscillation": (LOWER_RATES, LESS_MOMENTUM, PENALISE_BOTH, PENALISE_ALONE),
    "overfitted_critic": (
        *(MORE_IMAGES, CHANGES, ADAPTIVE, ADAPTIVE_PAIRS),
        *(PENALISE, PENALISE_ALONE, PENALISE_MORE, SMALLER_CRITIC, EARLIER_END),
    ),
    "copying": (
        *(MORE_IMAGES, CHANGES, ADAPTIVE, ADAPTIVE_PAIRS),
        *(SMALLER_NETWORK, LOOK_AT_COPIES),
    ),
}


def to_try(illness: str, recipe: Recipe | None) -> tuple[str, str]:
    """Say what to try, in English and in Portuguese. None: no recipe is known, so everything."""
    fitting = [one for one in ADVICE[illness] if recipe is None or one.news(recipe)]
    english, portuguese = ("; ".join(one.said[place] for one in fitting) for place in (0, 1))
    return english, portuguese
