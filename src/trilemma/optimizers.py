"""The optimizers of a network: Adam and, for the convolutions between its features, Muon."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from trilemma.recipe.recipe import OptimizerRecipe

MUON = ".muon"  # behind a network's name: its second optimizer
SMALLEST = 16  # features on either side of a convolution that Muon takes
MOMENTUM = 0.95
ROUNDS = 5
POLYNOMIAL = (3.4445, -4.7750, 2.0315)  # of x, x^3 and x^5; from Jordan's page
RMS = 0.2  # of a step's entries, as Adam's


class Muon(Optimizer):
    """Momentum, then the nearest matrix with orthogonal rows or columns as the step.

    A convolution counts as the matrix [outputs, inputs x height x width]. Learning rates are on
    Adam's scale: every entry of a step has a root mean square of about 0.2 lr.
    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the
    scale: Liu et al. 2025, arXiv:2502.16982, eq. 4.
    """

    def __init__(self, matrices: Iterable[Tensor], *, lr: float, weight_decay: float = 0.0) -> None:
        """weight_decay: decoupled, per step and learning rate."""
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step along the gradients that are there; matrices of one shape go together."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault((len(matrix), matrix[0].numel()), []).append(matrix)
            for alike in shapes.values():
                self.move(alike, group)

    def move(self, alike: Sequence[Tensor], group: Mapping[str, Any]) -> None:
        """Move matrices of one shape."""
        lr = group["lr"]
        gradients = [matrix.grad for matrix in alike if matrix.grad is not None]
        for matrix in alike:
            if not self.state[matrix]:
                self.state[matrix]["momentum"] = torch.zeros_like(matrix)
        momenta = [self.state[matrix]["momentum"] for matrix in alike]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        ahead = torch._foreach_lerp(gradients, momenta, MOMENTUM)  # Nesterov's
        steps = orthogonal(torch.stack([step.flatten(1) for step in ahead]))
        size = RMS * max(steps.shape[1:]) ** 0.5
        for matrix, step in zip(alike, steps, strict=True):
            matrix.mul_(1 - lr * group["weight_decay"])
            matrix.add_(step.reshape(matrix.shape), alpha=-lr * size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Draw the singular values of matrices [N, A, B] towards 1, to between about 0.7 and 1.2.

    The odd polynomial a x + b x x'x + c x (x'x)^2 is applied five times. All but the last product
    are of the size of the smaller side, because every power of x x' commutes with the others.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    a, b, c = POLYNOMIAL
    gram = x @ x.mT
    whole: Tensor | None = None
    for number in range(ROUNDS):
        once = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        once.diagonal(dim1=1, dim2=2).add_(a)
        whole = once if whole is None else once @ whole
        if number < ROUNDS - 1:
            gram = once @ gram @ once
    assert whole is not None
    x = whole @ x
    done: Tensor = x.mT if tall else x
    return done


def optimizers_of(name: str, net: nn.Module, settings: OptimizerRecipe) -> dict[str, Optimizer]:
    """Make the optimizers of a network; keys: its name, and its name with MUON behind."""
    trained = [p for p in net.parameters() if p.requires_grad]
    convolutions = {id(m.weight) for m in net.modules() if isinstance(m, nn.Conv2d)}
    matrices = [p for p in trained if settings.muon_lr and id(p) in convolutions and is_between(p)]
    taken = {id(p) for p in matrices}
    made: dict[str, Optimizer] = {
        name: AdamW(
            [p for p in trained if id(p) not in taken],
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            weight_decay=settings.weight_decay,
            fused=trained[0].device.type in ("cpu", "cuda"),
        )
    }
    if matrices:
        made[name + MUON] = Muon(matrices, lr=settings.muon_lr, weight_decay=settings.weight_decay)
    return made


def owner(optimizer: str) -> str:
    """Give the network that an optimizer of this name trains."""
    return optimizer.removesuffix(MUON)


def is_between(weight: Tensor) -> bool:
    """Has this weight of a convolution enough features on both sides?

    Those from and to pixels seldom have. Transposed convolutions, [inputs, outputs, height, width],
    stay with Adam. Dense layers, which tell the others the
    noise level, gained nothing from Muon and took a fifth of the step.
    """
    return weight.ndim == 4 and min(weight.shape[:2]) >= SMALLEST


def set_rates(optimizers: Iterable[Optimizer], settings: OptimizerRecipe, course: float) -> None:
    """Set the learning rates to the recipe's, times `course`."""
    for optimizer in optimizers:
        lr = settings.muon_lr if isinstance(optimizer, Muon) else settings.lr
        for group in optimizer.param_groups:
            group["lr"] = lr * course
