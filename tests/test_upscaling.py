"""Enlarging: whole against tiles, a linear network against numpy, alpha, grey, 16 bits, scales."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from enlargers import Small, around, nearest, small
from trilemma import computing, upscaling
from trilemma.computing import chosen, distance, trial_image
from trilemma.devices import REFERENCE, Choice, Measured
from trilemma.errors import DataError, MemoryTooSmallError, RecipeError
from trilemma.livebytes import peak_bytes
from trilemma.maths.lanczos import lanczos
from trilemma.nets.around import EightViews
from trilemma.photos import from_pixels
from trilemma.tiling import Plan, cuts, weights
from trilemma.upscalers import Upscaler
from trilemma.upscaling import Manner, enlarged, fitted, ready, smaller, tile_within

CPU = torch.device("cpu")


def pixels(height: int = 83, width: int = 129, channels: int = 3, kind: Any = np.uint8) -> Any:
    rng = np.random.default_rng(height + channels)
    return rng.integers(0, np.iinfo(kind).max, (height, width, channels), kind, endpoint=True)


def run(
    image: np.ndarray, upscaler: Upscaler, *, progress: Any = lambda n: None, **manner: Any
) -> np.ndarray:
    settings = {"precision": "reference", "tile": 0, **manner}
    made = ready(upscaler, Manner(**settings), device=CPU)
    return np.concatenate(list(enlarged(from_pixels(image), made, progress=progress)))


def apart(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


@pytest.mark.parametrize("scale", [0, 2, 3])
@pytest.mark.parametrize("seamless", [False, True])
@pytest.mark.parametrize("tile", [16, 40, 100])
def test_tiles_leave_no_seams(tile: int, seamless: bool, scale: int) -> None:
    image = pixels(channels=4)
    whole = run(image, small(), scale=scale, seamless=seamless)
    assert whole.shape == (83 * (scale or 4), 129 * (scale or 4), 4)
    assert apart(run(image, small(), tile=tile, scale=scale, seamless=seamless), whole) <= 1


@pytest.mark.parametrize("length", [1, 7, 33, 81, 129, 500])
@pytest.mark.parametrize("multiple", [1, 3, 8])
@pytest.mark.parametrize("seamless", [False, True])
def test_shares_of_tiles_make_one(length: int, multiple: int, seamless: bool) -> None:
    plan = Plan(scale=3, tile=16, margin=5, multiple=multiple, seamless=seamless)
    total, reach = np.zeros(length * 3), 0
    for cut in cuts(length, plan):
        total[cut.kept * 3 : cut.kept_end * 3] += weights(cut, 3, length)
        assert cut.start == reach
        assert cut.seen % multiple == 0
        beyond = seamless or cut.seen > 0
        assert not beyond or cut.kept - cut.seen >= plan.margin
        reach = cut.end
    assert reach == length
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_margin_is_needed() -> None:
    """The test above sees seams: with a margin that is told too small there are some."""
    image = pixels()
    told = replace(small(), margin=0)
    assert apart(run(image, told, tile=16), run(image, told)) > 1


def test_nearest_is_numpys_repeat() -> None:
    image = pixels(channels=1)
    expected = image.repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(run(image, nearest(), tile=16), expected)


KERNELS = np.arange(1.0, 37.0).reshape(4, 1, 3, 3)
KERNELS /= KERNELS.sum((2, 3), keepdims=True)


class Blur(nn.Module):
    """A linear network: three by three weights for each of the four places in a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = torch.from_numpy(KERNELS).float()

    def forward(self, images: Tensor) -> Tensor:
        planes = images.flatten(0, 1)[:, None]
        made = nn.functional.conv2d(planes, self.kernels.to(images.dtype), padding=1)
        return nn.functional.pixel_shuffle(made, 2).reshape(len(images), 3, *(
            2 * side for side in images.shape[2:]
        ))  # fmt: skip


