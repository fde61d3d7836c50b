"""A GAN of one's own: two networks and a loss, in one file, without a change to Trilemma.

From this folder:

    trilemma train digits-gan --minutes 1 --family.generator own_gan:Generator \\
        --family.critic own_gan:Critic --family.loss own_gan:loss
    trilemma sample digits-gan --trust

The first command is trusted because it was typed. The second finds the three names in the run's
recipe, and code that a file names is not run unless --trust says so.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu


class Generator(nn.Module):
    """Latents [N, latent] -> images [N, channels, height, width] in [-1, 1]."""

    # size, channels and latent come from the recipe. What else the class takes is given by
    # --family.generator.settings width=32, and needs a default here if it may be left out.
    def __init__(
        self, *, size: tuple[int, int], channels: int, latent: int, width: int = 64
    ) -> None:
        super().__init__()
        self.shape = (channels, *size)
        self.hidden = nn.Linear(latent, width)
        self.pixels = nn.Linear(width, channels * size[0] * size[1])

    def forward(self, z: Tensor) -> Tensor:
        # All chance comes from z: image i is to depend on seed i and on nothing else.
        return torch.tanh(self.pixels(leaky_relu(self.hidden(z), 0.2))).reshape(-1, *self.shape)


class Critic(nn.Module):
    """Images [N, channels, height, width] -> scores [N], any numbers."""

    def __init__(self, *, size: tuple[int, int], channels: int, width: int = 64) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels * size[0] * size[1], width)
        self.last = nn.Linear(width, 1)
        self.width_of_features = width  # this and the next two: for labels, else not needed

    def features(self, images: Tensor) -> Tensor:
        return leaky_relu(self.hidden(images.flatten(1)), 0.2)

    def score(self, features: Tensor) -> Tensor:
        return self.last(features).flatten()  # [N], not [N, 1]

    def forward(self, images: Tensor) -> Tensor:
        return self.score(self.features(images))


def loss(*, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """What the critic lowers and what the generator lowers: [N] each, one value an image.

    real, fake: the critic's scores [N]. Trilemma takes the mean itself, over all processes.
    """
    critic = relu(1 - real) + relu(1 + fake)
    generator = -fake
    return critic, generator
