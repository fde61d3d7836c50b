"""The unconditional training step of diffusers against ours, in turns.

UNet2DModel, DDPMScheduler, AdamW, a cosine rate after a warm-up, clipping and EMAModel, with the
numbers of its documented example. Its Accelerator and its data loading are left out: they cost it
nothing here.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.optim import AdamW

from side_by_side import count, missing, named, options, recipe_of, show_steps
from trilemma.recipe.recipe import parse_size

try:
    from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel
    from diffusers.training_utils import EMAModel
except ModuleNotFoundError as error:
    missing(error)

WIDTHS = (24, 40, 56)  # 945,641 parameters, ours 991,444; as in its example, two blocks each
LR, WARM_UP = 1e-4, 500  # its learning rate, and the steps until it is reached
STEPS = 50  # of its DDIM pipeline, as by default
TINY = {"family": {"generator": {"width": 8}}}


class Diffusers:
    """Its documented training, for grey images."""

    def __init__(
        self,
        *,
        size: int,
        batch: int,
        widths: tuple[int, ...] = WIDTHS,
        steps: int = STEPS,
        bf16: bool = False,
    ) -> None:
        """size: pixels a side. steps: of its sampler. bf16: as by its `--mixed_precision bf16`."""
        self.name = named("diffusers") + (" bf16" if bf16 else "")
        self.batch, self.bf16, self.evaluations, self.taken = batch, bf16, steps, 0
        self.net = UNet2DModel(
            sample_size=size,
            in_channels=1,
            out_channels=1,
            layers_per_block=2,
            block_out_channels=widths,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        )
        self.noising = DDPMScheduler(num_train_timesteps=1000)
        self.optimizer = AdamW(
            self.net.parameters(), lr=LR, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.ema = EMAModel(
            self.net.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75
        )

    def parameters(self) -> int:
        """Count what is trained."""
        return count(self.net)

    def step(self, images: Tensor, fraction: float) -> None:
        """Predict the noise at a random step; the rate falls by a cosine."""
        noise = torch.randn_like(images)
        when = torch.randint(0, 1000, (len(images),))
        noisy = self.noising.add_noise(images, noise, when)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            guessed = self.net(noisy, when).sample
        mse_loss(guessed.float(), noise).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.taken += 1
        rate = min(1.0, self.taken / WARM_UP) * (1 + math.cos(math.pi * fraction)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = LR * rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.ema.step(self.net.parameters())

    def draw(self, n: int) -> Tensor:
        """Draw by its DDIM pipeline from the averaged weights."""
        self.ema.store(self.net.parameters())
        self.ema.copy_to(self.net.parameters())
        pipeline = DDIMPipeline(self.net, DDIMScheduler(num_train_timesteps=1000))
        pipeline.set_progress_bar_config(disable=True)
        made = pipeline(batch_size=n, num_inference_steps=self.evaluations, output_type="np").images
        self.ema.restore(self.net.parameters())
        return torch.as_tensor(made).permute(0, 3, 1, 2) * 2 - 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = options(__doc__.splitlines()[0]).parse_args(arguments)
    recipe = recipe_of("mnist-diffusion-fast", asked.tiny, TINY)
    torch.manual_seed(0)
    widths = (8, 8, 8) if asked.tiny else WIDTHS
    size, batch = parse_size(recipe.data.size)[0], recipe.train.batch_size
    peers = [Diffusers(size=size, batch=batch, widths=widths, bf16=b) for b in (False, True)]
    show_steps(recipe, peers, rounds=asked.rounds)


if __name__ == "__main__":
    main()
