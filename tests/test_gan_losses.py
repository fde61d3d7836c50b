import math

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from trilemma.maths.gan_losses import GAN_LOSSES, label_smoothing

REAL, FAKE = 0.5, -0.25  # a generic, asymmetric point
log, exp = math.log, math.exp
ORACLE = {  # name: (critic, generator), by hand
    "bce": (
        -log(1 / (1 + exp(-0.5))) - log(1 - 1 / (1 + exp(0.25))),
        -log(1 / (1 + exp(0.25))),
    ),
    "hinge": ((1 - 0.5) + (1 - 0.25), 0.25),
    "least-squares": (0.5 * (0.5**2 + 0.25**2), 0.5 * 1.25**2),
    "relativistic": (
        -log(1 / (1 + exp(-(0.5 + 0.25)))),
        -log(1 / (1 + exp(-(-0.25 - 0.5)))),
    ),
    "saturating": (
        -log(1 / (1 + exp(-0.5))) - log(1 - 1 / (1 + exp(0.25))),
        log(1 - 1 / (1 + exp(0.25))),
    ),
    "wasserstein": (-0.25 - 0.5, 0.25),
}


def test_every_loss_has_an_oracle() -> None:
    assert ORACLE.keys() == GAN_LOSSES.keys()


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_value(name: str) -> None:
    loss = GAN_LOSSES[name]
    real = torch.tensor([REAL], dtype=torch.float64)
    fake = torch.tensor([FAKE], dtype=torch.float64)
    critic, generator = ORACLE[name]
    assert loss.critic(real=real, fake=fake).item() == pytest.approx(critic, rel=1e-12)
    assert loss.generator(real=real, fake=fake).item() == pytest.approx(generator, rel=1e-12)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_direction(name: str) -> None:
    """Critic and generator pull the fake score opposite ways, with no dead gradient."""
    loss = GAN_LOSSES[name]
    real = torch.tensor([REAL, -1.0], requires_grad=True)
    fake = torch.tensor([0.25, 0.75], requires_grad=True)  # below 1, where least squares turn
    of_real, of_fake = torch.autograd.grad(loss.critic(real=real, fake=fake).sum(), [real, fake])
    (for_generator,) = torch.autograd.grad(loss.generator(real=real, fake=fake).sum(), [fake])
    assert (of_real < 0).all()
    assert (of_fake > 0).all()
    assert (for_generator < 0).all()


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_one_value_an_image(name: str) -> None:
    loss = GAN_LOSSES[name]
    real, fake = torch.randn(5), torch.randn(5)
    for value in (loss.critic(real=real, fake=fake), loss.generator(real=real, fake=fake)):
        assert value.shape == (5,)


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_unpaired_generators_read_no_real_scores(name: str) -> None:
    loss = GAN_LOSSES[name]
    fake = torch.tensor([FAKE])
    one = loss.generator(real=torch.tensor([REAL]), fake=fake)
    other = loss.generator(real=torch.tensor([REAL + 1]), fake=fake)
    assert loss.paired == (one != other).item()


@pytest.mark.parametrize("name", GAN_LOSSES)
def test_no_overflow(name: str) -> None:
    loss = GAN_LOSSES[name]
    far = torch.tensor([-1e4, 1e4])
    assert loss.critic(real=far, fake=-far).isfinite().all()
    assert loss.generator(real=far, fake=-far).isfinite().all()


def test_label_smoothing_is_cross_entropy_with_a_soft_target() -> None:
    real, fake = torch.tensor([0.5, -3.0]), torch.tensor([-0.25, 1.5])
    ours = GAN_LOSSES["bce"].critic(real=real, fake=fake) + label_smoothing(real, target=0.9)
    soft = binary_cross_entropy_with_logits(real, torch.full((2,), 0.9), reduction="none")
    hard = binary_cross_entropy_with_logits(fake, torch.zeros(2), reduction="none")
    torch.testing.assert_close(ours, soft + hard)


def test_the_original_loss_fades_where_the_critic_is_sure_and_the_other_does_not() -> None:
    """Slopes in the score of a fake: -sigmoid(x) and sigmoid(x) - 1, by hand."""
    score = -6.0
    fake = torch.tensor([score], dtype=torch.float64, requires_grad=True)
    slopes = {}
    for name in ("saturating", "bce"):
        loss = GAN_LOSSES[name].generator(real=fake.detach(), fake=fake)
        slopes[name] = torch.autograd.grad(loss.sum(), fake)[0].item()
    sure = 1 / (1 + exp(-score))
    assert slopes["saturating"] == pytest.approx(-sure, rel=1e-12)
    assert slopes["bce"] == pytest.approx(sure - 1, rel=1e-12)


def test_hinge_is_flat_beyond_the_margins() -> None:
    real = torch.tensor([1.5], requires_grad=True)
    fake = torch.tensor([-1.5], requires_grad=True)
    loss = GAN_LOSSES["hinge"].critic(real=real, fake=fake)
    slopes = torch.autograd.grad(loss.sum(), [real, fake])
    assert loss.item() == 0
    assert all(slope.item() == 0 for slope in slopes)
