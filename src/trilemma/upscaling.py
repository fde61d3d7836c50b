"""Pictures -> larger pictures: a network at a scale, the size of its tiles, alpha and grey."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn

from trilemma import machine
from trilemma.computing import Say, chosen, computed, laid_out, trial_image
from trilemma.devices import REFERENCE, Choice
from trilemma.errors import RecipeError
from trilemma.livebytes import peak_bytes
from trilemma.nets.around import EightViews, Repeated, Resized
from trilemma.photos import Photo
from trilemma.tiling import LEAST_TILE, STEP, Plan, strips, tiles_of
from trilemma.transparency import filled, local_range
from trilemma.upscalers import Upscaler

SCALES = (2, 3, 4)
FILTER = 2  # low-resolution pixels that a resize at the end looks around, at most
PROBED = 32  # pixels: side of the image whose memory is measured
MOST = {"cpu": 2**30, "cuda": 2**33, "mps": 2**31}  # bytes of one tile's tensors: more is no faster
SHARE = 0.4  # of the free memory that they may take
WORKSPACE = 1.5  # what convolutions need beside the tensors that are seen, measured on CPUs: 1.3
LARGEST_TILE = 512

Progress = Callable[[int], None]  # takes low-resolution pixels that were done since the last call


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How pictures are enlarged."""

    scale: int = 0  # 2, 3 or 4; 0: the network's own
    tile: int = -1  # pixels: a tile's side without its margin; 0: no tiles; -1: as memory allows
    seamless: bool = False  # for textures: the borders of the result fit each other
    tta: bool = False  # the mean of eight views
    precision: str = "auto"  # auto, reference, float32, bf16


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A network that is laid out on its device, and how pictures go through it."""

    upscaler: Upscaler
    manner: Manner
    device: torch.device
    choice: Choice
    net: nn.Module  # as `choice` says
    exact: nn.Module  # in float32, for true 16-bit pictures
    tile: int  # 0: whole

    def plan(self) -> Plan:
        """Say how a picture is cut."""
        known = self.upscaler
        return Plan(
            scale=known.scale,
            tile=self.tile,
            margin=known.margin,
            multiple=known.multiple,
            seamless=self.manner.seamless,
        )

    def enlarge(self, images: Tensor, *, exact: bool = False) -> Tensor:
        """Enlarge shares of white, float32 [1, 3, h, w] -> float32 [1, 3, sh, sw], on the CPU."""
        choice = REFERENCE if exact and self.choice.precision == "bf16" else self.choice
        net = self.exact if choice is not self.choice else self.net
        return computed(net, images, choice, self.device, precision=self.manner.precision)


def ready(
    upscaler: Upscaler, manner: Manner, *, device: torch.device, say: Say = lambda line: None
) -> Ready:
    """Bring a network to the scale that is asked for, and find how it computes fastest here.

    RecipeError: a scale or a tile that is not allowed.
    """
    check(manner)
    choice = chosen(upscaler, manner.precision, device, say=say)
    whole = fitted(upscaler, manner.scale, tta=manner.tta)
    exact = laid_out(whole.net, REFERENCE, device)
    rough = manner.precision == "bf16"
    net = exact if choice == REFERENCE else laid_out(whole.net, choice, device, rough=rough)
    made = Ready(
        upscaler=whole,
        manner=manner,
        device=device,
        choice=choice,
        net=net,
        exact=exact,
        tile=max(manner.tile, 0),
    )
    return replace(made, tile=fitting_tile(made)) if manner.tile < 0 else made


def check(manner: Manner) -> None:
    """Refuse what cannot be: RecipeError."""
    if manner.scale not in (0, *SCALES):
        raise RecipeError(f"--scale is {manner.scale}; allowed: 2, 3, 4, or 0 for the model's own")
    if 0 < manner.tile < LEAST_TILE:
        raise RecipeError(
            f"--tile is {manner.tile}; allowed: auto, 0 (no tiles), or {LEAST_TILE} and more"
        )


def fitted(upscaler: Upscaler, scale: int, *, tta: bool = False) -> Upscaler:
    """Bring a network to a scale: applied as often as it takes, then resized by Lanczos.

    scale: 0: its own. RecipeError: a network that enlarges nothing cannot reach it.
    """
    net, own, margin = upscaler.net, upscaler.scale, upscaler.margin
    if tta:
        net = EightViews(net)
    if scale in (0, own):
        return replace(upscaler, net=net)
    if own == 1:
        raise RecipeError(f"{upscaler.name} does not enlarge; leave out --scale")
    times = math.ceil(math.log(scale, own) - 1e-9)
    if times > 1:  # what one low-resolution pixel more lies behind shrinks from pass to pass
        net, margin = Repeated(net, times), math.ceil(margin * own / (own - 1))
    if own**times != scale:
        net, margin = Resized(net, made=own**times, wanted=scale), margin + FILTER
    return replace(upscaler, net=net, scale=scale, margin=margin)


def fitting_tile(made: Ready) -> int:
    """Give the largest tile whose tensors fit into the memory that is free."""
    placed = trial_image(PROBED)
    bytes_a_pixel = WORKSPACE * peak_bytes(lambda: made.enlarge(placed)) / PROBED**2
    most = MOST.get(made.device.type, MOST["cpu"])
    seen = math.isqrt(int(min(most, SHARE * free_bytes(made.device)) / bytes_a_pixel))
    return tile_within(seen, made.plan().around)


def tile_within(seen: int, around: int) -> int:
    """Give the side of a tile without its margin, of what the network may see at once."""
    tile = (seen - 2 * around) // STEP * STEP
    return max(LEAST_TILE, min(LARGEST_TILE, tile))


def free_bytes(device: torch.device) -> int:
    """Give how many bytes may be taken on a device."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return machine.free_memory() or MOST["cpu"]


