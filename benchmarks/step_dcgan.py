"""The step of a DCGAN as tutorials write it against ours, in turns.

Written out from the paper (Radford et al. 2015, arXiv:1511.06434) with the numbers of PyTorch's
tutorial: 100 latent numbers, widths from 64, Adam 2e-4 with beta1 0.5, batch 128, weights from
N(0, 0.02), cross-entropy on probabilities, a real and a fake batch of their own for the
discriminator, float32, eager.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.optim import Adam

from side_by_side import count, options, recipe_of, show_steps
from trilemma.nets.dcgan import halvings
from trilemma.recipe.recipe import parse_size

LATENT = 100
TINY = {
    "data": {"size": "16x16"},
    "family": {
        "generator": {"width": 4, "width_max": 8, "latent": LATENT},
        "critic": {"width": 4, "width_max": 8},
    },
}


class TutorialDCGAN:
    """The pair and its training; at 64x64 of the tutorial's shape, else with fewer halvings."""

    def __init__(self, *, size: int, batch: int, channels: int, width: int = 64) -> None:
        """size: pixels a side. width: channels beside the image, doubled at every halving."""
        self.name, self.batch, self.evaluations = "tutorial DCGAN", batch, 1
        times = halvings(size, size)
        widths = [width << level for level in range(times)]
        self.generator = generator(widths, first=size >> times, channels=channels)
        self.discriminator = discriminator(widths, last=size >> times, channels=channels)
        for net in (self.generator, self.discriminator):
            net.apply(initialise)
        self.optimizers = {
            net: Adam(net.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for net in (self.generator, self.discriminator)
        }

    def parameters(self) -> int:
        """Count what is trained."""
        return count(self.generator, self.discriminator)

    def step(self, images: Tensor, fraction: float) -> None:
        """Train the discriminator on real and fake images, then the generator on its judgement."""
        ones, zeros = torch.ones(len(images)), torch.zeros(len(images))
        self.discriminator.zero_grad()
        judged(self.discriminator, images, ones).backward()  # type: ignore[no-untyped-call]
        fakes = self.generator(torch.randn(len(images), LATENT, 1, 1))
        judged(self.discriminator, fakes.detach(), zeros).backward()  # type: ignore[no-untyped-call]
        self.optimizers[self.discriminator].step()
        self.generator.zero_grad()
        judged(self.discriminator, fakes, ones).backward()  # type: ignore[no-untyped-call]
        self.optimizers[self.generator].step()

    def draw(self, n: int) -> Tensor:
        """Draw in training mode, as the tutorial does: statistics of the batch."""
        with torch.no_grad():
            images: Tensor = self.generator(torch.randn(n, LATENT, 1, 1))
        return images


def generator(widths: Sequence[int], *, first: int, channels: int) -> nn.Sequential:
    """Build latent [N, 100, 1, 1] -> images; first: pixels of the smallest map."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(LATENT, widths[-1], first, 1, 0, bias=False)]
    for before, after in pairwise(reversed(widths)):
        layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
    layers += [nn.ConvTranspose2d(widths[0], channels, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def discriminator(widths: Sequence[int], *, last: int, channels: int) -> nn.Sequential:
    """Build images -> probabilities of being real [N]; last: pixels of the smallest map."""
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, 2, 1, bias=False)]
    layers += [nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
    layers += [nn.Conv2d(widths[-1], 1, last, 1, 0, bias=False), nn.Sigmoid(), nn.Flatten(0)]
    return nn.Sequential(*layers)


def initialise(layer: nn.Module) -> None:
    """Draw the weights of one layer."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def judged(discriminator: nn.Module, images: Tensor, truth: Tensor) -> Tensor:
    """Give the cross-entropy of the discriminator's answers."""
    return binary_cross_entropy(discriminator(images), truth)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = options(__doc__.splitlines()[0]).parse_args(arguments)
    recipe = recipe_of("cifar10-dcgan", asked.tiny, TINY)
    torch.manual_seed(0)
    peer = TutorialDCGAN(
        size=parse_size(recipe.data.size)[0],
        batch=recipe.train.batch_size,
        channels=recipe.data.channels,
        width=4 if asked.tiny else 64,
    )
    show_steps(recipe, [peer], rounds=asked.rounds)


if __name__ == "__main__":
    main()