def blurred(image: np.ndarray) -> np.ndarray:
    """The same by loops over the pixels."""
    kernels = KERNELS.reshape(2, 2, 3, 3)
    padded = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)))
    height, width, channels = image.shape
    made = np.zeros((2 * height, 2 * width, channels))
    for y in range(height):
        for x in range(width):
            part = padded[y : y + 3, x : x + 3]
            for a in range(2):
                for b in range(2):
                    made[2 * y + a, 2 * x + b] = (kernels[a, b][..., None] * part).sum((0, 1))
    return made


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_linear_network_is_numpys(kind: Any) -> None:
    image = pixels(40, 30, kind=kind)
    expected = np.rint(blurred(image)).clip(0, np.iinfo(kind).max)
    made = run(image, around(Blur(), 2, margin=1), tile=16)
    assert made.dtype == kind
    assert apart(made, expected) <= 1
    assert np.mean(made == expected) > 0.99


def test_seamless_is_the_middle_of_nine() -> None:
    image = pixels(24, 40)
    nine = run(np.tile(image, (3, 3, 1)), small())[96:192, 160:320]
    assert apart(run(image, small(), seamless=True), nine) <= 1
    assert apart(run(image, small()), nine) > 4


def test_eight_views_are_the_mean_of_eight() -> None:
    image = pixels(20, 28)
    total = np.zeros((80, 112, 3))
    net = Small(4)
    for flip in (False, True):
        for turns in range(4):
            view = np.rot90(image[:, ::-1] if flip else image, turns).copy()
            seen = torch.from_numpy(view).permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                made = np.rot90(net(seen)[0].permute(1, 2, 0).numpy(), -turns)
            total += made[:, ::-1] if flip else made
    expected = np.rint((total / 8).clip(0, 1) * 255)
    assert apart(run(image, small(), tta=True), expected) <= 1
    turned = np.rot90(image).copy()
    with_views = fitted(small(), 0, tta=True).net
    assert isinstance(with_views, EightViews)
    assert apart(np.rot90(run(image, small(), tta=True)), run(turned, small(), tta=True)) <= 1


@pytest.mark.parametrize(("up", "down"), [(1, 2), (3, 4), (3, 2), (2, 1)])
def test_lanczos_is_pillows(up: int, down: int) -> None:
    image = torch.rand(1, 1, 20, 28, generator=torch.Generator().manual_seed(0))
    size = (28 * up // down, 20 * up // down)
    theirs = Image.fromarray(image[0, 0].numpy()).resize(size, Image.Resampling.LANCZOS)
    ours = lanczos(image, up=up, down=down)[0, 0].numpy()
    np.testing.assert_allclose(ours, np.asarray(theirs), atol=1e-6)


@pytest.mark.parametrize(("own", "scale"), [(4, 2), (4, 3), (2, 3), (2, 4), (3, 4)])
def test_other_scales(own: int, scale: int) -> None:
    """Of a flat picture everything stays flat; the repeated one is the network twice."""
    image = pixels(24, 16)
    flat = np.full_like(image, 90)
    made = run(flat, nearest(own), scale=scale)
    assert made.shape == (24 * scale, 16 * scale, 3)
    assert apart(made, np.full_like(made, 90)) == 0
    if own**2 == scale:
        twice = run(run(image, nearest(own)), nearest(own))
        np.testing.assert_array_equal(run(image, nearest(own), scale=scale), twice)


@pytest.mark.parametrize(
    "manner", [{"scale": 5}, {"scale": -1}, {"tile": 8}, {"scale": 2, "tile": 15}]
)
def test_what_cannot_be_is_refused(manner: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="allowed: "):
        run(pixels(4, 4), small(), **manner)


def test_a_network_that_does_not_enlarge_reaches_no_scale() -> None:
    same = around(nn.Identity(), 1, margin=0)
    assert run(pixels(4, 4), same).shape == (4, 4, 3)
    with pytest.raises(RecipeError, match="does not enlarge"):
        run(pixels(4, 4), same, scale=2)


class Tint(nn.Module):
    """Repeat pixels and shift each colour by another amount."""

    def forward(self, images: Tensor) -> Tensor:
        shift = torch.tensor([0.1, -0.1, 0.03]).reshape(1, 3, 1, 1)
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3) + shift.to(images)


