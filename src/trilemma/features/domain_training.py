"""Train a domain classifier: about a minute for a small source, some minutes for 60,000 images."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from trilemma.errors import DataError
from trilemma.features import domain
from trilemma.features.extractor import Pixels
from trilemma.nets.classifier import Classifier

LARGEST_SIDE = 32  # pixels; larger images are shrunk to it
Labels = NDArray[np.int64]  # [N]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a classifier is trained. AdamW; the learning rate rises over a fifth, then falls to 0."""

    epochs: float = 0.0  # passes over the images; 0: 300,000 images, a minute or so on one core
    batch: int = 256  # images per step
    lr: float = 4e-3  # at its peak
    weight_decay: float = 0.02  # decoupled, per step and learning rate
    degrees: float = 5.0  # images are turned by at most this
    zoom: float = 0.1  # and scaled by at most this share
    shift: float = 2.0  # and moved by at most this, pixels
    flip: bool = False  # and mirrored, every other one
    bf16: bool = False  # bfloat16 in the convolutions: twice as fast where the processor has it
    seed: int = 0


def train_domain(
    pixels: Pixels,
    labels: Labels,
    classes: tuple[str, ...],
    *,
    out: Path,
    source: str,
    licence: str = "",
    held_out: tuple[Pixels, Labels] | None = None,
    training: Training | None = None,
    how: str = "",
    device: torch.device | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Train a classifier of `pixels` [N, H, W, C] and write out.safetensors and out.json.

    labels: an index into classes, -1 for unknown (left out). held_out: images to measure the
    accuracy on; None keeps a tenth back. Gives the path for `extractors.load`. DataError if fewer
    than two classes, or fewer than ten images, are labelled. Bit-equal only for one thread count.
    """
    training = training or Training()
    device = device or torch.device("cpu")
    known, test = _split(pixels, labels, held_out, training.seed, source)
    height, width = _side(pixels.shape[1], pixels.shape[2])
    facts = domain.Facts(
        source=source, classes=classes, channels=pixels.shape[3], height=height, width=width,
        accuracy=math.nan, trained=len(known[1]), held_out=len(test[1]), licence=licence, how=how,
    )  # fmt: skip
    net = domain.rounded(_fit(known, facts, training, device, progress))
    accuracy = measure(net, facts, *test, device=device)
    return domain.save(out, net, replace(facts, accuracy=accuracy))


@torch.inference_mode()
def measure(
    net: Classifier, facts: domain.Facts, pixels: Pixels, labels: Labels, *, device: torch.device
) -> float:
    """Give the share of images whose largest logit is their label's."""
    net.eval()
    right = 0
    for start in range(0, len(labels), 500):
        batch = slice(start, start + 500)
        _, logits = net(domain.prepared(facts, pixels[batch], device))
        right += int((logits.argmax(dim=1).cpu().numpy() == labels[batch]).sum())
    return right / len(labels)


def _split(
    pixels: Pixels,
    labels: Labels,
    held_out: tuple[Pixels, Labels] | None,
    seed: int,
    source: str,
) -> tuple[tuple[Pixels, Labels], tuple[Pixels, Labels]]:
    known = np.flatnonzero(labels >= 0)
    if len(known) < 10 or len(np.unique(labels[known])) < 2:
        raise DataError(
            f"{source}: {len(known)} labelled images of {len(np.unique(labels[known]))} classes; "
            "a domain classifier needs ten of two; use --extractor lite0 or pixels"
        )
    if held_out is not None:
        return (pixels[known], labels[known]), held_out
    order = np.random.default_rng(seed).permutation(known)
    cut = max(1, len(order) // 10)
    kept, tested = np.sort(order[cut:]), np.sort(order[:cut])
    return (pixels[kept], labels[kept]), (pixels[tested], labels[tested])


def _side(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return max(4, round(height * scale)), max(4, round(width * scale))


def _fit(
    data: tuple[Pixels, Labels],
    facts: domain.Facts,
    training: Training,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> Classifier:
    images = domain.prepared(facts, data[0], device).to(memory_format=torch.channels_last)
    labels = torch.from_numpy(data[1]).to(device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        net = Classifier(channels=facts.channels, classes=len(facts.classes)).to(device)
    net.to(memory_format=torch.channels_last).train()
    rng = torch.Generator().manual_seed(training.seed)
    steps = math.ceil((training.epochs * len(labels) or 300_000) / training.batch)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=training.weight_decay)
    for step, chosen in enumerate(_orders(len(labels), training.batch, steps, rng)):
        optimizer.param_groups[0]["lr"] = training.lr * _course(step / steps)
        batch = _moved(images[chosen.to(device)], training, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=training.bf16):
            _, logits = net(batch)
        optimizer.zero_grad()
        cross_entropy(logits.float(), labels[chosen.to(device)]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            progress(step + 1, steps)
    return net


def _orders(n: int, batch: int, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Give `steps` batches of indices; every pass is a new order, its remainder carried on."""
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(order) < batch:
            order = torch.cat([order, torch.randperm(n, generator=rng)])
        yield order[:batch]
        order = order[batch:]


def _course(fraction: float) -> float:
    """Rise to 1 over the first fifth, then fall to 0 on a half cosine."""
    if fraction < 0.2:
        return (fraction + 0.01) / 0.21
    return 0.5 + 0.5 * math.cos(math.pi * (fraction - 0.2) / 0.8)


def _moved(images: Tensor, training: Training, rng: torch.Generator) -> Tensor:
    """Turn, scale, move and mirror each image [N, C, H, W] by its own amounts; edges repeat."""
    n, _, height, width = images.shape
    turn, grow, right, down, mirror = (2 * torch.rand(5, n, generator=rng) - 1).unbind()
    angle = torch.deg2rad(turn * training.degrees)
    scale = 1 + grow * training.zoom
    sign = torch.where(mirror < 0, -1.0, 1.0) if training.flip else torch.ones(n)
    shift = training.shift * 2
    rows = (
        torch.stack([sign * scale * angle.cos(), -scale * angle.sin(), right * shift / width], 1),
        torch.stack([sign * scale * angle.sin(), scale * angle.cos(), down * shift / height], 1),
    )
    theta = torch.stack(rows, dim=1).to(images.device)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)
