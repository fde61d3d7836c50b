"""The values every family is made of. The train loop knows these, and nothing of GANs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from torch import Generator, Tensor
from torch.nn import ModuleDict

from trilemma.data.batches import Batch
from trilemma.families.spaces import Space
from trilemma.recipe.recipe import OptimizerRecipe

__all__ = [
    "At",
    "Batch",
    "Clock",
    "Draw",
    "DrawOptions",
    "Family",
    "Guide",
    "Losses",
    "Noise",
    "Phase",
    "Render",
    "Shared",
    "TensorClock",
]

Count = TypeVar("Count")
Fraction = TypeVar("Fraction")


class At(NamedTuple, Generic[Count, Fraction]):
    """The clock: real images seen, and which part of the training that is."""

    images_seen: Count
    fraction: Fraction  # of images_total, in [0, 1]


Clock = At[int, float]  # Python numbers: schedules, repeats, after
TensorClock = At[
    Tensor, Tensor
]  # 0-d tensors: inside `loss`, where a CUDA graph would freeze numbers


class Guide(NamedTuple):
    """A copy of an averaged network from the middle of its training, kept beside it."""

    of: str  # the averaged network
    at: float  # share of the training at which it is copied


Noise = Mapping[str, Tensor]
Losses = tuple[Tensor, Mapping[str, Tensor]]
Draw = Callable[[int, Generator], Tensor]


def every_round(at: Clock) -> int:
    """Run a phase once a round."""
    return 1


def nothing(at: Clock, scalars: Mapping[str, Tensor]) -> None:
    """Do nothing after the optimizer's step."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One optimizer step of one network: which noise it draws and which loss it lowers."""

    name: str
    trains: str  # a key of Family.nets and of Family.optimizers
    loss: Callable[[Batch, Noise, TensorClock], Losses]  # losses [N]; scalars: each [N]
    noise: Mapping[str, Draw] = field(default_factory=dict)  # name -> (n, rng) -> [n, ...] float32
    repeats: Callable[[Clock], int] = every_round  # 0: the phase rests this round
    after: Callable[[Clock, Mapping[str, Tensor]], None] = nothing  # scalars: means, on the device


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """How images are drawn; a family ignores what does not concern it."""

    sampler: str = ""  # "": the recipe's own
    steps: int = 0  # network evaluations are counted by Drawn.evaluations; 0: the recipe's own
    guidance: float = 0.0  # 1: without the guide; 0: the recipe's own
    truncation: float | None = None  # psi of style-based networks; None: the recipe's own


# (nets, latents, rngs, labels or low images, options) -> images; the generators give the noise of
# samplers that draw more on the way, and the others need none.
Render = Callable[[ModuleDict, Tensor, Sequence[Generator], Tensor | None, DrawOptions], Tensor]


class Shared(NamedTuple):
    """What phases of one round would each make of the same weights and noise, made once."""

    name: str  # under which the phases find it in their noise, if it was made
    trains: str  # the network whose gradients go through it, in the phase that trains it
    make: Callable[[Batch, Noise], Tensor]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What is trained: networks, optimizers, phases, and how images are drawn.

    Images [N, C, H, W] are drawn with one generator an image, so that image i depends on its own
    seed, and on what is asked of it, alone: `latents` is what each of them draws first, and
    `render` makes the images of that.
    """

    nets: ModuleDict  # nets["generator"] makes the images in every family
    optimizers: Mapping[str, OptimizerRecipe]  # one for each trained network, shared by its phases
    phases: Sequence[Phase]
    averaged: tuple[str, ...]  # networks of which a moving average is kept
    splits: bool  # may a batch be computed in parts? Not with statistics over the batch
    latents: Callable[[Sequence[Generator]], Tensor]  # [N, ...], standard normal
    render: Render
    evaluations: Callable[[DrawOptions], int]  # network evaluations that one image takes
    drawn_with: Callable[[DrawOptions], tuple[str, ...]] = lambda options: ()  # nets; (): all kept
    how: Callable[[DrawOptions], str] = lambda options: ""  # images are drawn, in words
    judge: Callable[[ModuleDict, Tensor], Tensor] | None = None  # images -> a critic's scores [N]
    space: Callable[[ModuleDict], Space] | None = None  # None: pictures are no points
    shared: Shared | None = None
    guides: Mapping[str, Guide] = field(default_factory=dict)  # name of the copy -> what it copies
    begins: Mapping[str, str] = field(default_factory=dict)  # (part of) a net -> a parent's
    frozen: ModuleDict = field(default_factory=ModuleDict)  # never trained, averaged or saved
    compiles: tuple[str, ...] = ()  # networks through which no second derivative is taken
    group: int = 1  # consecutive images that a network looks at together: divides every share
    full_from: int = 0  # images after which a round costs what was measured; before them less
    patient_until: float = 0.0  # share of the training before which it does not stop early
    measured_at: Clock = At(0, 0.0)  # noqa: RUF009 a tuple: where a round costs most

    @property
    def batches_a_round(self) -> int:
        """Batches that a round takes: its first phase may run several times (critic updates)."""
        return next((count for p in self.phases if (count := p.repeats(At(0, 0.0)))), 1)

    def draw(
        self,
        nets: ModuleDict,
        rngs: Sequence[Generator],
        labels: Tensor | None,
        options: DrawOptions,
    ) -> Tensor:
        """Draw one image [C, H, W] for each generator of random numbers; labels: or low images."""
        return self.render(nets, self.latents(rngs), rngs, labels, options)