def test_grey_stays_grey() -> None:
    grey = pixels(channels=1)
    made = run(grey, around(Tint(), 2, margin=0))
    assert made.shape == (166, 258, 1)
    made_ready = ready(around(Tint(), 2, margin=0), Manner(precision="reference"), device=CPU)
    photo = replace(from_pixels(grey.repeat(3, 2)), grey=True)
    rows = np.concatenate(list(enlarged(photo, made_ready)))
    np.testing.assert_array_equal(rows, made.repeat(3, 2))


def test_white_stays_white_and_black_stays_black() -> None:
    image = np.zeros((24, 30, 3), np.uint8)
    image[:, 10:] = 255
    image[:, 20:] = 128
    tint = around(Tint(), 2, margin=0)
    made = run(image, tint, precision="float32", tile=16)
    assert (made[:, :18] == 0).all()  # but the column beside the edge
    assert (made[:, 22:38] == 255).all()
    assert not (made[:, 20:22] == 255).all()
    exact = run(image, tint)  # as the network has it
    assert (exact[:, 22:38] == [255, 230, 255]).all()


def test_edges_of_what_is_hidden_have_no_halo() -> None:
    """Red, then nothing over black; blurred, the red must not darken and alpha must not spill."""
    image = np.zeros((32, 32, 4), np.uint8)
    image[:, :16] = (200, 10, 10, 255)
    made = run(image, around(Blur(), 2, margin=1))
    inner = made[4:-4, 4:-4]
    seen = inner[inner[..., 3] > 0]
    np.testing.assert_array_equal(seen[:, :3], np.broadcast_to(seen[0, :3], seen[:, :3].shape))
    assert (made[:, 36:, 3] == 0).all()


def test_opaque_alpha_is_opaque() -> None:
    image = pixels(channels=4)
    image[..., 3] = 255
    assert (run(image, around(Tint(), 2, margin=0))[..., 3] == 255).all()
    image[:40, :40, 3] = 0
    made = run(image, around(Tint(), 2, margin=0), tile=16)
    assert (made[84:, :, 3] == 255).all()
    assert (made[:78, :78, 3] == 0).all()


def test_sixteen_bits_are_computed_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        upscaling, "chosen", lambda *_, **__: Choice(precision="bf16", channels_last=True)
    )
    dark = (pixels(20, 20, kind=np.uint16) % 300).astype(np.uint16)
    made = run(dark, nearest(), precision="auto")
    np.testing.assert_array_equal(made, dark.repeat(4, 0).repeat(4, 1))


