"""A picture -> the point whose image is most like it, found by going downhill.

Source: Karras et al. 2020, arXiv:1912.04958, section 5 and appendix D. Written from the paper; the
distance is that of EfficientNet-Lite0's maps plus the mean square of pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from trilemma.errors import RunError
from trilemma.families.perceptive import Perceptive
from trilemma.families.spaces import Space
from trilemma.images import to_images, to_pixels
from trilemma.latents import centre, points_of, usual
from trilemma.maths.image_losses import mse
from trilemma.maths.projecting import NOISE, alike, jitter, rate, white
from trilemma.maths.randomness import rng
from trilemma.sampling import BATCH, SEEDS, Drawer, Pixels

TRIED = 128  # seeds whose pictures are compared, to begin with the best
LOOKED = (64, 256)  # pixels: sides that the perceptual distance sees, at least and at most
SHOWN = 7  # pictures of the way
TOLD = 10  # lines about the loss

Say = Callable[[str], None]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Projected:
    """A point, and how it was found."""

    point: Tensor  # [D]
    noise: dict[str, Tensor]  # of style-based layers, [1, 1, S, S] by name
    loss: float
    way: Pixels  # uint8 [K, H, W, C]: from the start to the end
    steps: tuple[int, ...]  # at which they were drawn


@dataclass(frozen=True)
class Search:
    """What a picture is looked for with."""

    space: Space
    seen: nn.Module
    target: Tensor  # [1, C, H, W]
    told: Tensor | None  # [1, A]

    def images(self, points: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Make the images of points [N, D]."""
        rows = points[:, None].expand(-1, self.space.rows, -1)
        told = None if self.told is None else self.told.expand(len(points), -1)
        return self.space.images(rows, told, noise)

    def distance(self, images: Tensor) -> Tensor:
        """Say how unlike the target images are: [N]."""
        real = self.target.expand_as(images)
        near: Tensor = self.seen(looked(images), looked(real))
        return near + mse(made=images, real=real)

    @torch.no_grad()
    def far(self, points: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Say how unlike the target the images of points are: [N]."""
        return self.distance(self.images(points, noise))

    def loss(self, points: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Give what is lowered: distances, and how far noise is from white, summed."""
        unlike = self.distance(self.images(points, noise)).sum()
        return unlike + NOISE * sum(alike(map_).sum() for map_ in noise.values())


def looked(images: Tensor) -> Tensor:
    """Bring images to sides at which the perceptual distance says something."""
    least, most = LOOKED
    side = max(images.shape[2:])
    if side < least:
        times = -(-least // side)
        return interpolate(images, scale_factor=times, mode="bilinear", align_corners=False)
    return interpolate(images, scale_factor=most / side, mode="area") if side > most else images


def project(
    drawer: Drawer,
    space: Space,
    picture: Pixels,
    *,
    steps: int,
    seed: int,
    say: Say,
    progress: Progress,
) -> Projected:
    """Look for the point whose image is most like a picture uint8 [H, W, C].

    Two searches go side by side: from the mean point, and from the best of TRIED seeds. The same
    seed finds the same. RunError: fewer than one step.
    """
    if steps < 1:
        raise RunError(f"--project-steps is {steps}; allowed: 1 or more")
    seen = Perceptive("lite0").load(say).to(drawer.device)
    target = to_images(picture[None]).to(drawer.device)
    told = torch.tensor([drawer.asked]).to(target) if drawer.asked else None
    search = Search(space, seen, target, told)
    middle = centre(drawer, space)
    cloud = usual(drawer, space)
    spread = float((cloud - middle).square().sum(1).mean().sqrt())
    say(f"looking among {TRIED} seeds, then {steps:,} steps downhill")
    best = best_of(search, drawer, seed)
    starts = torch.stack([middle.expand_as(best), best]).clone()
    return descend(search, starts, steps=steps, spread=spread, seed=seed, say=say, show=progress)


@torch.no_grad()
def best_of(search: Search, drawer: Drawer, seed: int) -> Tensor:
    """Give the point [D] of the seed whose picture is most like the target, of TRIED."""
    seeds = torch.randint(SEEDS, (TRIED,), generator=rng(seed, "starts", 0)).tolist()
    points = points_of(drawer, search.space, seeds, psi=1.0)[0][:, 0].clone()
    parts = [points[at : at + BATCH] for at in range(0, len(points), BATCH)]
    far = torch.cat([search.far(part, {}) for part in parts])
    return points[int(far.argmin())]


def descend(
    search: Search,
    starts: Tensor,
    *,
    steps: int,
    spread: float,
    seed: int,
    say: Say,
    show: Progress,
) -> Projected:
    """Go downhill from starts [N, D], side by side; give where the best came to."""
    point = starts.clone().requires_grad_()
    kept = {
        name: map_.expand(len(starts), 1, -1, -1).clone().requires_grad_()
        for name, map_ in search.space.noise().items()
    }
    optimizer = torch.optim.Adam([point, *kept.values()])
    shown = sorted({int(at) for at in np.linspace(0, steps, SHOWN)})
    way: list[Tensor] = []
    for step in range(steps + 1):
        if step in shown:
            with torch.no_grad():
                way.append(search.images(point, kept))
        if step % max(1, steps // TOLD) == 0 or step == steps:
            far = search.far(point, kept)
            say(f"step {step:,} of {steps:,}: loss {far.min():.4f}")
        if step < steps:
            optimizer.param_groups[0]["lr"] = rate((step + 1) / steps)
            shaken = torch.randn(point.shape, generator=rng(seed, "jitter", step)).to(point)
            optimizer.zero_grad()
            loss = search.loss(point + jitter(step / steps, spread) * shaken, kept)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            settle(search.space, point, kept)
            show(step + 1, steps)
    found = int(far.argmin())
    return Projected(
        point=point.detach()[found],
        noise={name: map_.detach()[found : found + 1] for name, map_ in kept.items()},
        loss=float(far[found]),
        way=np.concatenate([to_pixels(images[found : found + 1]).cpu().numpy() for images in way]),
        steps=tuple(shown),
    )


@torch.no_grad()
def settle(space: Space, point: Tensor, noise: dict[str, Tensor]) -> None:
    """Keep noise white, and z no longer than it usually is: sqrt(D)."""
    for map_ in noise.values():
        map_.copy_(white(map_))
    if space.name == "z":
        usually = point.shape[1] ** 0.5
        point.mul_((usually / point.norm(dim=1, keepdim=True)).clamp(max=1))
