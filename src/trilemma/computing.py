"""How a network that enlarges is computed: laid out, run, and the fastest way found once."""

import contextlib
import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trilemma import devices, machine
from trilemma.atomic import write_text
from trilemma.devices import REFERENCE, Choice
from trilemma.errors import MemoryTooSmallError
from trilemma.maths.randomness import rng
from trilemma.measuring import out_of_memory
from trilemma.nets.rrdb import RRDBNet
from trilemma.places import cache_folder
from trilemma.upscalers import Upscaler

TRIED = 64  # pixels: side of the image on which ways to compute are timed
WAY = 2  # raise it when a choice comes to mean another way to compute
CLOSE = 50.0  # dB: a faster way that is further from float32 than this is not taken

Say = Callable[[str], None]


def laid_out(
    net: nn.Module, choice: Choice, device: torch.device, *, rough: bool = False
) -> nn.Module:
    """Copy a network to the device, in the choice's precision and layout.

    rough: bf16 throughout; otherwise deep networks keep in float32 what makes tiles differ most.
    """
    kind = torch.bfloat16 if choice.precision == "bf16" else torch.float32
    placed = copy.deepcopy(net).to(device=device, dtype=kind).eval().requires_grad_(False)
    if choice.precision == "bf16" and not rough:
        for part in placed.modules():
            if isinstance(part, RRDBNet):
                part.steady()
    return placed.to(memory_format=choice.memory_format)


def computed(
    net: nn.Module, images: Tensor, choice: Choice, device: torch.device, *, precision: str = ""
) -> Tensor:
    """Run a network as it is laid out. MemoryTooSmallError: the images do not fit into memory."""
    kind = torch.bfloat16 if choice.precision == "bf16" else torch.float32
    kind = next((weight.dtype for weight in net.parameters()), kind)  # of the first layer
    placed = images.to(device=device, dtype=kind, memory_format=choice.memory_format)
    try:
        with torch.inference_mode(), devices.exactly(precision):
            made: Tensor = net(placed)
            return made.float().cpu()
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise MemoryTooSmallError(
            f"{images.shape[3]}x{images.shape[2]} pixels at once do not fit into memory; give "
            "--tile 64, or leave out --tile"
        ) from error


def chosen(
    upscaler: Upscaler, precision: str, device: torch.device, *, say: Say = lambda line: None
) -> Choice:
    """Find the fastest way to compute that is CLOSE to float32; what was found once is remembered.

    So that the same picture comes out the same, alone or in a folder, today and tomorrow.
    """
    choices = devices.candidates(device, precision)
    if len(choices) == 1:
        return choices[0]
    file = cache_folder(say=say) / "upscale-choices.json"
    gpu = devices.gpu_name(device)
    name = "|".join(
        (upscaler.sha256, precision, device.type, machine.cpu_name(), *([gpu] if gpu else []),
         str(torch.__version__), str(torch.get_num_threads()), f"way {WAY}")
    )  # fmt: skip
    known = remembered(file)
    if name in known:
        return Choice(**known[name])
    say("measuring how this network computes fastest here ...")
    choice = measured(upscaler.net, choices, device, rough=precision == "bf16")
    say(f"measured: {choice}")
    kept = {"precision": choice.precision, "channels_last": choice.channels_last}
    write_text(file, json.dumps(known | {name: kept}, indent=1))
    return choice


def remembered(file: Path) -> dict[str, Any]:
    """Read what was found before; nothing where the file cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        known: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return known
    return {}


def measured(
    net: nn.Module, choices: tuple[Choice, ...], device: torch.device, *, rough: bool = False
) -> Choice:
    """Time the ways to compute one image; keep the fastest that is CLOSE to float32."""
    images = trial_image(TRIED)
    exact = computed(laid_out(net, REFERENCE, device), images, REFERENCE, device)

    def step(choice: Choice) -> Callable[[], float]:
        placed = laid_out(net, choice, device, rough=rough)

        def one() -> float:
            made = computed(placed, images, choice, device)
            return 1.0 if distance(made, exact) >= CLOSE else math.nan

        return one

    return devices.measure(step, choices).choice


def trial_image(side: int) -> Tensor:
    """Draw an image with the statistics of a photo, float32 [1, 3, side, side], in steps of 1/255.

    Patches of every size, all as strong as each other, of one light and a little colour: what bf16
    changes in it is what it changes in photos (x4plus: 52 dB; six photos: 50 to 56 dB).
    """
    light, colour = fractal(side, 1, "light"), fractal(side, 3, "colour")
    return (0.5 + 0.18 * light + 0.04 * colour).clamp(0, 1).mul(255).round().div(255)


def fractal(side: int, channels: int, name: str) -> Tensor:
    """Sum noise of 2, 4, 8, ... patches a side, each 1 / patches strong; mean 0, spread 1."""
    generator, total = rng(0, name, 0), torch.zeros(1, channels, side, side)
    for power in range(1, side.bit_length()):
        noise = torch.randn((1, channels, 2**power, 2**power), generator=generator)
        total += nn.functional.interpolate(noise, size=(side, side), mode="bicubic") / 2**power
    return (total - total.mean()) / total.std()


def distance(made: Tensor, exact: Tensor) -> float:
    """Give the PSNR of two results, dB, as they are stored: clamped to 0 to 1."""
    error = (made.clamp(0, 1) - exact.clamp(0, 1)).square().mean().item()
    return -10 * math.log10(error) if error else (math.inf if error == 0 else math.nan)
