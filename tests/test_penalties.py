import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import nn

from trilemma.maths.penalties import (
    apart_from_one,
    between,
    slopes_squared,
    slopes_squared_between,
)


def test_closed_form_on_a_linear_critic() -> None:
    weight = torch.tensor([[3.0, -4.0]], requires_grad=True)
    images = torch.tensor([[1.0, 2.0], [0.0, -7.0]], requires_grad=True)
    (squared,) = slopes_squared((images @ weight.T).squeeze(1), images)
    torch.testing.assert_close(squared, torch.tensor([25.0, 25.0]))
    squared.sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * 2 * weight.detach())  # d(n |w|^2)/dw = 2 n w


def test_slope_is_taken_per_image() -> None:
    """For D(x) = |x|^2 / 2 the slope at x is x: images with other norms must differ."""
    images = torch.tensor([[1.0, 2.0], [0.0, 3.0]], requires_grad=True)
    (squared,) = slopes_squared(0.5 * images.square().sum(1), images)
    torch.testing.assert_close(squared, torch.tensor([5.0, 9.0]))


def test_gradient_against_finite_differences() -> None:
    """The second derivative that reaches the weights, in float64."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Softplus(), nn.Flatten(), nn.Linear(12, 1))
    critic.double()
    images = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = critic[0].weight

    def total() -> torch.Tensor:
        return slopes_squared(critic(images).squeeze(1), images)[0].sum()

    total().backward()
    assert weight.grad is not None
    for place in ((0, 0, 0, 0), (2, 0, 1, 2)):
        step = 1e-6
        with torch.no_grad():
            weight[place] += step
        above = total().item()
        with torch.no_grad():
            weight[place] -= 2 * step
        below = total().item()
        with torch.no_grad():
            weight[place] += step
        numeric = (above - below) / (2 * step)
        assert abs(weight.grad[place].item() - numeric) < 1e-6 * max(1, abs(numeric))


def test_two_halves_of_a_batch_have_the_slopes_they_have_alone() -> None:
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.Softplus(), nn.Linear(8, 1)).double()
    halves = [torch.randn(4, 1, 3, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    together = slopes_squared(critic(torch.cat(halves)), *halves)
    for half, squared in zip(halves, together, strict=True):
        torch.testing.assert_close(squared, slopes_squared(critic(half), half)[0])


def test_the_slope_between_two_points_by_hand() -> None:
    scores, moved = torch.tensor([1.0, -2.0]), torch.tensor([1.3, -2.6])
    found = slopes_squared_between(scores, moved, step=0.2)
    torch.testing.assert_close(found, torch.tensor([2.25, 9.0]))


def test_the_mean_over_steps_is_the_slope_and_so_is_what_reaches_the_weights() -> None:
    """The mean over normal steps in the plane by Gauss and Hermite, which is exact here."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 8), nn.Softplus(), nn.Linear(8, 1)).double()
    images = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    (exact,) = slopes_squared(critic(images).squeeze(1), images)
    places, shares = (torch.from_numpy(values) for values in hermegauss(8))
    shares = shares / shares.sum()
    mean = torch.zeros(3, dtype=torch.float64)
    for x, share in zip(places, shares, strict=True):
        for y, also in zip(places, shares, strict=True):
            moved = images.detach() + 1e-4 * torch.stack([x, y])
            scores = [critic(at).squeeze(1) for at in (images.detach(), moved)]
            mean = mean + share * also * slopes_squared_between(*scores, step=1e-4)
    torch.testing.assert_close(mean, exact, rtol=1e-6, atol=0)
    weights = list(critic.parameters())[:3]  # the last bias moves no slope
    pairs = zip(
        torch.autograd.grad(mean.sum(), weights),
        torch.autograd.grad(exact.sum(), weights),
        strict=True,
    )
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)


def test_images_between_keep_the_precision_of_the_real_ones() -> None:
    """A generator in half precision gives fakes of another type: 0.25 and 0.5 are exact in both."""
    found = between(torch.zeros(1, 2), torch.full((1, 2), 0.5).bfloat16(), torch.tensor([0.5]))
    assert found.dtype == torch.float32
    assert found.tolist() == [[0.25, 0.25]]


def test_images_between_by_hand() -> None:
    real, fake = torch.tensor([[0.0, 2.0], [1.0, 1.0]]), torch.tensor([[4.0, 0.0], [1.0, -3.0]])
    found = between(real, fake, torch.tensor([0.25, 0.5]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.5], [1.0, -1.0]]))


def test_apart_from_one_by_hand_and_where_the_slope_is_zero() -> None:
    squared = torch.tensor([25.0, 1.0, 0.0, 0.25], requires_grad=True)
    found = apart_from_one(squared)
    torch.testing.assert_close(found.detach(), torch.tensor([16.0, 0.0, 1.0, 0.25]))
    found.sum().backward()
    assert squared.grad is not None
    assert squared.grad.isfinite().all()
    assert squared.grad[0].item() == pytest.approx(2 * (5 - 1) / (2 * 5))


def test_the_penalty_of_wgan_gp_moves_a_linear_critic_to_slope_one() -> None:
    """D(x) = <w, x>: the gradient of (|w| - 1)^2 is 2 (|w| - 1) w / |w|."""
    weight = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    images = torch.randn(1, 2, dtype=torch.float64, requires_grad=True)
    apart_from_one(slopes_squared(images @ weight, images)[0]).sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad, 2 * 4 * weight.detach() / 5)
