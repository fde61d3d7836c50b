"""Seeds -> images: the same picture for a seed, whatever else is drawn beside it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from trilemma import processes
from trilemma.average import kept
from trilemma.checkpoint import fill, unpack
from trilemma.devices import REFERENCE, Choice, autocast
from trilemma.errors import RecipeError, RunError
from trilemma.families import adversarial, build, conditions
from trilemma.families.family import DrawOptions, Family
from trilemma.families.onestep import own_steps
from trilemma.images import to_pixels
from trilemma.recipe.checking import check
from trilemma.recipe.recipe import AdversarialRecipe, DiffusionRecipe, OneStepRecipe, Recipe
from trilemma.runs import Found, find_run

Pixels = np.ndarray  # uint8 [N, H, W, C]
BATCH = 64  # images drawn at once
SEEDS = 2**32  # the CPU's generator keeps 32 bits of a seed: others would repeat these pictures


@dataclass(frozen=True, kw_only=True)
class Drawer:
    """Networks that turn seeds into images."""

    recipe: Recipe
    family: Family
    nets: nn.ModuleDict  # averaged, in eval mode
    device: torch.device
    options: DrawOptions = field(default_factory=DrawOptions)
    choice: Choice = REFERENCE  # of precision and memory format
    asked: tuple[float, ...] = ()  # the condition of every image; (): those of training images
    move: Tensor | None = None  # added to every image's points [rows, D]; of families with a space
    low: Tensor | None = None  # of upscalers: [M, C, h, w]; seed i stands for small image i mod M

    @property
    def evaluations(self) -> int:
        """Network evaluations that one image takes."""
        return self.family.evaluations(self.options)

    @property
    def parameters(self) -> int:
        """Numbers in the weights of the networks that images are drawn with."""
        return sum(p.numel() for net in self.drawing for p in net.parameters())

    @property
    def drawing(self) -> list[nn.Module]:
        """The networks that images are drawn with, under these options."""
        names = self.family.drawn_with(self.options) or tuple(self.nets)
        return [self.nets[name] for name in names if name in self.nets]


def load_generator(
    run: str | Found, *, device: torch.device, options: DrawOptions | None = None
) -> Drawer:
    """Build the networks of a run or bundle and fill them with its averaged weights.

    RunError: its recipe, edited by hand, asks for what cannot be; or the weights do not fit.
    RecipeError: it names code of a user's own that is not trusted, not there, or not as it was.
    """
    place = find_run(run) if isinstance(run, str) else run
    try:
        check(place.recipe)
    except RecipeError as error:
        raise RunError(f"{place.place / 'recipe.toml'}: {error}") from None
    refuse_way(place)
    family = build(place.recipe, beside=place.place)
    nets = kept(family)
    fill(nets, unpack(place.weights), place.weights)
    nets.to(device).eval().requires_grad_(False)
    settled = joined(options or DrawOptions(), place.options)
    refuse_truncation(place, settled)
    return Drawer(recipe=place.recipe, family=family, nets=nets, device=device, options=settled)


def refuse_truncation(run: Found, options: DrawOptions) -> None:
    """Refuse to draw nearer to a mean that there is not: RunError."""
    if options.truncation is None:
        return
    family = run.recipe.family
    try:
        if not isinstance(family, AdversarialRecipe):
            raise RecipeError(f"truncation {options.truncation:g} is for style-based GANs")
        adversarial.psi_of(family, options)
    except RecipeError as error:
        raise RunError(f"{run.label}: {error}") from None


def refuse_way(run: Found) -> None:
    """Refuse a way to draw behind the name of a run that has none to choose: RunError."""
    family, options = run.recipe.family, run.options
    if isinstance(family, DiffusionRecipe) or options == DrawOptions(truncation=options.truncation):
        return
    if not isinstance(family, OneStepRecipe):
        raise RunError(
            f"{run.label}: a run of kind '{family.kind}' draws in one way; drop '{run.way}'"
        )
    if options.guidance and own_steps(family, options):
        raise RunError(
            f"{run.label}: guidance is of the denoiser as it was; add its steps, such as steps=20"
        )


def joined(options: DrawOptions, others: DrawOptions) -> DrawOptions:
    """Give options and, where they leave something open, the others."""
    return DrawOptions(
        sampler=options.sampler or others.sampler,
        steps=options.steps or others.steps,
        guidance=options.guidance or others.guidance,
        truncation=others.truncation if options.truncation is None else options.truncation,
    )


def draw(drawer: Drawer, seeds: Sequence[int], *, batch: int = BATCH) -> Iterator[Pixels]:
    """Draw image i from seeds[i], in batches: uint8 [n, H, W, C].

    The noise of an image comes from its own seed, on the CPU, so that pictures are the same on
    every device, to rounding, and to within one level whatever the batch (in bf16 they are not).
    RunError: a seed below 0 or above 4,294,967,295.
    """
    check_seeds(seeds)
    for start in range(0, len(seeds), batch):
        rngs = [torch.Generator().manual_seed(seed) for seed in seeds[start : start + batch]]
        with torch.inference_mode(), autocast(drawer.choice, drawer.device):
            asked = given(drawer, seeds[start : start + batch])
            images = rendered(drawer, drawer.family.latents(rngs), rngs, asked)
        yield to_pixels(images).cpu().numpy()


def rendered(
    drawer: Drawer, latents: Tensor, rngs: Sequence[torch.Generator], asked: Tensor | None
) -> Tensor:
    """Make the images of latents [N, ...], moved where they are to be; asked: conditions [N, A]."""
    family = drawer.family
    if drawer.move is None:
        return family.render(drawer.nets, latents, rngs, asked, drawer.options)
    assert family.space is not None, "only points can be moved"
    space, told = family.space(drawer.nets), conditions.told(drawer.nets["generator"], rngs, asked)
    points = space.points(latents, told, psi=drawer.options.truncation)
    return space.images(points + drawer.move, told)


def given(drawer: Drawer, seeds: Sequence[int]) -> Tensor | None:
    """Give what the network is told beside latents: conditions [n, A], small images, or nothing."""
    if drawer.low is not None:
        return drawer.low[torch.tensor(seeds) % len(drawer.low)]
    return torch.tensor([drawer.asked] * len(seeds)) if drawer.asked else None


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse seeds that images cannot have. RunError: one below 0 or above 4,294,967,295."""
    for seed in seeds:
        if not 0 <= seed < SEEDS:
            raise RunError(f"the seed of an image is {seed}; allowed: 0 to {SEEDS - 1:,}")


