"""The training step of denoising-diffusion-pytorch against ours, in turns.

Its Unet, its GaussianDiffusion, and the optimizer, clipping and averaging of its Trainer by their
defaults. Data loading, logging and samples of that Trainer are left out: they cost it nothing here.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim import Adam

from side_by_side import count, missing, named, options, recipe_of, show_steps
from trilemma.recipe.recipe import parse_size

try:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet
    from ema_pytorch import EMA
except ModuleNotFoundError as error:
    missing(error)

DIM = 20  # with its multipliers: 1,082,889 parameters, ours 991,444
MULTIPLIERS = (1, 2, 4)  # the first of its (1, 2, 4, 8): 28 pixels can be halved twice
STEPS = 50  # of its DDIM sampler; its example has 250
TINY = {"family": {"generator": {"width": 8}}}


class DenoisingDiffusion:
    """Its documented training, for grey images."""

    def __init__(
        self, *, size: int, batch: int, dim: int = DIM, steps: int = STEPS, bf16: bool = False
    ) -> None:
        """size: pixels a side. steps: of its sampler. bf16: under autocast, as by its `amp`."""
        self.name = named("denoising-diffusion-pytorch") + (" bf16" if bf16 else "")
        self.batch, self.bf16, self.evaluations = batch, bf16, steps
        net = Unet(dim=dim, dim_mults=MULTIPLIERS, channels=1, flash_attn=True)
        self.diffusion = GaussianDiffusion(
            net, image_size=size, timesteps=1000, sampling_timesteps=steps
        )
        self.optimizer = Adam(self.diffusion.parameters(), lr=1e-4, betas=(0.9, 0.99))
        self.ema = EMA(self.diffusion, beta=0.995, update_every=10)

    def parameters(self) -> int:
        """Count what is trained."""
        return count(self.diffusion)

    def step(self, images: Tensor, fraction: float) -> None:
        """Take its step; its rate is constant. It wants images in [0, 1]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self.diffusion((images + 1) / 2)
        loss.backward()
        nn.utils.clip_grad_norm_(self.diffusion.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.update()

    def draw(self, n: int) -> Tensor:
        """Draw by its DDIM sampler from the averaged weights."""
        images: Tensor = self.ema.ema_model.sample(batch_size=n)
        return images * 2 - 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = options(__doc__.splitlines()[0]).parse_args(arguments)
    recipe = recipe_of("mnist-diffusion-fast", asked.tiny, TINY)
    torch.manual_seed(0)
    dim = 8 if asked.tiny else DIM
    size, batch = parse_size(recipe.data.size)[0], recipe.train.batch_size
    peers = [DenoisingDiffusion(size=size, batch=batch, dim=dim, bf16=b) for b in (False, True)]
    show_steps(recipe, peers, rounds=asked.rounds)


if __name__ == "__main__":
    main()
