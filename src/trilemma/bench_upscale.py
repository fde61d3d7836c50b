"""Enlarging: ours against the same network in eager float32, and ncnn's runtime if installed."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trilemma import devices, machine, weights
from trilemma.computing import distance, trial_image
from trilemma.errors import MachineError, RunError, TrilemmaError
from trilemma.photos import Photo, from_pixels
from trilemma.tiling import tiles_of
from trilemma.turns import FEWEST, Timed, Way, alternated, milliseconds, ratio, void
from trilemma.upscalers import BASELINES, load_upscaler
from trilemma.upscaling import Manner, Ready, ready
from trilemma.upscalingfiles import whole

SIDES = (64, 256)  # pixels of the images that are enlarged


@dataclass(frozen=True, kw_only=True)
class Row:
    """One size of image, enlarged in one of our ways: medians over the rounds."""

    side: int  # pixels
    asked: str  # of --precision
    precision: str  # what that came to: float32, bf16, or bf16 in part
    channels_last: bool
    tiles: int
    ours_ms: float  # all of it: tiles, what they overlap, rounding to 8 bits
    plain_ms: float  # the network alone, on the whole image
    ratio: float  # plain / ours, median over the rounds, with its quartiles
    low: float
    high: float
    ncnn_ms: float  # nan: left out, for a reason that was said
    ncnn_ratio: float  # ncnn / ours
    decibels: float  # PSNR of ours against the plain result


@dataclass(frozen=True, kw_only=True)
class Enlarging(Timed):
    """What was found."""

    model: str
    scale: int
    threads: int
    rows: tuple[Row, ...]


def bench_upscale(
    model: str,
    *,
    sides: Sequence[int] = SIDES,
    precision: str = "auto",
    rounds: int = FEWEST,
    device: torch.device,
    say: Callable[[str], None] = lambda line: None,
) -> Enlarging:
    """Time enlarging an image of each size: ours, the network in eager float32, ncnn; in turns.

    precision auto: what `upscale` does by itself, and bf16 throughout where the device has it.
    """
    load = machine.load()
    threads = devices.use_threads(0)
    upscaler = load_upscaler(model, device=device, say=say)
    made = {
        asked: ready(upscaler, Manner(precision=asked), device=device, say=say)
        for asked in asked_of(precision, device, say)
    }
    plain = copy.deepcopy(upscaler.net).float().to(device).eval()
    other = ncnn_way(model, threads, say)
    return Enlarging(
        model=upscaler.name,
        scale=upscaler.scale,
        threads=threads,
        rounds=rounds,
        rows=tuple(row for side in sides for row in timed(made, plain, other, side, rounds)),
        device=str(device),
        load=load,
    )


def asked_of(precision: str, device: torch.device, say: Callable[[str], None]) -> tuple[str, ...]:
    """Say which of our ways are timed."""
    if precision != "auto":
        return (precision,)
    if all(choice.precision != "bf16" for choice in devices.candidates(device)):
        say("no bf16 on this device: its row is left out")
        return ("auto",)
    return ("auto", "bf16")


def timed(
    made: Mapping[str, Ready],
    plain: nn.Module,
    other: Callable[[np.ndarray], np.ndarray] | None,
    side: int,
    rounds: int,
) -> list[Row]:
    """Time one size: all ways in turns."""
    pixels = trial_image(side)[0].permute(1, 2, 0).mul(255).round().to(torch.uint8).numpy()
    photo = from_pixels(pixels)
    device = next(iter(made.values())).device

    def plainly() -> torch.Tensor:
        images = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device).float() / 255
        with torch.inference_mode():
            result: torch.Tensor = plain(images)
            return result.cpu()

    threads = torch.get_num_threads()

    def ours(one: Ready) -> Way:
        return threads, lambda seen: void(whole(photo, one))

    ways = {asked: ours(one) for asked, one in made.items()}
    ways["plain"] = (threads, lambda seen: void(plainly()))
    if other is not None:
        ways["ncnn"] = (threads, lambda seen: void(other(pixels)))
    taken = alternated(ways, rounds=rounds, images=1, device=device)
    exact = plainly()
    return [
        row(side, asked, one, taken, far=far(photo, one, exact), tiles=tiles_in(photo, one))
        for asked, one in made.items()
    ]


def row(
    side: int, asked: str, made: Ready, taken: Mapping[str, list[float]], *, far: float, tiles: int
) -> Row:
    """Write what one of our ways took, beside the others."""
    ours, plain = taken[asked], taken["plain"]
    low, middle, high = ratio(plain, ours)
    beside = taken.get("ncnn", [math.nan] * len(ours))
    return Row(
        side=side,
        asked=asked,
        precision=kind(made.net),
        channels_last=made.choice.channels_last,
        tiles=tiles,
        ours_ms=milliseconds(ours),
        plain_ms=milliseconds(plain),
        ratio=middle,
        low=low,
        high=high,
        ncnn_ms=milliseconds(beside),
        ncnn_ratio=ratio(beside, ours).middle,
        decibels=far,
    )


def kind(net: nn.Module) -> str:
    """Say in what a network's weights lie."""
    halves = [weight.dtype == torch.bfloat16 for weight in net.parameters()]
    return "bf16" if all(halves) else "bf16 in part" if any(halves) else "float32"


def tiles_in(photo: Photo, made: Ready) -> int:
    """Count the tiles of a photo."""
    return tiles_of(photo.values.shape, made.plan())


def far(photo: Photo, made: Ready, exact: torch.Tensor) -> float:
    """Give the PSNR of our result against the plain one, both as 8 bits, dB."""
    ours = torch.from_numpy(whole(photo, made)).permute(2, 0, 1)[None].float() / 255
    return distance(ours, exact.clamp(0, 1).mul(255).round().div(255))


def ncnn_way(
    model: str, threads: int, say: Callable[[str], None]
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Give the same weights in ncnn's CPU runtime; None: there is none, and a line says why."""
    why = "is not installed"
    try:
        if model in BASELINES:
            import ncnn

            return ncnn_net(ncnn, weights.find(model), threads)
        why = f"has no file of {model}"
    except ModuleNotFoundError as error:
        if error.name != "ncnn":
            why = f"cannot be loaded: {error}"
    except ImportError as error:
        why = f"cannot be loaded: {error}"
    except TrilemmaError as error:
        why = f"gets no weights: {error}"
    say(f"ncnn {why}; its times are left out")
    return None


def ncnn_net(ncnn: Any, file: Path, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Load a file into ncnn; pixels uint8 [H, W, 3] -> pixels.

    RunError: it cannot read it. MachineError, of an image: it cannot compute it.
    """
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    if net.load_param(str(file.with_suffix(".param"))) or net.load_model(str(file)):
        raise RunError(f"{file} and its .param cannot be read; install their package anew")

    def enlarge(pixels: np.ndarray) -> np.ndarray:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1).astype(np.float32) / 255)
        extractor = net.create_extractor()
        extractor.input("data", ncnn.Mat(planes).clone())  # or it would share memory that goes
        status, made = extractor.extract("output")
        if status:
            raise MachineError(f"ncnn: status {status} at {pixels.shape[1]}x{pixels.shape[0]}")
        large: np.ndarray = np.rint(np.array(made).clip(0, 1) * 255).astype(np.uint8)
        return large

    return enlarge
