"""The optimizers of a network: Adam and, for the layers between its features, Muon."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer, RMSprop

from trilemma.recipe.recipe import OptimizerRecipe

MUON = ".muon"  # behind a network's name: its second optimizer
SMALLEST = 16  # features on either side of a layer that Muon takes
ROUNDS = 5
POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5; from Jordan's page
LEAST = 1e-14  # squared norm: gradients of 0 give a step of 0
RMS = 0.2  # of a step's entries, as Adam's
Layer = type[nn.Conv2d] | type[nn.ConvTranspose2d] | type[nn.Linear]
MUON_LAYERS: Mapping[str, tuple[Layer, ...]] = {  # which Muon takes
    # The dense layers of a U-Net tell the noise level: they gained nothing and cost a fifth.
    "convolutions": (nn.Conv2d,),
    "all": (nn.Conv2d, nn.ConvTranspose2d, nn.Linear),
}


class Muon(Optimizer):
    """Momentum, then the nearest matrix with orthogonal rows or columns as the step.

    A convolution counts as the matrix [outputs, inputs x height x width]. Learning rates are on
    Adam's scale: every entry of a step has a root mean square of about 0.2 lr. With momentum 0
    nothing is remembered between steps.
    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the
    scale: Liu et al. 2025, arXiv:2502.16982, eq. 4.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        turned: Iterable[Tensor] = (),
    ) -> None:
        """weight_decay: decoupled, per step and learning rate. turned: [inputs, outputs, ...]."""
        groups = [{"params": list(matrices), "turned": False}]
        groups.append({"params": list(turned), "turned": True})
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there; matrices of one shape go together."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for alike in shapes.values():
                self.move(alike, group)

    def move(self, alike: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        """Move weights of one shape."""
        lr = group["lr"]
        ahead = self.ahead(alike, group["momentum"])
        if group["turned"]:
            ahead = [step.transpose(0, 1) for step in ahead]
        shape = ahead[0].shape
        steps = orthogonal(torch.stack([step.flatten(1) for step in ahead]))
        size = RMS * max(steps.shape[1:]) ** 0.5
        for weight, flat in zip(alike, steps, strict=True):
            step = flat.reshape(shape)
            if group["weight_decay"]:
                weight.mul_(1 - lr * group["weight_decay"])
            weight.add_(step.transpose(0, 1) if group["turned"] else step, alpha=-lr * size)

    def ahead(self, alike: Sequence[Tensor], momentum: float) -> Sequence[Tensor]:
        """Give the gradients, smoothed over the steps by Nesterov's momentum."""
        gradients = [weight.grad for weight in alike if weight.grad is not None]
        if not momentum:
            return gradients
        for weight in alike:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        momenta = [self.state[weight]["momentum"] for weight in alike]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        smoothed: Sequence[Tensor] = torch._foreach_lerp(gradients, momenta, momentum)
        return smoothed


def orthogonal(matrices: Tensor) -> Tensor:
    """Draw the singular values of matrices [N, A, B] towards 1, to between about 0.7 and 1.2.

    The odd polynomial a x + b x x'x + c x (x'x)^2 is applied five times. All but the last product
    are of the size of the smaller side, because every power of x x' commutes with the others.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    a, b, c = POLYNOMIAL
    gram = x @ x.mT  # of x divided by its norm, which the trace of gram tells
    squared = gram.diagonal(dim1=1, dim2=2).sum(-1)[:, None, None] + LEAST
    gram /= squared
    whole: Tensor | None = None
    for number in range(ROUNDS):
        once = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        once.diagonal(dim1=1, dim2=2).add_(a)
        whole = once if whole is None else once @ whole
        if number < ROUNDS - 1:
            gram = once @ gram @ once
    assert whole is not None
    x = (whole * squared.rsqrt()) @ x
    done: Tensor = x.mT if tall else x
    return done


def optimizers_of(name: str, net: nn.Module, settings: OptimizerRecipe) -> dict[str, Optimizer]:
    """Make the optimizers of a network; keys: its name, and its name with MUON behind."""
    trained = [p for p in net.parameters() if p.requires_grad]
    kinds = MUON_LAYERS[settings.muon_layers] if settings.muon_lr else ()
    matrices, turned = between(net, kinds)
    taken = {id(p) for p in (*matrices, *turned)}
    rest = [p for p in trained if id(p) not in taken]
    made: dict[str, Optimizer] = {name: RULES[settings.rule](rest, settings)}
    if taken:
        made[name + MUON] = Muon(
            matrices,
            lr=settings.muon_lr,
            momentum=settings.muon_momentum,
            weight_decay=settings.weight_decay,
            turned=turned,
        )
    return made


def adam(weights: Sequence[nn.Parameter], settings: OptimizerRecipe) -> Optimizer:
    """Make Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""
    return AdamW(
        weights,
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
        fused=weights[0].device.type in ("cpu", "cuda"),
    )


def rmsprop(weights: Sequence[nn.Parameter], settings: OptimizerRecipe) -> Optimizer:
    """Make RMSProp (Tieleman and Hinton 2012), as WGAN takes it: no mean of the gradient."""
    return RMSprop(
        weights, lr=settings.lr, alpha=settings.beta2, eps=settings.eps, momentum=settings.beta1
    )


RULES: Mapping[str, Callable[[Sequence[nn.Parameter], OptimizerRecipe], Optimizer]] = {
    "adam": adam,
    "rmsprop": rmsprop,
}


def owner(optimizer: str) -> str:
    """Give the network that an optimizer of this name trains."""
    return optimizer.removesuffix(MUON)


def between(net: nn.Module, kinds: tuple[Layer, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """List the weights between features, [outputs, inputs, ...] and [inputs, outputs, ...].

    Layers from and to pixels seldom have enough features on both sides. A weight that is computed
    from others, under spectral normalization, is none that could be stepped.
    """
    straight: list[Tensor] = []
    turned: list[Tensor] = []
    for layer in net.modules():
        weight = layer.weight if isinstance(layer, kinds) else None
        if not (isinstance(weight, nn.Parameter) and weight.requires_grad):
            continue
        if min(weight.shape[:2]) >= SMALLEST:
            (turned if isinstance(layer, nn.ConvTranspose2d) else straight).append(weight)
    return straight, turned


def set_rates(optimizers: Iterable[Optimizer], settings: OptimizerRecipe, course: float) -> None:
    """Set the learning rates to the recipe's, times `course`."""
    for optimizer in optimizers:
        lr = settings.muon_lr if isinstance(optimizer, Muon) else settings.lr
        for group in optimizer.param_groups:
            group["lr"] = lr * course
