import math

import pytest
import torch

from trilemma.maths.image_losses import IMAGE_LOSSES, perceptual, total_variation

# made - real is 0.5, -0.25, 0, 0 in one image and 2 everywhere in the other
DIFFERENCES = torch.tensor([[[[0.5, -0.25], [0.0, 0.0]]], [[[2.0, 2.0], [2.0, 2.0]]]]).double()
ORACLE = {  # by hand
    "charbonnier": (
        (math.hypot(0.5, 1e-3) + math.hypot(0.25, 1e-3) + 2e-3) / 4,
        math.hypot(2, 1e-3),
    ),
    "l1": (0.75 / 4, 2.0),
    "mse": (0.3125 / 4, 4.0),
}


def test_every_loss_has_an_oracle() -> None:
    assert ORACLE.keys() == IMAGE_LOSSES.keys()


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_value_and_gradient(name: str) -> None:
    real = torch.randn(2, 1, 2, 2, dtype=torch.float64)
    made = (real + DIFFERENCES).requires_grad_()
    losses = IMAGE_LOSSES[name](made=made, real=real)
    assert losses.tolist() == pytest.approx(ORACLE[name], rel=1e-9)
    losses.sum().backward()
    assert made.grad is not None
    assert made.grad[0, 0, 0, 0] > 0 > made.grad[0, 0, 0, 1]  # back to the real image
    assert made.grad.isfinite().all()


def test_total_variation_by_hand() -> None:
    """A ramp of slope 2 to the right and 5 downwards: 2 + 5, whatever its sides."""
    rows, columns = torch.arange(4.0)[:, None], torch.arange(7.0)[None]
    ramp = (5 * rows + 2 * columns).expand(3, 2, 4, 7)
    assert total_variation(ramp).tolist() == [7.0, 7.0, 7.0]
    assert total_variation(torch.ones(1, 3, 2, 2)).tolist() == [0.0]


def test_perceptual_distance_by_hand() -> None:
    """Equal directions 0, right angles 2, opposite ones 4, whatever the lengths; mean of layers."""
    real = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]])[..., None, None]
    made = torch.tensor([[5.0, 0.0], [7.0, 0.0], [-1.0, 0.0]])[..., None, None]
    wanted = [0.0, 2.0, 4.0]
    assert perceptual(made=[made], real=[real]).tolist() == pytest.approx(wanted, abs=1e-4)
    both = perceptual(made=[made, real], real=[real, real])
    assert both.tolist() == pytest.approx([x / 2 for x in wanted], abs=1e-4)
    nothing = torch.zeros(1, 2, 1, 1, requires_grad=True)
    perceptual(made=[nothing], real=[real[:1]]).sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.isfinite().all()