def drawn(drawer: Drawer, seeds: Sequence[int], *, batch: int = BATCH) -> Pixels:
    """Draw all seeds into one array, uint8 [N, H, W, C]."""
    return np.concatenate(list(draw(drawer, seeds, batch=batch)))


def drawn_together(
    drawer: Drawer,
    seeds: Sequence[int],
    *,
    batch: int = BATCH,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pixels:
    """Draw all seeds into one array; of several processes each draws its share, and all get it.

    The shares are equally long, by drawing some seeds twice: that takes no longer, and all
    processes run the network equally often, which a sharded one needs. progress: of this share.
    """
    n = len(seeds)
    seeds = [*seeds, *seeds[: -n % processes.count()]]

    def mine(share: slice) -> Pixels:
        parts: list[Pixels] = []
        for part in draw(drawer, seeds[share], batch=batch):
            parts.append(part)
            progress(sum(map(len, parts)), len(seeds[share]))
        return np.concatenate(parts)

    return processes.together(mine, len(seeds))[:n]


def sampler_name(drawer: Drawer) -> str:
    """Name how images were drawn, such as ddim-50; empty where there is nothing to choose."""
    return sampler_of_recipe(drawer.recipe, drawer.options)


def sampler_of_recipe(recipe: Recipe, options: DrawOptions | None = None) -> str:
    """Name how a recipe's images are drawn under these options, without building its networks."""
    options, family = options or DrawOptions(), recipe.family
    if isinstance(family, OneStepRecipe):
        own = own_steps(family, options)
        if own:
            return f"onestep-{own}"
        family = family.denoiser
    if isinstance(family, AdversarialRecipe):
        psi = adversarial.psi_of(family, options)
        return "" if psi == 1 else f"truncated-{psi:g}"
    name = options.sampler or getattr(family, "sampler", "")
    steps = options.steps or getattr(family, "steps", 0)
    guidance = options.guidance or getattr(family, "guidance", 1.0)
    guided = f"-guided-{guidance:g}" if guidance != 1 else ""
    below = getattr(family, "guide_below", 0.0)
    guided += f"-below-{below:g}" if guided and below else ""
    return f"{name}-{steps}{guided}" if name else ""
