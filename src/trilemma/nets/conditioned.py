"""A generator and a critic that are told what an image is to show, around any pair.

A condition is a row of numbers [N, A]: one 1 among zeros for a class, or attributes in [-1, 1].
"""

from typing import Protocol

import torch
from torch import Tensor, nn

KNOWN = 1024  # conditions of training images that are kept


class Critic(Protocol):
    """What a conditional critic is made of: a critic in two halves."""

    width_of_features: int

    def features(self, images: Tensor) -> Tensor:
        """Give [N, width_of_features], what the last layer sees."""

    def score(self, features: Tensor) -> Tensor:
        """Give scores [N]."""


class ConditionalGenerator(nn.Module):
    """Latent [N, latent] and condition [N, A] -> images, by a generator of a longer latent.

    Source: Mirza and Osindero 2014, arXiv:1411.1784, section 4.1.
    """

    known: Tensor

    def __init__(self, generator: nn.Module, *, conditions: int, width: int) -> None:
        """generator: takes latent + width numbers. conditions: A."""
        super().__init__()
        self.generator = generator
        self.told = nn.Linear(conditions, width, bias=False)
        nn.init.normal_(self.told.weight)  # for a class as wide as the latent
        self.register_buffer("known", torch.zeros(KNOWN, conditions))

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Draw images."""
        told = self.told(condition.to(self.told.weight.dtype)).to(z.dtype)
        images: Tensor = self.generator(torch.cat([z, told], 1))
        return images


class ConcatCritic(nn.Module):
    """A critic that sees the condition as one more channel of the image.

    Source: Mirza and Osindero 2014, arXiv:1411.1784, for maps as Radford et al. 2015 have them.
    """

    def __init__(self, critic: nn.Module, *, conditions: int, size: tuple[int, int]) -> None:
        """critic: of images with one more channel."""
        super().__init__()
        self.critic, self.size = critic, size
        self.told = nn.Linear(conditions, size[0] * size[1], bias=False)
        nn.init.normal_(self.told.weight)  # a map as loud as an image

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, None]:
        """Score images [N]."""
        told = self.told(condition.to(self.told.weight.dtype)).to(images.dtype)
        told = told.reshape(-1, 1, *self.size)
        return self.critic(torch.cat([images, told], 1)), None


class ProjectionCritic(nn.Module):
    """A critic whose features are compared with what the condition asks for.

    Source: Miyato and Koyama 2018, arXiv:1802.05637, eq. 3.
    """

    def __init__(self, critic: Critic, *, conditions: int) -> None:
        """Nothing is asked for at first."""
        super().__init__()
        assert isinstance(critic, nn.Module)
        self.critic = critic
        self.asked = nn.Linear(conditions, critic.width_of_features, bias=False)
        nn.init.zeros_(self.asked.weight)

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, None]:
        """Score images [N]."""
        features = self.critic.features(images)
        fits = (features * self.asked(condition.to(self.asked.weight.dtype))).sum(1)
        return self.critic.score(features) + fits, None


class AuxiliaryCritic(nn.Module):
    """A critic that also says which condition an image meets.

    Source: Odena et al. 2016, arXiv:1610.09585, section 3.
    """

    def __init__(self, critic: Critic, *, conditions: int) -> None:
        """Both answers come from the same features."""
        super().__init__()
        assert isinstance(critic, nn.Module)
        self.critic = critic
        self.named = nn.Linear(critic.width_of_features, conditions)

    def forward(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Score images [N]; give what they show [N, A], before the softmax. condition: not read."""
        features = self.critic.features(images)
        return self.critic.score(features), self.named(features)