def smaller(made: Ready) -> Ready | None:
    """Halve the tiles after one did not fit; None: it cannot be, or the user chose them."""
    if made.manner.tile >= 0 or made.tile <= LEAST_TILE:
        return None
    return replace(made, tile=max(LEAST_TILE, made.tile // 2))


def enlarged(
    photo: Photo, made: Ready, *, progress: Progress = lambda pixels: None
) -> Iterator[np.ndarray]:
    """Enlarge a photo; give its rows in its own type [h, scale W, C], alpha the last channel.

    A grey photo stays grey, 16 bits stay 16 bits (computed in float32), alpha goes through the
    network as a picture of its own and stays between the values around each pixel.
    """
    plan, photo = made.plan(), covered(photo)
    each = photo.values.shape[0] * photo.values.shape[1] / tiles_of(photo.values.shape, plan)
    passes = 1 + (photo.alpha is not None and bool((photo.alpha < photo.white).any()))
    share = ticker(each / passes, progress)
    sixteen = photo.values.dtype == np.uint16

    def enlarge(images: Tensor) -> Tensor:
        return made.enlarge(images, exact=sixteen)

    colours = strips(photo.values, enlarge, plan, done=share)
    if made.manner.precision != "reference":
        colours = settled(colours, photo, plan)
    if photo.alpha is None:
        yield from (levels(strip, photo) for strip in colours)
        return
    yield from with_alpha(photo, colours, enlarge, plan, done=share)


def settled(colours: Iterator[np.ndarray], photo: Photo, plan: Plan) -> Iterator[np.ndarray]:
    """Leave white white, and black black: where a pixel and the eight around it are so.

    Networks miss them by a few levels near the borders of a picture.
    """
    kinds = []
    for level, share in ((photo.white, 1.0), (0, 0.0)):
        flat = (photo.values == level).all(2)
        if flat.any():
            kinds.append((local_range(flat, wrap=plan.seamless)[0], share))
    top = 0
    for strip in colours:
        rows = slice(top, top + len(strip) // plan.scale)
        for flat, share in kinds:
            strip[spread(flat[rows], plan.scale)] = share
        top = rows.stop
        yield strip


def covered(photo: Photo) -> Photo:
    """Give what is hidden under alpha 0 the colours around it, so that no edge has a halo."""
    if photo.alpha is None or bool((photo.alpha > 0).all()):
        return photo
    return replace(photo, values=filled(photo.values, photo.alpha))


def with_alpha(
    photo: Photo,
    colours: Iterator[np.ndarray],
    enlarge: Callable[[Tensor], Tensor],
    plan: Plan,
    *,
    done: Callable[[], None],
) -> Iterator[np.ndarray]:
    """Enlarge alpha beside the colours, and put it behind them."""
    alpha = photo.alpha
    assert alpha is not None
    if bool((alpha == alpha.flat[0]).all()):
        for strip in colours:
            flat = np.full((*strip.shape[:2], 1), alpha.flat[0])
            yield np.concatenate([levels(strip, photo), flat], 2)
        return
    low, high = local_range(alpha, wrap=plan.seamless)
    top = 0
    alphas = strips(alpha[..., None], enlarge, plan, done=done)
    for strip, mask in zip(colours, alphas, strict=True):
        rows = slice(top, top + len(mask) // plan.scale)
        made = levels(mask.mean(2, keepdims=True), photo)[..., 0]
        made = made.clip(spread(low[rows], plan.scale), spread(high[rows], plan.scale))
        yield np.concatenate([levels(strip, photo), made[..., None]], 2)
        top = rows.stop


def spread(values: np.ndarray, scale: int) -> np.ndarray:
    """Repeat each value scale times along both axes."""
    return values.repeat(scale, 0).repeat(scale, 1)


def levels(strip: np.ndarray, photo: Photo) -> np.ndarray:
    """Round shares of white [h, w, C] to a photo's values, with as many channels as it has."""
    if photo.grey or photo.values.shape[2] == 1:
        strip = strip.mean(2, keepdims=True)
    made: np.ndarray = np.rint(strip.clip(0, 1) * photo.white).astype(photo.values.dtype)
    return made.repeat(3, 2) if photo.grey else made


def ticker(pixels: float, progress: Progress) -> Callable[[], None]:
    """Give a function that reports so many pixels more, in whole numbers that add up."""
    times = count(1)

    def tick() -> None:
        done = next(times)
        progress(round(done * pixels) - round((done - 1) * pixels))

    return tick