def test_choice_is_measured_once_and_must_be_close(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path))
    fast = Choice(precision="bf16")
    monkeypatch.setattr(computing.devices, "candidates", lambda *_: (REFERENCE, fast))
    seen = []

    def measure(step: Any, choices: Any) -> Measured:
        seen.append([step(choice)() for choice in choices])
        return Measured(choice=fast, timings=())

    monkeypatch.setattr(computing.devices, "measure", measure)
    assert chosen(nearest(), "auto", CPU) == fast
    assert chosen(nearest(), "auto", CPU) == fast
    assert seen == [[1.0, 1.0]]

    class Coarse(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images + (0.01 if images.dtype == torch.bfloat16 else 0)

    chosen(around(Coarse(), 1, margin=0), "auto", CPU)
    assert seen[1][0] == 1.0
    assert np.isnan(seen[1][1])


def test_a_choice_is_of_one_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The cache of a machine with a GPU, seen from one with another and from one with none."""
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path))
    monkeypatch.setattr(computing.devices, "candidates", lambda *_: (REFERENCE, Choice()))
    gpu, measured = ["One 80GB"], list[str]()
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: gpu[0])

    def measure(net: nn.Module, choices: Any, device: torch.device, **_: Any) -> Choice:
        measured.append(f"{gpu[0]} of {device}")
        return REFERENCE

    monkeypatch.setattr(computing, "measured", measure)
    cuda = torch.device("cuda")
    for name in ("One 80GB", "One 80GB", "Other 8GB", "One 80GB"):
        gpu[0] = name
        chosen(nearest(), "auto", cuda)
    assert measured == ["One 80GB of cuda", "Other 8GB of cuda"]
    chosen(nearest(), "auto", CPU)
    gpu[0] = "Other 8GB"  # beside the processor, which alone computes
    chosen(nearest(), "auto", CPU)
    assert measured[2:] == ["One 80GB of cpu"]


def test_distance_is_the_definition() -> None:
    one, other = torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)
    assert distance(one, other) == pytest.approx(20)
    assert distance(one - 1, one) == np.inf  # clamped first
    image = trial_image(64)
    assert image.shape == (1, 3, 64, 64)
    assert 0.05 < image.std() < 0.3


def test_bytes_are_counted_while_they_are_held() -> None:
    x = torch.zeros(1000)  # 4,000 bytes

    def compute() -> None:
        a = x + 1
        b = a * 2  # 8,000 with a
        del a
        c = b[:10]  # the memory of b
        d = c.repeat(200)  # 4,000 + 8,000
        del b, c, d

    assert peak_bytes(compute) == 12_000


@pytest.mark.parametrize(
    ("seen", "around_", "tile"), [(400, 68, 264), (100, 68, 16), (5000, 8, 512), (153, 68, 16)]
)
def test_tile_within_memory(seen: int, around_: int, tile: int) -> None:
    assert tile_within(seen, around_) == tile


def test_tiles_follow_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def tile(free: int) -> int:
        monkeypatch.setattr(upscaling, "free_bytes", lambda device: free)
        return ready(small(), Manner(precision="reference"), device=CPU).tile

    assert tile(10**6) < tile(10**8) <= tile(10**12)


class Short(nn.Module):
    """Has memory for a few pixels only."""

    def forward(self, images: Tensor) -> Tensor:
        if images[0, 0].numel() > 60 * 60:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return images


def test_what_does_not_fit_can_be_smaller() -> None:
    made = ready(around(Short(), 1, margin=0), Manner(precision="reference"), device=CPU)
    with pytest.raises(MemoryTooSmallError, match="--tile"):
        list(enlarged(from_pixels(pixels(600, 600)), made))
    less = smaller(made)
    while less is not None and less.tile > 32:
        less = smaller(less)
    assert less is not None
    assert len(np.concatenate(list(enlarged(from_pixels(pixels(600, 600)), less)))) == 600
    assert smaller(replace(made, tile=16)) is None
    assert smaller(replace(made, manner=Manner(tile=512))) is None


class Broken(nn.Module):
    """Divides by nothing where a pixel is white."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.where(images == 1, torch.nan, images)


def test_a_failed_tile_fails_the_image() -> None:
    image = np.full((60, 60, 3), 9, np.uint8)
    assert len(run(image, around(Broken(), 1, margin=0), tile=16)) == 60
    image[50, 20] = 255
    with pytest.raises(DataError, match="the tile at x 16, y 32 came out with values"):
        run(image, around(Broken(), 1, margin=0), tile=16)


@pytest.mark.parametrize("channels", [3, 4])
def test_progress_adds_up(channels: int) -> None:
    told: list[int] = []
    run(pixels(channels=channels), small(), tile=16, progress=told.append)
    assert sum(told) == 83 * 129
    assert min(told) >= 0
